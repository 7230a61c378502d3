"""An administrator collects many mailboxes: the commands of the group against the local Canvas."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from canvas_archive.sync import fleet as fleet_module
from canvas_archive.sync.custodians import ListedCustodian
from canvas_archive.sync.fleet import CustodianOutcome, Fleet, FleetOptions, sync_fleet
from canvas_archive.sync.service import SyncOptions
from tests.fleet_support import Collection, collection
from tests.odd_support import put_odd

pytestmark = pytest.mark.thorough

THREADED = "SELECT count(*) FROM messages WHERE conversation_id IS NOT NULL"


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    with Sandbox(conversations=25) as sandbox:
        yield collection(sandbox, tmp_path, monkeypatch)


def busiest(many: Collection, count: int) -> list[int]:
    """Return those who take part in most conversations."""
    rows = many.sandbox.school.state.conversations.values()
    counts: dict[int, int] = {}
    for conversation in rows:
        for user_id in conversation.rows:
            counts[user_id] = counts.get(user_id, 0) + 1
    wanted = set(many.people)
    return sorted((who for who in counts if who in wanted), key=lambda who: -counts[who])[:count]


def counted(folder: Path, query: str) -> Any:
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        return db.execute(query).fetchone()[0]


@pytest.mark.uncounted
def test_twenty_custodians(many: Collection) -> None:
    people = busiest(many, 20)
    many.write_list(people)
    result = many.sync("--jobs", "4", "--no-attachments", "--no-index", "--json")
    assert many.code(result) == 0, result.output
    told = json.loads(result.stdout)
    assert [row["user_id"] for row in told["custodians"]] == people
    assert told["requests"] == len(many.sandbox.log)
    assert not many.sandbox.log.writes
    for row in told["custodians"]:
        folder = many.root / row["folder"]
        with Archive.open(folder) as archive:
            assert archive.account.as_user_id == row["user_id"]
            assert archive.account.user_id == many.sandbox.school.admin_id
        assert row["status"] == "ok" and row["counts"]["conversations"] > 0
        assert counted(folder, "SELECT count(*) FROM conversations") == row["counts"]["conversations"]
        assert counted(folder, THREADED) == row["counts"]["new_messages"] > 0

    many.sandbox.log.clear()
    again = many.sync("--jobs", "4", "--no-attachments", "--no-index")
    assert many.code(again) == 0
    assert len(many.sandbox.log) <= 1 + 7 * len(people)
    assert "20 of 20 custodians complete" in again.stderr


@pytest.mark.sampled
def test_one_failure_fails_one(many: Collection) -> None:
    good, other = busiest(many, 2)
    many.write_list([999_999, good, other])
    foreign = many.root / str(other)
    foreign.mkdir(parents=True)
    (foreign / "letter.txt").write_text("mine")
    result = many.sync("--no-attachments", "--no-index")
    assert many.code(result) == 5
    state = many.state()
    assert state[good]["status"] == "ok"
    assert state[999_999]["status"] == "failed" and "may not act as user 999999" in state[999_999]["error"]
    assert state[other]["status"] == "failed" and "not empty and not an archive" in state[other]["error"]
    assert (foreign / "letter.txt").read_text() == "mine"
    assert "2 of 3 custodians are not complete" in str(result.exception)


def test_somebody_elses_archive_is_not_filled(many: Collection) -> None:
    first, second = busiest(many, 2)
    many.write_list([first])
    assert many.code(many.sync("--no-attachments", "--no-index")) == 0
    (many.root / str(first)).rename(many.root / str(second))
    before = counted(many.root / str(second), "SELECT count(*) FROM sync_runs")
    many.write_list([second])
    assert many.code(many.sync("--no-attachments", "--no-index")) == 5
    assert "is the archive of user" in many.state()[second]["error"]
    assert counted(many.root / str(second), "SELECT count(*) FROM sync_runs") == before


def test_a_folder_that_moved_in_the_list_is_refused(many: Collection) -> None:
    person = busiest(many, 1)[0]
    many.write_list([person])
    assert many.code(many.sync("--no-attachments", "--no-index")) == 0
    many.write_list([person], folder={person: "elsewhere"})
    result = many.sync()
    assert many.code(result) == 2 and "Correct the list" in str(result.exception)


def test_a_dead_token_ends_the_run_at_once(many: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    people = busiest(many, 4)
    many.write_list(people)
    real = fleet_module.sync
    done: list[Path] = []

    def revoke_after_two(folder: Path, *arguments: Any, **options: Any) -> Any:
        if len(done) == 2:
            many.sandbox.tokens.revoke(many.sandbox.admin_token)
        done.append(folder)
        return real(folder, *arguments, **options)

    monkeypatch.setattr(fleet_module, "sync", revoke_after_two)
    result = many.sync("--no-attachments", "--no-index")
    assert many.code(result) == 3
    assert sorted(row["status"] for row in many.state().values()) == ["failed", "ok", "ok", "waiting"]

    many.sandbox.tokens.reinstate(many.sandbox.admin_token)
    monkeypatch.setattr(fleet_module, "sync", real)
    again = many.sync("--no-attachments", "--no-index", "--skip-newer-than", "5")
    assert many.code(again) == 0
    assert "2 custodians are fresh enough" in again.stderr
    assert {row["status"] for row in many.state().values()} == {"ok"}


@pytest.mark.sampled
def test_an_interruption_is_recorded_and_gone_on_from(
    many: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = busiest(many, 3)
    fleet = Fleet(many.root)
    begun = threading.Event()

    class Interrupting:
        """Stops the run, as Ctrl-C does, when the second one is under way."""

        def begin(self, total: int) -> None:
            pass

        def started(self, custodian: ListedCustodian) -> None:
            if begun.is_set():
                raise KeyboardInterrupt
            begun.set()

        def finished(self, outcome: CustodianOutcome) -> None:
            pass

        def waiting(self, seconds: float, reason: str) -> None:
            pass

    custodians = [ListedCustodian(user_id, None, str(user_id)) for user_id in people]
    options = FleetOptions(jobs=2, sync=SyncOptions(attachments=False, index=False))
    with pytest.raises(KeyboardInterrupt):
        sync_fleet(fleet, custodians, many.sandbox.url, options, Interrupting())
    statuses = [many.state()[user_id]["status"] for user_id in people]
    assert statuses[0] in ("interrupted", "ok") and statuses[1:] == ["waiting", "waiting"]
    folder = many.root / str(people[0])
    if (folder / "archive.db").exists():
        assert counted(folder, "SELECT count(*) FROM sync_runs WHERE status = 'running'") == 0
        # What an interrupted run has not seen is not taken for complete.
        assert statuses[0] == "ok" or not counted(folder, "SELECT coalesce(max(complete), 0) FROM sync_runs")

    many.write_list(people)
    assert many.code(many.sync("--no-attachments", "--no-index")) == 0
    assert {row["status"] for row in many.state().values()} == {"ok"}


def test_all_share_one_rate_limit(many: Collection) -> None:
    with CanvasClient(many.sandbox.url, Token(many.sandbox.admin_token), concurrency=1) as admin:
        person = busiest(many, 1)[0]
        with CanvasClient(
            many.sandbox.url,
            Token(many.sandbox.admin_token),
            as_user_id=person,
            limiter=admin.limiter,
        ) as client:
            assert client.limiter is admin.limiter
            assert client.current_user().id == person
            assert (client.stats.requests, admin.stats.requests) == (1, 0)


def test_parallel_custodians_stay_below_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=25, throttle=True) as sandbox:
        many = collection(sandbox, tmp_path, monkeypatch)
        many.write_list(busiest(many, 6))
        assert many.code(many.sync("--jobs", "6", "--no-attachments", "--no-index")) == 0
        refused = [entry for entry in sandbox.log if entry.status in (403, 429)]
        assert not refused


def test_status_asks_nothing_of_canvas(many: Collection) -> None:
    people = busiest(many, 2)
    many.write_list([*people, 999_999])
    many.sync("--no-attachments", "--no-index")
    many.sandbox.log.clear()
    told = json.loads(many.run("status", "--json").stdout)
    rows = {row["user_id"]: row for row in told["custodians"]}
    assert rows[people[0]]["counts"]["messages"] == counted(many.root / str(people[0]), THREADED)
    assert rows[999_999]["archive"] is None and rows[999_999]["status"] == "failed"
    shown = many.run("status")
    assert "3 custodians" in shown.stderr and "may not act as user 999999" in shown.stdout
    assert len(many.sandbox.log) == 0


def test_search_and_export_over_all(many: Collection, tmp_path: Path) -> None:
    people = busiest(many, 4)
    many.write_list(people)
    assert many.code(many.sync("--no-attachments")) == 0
    many.sandbox.log.clear()
    told = json.loads(many.run("search", "--sort", "newest", "--limit", "50", "--json", "after:2020").stdout)
    times = [hit["created_at"] for hit in told["hits"]]
    assert times == sorted(times, reverse=True) and len(times) > 10
    ids = [hit["message_id"] for hit in told["hits"]]
    assert len(set(ids)) == len(ids)
    shared = [hit for hit in told["hits"] if len(hit["custodians"]) > 1]
    assert shared, "a message between two custodians is in both archives"
    for row in told["custodians"]:
        folder = many.root / str(row["user_id"])
        assert row["hit_count"] == counted(folder, f"{THREADED} AND NOT generated")
    scores = [
        hit["score"]
        for hit in json.loads(many.run("search", "--json", "the", "NOT", "nothing").stdout)["hits"]
    ]
    assert scores == sorted(scores, reverse=True)

    dest = tmp_path / "out"
    result = many.run("export", str(dest), "--format", "jsonl", "--json", "--allow-incomplete")
    assert many.code(result) == 0, result.output
    for row in json.loads(result.stdout)["custodians"]:
        lines = (dest / str(row["user_id"]) / "conversations.jsonl").read_text("utf-8").splitlines()
        assert row["counts"]["messages"] > 0 and lines
    assert many.code(many.run("export", str(dest), "--format", "jsonl")) == 2  # it exists
    assert many.code(many.run("export", str(dest), "--format", "jsonl", "--force", "--allow-incomplete")) == 0
    assert len(many.sandbox.log) == 0


def test_an_archive_without_an_index_is_named(many: Collection) -> None:
    people = busiest(many, 2)
    many.write_list(people)
    assert many.code(many.sync("--no-attachments")) == 0
    for file in (many.root / str(people[0]) / "search").iterdir():
        file.unlink()
    result = many.run("search", "after:2020", "--json")
    assert many.code(result) == 5
    told = json.loads(result.stdout)
    assert [row["user_id"] for row in told["unreadable"]] == [people[0]]
    assert "index" in told["unreadable"][0]["error"]
    assert told["hits"], "the others are still searched"


def test_wrong_questions(many: Collection, tmp_path: Path) -> None:
    many.write_list(busiest(many, 1))
    assert many.code(many.run("status")) == 2
    assert many.code(many.sync("--full", "--quick")) == 2
    assert many.code(many.sync("--no-attachments")) == 0
    assert many.code(many.run("search", "after:yesteryear")) == 2
    assert many.code(many.run("export", str(tmp_path / "x"), "--format", "papyrus")) == 2
    assert (
        many.code(many.run("export", str(tmp_path / "x"), "--format", "csv", "--with", "Nobody Atall")) == 2
    )


def test_a_missing_root_names_the_option(many: Collection) -> None:
    from click.testing import CliRunner

    from canvas_archive.cli.main import cli
    from canvas_archive.errors import BadInput

    result = CliRunner().invoke(cli, ["fleet", "status"])
    assert isinstance(result.exception, BadInput) and "--root DIR" in str(result.exception)


def test_parquet_of_all_custodians_is_one_table(many: Collection, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    people = busiest(many, 3)
    many.write_list(people)
    assert many.code(many.sync("--no-attachments", "--no-index")) == 0
    dest = tmp_path / "lake"
    assert many.code(many.run("export", str(dest), "--format", "parquet", "--allow-incomplete")) == 0
    found = duckdb.sql(
        f"SELECT DISTINCT custodian_id FROM read_parquet('{dest}/*/parquet/messages/*/*.parquet')"
    ).fetchall()
    assert sorted(row[0] for row in found) == sorted(people)


def test_a_disk_that_fails_ends_the_run(many: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    people = busiest(many, 3)
    many.write_list(people)

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fleet_module, "sync", full)
    result = many.sync("--json")
    assert many.code(result) == 1
    assert "The disk is full" in str(result.exception)
    told = many.state()
    assert [told[who]["status"] for who in people] == ["failed", "waiting", "waiting"]


def test_an_id_that_canvas_has_merged_into_another_fails_that_one(
    many: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = busiest(many, 2)
    many.write_list([one, two])
    current = CanvasClient.current_user

    def merged(self: CanvasClient) -> Any:
        person = current(self)
        return replace(person, id=two) if person.id == one else person

    monkeypatch.setattr(CanvasClient, "current_user", merged)
    result = many.sync("--no-attachments", "--no-index", "--json")
    assert many.code(result) == 5
    told = many.state()
    assert (told[one]["status"], told[two]["status"]) == ("failed", "ok")
    assert "the accounts may have been merged" in told[one]["error"]
    assert not (many.root / str(one)).exists()


@pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")
def test_the_folder_of_a_fleet_is_private(many: Collection, caplog: pytest.LogCaptureFixture) -> None:
    before = os.umask(0o022)
    try:
        many.root.mkdir()
        many.write_list(busiest(many, 1))
        assert many.code(many.sync()) == 0
        assert stat.S_IMODE(many.root.stat().st_mode) == 0o700 and "private to you now" in caplog.text
        for path in many.root.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
        many.root.chmod(0o755)
        caplog.clear()
        assert many.code(many.sync()) == 0
        assert stat.S_IMODE(many.root.stat().st_mode) == 0o700 and "private to you now" in caplog.text
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")
def test_a_folder_with_other_things_is_not_closed_to_others(
    many: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    many.root.mkdir(mode=0o755)
    many.root.chmod(0o755)
    (many.root / "shared.txt").write_text("for everybody")
    many.write_list(busiest(many, 1))
    assert many.code(many.sync()) == 0
    assert stat.S_IMODE(many.root.stat().st_mode) == 0o755 and "chmod go=" in caplog.text


def test_a_link_or_a_fifo_in_a_fleet_is_named(many: Collection, tmp_path: Path) -> None:
    person = busiest(many, 1)[0]
    many.write_list([person])
    assert many.code(many.sync()) == 0
    (many.root / str(person)).rename(tmp_path / "elsewhere")
    (many.root / str(person)).symlink_to(tmp_path / "elsewhere")
    before = sorted(path.name for path in (tmp_path / "elsewhere").iterdir())
    assert many.code(many.sync()) == 5
    assert "is a symbolic link" in many.state()[person]["error"]
    assert many.code(many.run("status")) == 5
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == before
    put_odd(many.root / "fleet.json", "fifo" if os.name == "posix" else "link")
    assert many.code(many.run("status")) == 2
