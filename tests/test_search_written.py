"""A tree written as a query and parsed again is the same tree, whatever it was made from."""

from __future__ import annotations

from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canvas_archive.errors import BadInput
from canvas_archive.search.index.schema import HAS
from canvas_archive.search.query.language import DEEPEST, LONGEST_QUERY, parse
from canvas_archive.search.query.operators import KINDS
from canvas_archive.search.query.tree import (
    And,
    CourseNode,
    Dated,
    Field,
    Has,
    Kind,
    Node,
    Not,
    Numbered,
    Or,
    PersonNode,
    Phrase,
    Prefix,
    Sized,
    StateNode,
    Word,
)
from canvas_archive.search.query.understood import Understanding
from canvas_archive.search.query.written import canonical_query
from tests.search_support import NOW
from tests.test_search_fuzz import QUERIES
from tests.trust_support import TALLY

BERLIN = ZoneInfo("Europe/Berlin")
_SAMPLES = (
    "or", "note", "OR*x", "re:", "10:30", "-", "--x", "a|b", "http://x", "//x", ":x", "C:\\", "from",
    "\u00b4", "\u5b57",
)  # fmt: skip


def again(tree: Node) -> Node:
    """Return what the tree written as a query means a year later and elsewhere."""
    return parse(canonical_query(tree), now=NOW + timedelta(days=400), tz=timezone(timedelta(hours=-9)))


@pytest.mark.thorough
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(QUERIES)
def test_every_text_that_is_a_query_comes_back(text: str) -> None:
    TALLY["fuzz inputs: queries written again"] += 1
    try:
        tree = parse(text, now=NOW, tz=BERLIN)
    except BadInput:
        return
    if len(canonical_query(tree)) <= LONGEST_QUERY:
        assert again(tree) == tree
    sentence = Understanding(None, BERLIN).sentence(tree)
    assert sentence.startswith(("Messages ", "All messages"))


def _writable(text: str) -> bool:
    """Return whether a query can hold the phrase: marks of one kind at least do not occur in it."""
    return bool(text) and any(mark not in text for mark in '"»«') and " ".join(text.split()) == text


_PHRASES = st.text(min_size=1, max_size=12).map(lambda text: " ".join(text.split())).filter(_writable)
_WORDS = st.sampled_from([word for word in _SAMPLES if "|" not in word and not word.startswith("//")])
_IN_TEXT = _WORDS.filter(lambda word: word != "OR*x")


def _leaves(field: Field) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(Word, _IN_TEXT, st.just(field)),
        st.builds(Phrase, _PHRASES, st.just(field)),
        st.builds(Prefix, st.sampled_from(["photo", "OR", "NOT", "x-y", "re:"]), st.just(field)),
    )


_SECONDS = st.integers(0, 7_000_000_000)
_CONDITIONS: st.SearchStrategy[Node] = st.one_of(
    _leaves("subject"),
    _leaves("file").filter(lambda node: not getattr(node, "text", "").startswith("*")),
    st.builds(PersonNode, st.sampled_from(["from", "to", "with"]), _PHRASES),
    st.builds(CourseNode, _PHRASES, st.sampled_from(["course", "group"])),
    st.builds(Has, st.sampled_from([*HAS, "text"])),
    st.builds(Kind, st.sampled_from([*KINDS])),
    st.builds(Sized, st.sampled_from(["larger", "smaller"]), st.integers(0, 10**9 - 1)),
    st.builds(Numbered, st.sampled_from(["id", "thread"]), st.integers(0, 10**18 - 1)),
    st.builds(StateNode, st.sampled_from(["inbox", "starred", "sent", "received", "unsubscribed"])),
    st.builds(Dated, _SECONDS, st.none()),
    st.builds(Dated, st.none(), _SECONDS),
    st.tuples(_SECONDS, st.integers(1, 10**6)).map(lambda pair: Dated(pair[0], pair[0] + pair[1])),
)


def _several(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[tuple[Node, ...]]:
    return st.lists(nodes, min_size=2, max_size=4).map(tuple)


def _trees(field: Field) -> st.SearchStrategy[Node]:
    return st.recursive(
        st.one_of(_leaves(field), _CONDITIONS),
        lambda nodes: st.one_of(
            st.builds(And, _several(nodes)), st.builds(Or, _several(nodes)), st.builds(Not, nodes)
        ),
        max_leaves=12,
    )


_IN_FILES = st.lists(_trees("attached"), min_size=1, max_size=3).map(lambda parts: And((Has("text"), *parts)))


@pytest.mark.thorough
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(_trees("text"), _IN_FILES, st.builds(And, st.tuples(_trees("text"), _IN_FILES))))
def test_every_tree_comes_back(tree: Node) -> None:
    TALLY["fuzz inputs: trees written as queries"] += 1
    assert again(tree) == tree
    assert Understanding(None, BERLIN).sentence(tree).startswith("Messages ")


def test_all_messages_and_deep_trees_come_back() -> None:
    assert canonical_query(And(())) == "" and again(And(())) == And(())
    deep: Node = Word("exam")
    for _ in range(DEEPEST - 1):
        deep = Or((deep, Word("quiz")))
    assert again(deep) == deep


def test_a_phrase_that_no_marks_can_hold_loses_only_marks() -> None:
    assert canonical_query(Phrase('a"b«c»d')) == '"a b«c»d"'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "All messages"),
        ("bread and butter", 'Messages with "bread", "and" and "butter"'),
        ("lab OR section exam", 'Messages with "exam", (with "lab" or "section")'),
        ("exam AND lab OR section", 'Messages with "exam", (with "lab" or "section")'),
        ("(exam lab) OR from:me", 'Messages (with "exam" and "lab") or from me'),
        ("NOT (exam OR lab)", 'Messages not (with "exam" or "lab")'),
        ("-late -from:chen", 'Messages without "late", not from chen'),
        ("photo* !!", 'Messages with a word that begins with "photo" and "!!" '
                      "(not searched: no letter or digit)"),
        ('subject:"room change"', 'Messages with the phrase "room change" in the subject'),
        ("midterm from:chen after:2026-03", 'Messages with "midterm" from chen, on or after 1 March 2026 '
                                            "(Europe/Berlin)"),
        ("on:2026-03-09", "Messages on 9 March 2026 (Europe/Berlin)"),
        ("on:2026-03", "Messages in March 2026 (Europe/Berlin)"),
        ("on:2026", "Messages in 2026 (Europe/Berlin)"),
        ("before:2026-03-09T14:30", "Messages before 9 March 2026 14:30 (Europe/Berlin)"),
        ("on:2025-12..2026-01", "Messages on or after 1 December 2025 and before 1 February 2026 "
                                "(Europe/Berlin)"),
        ("has:pdf larger:1.5M", "Messages with a PDF file attached, with an attached file larger "
                                "than 1.5 MB"),
        ("larger:1234567 id:7", "Messages with an attached file larger than 1,234,567 bytes; "
                                "with the id 7, or in the conversation 7"),
        ("in:attachments midterm", 'Messages with "midterm" in the text of an attached file'),
        ("(in:attachments) midterm", 'Messages with "midterm", with text in an attached file'),
        ("is:sent thread:9", "Messages sent by the owner of the archive, in the conversation 9"),
    ],
)  # fmt: skip
def test_a_query_is_understood_as(text: str, sentence: str) -> None:
    assert Understanding(None, BERLIN).sentence(parse(text, now=NOW, tz=BERLIN)) == sentence
