"""What is chosen by which filter."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from canvas_archive.cli import run
from canvas_archive.errors import BadInput
from canvas_archive.export.reader import Snapshot
from canvas_archive.export.selection import Selection, parse_moment
from tests.export_support import SMALL_MESSAGES, small_archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("selection") / "archive")


def chosen(archive: Path, selection: Selection, found: list[int] | None = None) -> list[int]:
    with Snapshot(archive / "archive.db") as snapshot:
        scope = snapshot.choose(selection, (lambda query: found or []) if found is not None else None)
        threads = list(snapshot.threads(scope))
    messages = [message.id for thread in threads for message in thread.messages]
    assert (scope.conversations, scope.messages) == (len(threads), len(messages))
    return sorted(messages)


LAB = [1000, 1001, 1002, 1003]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), list(SMALL_MESSAGES)),
        (Selection(ids=(100,)), LAB),
        (Selection(ids=(100, 104)), [*LAB, 1040]),
        (Selection(after="2026-02-01T00:00:00Z", before="2026-03-01T00:00:00Z"), [1001, 1002, 1003]),
        (Selection(after="2026-02-03T09:00:00Z", ids=(100,)), [1002]),
        (Selection(before="2025-12-31T23:59:59Z"), [1020]),
        (Selection(after="2026-02-03T09:00:00Z", ids=(100,), whole_threads=True), LAB),
        (Selection(people=("ann b",)), [*LAB, 1030]),
        (Selection(people=("3",)), LAB),
        (Selection(people=("ZOË",)), LAB),
        (Selection(people=("zoe",)), LAB),
        (Selection(people=("beatrix ann",)), [*LAB, 1030]),
        (Selection(people=("ann", "4")), [*LAB, 1020, 1030]),
        (Selection(people=("ann",), folders=("removed",)), [1030]),
        (Selection(courses=("12",)), LAB),
        (Selection(courses=("bio 101",)), LAB),
        (Selection(courses=("course_12",)), LAB),
        (Selection(courses=("society",)), LAB),
        (Selection(folders=("inbox",)), [*LAB, 1010]),
        (Selection(folders=("unread",)), [1010]),
        (Selection(folders=("archived",)), [1020]),
        (Selection(folders=("sent",)), [*LAB, 1040]),
        (Selection(folders=("starred", "removed")), [*LAB, 1030]),
    ],
)
def test_filters(archive: Path, selection: Selection, expected: list[int]) -> None:
    assert chosen(archive, selection) == sorted(expected)


def test_a_search_chooses_messages(archive: Path) -> None:
    assert chosen(archive, Selection(query="x"), [1002, 1010, 99999]) == [1002, 1010]
    assert chosen(archive, Selection(query="x", whole_threads=True), [1002]) == LAB
    assert chosen(archive, Selection(query="x", after="2026-03-01T00:00:00Z"), [1002, 1010]) == [1010]
    assert chosen(archive, Selection(query="x"), []) == []


@pytest.mark.parametrize(
    ("selection", "named"),
    [
        (Selection(ids=(100, 555)), "555"),
        (Selection(people=("Nobody",)), "'--with Nobody': nobody"),
        (Selection(people=("",)), "'--with '"),
        (Selection(people=("999",)), "'--with 999'"),
        (Selection(courses=("Chemistry",)), "'--course Chemistry'"),
        (Selection(folders=("trash",)), "'trash'"),
        (Selection(query="x"), "--query"),
    ],
)
def test_what_is_unknown_is_named(archive: Path, selection: Selection, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        chosen(archive, selection)


def test_small_batches_give_the_same(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Snapshot(archive / "archive.db") as snapshot:
        whole = list(snapshot.threads(snapshot.choose(Selection())))
    monkeypatch.setattr("canvas_archive.export.reader.BATCH_MESSAGES", 1)
    monkeypatch.setattr("canvas_archive.export.reader._PEOPLE_KEPT", 2)
    with Snapshot(archive / "archive.db") as snapshot:
        assert list(snapshot.threads(snapshot.choose(Selection()))) == whole


def test_a_part_is_threaded_like_the_whole(archive: Path) -> None:
    with Snapshot(archive / "archive.db") as snapshot:
        (thread,) = snapshot.threads(snapshot.choose(Selection(ids=(100,), after="2026-02-03T00:00:00Z")))
    assert [message.id for message in thread.messages] == [1002]
    assert thread.message_ids == (1000, 1003, 1001, 1002)


def test_keys_to_files_are_left_out(archive: Path) -> None:
    with Snapshot(archive / "archive.db") as snapshot:
        threads = list(snapshot.threads(snapshot.choose(Selection())))
    urls = [file.url for thread in threads for message in thread.messages for file in message.files]
    assert urls and all(url and "s3cr3t" not in url and "verifier=removed" in url for url in urls)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025", "2025-01-01T00:00:00Z"),
        ("2025-03", "2025-03-01T00:00:00Z"),
        (" 2025-03-09 ", "2025-03-09T00:00:00Z"),
        ("2025-03-09T14:00:00Z", "2025-03-09T14:00:00Z"),
        ("2025-03-09T14:00:00+02:00", "2025-03-09T12:00:00Z"),
    ],
)
def test_dates(text: str, moment: str) -> None:
    assert parse_moment(text, "--after") == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13", "2025-02-30", "25"])
def test_bad_dates_name_the_option(text: str) -> None:
    with pytest.raises(BadInput, match="--before"):
        parse_moment(text, "--before")


def test_the_command_line(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    arguments = [
        "--archive",
        str(archive),
        "export",
        str(out),
        "--json",
        "--after",
        "2026-02",
        "--ids",
        "100,104",
    ]
    assert run([*arguments, "--with", "zoë", "--folder", "inbox,sent", "--course", "12"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["counts"]["messages"], document["formats"]) == (3, ["jsonl"])
    record = json.loads(out.read_text("utf-8").splitlines()[-1])
    assert record["selection"] == {
        "zone": "UTC",
        "after": "2026-02-01T00:00:00Z",
        "with": ["zoë"],
        "course": ["12"],
        "ids": [100, 104],
        "folder": ["inbox", "sent"],
    }
    assert run([*arguments]) == 2
    assert "--force" in capsys.readouterr().err
    assert run(["--archive", str(archive), "export", str(tmp_path / "x.csv"), "--ids", "1x"]) == 2
    assert run(["--archive", str(archive), "export", str(tmp_path / "x.csv"), "--after", "soon"]) == 2
    assert run(["--archive", str(archive), "export", str(tmp_path / "x.csv"), "--redact-key", "k"]) == 2
    assert run(["--archive", str(archive), "export", str(tmp_path / "x.csv"), "--bag"]) == 2


def test_csv_for_excel(archive: Path, tmp_path: Path) -> None:
    assert run(["--archive", str(archive), "export", str(tmp_path / "x.csv"), "--excel"]) == 0
    assert (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbfmessage_id,")


@pytest.mark.parametrize(
    ("text", "moment"),
    [("2025", "2024-12-31T23:00:00Z"), ("2025-06-01T12:00", "2025-06-01T10:00:00Z"),
     ("2025-06-01T12:00:00Z", "2025-06-01T12:00:00Z")],
)  # fmt: skip
def test_dates_follow_the_zone(text: str, moment: str) -> None:
    assert parse_moment(text, "--after", ZoneInfo("Europe/Berlin")) == moment
