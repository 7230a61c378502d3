"""Reading all archives of a fleet: names that only some know, and archives that cannot be read."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.export import run as export_run
from canvas_archive.search import service
from tests.export_support import tree
from tests.fleet_support import local_fleet
from tests.ux_support import Said, say

pytestmark = pytest.mark.sampled

MEMBERS = {11: ("Maya Chen", "BIO 130"), 12: ("Ola Chen-Berg", "GEOG 118"), 13: ("Ida Ruiz", "GEOG 118")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return local_fleet(tmp_path_factory.mktemp("fleet") / "matter", MEMBERS)


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A fleet of its own to break."""
    return Path(shutil.copytree(made, tmp_path / "matter"))


def fleet(command: str, root: Path, *arguments: str) -> Said:
    return say(["fleet", command, *arguments, "--root", str(root)])


def document(said: Said) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.out)
    return found


# -- names that not all archives know ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "holders"),
    [
        ("from:ruiz", [13]),
        ("from:chen", [11, 12]),
        ("with:ruiz word", [13]),
        ("course:bio", [11]),
        ("course:GEOG -from:ruiz", [12]),
        # What an archive does not know matches nothing, and the rest of the query still counts.
        ("from:ruiz OR from:maya", [11, 13]),
        ("from:ruiz OR word", [11, 12, 13]),
        ("word -from:ruiz", [11, 12]),
        ("-from:ruiz -course:bio", [12]),
        ("word -(from:ruiz OR course:bio)", [12]),
    ],
)
def test_a_name_needs_to_be_known_to_one_archive(made: Path, query: str, holders: list[int]) -> None:
    said = fleet("search", made, "--json", query)
    assert said.code == 0, said.err
    told = document(said)
    assert sorted(hit["custodians"][0]["user_id"] for hit in told["hits"]) == holders
    assert [row["user_id"] for row in told["custodians"]] == [11, 12, 13] and told["unreadable"] == []


def test_a_search_says_who_knows_a_name(made: Path) -> None:
    said = fleet("search", made, "from:ruiz OR course:bio")
    assert said.code == 0
    assert "'from:ruiz' is known to 1 of 3 archives." in said.err
    assert "'course:bio' is known to 1 of 3 archives." in said.err
    assert "2 hits in the archives of 2 of 3 custodians." in said.err


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from:riuz", "'from:riuz': nobody in these 3 archives is called so. Did you mean Ida Ruiz?"),
        # The nearest of all archives, each once.
        ("from:chne", "nobody in these 3 archives is called so. Did you mean Maya Chen or Ola Chen-Berg?"),
        ("word OR to:nobody", "'to:nobody': nobody in these 3 archives is called so."),
        ("from:chen OR from:zzz", "'from:zzz': nobody in these 3 archives is called so."),
        ("course:GEGO", "Did you mean GEOG 118?"),
        ("course:zzz", "'course:zzz': no course or group in these 3 archives is called so. There are BIO"),
    ],
)  # fmt: skip
def test_a_name_that_no_archive_knows_is_an_error(made: Path, query: str, sentence: str) -> None:
    said = fleet("search", made, query)
    assert said.code == 2 and said.out == "" and sentence in said.err
    assert said.err.count("Error: ") == 1


@pytest.mark.parametrize("query", ["before:nonsense", "is:nonsense", "from:", "word " * 2000])
@pytest.mark.parametrize("command", ["search", "export"])
def test_a_wrong_query_is_wrong_before_an_archive_is_opened(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, query: str
) -> None:
    monkeypatch.setattr(service, "connect_readonly", lambda path: pytest.fail("an archive was opened"))
    arguments = [query] if command == "search" else [str(tmp_path / "out"), "-f", "jsonl", "--query", query]
    said = fleet(command, made, *arguments)
    assert said.code == 2 and said.out == "" and said.err.startswith("Error: ")
    assert not (tmp_path / "out").exists()


def test_the_names_in_a_suggestion_are_not_asked_for(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "respelt", lambda index, text: "from:zzz")
    said = fleet("search", made, "unheard")
    assert (
        said.code == 0
        and "0 hits in the archives of 0 of 3 custodians." in said.err
        and "zzz" not in said.err
    )


