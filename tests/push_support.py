"""What the tests of edits, push and the online commands share: archives of a sandbox, and the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.cli import main
from canvas_archive.cli.context import Settings
from canvas_archive.clock import SYSTEM
from canvas_archive.errors import ArchiveError
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.mailbox import Mailbox, SentMessage, Thread
from canvas_archive.store import Archive
from canvas_archive.store.outbox import Queued, outbox
from canvas_archive.sync.push import push_archive
from canvas_archive.sync.push_report import PushReport
from tests.sandbox_support import ADA, BEN, CLEO, DEE, START, at, small_mailbox
from tests.sync_support import Pair, bind

__all__ = ["ADA", "BEN", "CLEO", "DEE", "Mail", "PushClock", "Ran", "at", "big_mailbox", "open_mail"]


class PushClock:
    """The machine's time, but nobody waits: sleeping only moves this clock on."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return SYSTEM.now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return SYSTEM.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.ahead += seconds

    def advance(self, **units: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(**units).total_seconds()


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return standard output as the JSON document it is."""
        return json.loads(self.out)


class Mail(Pair):
    """A sandbox and an archive of its mailbox, with the commands."""

    clock: PushClock

    def run(self, *args: str, input: str | None = None) -> Ran:
        """Run a command on this archive, without a terminal; errors become exit codes as in the program."""
        runner = CliRunner()
        settings = Settings(archive=self.folder)
        result: Result = runner.invoke(main.cli, list(args), input=input, obj=settings)
        error = result.exception
        if isinstance(error, ArchiveError):
            return Ran(error.exit_code, result.stdout, f"{result.stderr}Error: {error}")
        if error is not None and not isinstance(error, SystemExit):
            raise error
        return Ran(result.exit_code, result.stdout, result.stderr)

    @contextmanager
    def opened(self, *, patience: float = 5.0) -> Iterator[tuple[Archive, CanvasClient]]:
        """Open the archive for writing, with a client whose waits cost no time."""
        with Archive.open(self.folder, write=True) as archive:
            with CanvasClient(
                self.sandbox.url, Token(self.sandbox.token), clock=self.clock, patience=patience
            ) as client:
                yield archive, client

    def push(self, **options: Any) -> PushReport:
        """Push in this process."""
        with self.opened() as (archive, client):
            return push_archive(archive, client, self.clock, **options)

    def set(self, conversation_id: int, **columns: object) -> None:
        """Edit a conversation with nothing but SQLite."""
        for column, value in columns.items():
            self.update(f"UPDATE conversations SET {column} = ? WHERE id = ?", value, conversation_id)

    def state(self, conversation_id: int, field: str = "workflow_state") -> Any:
        """Return what the sandbox has."""
        return getattr(self.sandbox.school.owner_row(conversation_id), field)

    def column(self, conversation_id: int, field: str = "workflow_state") -> Any:
        """Return what the archive's column shows."""
        return self.one(f"SELECT {field} FROM conversations WHERE id = ?", conversation_id)

    def journal(self) -> list[tuple[int, str, str, str, str]]:
        """Return every edit as (conversation, field, value, state, origin)."""
        rows = self.sql("SELECT conversation_id, field, value, state, origin FROM edits ORDER BY id")
        return [tuple(row) for row in rows]

    def detail(self) -> str | None:
        """Return the note of the newest edit."""
        found: str | None = self.one("SELECT detail FROM edits ORDER BY id DESC LIMIT 1")
        return found

    def outbox(self) -> list[Queued]:
        """Return every message there ever was in the outbox."""
        with Archive.open(self.folder) as archive:
            return outbox(archive.db, ("queued", "sending", "sent", "failed", "discarded"))

    @property
    def writes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the requests that could change something: method, path below /api/v1, parameters."""
        return [(one.method, one.path.removeprefix("/api/v1"), one.params) for one in self.sandbox.log.writes]

    def forget_requests(self) -> None:
        """Empty the sandbox's log."""
        self.sandbox.log.clear()

    def settled(self) -> None:
        """Assert that no edit waits and every column shows what Canvas has."""
        assert self.one("SELECT count(*) FROM edits WHERE state = 'pending'") == 0
        assert not self.sql(
            "SELECT id FROM conversations WHERE starred <> remote_starred OR subscribed <> remote_subscribed"
            " OR workflow_state <> remote_workflow_state"
        )


def big_mailbox(count: int) -> Mailbox:
    """Return the small school with ``count`` more conversations, 1001 and up: Ben wrote, Ada read."""
    mailbox = small_mailbox()
    for number in range(1, count + 1):
        id_ = 1000 + number
        message = SentMessage(
            20_000 + number, BEN, START + timedelta(minutes=number), f"Note {number}", [ADA, BEN]
        )
        mailbox.threads[id_] = Thread(id_, [BEN, ADA], [message], subject=f"Note {number}", private=True)
    return mailbox


@contextmanager
def open_mail(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mailbox: Mailbox | None = None, **options: Any
) -> Iterator[Mail]:
    """Run a sandbox with an archive of it, synced; the log of requests is empty."""
    with Sandbox(mailbox or small_mailbox(), **options) as sandbox:
        sandbox.school.now = at(900)
        yield synced(sandbox, folder, monkeypatch)


def synced(sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mail:
    """Make and fill another archive of a running sandbox."""
    pair = bind(sandbox, folder, monkeypatch)
    mail = Mail(pair.sandbox, pair.folder)
    mail.clock = PushClock()
    mail.sync(mode="full", attachments=False)
    mail.forget_requests()
    return mail
