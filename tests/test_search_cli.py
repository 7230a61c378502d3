"""``canvas-archive search`` and ``index`` as a person or a script runs them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run
from canvas_archive.store import Archive
from tests.search_support import SearchArchive, utc
from tests.terminal_support import on_screen

pytestmark = pytest.mark.sampled


class Cli:
    """Runs commands on one archive; what they printed is in ``out`` and ``err``."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        code = run([*words, "--archive", str(self.folder)])
        self.out, self.err = self._capture.readouterr()
        return code

    def json(self, *words: str) -> Any:
        assert self(*words, "--json") == 0, self.err
        return json.loads(self.out)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SearchArchive]:
    made = SearchArchive(tmp_path / "archive")
    made.person(20, "Astrid Chen")
    made.conversation(1, "Room \x1b[31mchange", context_code=made.course(12, "Living Systems", "BIO 101"))
    made.message(
        "The exam is on Monday \x1b]0;owned\x07.", conversation=1, author=20, number=100, at=utc(2025)
    )
    made.message("No exam for me", conversation=2, number=101, at=utc(2024))
    made.index()
    made.close()
    yield made


@pytest.fixture
def cli(archive: SearchArchive, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(archive.folder, capsys)


def add(archive: SearchArchive, *bodies: str) -> None:
    with Archive.open(archive.folder, write=True) as opened:
        archive.db = opened.db
        for body in bodies:
            archive.message(body)


def test_hits_are_printed_for_people(cli: Cli) -> None:
    assert cli("search", "exams", "--sort", "newest") == 0
    lines = cli.out.splitlines()
    assert lines[0].split("\t") == [
        "1", "100", "2025-01-01T12:00:00Z", "Astrid Chen", "Room ␛[31mchange", "Living Systems",
        "The exam is on Monday ]0;owned.",
    ]  # fmt: skip
    assert "\x1b" not in cli.out
    said = cli.err.splitlines()
    assert said[0] == 'Messages with "exams".' and said[1].startswith("2 messages in ")
    assert cli("search", "exams", "-q") == 0 and cli.err == ""


def test_json_has_the_documented_shape(cli: Cli) -> None:
    document = cli.json("search", "exam", "from:chen")
    assert list(document) == [
        "query", "understood", "canonical", "zone", "hits", "total", "facets", "suggestion", "milliseconds",
    ]  # fmt: skip
    assert document["query"] == "exam from:chen"
    assert document["facets"] is None
    assert list(document["hits"][0]) == [
        "message_id", "conversation_id", "subject", "author", "created_at", "context_code", "context_name",
        "snippet", "score",
    ]  # fmt: skip
    facets = cli.json("search", "exam", "--facets")["facets"]
    assert facets["years"] == [{"year": 2025, "count": 1}, {"year": 2024, "count": 1}]
    assert set(facets) == {"person", "course", "years", "has"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("exam", "-from:chen"), [101]),
        (("-from:chen",), [101]),
        (("-n", "1", "exam", "--sort=old"), [101]),
        (("exam", "-n1", "--sort", "date"), [100]),
        (("exam", "-ln", "5"), [100, 101]),
        (("exam", "NOT", "monday"), [101]),
        (("exam", "-(monday OR from:chen)"), [101]),
        (('-"on monday"', "exam"), [101]),
        (("exam", "-author:chen", "-"), [101]),
        (("--limit", "1", "exam", "--sort=oldest"), [101]),
        (("exam", "-q", "--threads", "--sort", "oldest"), [101, 100]),
        (('"on monday"',), [100]),
        (("on:2025", "--tz", "Asia/Tokyo"), [100]),
        (("nothing-of-this",), []),
    ],
)
def test_queries_and_options_are_told_apart(cli: Cli, words: tuple[str, ...], found: list[int]) -> None:
    hits = cli.json("search", *words)["hits"]
    assert sorted(hit["message_id"] for hit in hits) == sorted(found)