# -- exports -----------------------------------------------------------------------------------------------


def exported(dest: Path) -> list[str]:
    return sorted(path.name for path in dest.iterdir() if path.name != "fleet.json")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--with", "ruiz"], ["13"]),
        (["--with", "ruiz", "--with", "maya"], ["11", "13"]),
        (["--course", "GEOG"], ["12", "13"]),
        (["--course", "GEOG", "--with", "ruiz"], ["13"]),
        (["--query", "from:chen"], ["11", "12"]),
        (["--query", "word -from:ruiz"], ["11", "12"]),
        (["--query", "ruiz"], ["13"]),
        (["--course", "BIO 130", "--whole-threads"], ["11"]),
    ],
)
def test_who_holds_nothing_of_it_gets_no_folder(
    made: Path, tmp_path: Path, options: list[str], names: list[str]
) -> None:
    said = fleet("export", made, str(tmp_path / "out"), "-f", "jsonl", "--json", *options)
    assert said.code == 0, said.err
    assert exported(tmp_path / "out") == names
    told = document(said)
    assert [str(row["user_id"]) for row in told["custodians"]] == names
    assert told["nothing"] == [one for one in MEMBERS if str(one) not in names] and told["unreadable"] == []
    said = fleet("export", made, str(tmp_path / "again"), "-f", "jsonl", *options)
    without = len(MEMBERS) - len(names)
    assert f"{without} of 3 archives hold nothing of it and got no folder: user" in said.err


