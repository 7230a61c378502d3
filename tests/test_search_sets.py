"""The small pure parts of the search: sets of documents, slips of spelling, folding."""

from __future__ import annotations

import random
from array import array
from itertools import product

import pytest

from canvas_archive.folding import FoldTable
from canvas_archive.search.index import docset
from canvas_archive.search.index.docset import DocSet
from canvas_archive.search.query.spelling import (
    edit_distance,
    listed,
    max_distance,
    nearest_names,
    nearest_word,
)


@pytest.mark.parametrize(
    "gaps",
    [
        (1,),
        (3, 1, 1, 5),
        array("H", [1] * 50),
        array("H", [2, 1, 3, 255, 1] + [1] * 200),
        array("I", [1, 2] * 60),
        array("H", [1] * 90 + [256]),  # too wide a step for a byte
        array("H", [9, 400]),
    ],
)
def test_gaps_become_the_documents_they_lead_to(gaps: tuple[int, ...] | array[int]) -> None:
    at, expected = -1, []
    for gap in gaps:
        at += gap
        expected.append(at)
    assert docset.from_gaps(gaps, at + 1).numbers == expected
    with pytest.raises(IndexError):
        docset.from_gaps(gaps, at)


@pytest.mark.parametrize("gaps", [(1, 0, 2), (2, -1), array("H", [1, 0] * 20)])
def test_gaps_that_lead_nowhere_are_refused(gaps: tuple[int, ...] | array[int]) -> None:
    with pytest.raises(ValueError, match="do not ascend"):
        docset.from_gaps(gaps, 20)


COUNT = 3000


def sets_of(numbers: set[int]) -> list[DocSet]:
    """Return a set in every way that it can be held."""
    ascending = sorted(numbers)
    asked = docset.from_numbers(numbers, COUNT)
    assert asked.numbers == ascending
    return [DocSet(COUNT, ascending), docset.from_numbers(numbers, COUNT), asked]


@pytest.mark.parametrize("few", [0, 1, 20, 124, 126, 1400, COUNT])
@pytest.mark.parametrize("many", [0, 3, 125, 700, COUNT])
def test_sets_are_the_same_in_whatever_way_they_are_held(few: int, many: int) -> None:
    pick = random.Random(few * 10_000 + many)
    one, other = (set(pick.sample(range(COUNT), size)) for size in (few, many))
    for first, second in product(sets_of(one), sets_of(other)):
        for found, expected in (
            (first & second, one & other),
            (first | second, one | other),
            (first - second, one - other),
        ):
            assert found == docset.from_numbers(expected, COUNT)
            assert found == DocSet(COUNT, sorted(expected))
            assert (found != first) is (expected != one)
            assert found.numbers == sorted(expected)
            assert (found.size, bool(found)) == (len(expected), bool(expected))
            assert [at for at, flag in enumerate(found.flags) if flag] == sorted(expected)
            assert list(found.pick(array("q", range(0, -COUNT, -1)))) == [-at for at in sorted(expected)]
        assert first.numbers == sorted(one)  # no set has changed
        assert second.numbers == sorted(other)
    assert docset.everything(COUNT) != one
    assert docset.everything(COUNT).size == COUNT
    assert not docset.nothing(COUNT)


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("chen", "chen", 0), ("chne", "chen", 1), ("che", "chen", 1), ("chenn", "chen", 1),
        ("chun", "chen", 1),
        ("astird", "astrid", 1), ("kitten", "sitting", 3), ("a", "abcdef", 3), ("abcd", "wxyz", 3),
        ("", "ab", 2),
    ],
)  # fmt: skip
def test_slips_between_words(first: str, second: str, count: int) -> None:
    assert edit_distance(first, second, 2) == edit_distance(second, first, 2) == count


def test_short_words_are_told_with_fewer_slips() -> None:
    assert [max_distance("x" * length) for length in (1, 2, 3, 4, 5, 9)] == [0, 0, 1, 1, 2, 2]
    assert nearest_word("boi", ("bio", "art")) == "bio"
    assert nearest_word("it", ("is", "in")) is None
    assert nearest_word("anything", ()) is None


def test_names_that_hold_more_of_the_words_come_first() -> None:
    names = [(name, name.lower().split()) for name in
             ("Farid Hoang", "Astrid Chen", "Astrid Chan", "Ana Chen", "Bo Li", "Astrid Chen")]  # fmt: skip
    assert nearest_names(["astrid", "chne"], names) == ["Astrid Chen"]
    assert nearest_names(["astri"], names) == ["Astrid Chan", "Astrid Chen"]
    assert nearest_names(["zzz"], [*names, ("", [])]) == []
    assert nearest_names([], names) == []


def test_words_are_listed_as_a_sentence_does() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "and")] == [
        "a",
        "a or b",
        "a, b and c",
    ]


def test_the_table_of_folded_characters_stays_small() -> None:
    table = FoldTable(dict.fromkeys(range(0x10000, 0x10000 + 20_000), ""))
    assert table[ord("\u00c9")] == "e"
    assert len(table) == 20_000
