"""A sandbox whose administrator collects everybody's mail, and the command line pointed at it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from canvas_archive.cli.main import cli
from canvas_archive.clock import iso
from canvas_archive.errors import ArchiveError
from canvas_archive.sandbox import Sandbox
from canvas_archive.search import update_index
from canvas_archive.store import Archive, transaction
from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet
from tests.receipt_rows import write_receipts
from tests.web_support import NOW, OWNER, Maker


@dataclass
class Collection:
    """The sandbox, the list of custodians, and the folder their archives lie in."""

    sandbox: Sandbox
    root: Path
    list: Path

    @property
    def people(self) -> list[int]:
        """Return everybody but the administrator."""
        school = self.sandbox.school
        return [user_id for user_id in school.state.people if user_id != school.admin_id]

    def write_list(self, user_ids: Iterable[int], **columns: dict[int, str]) -> None:
        """Write the list; ``columns`` map ids to values."""
        with self.list.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["user_id", *columns])
            writer.writerows([id_, *(told.get(id_, "") for told in columns.values())] for id_ in user_ids)

    def run(self, *arguments: str) -> Result:
        """Run a command of the group; an error of ours becomes its exit code, as in the program."""
        return CliRunner().invoke(cli, ["fleet", *arguments, "--root", str(self.root)])

    def code(self, result: Result) -> int:
        """Return what the program would end with."""
        if isinstance(result.exception, ArchiveError):
            return result.exception.exit_code
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code

    def sync(self, *options: str) -> Result:
        """Sync everybody on the list."""
        return self.run("sync", str(self.list), "--url", self.sandbox.url, *options)

    def state(self) -> dict[int, dict[str, Any]]:
        """Return ``fleet.json`` by user id."""
        document = json.loads((self.root / "fleet.json").read_text("utf-8"))
        return {row["user_id"]: row for row in document["custodians"]}


SCHOOL = "https://school.example"


def local_fleet(root: Path, members: dict[int, tuple[str, str]]) -> Path:
    """Make a fleet without a Canvas: for each custodian somebody who wrote to them, and in which course."""
    outcomes = []
    for number, (custodian, (author, course)) in enumerate(members.items()):
        name = f"Custodian {custodian}"
        with Archive.create(
            root / str(custodian), base_url=SCHOOL, user_id=9000, name=name, as_user_id=custodian
        ) as archive:
            with transaction(archive.db):
                make = Maker(archive.db, archive.folder)
                make.next_message = 10 * number + 1
                make.person(OWNER, "Somebody")
                make.person(100 + number, author)
                key = make.course(number + 1, None, course, None)
                words = [(100 + number, NOW, f"A word about {course}, from {author}")]
                make.conversation(custodian, "Words", [100 + number], words, course=key, course_name=course)
                archive.db.execute(
                    "INSERT INTO sync_runs (mode, started_at, finished_at, status, complete) "
                    "VALUES ('full', ?1, ?1, 'ok', 1)",
                    (iso(NOW),),
                )
                write_receipts(archive.db)
            update_index(archive.db, archive.search_dir)
        outcomes.append(CustodianOutcome(custodian, str(custodian), name, "ok", succeeded_at=iso(NOW)))
    fleet = Fleet(root)
    fleet.open_at(SCHOOL)
    for outcome in outcomes:
        fleet.record(outcome)
    return root


def collection(sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """Point the environment at a sandbox's administrator."""
    monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.admin_token)
    return Collection(sandbox, folder / "fleet", folder / "custodians.csv")
