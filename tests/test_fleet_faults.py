"""What goes wrong with one custodian of a ``fleet sync`` ends nothing for the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive import errors
from canvas_archive.sandbox import Fault, Sandbox
from canvas_archive.store import Archive
from canvas_archive.sync import fleet as fleet_module
from tests.fleet_support import Collection, collection

pytestmark = pytest.mark.sampled

QUICK = ("--no-attachments", "--no-index", "--patience", "0")


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    """A list of three people of whom no archive was made yet."""
    monkeypatch.setattr("canvas_archive.canvas.waiting.LONGEST_PAUSE", 0.01)
    with Sandbox(conversations=3) as sandbox:
        made = collection(sandbox, tmp_path, monkeypatch)
        made.write_list(made.people[:3])
        yield made


def statuses(fleet: Collection) -> list[str]:
    return [fleet.state()[user_id]["status"] for user_id in fleet.people[:3]]


FOR_ONE = [
    errors.WrongAccount("another person"),
    errors.ForeignFolder("no archive"),
    errors.NotAdopted("not yours"),
    errors.NewerArchive("newer"),
    errors.MassRemoval("half of it is gone"),
    errors.ArchiveLocked("locked"),
    errors.VerificationFailed("damaged"),
    errors.BadInput("an odd configuration"),
    errors.TokenMissing("the token command of this archive fails"),
    errors.TokenRefused("this archive's own token is refused"),
    errors.Unreachable("no answer for this one"),
    errors.MalformedAnswer("no JSON for this one"),
    errors.NotCanvas("a login page for this one"),
    errors.ServerFailure("500 for this one", status=500),
    errors.Throttled("429 for this one", status=429),
    errors.NotFound("no such user", status=404),
    errors.NotPermitted("not allowed", status=403),
    errors.MachineTrouble("you may not write there"),
    PermissionError(13, "Permission denied", "archive.db"),
    sqlite3.DatabaseError("database disk image is malformed"),
    sqlite3.OperationalError("no such column: x"),
    KeyError("unheard of"),
    RecursionError("too deep"),
]


@pytest.mark.parametrize("trouble", FOR_ONE, ids=lambda error: type(error).__name__)
def test_what_fails_one_fails_one(
    three: Collection, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    real = fleet_module.sync
    second = three.root / str(three.people[1])

    def fails_for_one(folder: Path, *arguments: Any, **options: Any) -> Any:
        if folder == second:
            raise trouble
        return real(folder, *arguments, **options)

    monkeypatch.setattr(fleet_module, "sync", fails_for_one)
    result = three.sync(*QUICK)
    assert three.code(result) == 5, result.output
    assert statuses(three) == ["ok", "failed", "ok"]
    assert "1 of 3 custodians are not complete" in str(result.exception)
    sentence = three.state()[three.people[1]]["error"]
    assert sentence and sentence in result.stdout


FOR_ALL = [
    OSError(28, "No space left on device"),
    OSError(24, "Too many open files"),
    sqlite3.OperationalError("database or disk is full"),
]


@pytest.mark.parametrize("trouble", FOR_ALL, ids=str)
def test_what_the_next_one_would_meet_ends_the_run(
    three: Collection, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise trouble

    monkeypatch.setattr(fleet_module, "sync", fails)
    assert three.code(three.sync(*QUICK)) == 1
    assert statuses(three) == ["failed", "waiting", "waiting"]


def of(user_id: int) -> Callable[[Any], bool]:
    return lambda entry: f"as_user_id={user_id}" in entry.query


@pytest.mark.thorough
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 404},
        {"kind": "html_login"},
        {"kind": "throttle_429"},
        {"kind": "reset"},
        {"kind": "truncate"},
        {"kind": "invalid_json"},
        {"kind": "foreign_redirect"},
        {"kind": "wrong_type"},
    ],
    ids=lambda fault: f"{fault['kind']}{fault.get('status', '')}",
)
def test_canvas_that_fails_for_one_custodian_alone(three: Collection, fault: dict[str, Any]) -> None:
    three.sandbox.faults.add(Fault(match=rf"as_user_id={three.people[1]}\b", times=None, **fault))
    result = three.sync(*QUICK)
    assert three.code(result) == 5, result.output
    assert statuses(three) == ["ok", "failed", "ok"]
    three.sandbox.faults.clear()
    assert three.code(three.sync(*QUICK)) == 0
    assert statuses(three) == ["ok", "ok", "ok"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "status", "status": 503}, 4),
        ({"kind": "html_login"}, 4),
        ({"kind": "reset"}, 4),
        ({"kind": "revoke_token"}, 3),
    ],
)
def test_canvas_that_fails_as_a_whole_ends_the_run(
    three: Collection, fault: dict[str, Any], code: int
) -> None:
    first = len(_requests_of_the_first(three))
    three.sandbox.faults.add(Fault(after=first, times=None, **fault))
    result = three.sync(*QUICK)
    assert three.code(result) == code, result.output
    assert statuses(three) == ["ok", "failed", "waiting"]


def _requests_of_the_first(fleet: Collection) -> list[Any]:
    """Return what a sync of the first custodian asks, by doing it in another folder."""
    people = fleet.people[:3]
    fleet.write_list(people[:1])
    root, fleet.root = fleet.root, fleet.root.with_name("trial")
    assert fleet.code(fleet.sync(*QUICK)) == 0
    fleet.root = root
    fleet.write_list(people)
    asked = list(fleet.sandbox.log)
    fleet.sandbox.log.clear()
    return asked


@pytest.mark.thorough
def test_archives_that_are_broken_already(three: Collection) -> None:
    assert three.code(three.sync(*QUICK)) == 0
    first, second, third = (three.root / str(user_id) for user_id in three.people[:3])
    (first / "archive.db").write_bytes(b"no database at all" * 400)
    with Archive.open(third, write=True):
        result = three.sync(*QUICK)
    assert three.code(result) == 5
    assert statuses(three) == ["failed", "ok", "failed"]
    assert "not a SQLite database" in three.state()[three.people[0]]["error"]
    assert "is being written to" in three.state()[three.people[2]]["error"]
    assert second.is_dir()
