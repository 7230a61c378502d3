"""Facets are counted with sets of a segment's documents; counted one by one, they are the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from canvas_archive.search import update_index
from canvas_archive.search.answer import facets
from canvas_archive.search.answer.ranking import Matches
from canvas_archive.search.index import docset
from canvas_archive.search.index.opened import open_index
from canvas_archive.search.index.reading import OpenIndex
from canvas_archive.search.index.record import IndexRecord
from canvas_archive.search.index.schema import HAS, unpack_context
from canvas_archive.store import Archive, transaction
from tests.web_support import OWNER, Maker

ZONES = (timezone.utc, ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York"), None)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIndex]:
    """An index of several segments; one of them spans years, their turns on both sides of every zone's."""
    folder = tmp_path_factory.mktemp("facets") / "archive"
    with Archive.create(folder, base_url="https://school.example", user_id=OWNER, name="Jo") as archive:
        for part in range(3):
            with transaction(archive.db):
                make = Maker(archive.db, archive.folder)
                make.next_message += 1000 * part
                make.next_file += 1000 * part
                if not part:
                    for person in range(OWNER, 9):
                        make.person(person, f"Person {person}")
                    for course in (101, 102):
                        make.course(course, f"C {course}", f"Course {course}", "Autumn")
                for number in range(40):
                    years = number % 5 if part == 1 else part
                    turn = datetime(2020 + years, 12, 31, 9, tzinfo=timezone.utc)
                    (message,) = make.conversation(
                        1000 * part + number,
                        f"Thread {number}",
                        [2],
                        [(OWNER + number % 8, turn + timedelta(hours=number % 30), "the words")],
                        course=f"course_{101 + number % 2}" if number % 3 else None,
                    )
                    if number % 7 == 0:
                        make.attachment(message, f"file {number}.txt")
            update_index(archive.db, archive.search_dir)
        index, _ = open_index(archive.db, archive.search_dir)
        assert len(index.segments) == 3
        yield index


def chosen(index: OpenIndex, share: float) -> Matches:
    """About such a share of all documents, the same ones each time."""
    pick = random.Random(7)
    return [
        docset.from_flags(bytes(pick.random() < share for _ in range(segment.count)))
        for segment in index.segments
    ]


def one_by_one(
    index: OpenIndex, matches: Matches, column: str, told: Callable[[int], object]
) -> Counter[object]:
    return Counter(
        told(segment.column(column)[document])
        for segment, some in zip(index.segments, matches, strict=True)
        for document in some.numbers
    )


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 0.74, 0.76, 0.97, 1.0])
def test_facets_are_what_counting_one_by_one_gives(index: OpenIndex, share: float) -> None:
    matches = chosen(index, share)
    for _ in range(2):  # what is kept after the first time tells the same
        assert facets.count_people(index, matches) == one_by_one(index, matches, "writer", int)
        courses = one_by_one(index, matches, "course", unpack_context)
        courses.pop(None, None)
        assert facets.count_courses(index, matches) == courses
        carried = one_by_one(index, matches, "carries", int)
        has = {
            name: sum(n for bits, n in carried.items() if int(str(bits)) & bit) for name, bit in HAS.items()
        }
        assert facets.count_has(index, matches) == {name: n for name, n in has.items() if n}


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
@pytest.mark.parametrize("zone", ZONES)
def test_years_are_those_of_the_reader_s_zone(index: OpenIndex, share: float, zone: tzinfo | None) -> None:
    matches = chosen(index, share)

    def year(moment: int) -> int:
        return datetime.fromtimestamp(moment, timezone.utc).astimezone(zone).year

    expected = one_by_one(index, matches, "written", year)
    for _ in range(2):
        assert facets.count_years(index, matches, zone) == expected
    if share == 1.0:
        assert len(expected) >= 5


def test_what_is_kept_of_an_index_goes_with_it(tmp_path: Path) -> None:
    index = OpenIndex(tmp_path, IndexRecord(1, (), {}, "", "", 0, 80.0, "", ""))
    assert facets.count_people(index, []) == {}
    assert facets._totals[index] == {"writer": Counter()}
    before = len(facets._totals)
    del index
    assert len(facets._totals) == before - 1