def test_what_cannot_be_searched_ends_with_2(cli: Cli) -> None:
    for words, sentence in (
        (("before:someday",), "'before:someday' is not a search"),
        (("from:nobody",), "nobody in this archive"),
        (("exam", "--tz", "Mars"), "'Mars' is not a time zone"),
        ((), "Say what to search for"),
        (("  ",), "Say what to search for"),
        (("--saved", "x"), "No search is saved as 'x'. None has been saved yet."),
        (("--forget", "x"), "No search is saved as 'x'"),
        (("--save", "\n", "exam"), "needs a name"),
    ):
        assert cli("search", *words) == 2
        assert sentence in cli.err
        assert cli.out == "" or "--save" in words


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("-i", "exam"), "'-i' is no option. For messages without a word, write: NOT i."),
        (("exam", "-late"), "canvas-archive search -- -late"),
        (("-late exam",), "write: NOT late exam."),
        (("-5",), "'-5' is no option"),
        (("exam", "-qx"), "'-qx' is no option"),
        (("-c", "--ids", "exam"), "Give only one of --count, --ids, --csv and --json."),
        (("form:chen",), "did you mean from:?"),
        (("-label:starred",), "a Canvas inbox has no labels"),
        (('"exam',), "The quotation mark at character 1"),
        (("exam", "(a OR"), "'OR' at character 9 has nothing after it"),
        (("exam", "--sort", "size"), "is not one of"),
    ],
)
def test_what_cannot_be_meant_is_refused(cli: Cli, words: tuple[str, ...], named: str) -> None:
    assert cli("search", *words) == 2
    assert named in cli.err and cli.out == ""


def test_everything_after_two_dashes_is_the_query(
    archive: SearchArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["search", "--archive", str(archive.folder), "--ids", "--", "exam", "-monday", "-i"]) == 0
    assert capsys.readouterr() == ("101\n", 'Messages with "exam", without "monday", without "i".\n')


def test_counts_and_ids_are_for_pipes(cli: Cli) -> None:
    assert cli("search", "-c", "exam") == 0 and cli.out == "2\n"
    assert cli("search", "exam", "--count", "-l") == 0 and cli.out == "2\n"
    assert cli("search", "exam", "--ids", "--sort", "old") == 0 and cli.out == "101\n100\n"
    assert cli("search", "exam", "--ids", "-l", "-n", "1", "--sort", "old") == 0 and cli.out == "2\n"
    assert cli("search", "zebra", "--ids") == 0 and cli.out == ""


def test_the_understood_line_names_people_courses_and_the_zone(cli: Cli) -> None:
    document = cli.json("search", "exam", "from:chen", "since:2025-01", "--tz", "Europe/Berlin")
    assert document["understood"] == (
        'Messages with "exam" from Astrid Chen, on or after 1 January 2025 (Europe/Berlin)'
    )
    assert document["canonical"] == "exam from:chen after:2024-12-31T23:00:00Z"
    assert document["zone"] == "Europe/Berlin"
    document = cli.json("search", "course:bio101", "to:me", "--tz", "UTC-03:30")
    assert document["understood"] == "Messages to Jules Owner, in the course Living Systems (BIO 101)"
    assert document["zone"] == "UTC-03:30"


def test_no_hits_are_no_error_and_a_slip_is_put_right(cli: Cli) -> None:
    assert cli("search", "exma") == 0
    assert cli.out == ""
    assert "0 messages in " in cli.err
    assert "Did you mean: exam" in cli.err


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (("exam", "zebra"), ["No message matches zebra."]),
        (("exam", "before:1990"), ["No message matches the dates."]),
        (("zebra", 'subject:"no such"'), ['No message matches zebra or subject:"no such".']),
        (("monday", "me"), ["Each part is found, but never together in one message."]),
        (("monday", "exam", "from:me"), ["leave out monday to find 1."]),
        (("zebra",), []),
    ],
)
def test_why_nothing_was_found_is_said(cli: Cli, words: tuple[str, ...], sentences: list[str]) -> None:
    assert cli("search", *words) == 0
    assert cli.out == ""
    said = cli.err.splitlines()
    assert said[0].startswith("Messages ")
    assert said[1].startswith("0 messages in ")
    assert len(said) == 2 + len(sentences)
    for line, sentence in zip(said[2:], sentences, strict=True):
        assert sentence in line


def test_facets_are_printed(cli: Cli) -> None:
    assert cli("search", "exam", "--facets", "--limit", "0") == 0
    assert cli.out == (
        "\nperson\n  1  Astrid Chen\n  1  Jules Owner\n"
        "\ncourse\n  1  Living Systems\n"
        "\nyear\n  1  2025\n  1  2024\n"
    )
    assert "first 0 shown" in cli.err


