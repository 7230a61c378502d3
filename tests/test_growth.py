"""The cost of a text grows with its length, wherever it comes from and whatever it is.

Every place meets the texts that are worst for it, and those that are long for any, in a process that ends
itself when one takes too long.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from canvas_archive.canvas.links import LONGEST_HEADER, next_page, parse_links
from canvas_archive.errors import BadInput, MalformedAnswer
from canvas_archive.export.phrases import Phrases
from canvas_archive.search.index import weights
from canvas_archive.search.query.language import parse
from canvas_archive.store.forwarded import DEEPEST_FORWARD, Forwards
from canvas_archive.unicode import normalized
from tests.growth_support import NOW, PLACES
from tests.pattern_support import Found, patterns
from tests.search_support import SearchArchive

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="processor time is bounded by a POSIX timer"),
    pytest.mark.uncounted,
]


def child(module: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a module that bounds itself; the time here is only for one that does not."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        input=given, capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip


# -- places -----------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(("size", "own"), [(1_000_000, "own"), (16_384, "common")])
def test_every_place_comes_to_its_end(size: int, own: str) -> None:
    ended = child("tests.growth_support", str(size), "10", own, *PLACES)
    done = [json.loads(line) for line in ended.stdout.splitlines()]
    assert done == list(PLACES), (ended.returncode, ended.stderr)
    assert ended.returncode == 0


# -- patterns ---------------------------------------------------------------------------------------------


def tried(found: list[Found]) -> int:
    """Return how many of the patterns came to their end before one that did not."""
    ended = child("tests.pattern_support", given="".join(one.line() for one in found))
    assert ended.returncode in (0, -signal.SIGPROF), ended.stderr
    return len(ended.stdout.split())


@pytest.mark.thorough
def test_every_pattern_takes_steps_in_proportion_to_the_text() -> None:
    found = patterns()
    assert len(found) > 100 and any(one.place.endswith("]+$") for one in found)
    done = tried(found)
    assert done == len(found), found[done]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("pattern", "methods"),
    [
        ("(a+)+$", {"match"}),
        (r"[^,]*,", {"finditer"}),
        (r"[\w.+-]+@[\w-]+", {"sub"}),
        (r'\s*<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"[^"]*"|[^\s";,]*))?)*)\s*(?:,|$)', {"match"}),
    ],
)
def test_a_pattern_that_grows_faster_is_found(pattern: str, methods: set[str]) -> None:
    assert tried([Found("here", pattern, 0, frozenset(methods))]) == 0


# -- what the places make of it -----------------------------------------------------------------------------


def test_the_parameters_of_a_link() -> None:
    assert list(parse_links('<u>; title="a\\"b, <c>"; rel=next; rel=prev ,<z>; REL = "x  Y"')) == [
        ("next", "u"), ("x", "z"), ("y", "z"),
    ]  # fmt: skip
    assert list(parse_links("<http://x/>" + ";a= " * 40 + '"')) == []
    assert list(parse_links("<http://x/>" + ";a= " * 40 + ";rel=next")) == [("next", "http://x/")]


def test_a_header_that_is_too_long_is_no_last_page() -> None:
    import httpx

    from canvas_archive.canvas.address import origin_of

    url = httpx.URL("https://school.example/api")
    header = f"<{url}?page=2>; rel=next, " + "x" * LONGEST_HEADER
    with pytest.raises(MalformedAnswer, match="Link header of more than 65,536"):
        next_page(header, url, origin_of(url), None)


@pytest.mark.parametrize("text", ["(" * 3999, "a:(" * 1300, "-(" * 1999, "from:(" * 600, "a OR (" * 600])
def test_a_query_may_be_nested_so_deep_and_no_deeper(text: str) -> None:
    with pytest.raises(BadInput, match="more than 40 deep, from character"):
        parse(text, now=NOW)


@pytest.mark.parametrize("text", ["(" * 1_000_000, "word " * 100_000])
def test_a_query_may_be_so_long_and_no_longer(text: str) -> None:
    with pytest.raises(BadInput, match="4,000 is the most"):
        parse(text, now=NOW)
    with pytest.raises(BadInput, match="more than 250 words, from character"):
        parse("a " * 2000, now=NOW)


def test_long_runs_of_marks_are_normalized_in_pieces() -> None:
    import unicodedata

    for text in (
        "cafe\u0301 \u1100\u1161",
        "a" + "\u0316\u0315" * 10 + "b\u0301",
        "\u0915\u094d\u0937\U0001f600" * 50,
    ):
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert normalized(form, text) == unicodedata.normalize(form, text)
    marks = "\u0315" * 1000 + "\u0316" * 1000
    assert sorted(normalized("NFC", "a" + marks)) == sorted("a" + marks)


def test_phrases_are_found_first_and_longest() -> None:
    phrases = Phrases()
    for number, phrase in enumerate(("ab", "abcd", "bc", "cde", "e"), start=1):
        phrases.add(phrase, number)
    phrases.add("ab", 9)
    phrases.prepare()
    assert list(phrases.find("xabcabcde")) == [(1, 2, 1), (4, 4, 2), (8, 1, 5)]
    assert list(phrases.find("abcd", lambda at: at != 1)) == [(0, 2, 1)]
    assert list(phrases.find("")) == []


def test_forwarded_messages_are_shown_in_proportion_to_those_there_are() -> None:
    forwards = Forwards({n: [n + 1, n + 2] for n in range(60)})

    def shown(message: int, above: tuple[int, ...] = ()) -> int:
        return 1 + sum(shown(one, (*above, message)) for one in forwards.below(message, above))

    assert 60 < sum(shown(n) for n in range(60)) < 3000
    few = Forwards({1: [2, 3], 2: [4], 3: [4], 4: [1]})
    assert few.below(1, ()) == [2, 3] and few.below(2, (1,)) == [4] and few.below(4, (1, 2)) == []
    assert few.below(3, (1,)) == [4] and few.below(4, (1, 3)) == []
    assert few.below(1, range(2, DEEPEST_FORWARD + 1)) == ()


@pytest.mark.thorough
def test_a_text_of_any_length_has_a_place_in_the_index(tmp_path: Path) -> None:
    archive = SearchArchive(tmp_path / "archive")
    try:
        archive.conversation(1, "word " * 40_000)
        found = archive.message("zebra " * 40_000, files=["a b " * 30_000])
        archive.index()
        assert archive.found("subject:word zebra") == {found}
    finally:
        archive.close()
    # What a word of a message weighs that is thousands of times as long as the usual one.
    assert weights.body_levels(0.0) == (0, *[1] * 64)
