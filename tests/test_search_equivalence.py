"""The search with all its short cuts answers as one without any: same hits, scores, order and counts.

The limits from which on it works on whole segments at once are set low, so that an archive of a few hundred
messages takes the ways of one with a million.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canvas_archive.search import Filters
from canvas_archive.search.answer import matching, phrases, ranking, scoring
from canvas_archive.search.index import building, docset, reading
from canvas_archive.store import transaction
from tests import search_oracle
from tests.search_oracle import Oracle
from tests.search_support import OWNER, SearchArchive, utc

pytestmark = pytest.mark.sampled

WORDS = ("exam", "exams", "examined", "grade", "graded", "photo", "photos", "the", "of", "lab", "bio", "x")
LOW = {
    "few": ((scoring, "_FEW", 3), (matching, "_FEW", 3), (phrases, "_FEW", 3), (reading, "_FEW", 3)),
    "sparse": (
        (matching, "_SPARSE", 1), (reading, "_SHORT", 1), (reading, "_MOST_SETS", 1), (docset, "_FEW", 1),
    ),
    "looked at": ((ranking, "_LOOKED_AT", 4), (search_oracle, "LOOKED_AT", 4)),
    "held": ((reading, "_CACHED", 0), (scoring, "_MOST_LANES", 3), (docset, "_FEW", 10**6)),
}  # fmt: skip


@pytest.fixture(scope="module", params=["", "few sparse looked at", "few held"])
def lowered(request: pytest.FixtureRequest) -> Iterator[str]:
    """Set some of the limits low."""
    with pytest.MonkeyPatch.context() as patch:
        for name, limits in LOW.items():
            for module, constant, value in limits if name in request.param else ():
                patch.setattr(module, constant, value)
        yield request.param


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, lowered: str) -> Iterator[SearchArchive]:
    """An archive of 350 messages in several segments, with deleted documents in some."""
    made = SearchArchive(tmp_path_factory.mktemp("same") / "archive")
    rng = random.Random(11)
    for number in (20, 21, 22):
        made.person(number, f"Person{number} Chen" if number < 22 else "Bob Lee")
    codes = [made.course(number, f"Course {number}") for number in (1, 2)]
    for number in range(1, 90):
        made.conversation(
            number,
            rng.choice(("exam dates", "the lab", None)),
            context_code=rng.choice((*codes, None)),
            starred=number % 7 == 0,
            workflow_state=rng.choice(("read", "unread")),
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "LARGEST_SEGMENT", 70)
        with transaction(made.db):
            for _ in range(260):
                length = rng.choice((2, 5, 9, 40, 300))
                made.message(
                    " ".join(rng.choices(WORDS, weights=(4, 2, 1, 3, 1, 3, 1, 20, 14, 3, 2, 1), k=length)),
                    conversation=rng.randrange(1, 90), author=rng.choice((OWNER, OWNER, 20, 21, 22)),
                    to=rng.sample((OWNER, 20, 21, 22), 2),
                    at=utc(2019 + rng.randrange(7), rng.randrange(1, 13)),
                    files=["photo lab.pdf"] if rng.random() < 0.2 else (),
                )  # fmt: skip
        made.index()
        for number in range(3):
            with transaction(made.db):
                for _ in range(30):
                    made.message("the exam of the lab", conversation=rng.randrange(1, 90), at=utc(2025))
                made.db.execute("UPDATE messages SET body = 'the photo' WHERE id % 17 = ?", (number,))
            made.index()
    yield made
    made.close()


@pytest.fixture(scope="module")
def oracle(archive: SearchArchive) -> Iterator[Oracle]:
    made = Oracle(archive)
    assert len(made._index.segments) > 3
    assert any(segment.dead for segment in made._index.segments)
    yield made
    made.close()


def assert_same(archive: SearchArchive, oracle: Oracle, text: str, page: int = 7) -> None:
    """Compare every order, with and without threads, whole and in pages, and the counts."""
    plan, rows = oracle.rows(text)
    for sort in ("relevance", "newest", "oldest"):
        for threads in (False, True):
            expected = oracle.ordered(plan, rows, sort, threads=threads)
            for limit, offset in ((1000, 0), (page, 2 * page)):
                result = archive.search(text, sort=sort, threads=threads, limit=limit, offset=offset)
                assert result.total == len(expected)
                found = [(hit.message_id, hit.score) for hit in result.hits]
                assert found == expected[offset : offset + limit]
    for filters in (Filters(), Filters(person=(20,), year=(2021, 2022)), Filters(has=("attachment",))):
        facets = archive.search(text, limit=1, facets=True, filters=filters).facets
        assert facets is not None
        counted = {name: {one.value: one.count for one in values} for name, values in facets.items()}
        assert counted == oracle.counts(plan, filters)


@pytest.mark.parametrize(
    "text",
    [
        "exam", "the", "the of", "exam the lab", '"the of"', '"of the lab"', '"lab the of the"', "ex*",
        "e* the",
        "exam OR has:attachment", "the -exam", "-the", "", "from:chen the", "is:starred exam OR photo",
        "is:received the", "on:2021..2022 graded", "before:2021 OR after:2025", "subject:exam the",
        "filename:lab",
        '"exam of t*"', "course:1 (exam OR photo) -is:unread", "with:lee -from:lee the of exam lab bio",
    ],
)  # fmt: skip
def test_a_query_is_answered_as_without_short_cuts(archive: SearchArchive, oracle: Oracle, text: str) -> None:
    assert_same(archive, oracle, text)


_LEAVES = st.one_of(
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=3).map(lambda words: '"' + " ".join(words) + '"'),
    st.sampled_from(("ex*", "ph*", "g*", "subject:exam", "filename:lab", "from:chen", "to:lee", "from:me")),
    st.sampled_from(("has:attachment", "is:starred", "is:unread", "is:sent", "on:2021", "after:2024-06")),
)
_QUERIES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map(" ".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) OR ({pair[1]})"),
        inner.map(lambda query: f"-({query})"),
    ),
    max_leaves=6,
)


@pytest.mark.thorough
@pytest.mark.uncounted
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(_QUERIES, st.integers(1, 40))
def test_any_query_is_answered_as_without_short_cuts(
    archive: SearchArchive, oracle: Oracle, text: str, page: int
) -> None:
    assert_same(archive, oracle, text, page)
