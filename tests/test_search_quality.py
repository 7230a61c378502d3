"""Hand-written queries over the sample mailbox, with the messages a person would want: recall and rank.

FTS5 (porter unicode61, over subject, author and body) answers the same questions. Where a query has
operators it cannot know, it gets their words, as somebody would type them there. Only threads that are the
same whatever the sample's seed are expected; the other 200 threads are there to distract.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.sandbox.sample import NOW, sample_mailbox
from canvas_archive.search.index.attachments import extract_missing
from canvas_archive.search.query.language import parse
from canvas_archive.search.query.tree import Dated
from tests.search_questions import BLIND, NEW_OPERATORS, SEEN, Question
from tests.search_support import SearchArchive, load_mailbox

pytestmark = pytest.mark.sampled

# query: the messages wanted, all equally.
QUESTIONS: dict[str, set[int]] = {
    # One word, or several, as they come to mind
    "midterm from:chen": {1157409603, 1161062406},
    "mercator monmonier": {1161062406},
    "recommendation letter": {1169774406, 1172072646},
    "letters recommendation lisbon": {1169774406},
    "lisbon transcript paragraph": {1172072646},
    "rhumb lines": {1171254726},
    "portolan chart": {1171254726},
    "deadline moved problem set 6": {1166558400},
    "corrected sheet potential function": {1166558400},
    "locker code": {1146571200},
    "graph paper": {1146571200, 1155589443},
    "piano": {1147233600, 1151388486},
    "careers evening name badges": {1150209603},
    "hash table loses keys": {1110671046, 1111278726},
    "resize remainder buckets": {1111278726},
    "projections half hour": {1157409603},
    "land cover example": {1159166403},
    "exchange student lab section": {9007199254741991},
    "damaged manuscript": {626688000},
    "umbrella": {1168728003},
    "umbrella chips": {1168728003},
    "double eigenvalue": {781477920, 781477921},
    "eigenspace": {781477921},
    "diagonalisable": {781477941},
    "elective counted twice": {1170868806},
    "degree audit": {1170868806},
    "student number elective": {1170868806},
    "poster printing costs": {682804800},
    "carpool airport": {1143086400, 1143105606, 1143260163, 1143316800, 1160164800, 1160195526},
    "ukulele": {1143105606, 1160195526},
    "cello": {1071547200, 1071585603},
    "screen reader geog 118": {1169438400, 1169742726},
    "extended time final": {1169438400},
    "choropleth of commuters": {1169529606},
    "borrowing from the left sibling": {1151988480},
    "split_child": {1140484806},
    "disk format pages header": {1148021766},
    "receipt number 240-118-7": {1171381446},
    "log scale caption": {1163851200},
    # Phrases, exactly
    '"practice map"': {1157409603},
    '"text description"': {1169529606},
    '"node splitting"': {1137731526, 1137738240},
    '"byte for byte"': {1123694406},
    '"four spaces before this line"': {580895046},
    # Prefixes
    "cartogr* lisbon": {1169774406},
    "choropl* commuter*": {1169529606},
    # Codes, addresses, numbers, formulas
    "bio101": {851538240, 851899203},
    "BIO-130 prerequisite": {851538240, 851899203},
    "bio 101l lab section": {851899203},
    "registrar@example.edu": {851899203},
    "maps-help@example.edu": {1112769603},
    "https://maps.example.edu/explorer/": {1112769603},
    "maps.example.edu 404": {1112742720},
    "sam.lee2@example.edu": {1071558720},
    "git.example.edu/cs240": {1138113603},
    "extension 4471": {851899203},
    "AVERAGE(B2:B14)": {782644806, 782688006},
    # Accents, apostrophes, other scripts
    "fernandez transcript": {1172072646},
    "cumpleanos feliz": {161524800},
    "grosste schussel": {161596800},
    "hate de gouter": {161564166},
    "kealoha disk format": {1137759363, 1148021766},
    "angstrom exchange": {9007199254741991},
    "professor obrien conference": {835606080},
    "期中考试": {1118853126},
    "红黑树": {1118853126},
    "北斎": {320769603},
    "美術館": {320769603},
    "سمرقند": {644548806, 644588163},
    "תנע זוויתי": {355238406},
    "🎻": {1071586566},
    # Operators
    "from:me subject:transcript": {1170868806},
    "from:priya deletion": {1137803526, 1137731526},
    "filename:samples": {1159166403},
    'filename:"page-layout.png"': {1148021766},
    "to:fernandez insufferable": {1171340163},
    "has:media pronunciation": {105201603, 105569280},
    "course:hist214 watchtower": {598950720},
    "subject:umbrella OR piano from:residence": {1147233600},
    "from:chen has:attachment review": {1157409603},
    "from:ruth pdf before:2026-12": {1169438400},
}  # fmt: skip

_OPERATORS = re.compile(r"-?(?:from|to|with|course|subject|filename|has|before|after):")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchArchive]:
    archive = load_mailbox(tmp_path_factory.mktemp("quality") / "archive", sample_mailbox())
    extract_missing(archive.db, archive.archive.files_dir)
    archive.index()
    yield archive
    archive.close()


def _parameters(questions: tuple[Question, ...], *marks: pytest.MarkDecorator) -> list[object]:
    return [
        pytest.param(
            one,
            id=one.query,
            marks=[*marks, *([pytest.mark.xfail(strict=True, reason=one.fails)] if one.fails else [])],
        )
        for one in questions
    ]


_UNDERSTOOD = pytest.mark.skipif(
    not isinstance(parse("since:2026", now=NOW), Dated), reason="the operators come with another change"
)


@pytest.mark.thorough
@pytest.mark.parametrize("question", _parameters(BLIND + SEEN) + _parameters(NEW_OPERATORS, _UNDERSTOOD))
def test_a_question_is_answered(sample: SearchArchive, question: Question) -> None:
    if question.refused:
        with pytest.raises(BadInput, match=re.escape(question.refused)):
            sample.search(question.query, now=NOW)
        return
    result = sample.search(question.query, now=NOW, limit=1000)
    found = [{hit.message_id, hit.conversation_id} for hit in result.hits]
    first = set().union(*found[: question.within])
    assert first.issuperset(question.wanted), [hit.message_id for hit in result.hits[: question.within]]
    assert not set().union(*found).intersection(question.absent)
    if question.only:
        assert len(found) == len(question.wanted), [hit.message_id for hit in result.hits]
    if question.suggests:
        assert not result.total
        assert question.suggests in (result.suggestion or "")


@pytest.mark.thorough
@pytest.mark.parametrize(
    "query",
    ["NOT the zeppelin hokusai", "-the zeppelin", '"what was the" zeppelin', "(what OR the) zeppelin",
     "mid OR zeppelin AND term", "-mid term zeppelin", '"mid term"', "locker code what"],
)  # fmt: skip
def test_no_suggestion_asks_something_else(sample: SearchArchive, query: str) -> None:
    result = sample.search(query, now=NOW)
    assert not result.total
    assert result.suggestion is None


def test_the_questions_are_many_and_half_of_them_blind() -> None:
    asked = [*QUESTIONS, *(one.query for one in BLIND + SEEN)]
    assert len(set(asked)) == len(asked) >= 150
    blind = sum(one.blind for one in BLIND)
    assert blind >= len(asked) / 2


class Fts:
    """SQLite FTS5 over the same messages."""

    def __init__(self, archive: SearchArchive) -> None:
        self.db = sqlite3.connect(":memory:")
        self.db.execute(
            "CREATE VIRTUAL TABLE fts USING fts5 (subject, author, body, tokenize = 'porter unicode61')"
        )
        rows = archive.db.execute(
            "SELECT m.id, coalesce(c.subject, ''), u.name, m.body FROM messages m JOIN conversations c"
            " ON c.id = m.conversation_id JOIN users u ON u.id = m.author_id WHERE m.generated = 0"
        )
        self.db.executemany(
            "INSERT INTO fts (rowid, subject, author, body) VALUES (?, ?, ?, ?)", [tuple(row) for row in rows]
        )

    def order(self, query: str) -> list[int]:
        parts = re.findall(r'"[^"]*"|\S+', _OPERATORS.sub("", query))
        quoted = [
            part
            if part == "OR"
            else '"'
            + part.strip('"').rstrip("*").replace('"', '""')
            + '"'
            + ("*" if part.endswith("*") else "")
            for part in parts
        ]
        sql = "SELECT rowid FROM fts WHERE fts MATCH ? ORDER BY rank, rowid DESC LIMIT 10"
        return [row[0] for row in self.db.execute(sql, (" ".join(quoted),))]


def recall(found: list[int], wanted: set[int]) -> float:
    return len(wanted.intersection(found[:10])) / len(wanted)


def reciprocal_rank(found: list[int], wanted: set[int]) -> float:
    return next((1.0 / rank for rank, number in enumerate(found[:10], 1) if number in wanted), 0.0)


@pytest.mark.thorough
def test_people_find_what_they_look_for(sample: SearchArchive, capsys: pytest.CaptureFixture[str]) -> None:
    fts = Fts(sample)
    ours: dict[str, tuple[float, float]] = {}
    theirs: dict[str, tuple[float, float]] = {}
    for query, wanted in QUESTIONS.items():
        found = sample.order(query, limit=10, now=NOW)
        other = fts.order(query)
        ours[query] = recall(found, wanted), reciprocal_rank(found, wanted)
        theirs[query] = recall(other, wanted), reciprocal_rank(other, wanted)
    count = len(QUESTIONS)
    assert count >= 60
    means = [sum(row[part] for row in table.values()) / count for table in (ours, theirs) for part in (0, 1)]
    with capsys.disabled():
        print(f"\n{count} questions   recall@10   MRR")
        print(f"ours            {means[0]:.3f}       {means[1]:.3f}")
        print(f"FTS5            {means[2]:.3f}       {means[3]:.3f}")
    incomplete = {query: row for query, row in ours.items() if row[0] < 1.0}
    assert means[0] >= 0.98, incomplete
    assert means[0] >= means[2]
    assert means[1] >= 0.95
    assert means[1] >= means[3]


def test_whatever_fts5_finds_for_plain_words_is_found(sample: SearchArchive) -> None:
    fts = Fts(sample)
    everything = "SELECT rowid FROM fts WHERE fts MATCH ?"
    for word in (
        "exam",
        "lab",
        "grade",
        "thursday",
        "deadline",
        "poster",
        "library",
        "attached",
        "question",
        "maps",
    ):
        expected = {row[0] for row in fts.db.execute(everything, (word,))}
        assert len(expected) > 3
        assert expected <= sample.found(word, now=NOW), word