def test_searches_are_saved_listed_run_and_forgotten(cli: Cli) -> None:
    assert cli("search", "exam", "--save", "Exams") == 0
    assert "Saved as 'Exams'." in cli.err
    assert cli("search", "from:chen", "--save", "astrid") == 0
    assert cli("search", "--list-saved") == 0
    assert cli.out == "astrid  from:chen\nExams   exam\n"
    assert [one["query"] for one in cli.json("search", "--list-saved")["saved_searches"]] == [
        "from:chen",
        "exam",
    ]
    assert cli.json("search", "--saved", "Exams", "from:chen")["query"] == "exam from:chen"
    assert cli("search", "--saved", "Exam") == 2
    assert "There is Exams." in cli.err
    assert cli("search", "--forget", "Exams") == 0
    assert cli("search", "--forget", "astrid") == 0
    assert cli("search", "--list-saved") == 0
    assert cli.out == ""
    assert "No search has been saved yet" in cli.err


def test_a_search_brings_a_small_queue_up_to_date(cli: Cli, archive: SearchArchive) -> None:
    add(archive, "a brand new exam")
    assert cli.json("search", "brand new")["total"] == 1


def test_a_search_goes_on_while_another_process_writes(cli: Cli, archive: SearchArchive) -> None:
    add(archive, "a brand new exam")
    with Archive.open(archive.folder, write=True):
        assert cli("search", "exam") == 0
    assert "2 messages in" in cli.err
    assert "1 message not indexed yet" in cli.err


def test_a_missing_index_is_built_where_it_can_be(cli: Cli, archive: SearchArchive) -> None:
    for path in archive.search_dir.iterdir():
        path.unlink()
    with Archive.open(archive.folder, write=True):
        assert cli("search", "exam") == 7
    assert cli("search", "exam") == 0
    assert "2 messages in" in cli.err
    archive.search_dir.rename(archive.search_dir.with_name("gone"))
    assert cli("search", "exam") == 0


def test_the_index_is_updated_rebuilt_and_checked(cli: Cli, archive: SearchArchive) -> None:
    assert cli("index") == 0
    assert cli.out.startswith("Updated: 2 messages in the index, 0 indexed, 0 removed, in ")
    assert cli("index", "--rebuild") == 0
    assert cli.out.startswith("Rebuilt: 2 messages in the index, 2 indexed, 0 removed, in ")
    assert cli.json("index", "--rebuild")["counts"]["total"] == 2
    assert cli("index", "--check") == 0
    assert cli.out.startswith("The index is sound: 2 messages in 1 segment, ")
    assert cli.json("index", "--check")["ok"]
    assert cli("index", "--check", "--rebuild") == 2
    assert cli("index", "--check", "--documents") == 2
    path = next(path for path in archive.search_dir.iterdir() if path.suffix == ".pst")
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert cli("index", "--check") == 8
    assert f"A file of the search index is damaged ({path.name})" in cli.err
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if the disk had done it
    assert cli("index", "--check") == 8
    assert "1 of the index's files are damaged" in cli.err
    assert cli("index", "--check", "--json") == 8
    found = json.loads(cli.out)
    assert not found["ok"] and "damaged" in found["detail"]
    assert cli("index", "--rebuild") == 0
    assert cli("index", "--check") == 0


def test_without_an_archive_there_is_nothing_to_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["search", "exam", "--archive", str(tmp_path / "none")]) == 2
    assert run(["index", "--archive", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def test_words_are_bold_on_a_terminal(cli: Cli) -> None:
    archive = ("--archive", str(cli.folder))
    code, shown = on_screen(("search", "monday", *archive), 80)
    assert code == 0
    lines = shown.splitlines()
    assert lines[1].startswith("1  2025-01-01 ") and lines[1].endswith("\x1b[22m  #1")
    assert "Astrid Chen · Room [31mchange · Liv" in lines[1]
    assert "   The exam is on \x1b[1mMonday\x1b[22m ]0;owned." in lines
    assert "\x1b" not in on_screen(("search", "monday", *archive), 80, NO_COLOR="1")[1]
