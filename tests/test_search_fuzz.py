"""No text whatsoever may end a search with anything but hits or a BadInput, nor keep it busy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canvas_archive.cli.records import facets_record, hit_record
from canvas_archive.errors import BadInput
from canvas_archive.search import search, select_messages
from tests.search_support import NOW, SearchArchive, utc
from tests.trust_support import TALLY

_PIECES = (
    "exam",
    "Exams",
    "chen",
    "photo*",
    "*",
    "**",
    "-",
    "--",
    "OR",
    "AND",
    "NOT",
    "|",
    "(",
    ")",
    "()",
    '"',
    '"exam"',
    '"final exam"',
    "“",
    "”",
    "from:",
    "from:chen",
    'from:"Astrid Chen"',
    "to:me",
    "with:(chen OR me)",
    "from:zz",
    "course:bio101",
    "course:",
    "subject:",
    "subject:exam*",
    "filename:*.pdf",
    "has:attachment",
    "has:x",
    "is:unread",
    "is:",
    "in:inbox",
    "in:attachments",
    "in:sent",
    "before:2025",
    "after:7d",
    "on:2025-03..2025-05",
    "on:..",
    "on:x",
    "http://x",
    "foo:bar",
    "BIO-101",
    "生物学",
    "生",
    "👍🏽",
    "\x00",
    "\ud800",
    "\u202e",
    "l'école",
    "'",
    "''",
    "a'",
    ":",
    "-from:chen",
    "-(",
    "x" * 100,
    "1e999",
    "²",
    "\u0130",
    "ﬁ",
    "e\u0301",
    "a",
    "NOT (",
    "label:x",
    "form:x",
    "since:2025",
    "has:pdf",
    "larger:1M",
    "id:7",
    "«",
    "»",
    "„x“",
    "(a OR b)",
    "subject:(",
    "after:2025-03-09T10:00Z",
    "\u0e01\u0e33",
    "%",
    "\\",
    "\n",
    "\t",
)
QUERIES = st.one_of(
    st.text(max_size=120),
    st.lists(st.sampled_from(_PIECES), max_size=25).map(" ".join),
    st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=5)), max_size=25).map("".join),
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchArchive]:
    made = SearchArchive(tmp_path_factory.mktemp("fuzz") / "archive")
    made.person(20, "Astrid Chen")
    made.conversation(1, "Final exam", context_code=made.course(12, "Living Systems", "BIO 101"))
    made.message(
        "The final exam, a photo and BIO-101 👍🏽 生物学",
        author=20,
        files=[("a.txt", b"exam text")],
        at=utc(2025),
    )
    made.message("exams http://x l'école 2025", at=utc(2024))
    made.index()
    yield made
    made.close()


def try_query(archive: SearchArchive, text: str, sort: str, threads: bool) -> None:
    TALLY["fuzz inputs: search queries"] += 1
    paths = archive.archive.db_path, archive.search_dir
    began = time.thread_time()
    try:
        result = search(*paths, text, sort=sort, threads=threads, facets=True, tz=timezone.utc, now=NOW)  # type: ignore[arg-type]
    except BadInput as error:
        assert str(error)
        return
    json.dumps([*map(hit_record, result.hits), facets_record(result.facets)])
    for hit in result.hits:
        assert hit.snippet.html() is not None
    assert len(result.hits) == result.total
    if not threads:
        assert len(select_messages(*paths, text, tz=timezone.utc, now=NOW)) == result.total
    # The processor's time: what a busy machine adds by the clock says nothing about the query.
    assert time.thread_time() - began < 5


_EXAMPLES = st.tuples(QUERIES, st.sampled_from(("relevance", "newest", "oldest")), st.booleans())
_UNHURRIED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@pytest.mark.thorough
@pytest.mark.uncounted
@settings(max_examples=300, deadline=None, suppress_health_check=_UNHURRIED)
@given(_EXAMPLES)
def test_no_query_raises(archive: SearchArchive, example: tuple[str, str, bool]) -> None:
    try_query(archive, *example)


@pytest.mark.torture
@settings(max_examples=10_000, deadline=None, suppress_health_check=_UNHURRIED)
@given(_EXAMPLES)
def test_no_query_raises_in_ten_thousand(archive: SearchArchive, example: tuple[str, str, bool]) -> None:
    try_query(archive, *example)


def test_the_longest_queries_are_answered(archive: SearchArchive) -> None:
    for text in (
        "a " * 250,
        "exam OR " * 249 + "exam",
        "a*" * 1999,
        "(" * 40 + "exam",
        "生" * 4000,
        '"' + "exam " * 799,
    ):
        try_query(archive, text[:4000], "relevance", False)


@pytest.mark.thorough
@pytest.mark.uncounted
@settings(max_examples=25, deadline=None, suppress_health_check=_UNHURRIED)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=5))
def test_any_message_is_indexed_and_found_by_its_own_words(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[str]
) -> None:
    from canvas_archive.search.index.analysis import terms

    TALLY["fuzz inputs: indexed messages"] += len(bodies)
    folder: Path = tmp_path_factory.mktemp("any")
    made = SearchArchive(folder / "archive")
    try:
        clean = [body.encode("utf-8", "replace").decode() for body in bodies]
        ids = [made.message(body) for body in clean]
        made.index()
        assert made.found("") == set(ids)
        for number, body in zip(ids, clean, strict=True):
            words = terms(body)[:5]
            if words:
                assert number in made.found('"' + " ".join(words[:1]) + '"')
    finally:
        made.close()