@pytest.mark.parametrize("options", [["--after", "2090"], ["--before", "1990"], ["--query", "unheard"]])
def test_where_nobody_holds_anything_nothing_is_written(
    made: Path, tmp_path: Path, options: list[str]
) -> None:
    said = fleet("export", made, str(tmp_path / "out"), "-f", "jsonl", *options)
    assert said.code == 5 and "No archive holds anything of what was asked for." in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--with", "riuz"],
            "'--with riuz': nobody in these 3 archives is called so. Did you mean Ida Ruiz?",
        ),
        (["--with", "chen", "--with", "nobody"], "'--with nobody': nobody in these 3 archives"),
        (["--course", "BOI 130"], "'--course BOI 130': no course or group in these 3 archives"),
        (["--query", "from:riuz"], "'from:riuz': nobody in these 3 archives is called so."),
    ],
)
def test_what_no_archive_knows_writes_nothing(
    made: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    said = fleet("export", made, str(tmp_path / "out"), "-f", "jsonl", *options)
    assert said.code == 2 and sentence in said.err and not (tmp_path / "out").exists()


def test_an_empty_mailbox_is_exported_when_nothing_is_filtered(root: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(root / "13" / "archive.db")) as db:
        db.execute("UPDATE conversations SET context_code = NULL")
        db.executescript("PRAGMA foreign_keys = OFF; DROP TRIGGER IF EXISTS conversations_are_kept;")
        kept = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in kept:
            db.execute(f'DROP TRIGGER "{name}"')
        for table in ("message_recipients", "messages", "conversation_participants", "conversations"):
            db.execute(f"DELETE FROM {table}")
        db.commit()
    said = fleet("export", root, str(tmp_path / "out"), "-f", "jsonl")
    assert said.code == 5 and exported(tmp_path / "out") == ["11", "12", "13"]
    assert "Custodian 13: It holds no messages" in said.err
    assert "1 of 3 exports incomplete or empty: user 13" in said.err
    said = fleet("export", root, str(tmp_path / "again"), "-f", "jsonl", "--allow-incomplete", "--json")
    assert (said.code, document(said)["incomplete"]) == (0, [13])
    assert [row["collection"]["state"] for row in document(said)["custodians"]] == ["complete"] * 3


def test_an_earlier_export_of_who_holds_nothing_now_is_replaced_by_nothing(
    made: Path, tmp_path: Path
) -> None:
    dest = tmp_path / "out"
    assert fleet("export", made, str(dest), "-f", "jsonl").code == 0
    (dest / "mine").mkdir()
    again = [str(dest), "-f", "jsonl", "--with", "ruiz"]
    assert fleet("export", made, *again).code == 2 and exported(dest) == ["11", "12", "13", "mine"]
    assert fleet("export", made, *again, "--force").code == 0 and exported(dest) == ["13", "mine"]
    # What is no export is never removed.
    shutil.rmtree(dest / "13")
    (dest / "11").mkdir()
    (dest / "11" / "letter.txt").write_text("mine")
    assert fleet("export", made, *again, "--force").code == 0 and (dest / "11" / "letter.txt").exists()


def test_a_destination_that_cannot_be_is_refused_before_anything_is_written(
    made: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "12").mkdir(parents=True)
    (tmp_path / "out" / "12" / "letter.txt").write_text("mine")
    said = fleet("export", made, str(tmp_path / "out"), "-f", "jsonl")
    assert said.code == 2 and exported(tmp_path / "out") == ["12"]
    assert fleet("export", made, str(tmp_path / "out"), "-f", "jsonl", "--force").code == 9
    assert exported(tmp_path / "out") == ["12"]
    (tmp_path / "file").write_text("mine")
    said = fleet("export", made, str(tmp_path / "file"), "-f", "jsonl")
    assert said.code == 2 and "cannot be made" in said.err
    said = fleet("export", made, str(made / "11"), "-f", "jsonl")
    assert said.code == 2 and "lies inside the archive" in said.err


# -- archives that cannot be read --------------------------------------------------------------------------


def missing(folder: Path) -> None:
    shutil.rmtree(folder)


def without_database(folder: Path) -> None:
    (folder / "archive.db").unlink()


def no_database(folder: Path) -> None:
    (folder / "archive.db").write_bytes(b"no database at all" * 400)


def cut_short(folder: Path) -> None:
    data = (folder / "archive.db").read_bytes()
    (folder / "archive.db").write_bytes(data[: len(data) // 2])


def another_database(folder: Path) -> None:
    (folder / "archive.db").unlink()
    change(folder, "CREATE TABLE x (y)")


def newer(folder: Path) -> None:
    change(folder, "PRAGMA user_version = 999")


def of_another_person(folder: Path) -> None:
    change(folder, "UPDATE account SET as_user_id = 99")


def of_another_canvas(folder: Path) -> None:
    change(folder, "UPDATE account SET base_url = 'https://other.example'")


def without_account(folder: Path) -> None:
    change(folder, "DROP TABLE account")


def without_messages(folder: Path) -> None:
    change(folder, "PRAGMA foreign_keys = OFF; DROP TABLE messages")


def odd_config(folder: Path) -> None:
    (folder / "config.toml").write_text("jobs = 'many'")


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("no folder")


def fifo_database(folder: Path) -> None:
    (folder / "archive.db").unlink()
    os.mkfifo(folder / "archive.db")


def fifo_config(folder: Path) -> None:
    (folder / "config.toml").unlink()
    os.mkfifo(folder / "config.toml")


def device(folder: Path) -> None:
    (folder / "config.toml").unlink()
    (folder / "config.toml").symlink_to("/dev/zero")


def outside(folder: Path) -> None:
    folder.rename(folder.parent.parent / "elsewhere")
    text = (folder.parent / "fleet.json").read_text()
    (folder.parent / "fleet.json").write_text(text.replace('"folder": "12"', '"folder": "../elsewhere"'))


def change(folder: Path, statements: str) -> None:
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f'DROP TRIGGER "{name}"')
        for view in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            db.execute(f'DROP VIEW "{view[0]}"')
        db.executescript(statements)


BREAKS = [
    missing, without_database, no_database, cut_short, another_database, newer, of_another_person,
    of_another_canvas, without_account, without_messages, odd_config, a_file, fifo_database, fifo_config,
    device, outside,
]  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and devices")
@pytest.mark.parametrize("breaks", BREAKS)
def test_one_broken_archive_is_named_and_the_others_are_read(
    root: Path, tmp_path: Path, breaks: Callable[[Path], None]
) -> None:
    breaks(root / "12")
    said = fleet("search", root, "--json", "word")
    assert said.code == 5, said.err
    told = document(said)
    assert [row["user_id"] for row in told["custodians"]] == [11, 13] and len(told["hits"]) == 2
    (failed,) = told["unreadable"]
    assert failed["user_id"] == 12 and len(failed["error"]) > 20 and failed["error"] in said.err
    assert "1 archive of 3 could not be searched: user 12." in said.err and "defect" not in said.err

    said = fleet("export", root, str(tmp_path / "out"), "-f", "jsonl", "--json")
    assert said.code == 5 and exported(tmp_path / "out") == ["11", "13"], said.err
    assert [row["user_id"] for row in document(said)["unreadable"]] == [12]

    said = fleet("status", root, "--json")
    assert said.code == 5 and "1 archive cannot be read: user 12." in said.err
    rows = {row["user_id"]: row for row in document(said)["custodians"]}
    assert (rows[12]["status"], rows[12]["counts"]["conversations"], rows[12]["archive"]) == (
        "unreadable",
        0,
        None,
    )
    assert rows[12]["error"] and {rows[one]["status"] for one in (11, 13)} == {"ok"}
    shown = fleet("status", root).out
    assert "unreadable" in shown and len(shown.splitlines()) >= 5


def test_what_only_a_broken_archive_may_know_is_not_called_unknown(root: Path) -> None:
    no_database(root / "13")
    said = fleet("search", root, "from:ruiz")
    assert said.code == 5 and "'from:ruiz' is known to 0 of 2 archives." in said.err


def test_a_fleet_with_nothing_but_broken_archives(root: Path, tmp_path: Path) -> None:
    for folder in (root / name for name in ("11", "12", "13")):
        no_database(folder)
    assert fleet("search", root, "word").code == 5
    said = fleet("export", root, str(tmp_path / "out"), "-f", "jsonl")
    assert said.code == 5 and not (tmp_path / "out").exists()
    assert fleet("status", root).code == 5


def test_a_defect_in_one_archive_stops_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = service._Session.hits

    def fails(self: Any, *arguments: Any, **options: Any) -> Any:
        if self._folder.parent.name == "12":
            raise KeyError("unheard of")
        return find(self, *arguments, **options)

    monkeypatch.setattr(service._Session, "hits", fails)
    said = fleet("search", root, "word", "--json")
    assert said.code == 5 and len(document(said)["hits"]) == 2
    assert "Unexpected error: KeyError: 'unheard of'" in document(said)["unreadable"][0]["error"]


@pytest.mark.thorough
def test_a_full_disk_ends_an_export(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def full(*arguments: Any, **_: Any) -> Any:
        tried.append("once")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_run, "write_formats", full)
    said = fleet("export", root, str(tmp_path / "out"), "-f", "jsonl")
    assert said.code == 1 and "No space left on device" in said.err and tried == ["once"]
    assert not (tmp_path / "out").exists()


def test_who_has_no_archive_yet_is_named(root: Path, tmp_path: Path) -> None:
    path = root / "fleet.json"
    told = json.loads(path.read_text())
    told["custodians"] += [{"user_id": 20 + n, "folder": str(20 + n), "status": "waiting"} for n in range(7)]
    path.write_text(json.dumps(told))
    said = fleet("search", root, "word")
    assert said.code == 0
    assert "7 custodians without an archive yet: users 20, 21, 22, 23, 24 and 2 more." in said.err
    assert document(fleet("search", root, "word", "--json"))["no_archive"] == list(range(20, 27))
    assert fleet("status", root).code == 0


@pytest.mark.parametrize(
    "row",
    [
        '{"user_id": "12", "folder": "12"}',
        '{"user_id": 12, "folder": 12}',
        '{"user_id": true, "folder": ""}',
        "[]",
    ],
)
def test_a_record_that_cannot_be_read_is_one_sentence(root: Path, row: str) -> None:
    (root / "fleet.json").write_text(f'{{"version": 1, "base_url": "x", "custodians": [{row}]}}')
    for command in (["status"], ["search", "word"]):
        said = fleet(command[0], root, *command[1:])
        assert said.code == 2 and "cannot be read" in said.err


def test_reading_changes_nothing(root: Path, tmp_path: Path) -> None:
    before = tree(root)
    for command in (["status"], ["search", "from:ruiz"], ["export", str(tmp_path / "o"), "-f", "jsonl"]):
        assert fleet(command[0], root, *command[1:]).code == 0
    assert tree(root) == before
