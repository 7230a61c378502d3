"""Archives to export from: a small one with hostile content, and one made of the sample mailbox."""

from __future__ import annotations

import email
import email.policy
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from canvas_archive.clock import iso
from canvas_archive.store import Archive, transaction
from canvas_archive.store.chain import extend_chain
from tests.receipt_rows import write_receipts

HOST = "school.example.edu"
OWNER = 7
NOW = datetime(2026, 3, 9, 14, 5, tzinfo=timezone.utc)


class FixedClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        """Return the one moment."""
        return NOW

    def monotonic(self) -> float:
        """Return 0."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Do not wait."""


class ArchiveBuilder:
    """Fills an archive row by row; where no run is entered, a full sync that came to its end is.

    Without ``swept`` there is none.
    """

    def __init__(self, folder: Path, *, swept: bool = True) -> None:
        self.folder = folder
        self._swept = swept
        Archive.create(
            folder, base_url=f"https://{HOST}", user_id=OWNER, name="Olivia Owner", clock=FixedClock()
        ).close()
        self.archive = Archive.open(folder, write=True, clock=FixedClock())
        self.db = self.archive.db
        self.db.execute("BEGIN")
        self.person(OWNER, "Olivia Owner")

    def __enter__(self) -> ArchiveBuilder:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._swept and not self.db.execute("SELECT EXISTS (SELECT 1 FROM sync_runs)").fetchone()[0]:
            self.sync_run()
        write_receipts(self.db, FixedClock())  # the rows get receipts as those of an older version do
        extend_chain(self.db, clock=FixedClock())
        self.db.execute("COMMIT")
        self.archive.close()

    def person(self, number: int, name: str, full_name: str | None = None) -> None:
        self.db.execute(
            "INSERT INTO users (id, name, full_name, first_seen_at) VALUES (?, ?, ?, ?)",
            (number, name, full_name or name, iso(NOW)),
        )

    def course(self, number: int, name: str, code: str = "") -> None:
        self.db.execute(
            "INSERT INTO contexts (code, kind, canvas_id, name, course_code) VALUES (?, 'course', ?, ?, ?)",
            (f"course_{number}", number, name, code or None),
        )

    def conversation(
        self,
        number: int,
        subject: str | None = "Hello",
        *,
        people: Iterable[int] = (OWNER, 1),
        course: int | None = None,
        state: str = "read",
        starred: bool = False,
        private: bool = True,
        count: int = 1,
        last: str | None = "2026-03-01T10:00:00Z",
        authored: str | None = None,
        removed_at: str | None = None,
    ) -> None:
        self.db.execute(
            "INSERT INTO conversations (id, subject, context_code, private, starred, workflow_state, "
            "subscribed, remote_starred, remote_workflow_state, message_count, last_message_at, "
            "last_authored_message_at, removed_at, first_seen_at, fetched_at, audience) "
            "VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                subject,
                f"course_{course}" if course else None,
                private,
                starred,
                state,
                starred,
                state,
                count,
                last,
                authored,
                removed_at,
                iso(NOW),
                iso(NOW),
                json.dumps([user for user in people if user != OWNER]),
            ),
        )
        for position, user in enumerate(people):
            self.db.execute(
                "INSERT INTO conversation_participants VALUES (?, ?, ?, 1)",
                (number, user, position),
            )

    def message(
        self,
        number: int,
        conversation: int | None,
        author: int,
        body: str,
        *,
        at: str = "2026-03-01T10:00:00Z",
        to: Iterable[int] = (OWNER, 1),
        generated: bool = False,
        removed_at: str | None = None,
    ) -> None:
        self.db.execute(
            "INSERT INTO messages (id, conversation_id, author_id, created_at, body, generated, removed_at, "
            "first_seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (number, conversation, author, at, body, generated, removed_at, iso(NOW)),
        )
        for user in to:
            self.db.execute("INSERT INTO message_recipients VALUES (?, ?)", (number, user))

    def attachment(
        self,
        number: int,
        message: int,
        name: str,
        data: bytes | None,
        *,
        content_type: str = "application/pdf",
        state: str | None = None,
        position: int = 0,
    ) -> None:
        sha256 = hashlib.sha256(data).hexdigest() if data is not None else None
        if data is not None and sha256 is not None:
            path = self.archive.files_dir / sha256[:2] / sha256
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o600)
        self.db.execute(
            "INSERT INTO attachments (id, display_name, filename, content_type, size, url, state, sha256, "
            "stored_size, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                name,
                name,
                content_type,
                len(data or b""),
                f"https://{HOST}/files/{number}/download?download_frd=1&verifier=s3cr3t{number}",
                state or ("stored" if data is not None else "gone"),
                sha256,
                len(data) if data is not None else None,
                None if data is not None else "404",
            ),
        )
        self.db.execute("INSERT INTO message_attachments VALUES (?, ?, ?)", (message, number, position))

    def forward(self, message: int, forwarded: int, position: int = 0) -> None:
        self.db.execute("INSERT INTO forwarded_messages VALUES (?, ?, ?)", (message, forwarded, position))

    def sync_run(self, finished: str = "2026-03-09T14:00:00Z") -> None:
        self.db.execute(
            "INSERT INTO sync_runs (mode, started_at, finished_at, status, complete, requests, counts) "
            "VALUES ('full', ?, ?, 'ok', 1, 12, ?)",
            (finished, finished, json.dumps({"new": 3})),
        )


def swept(folder: Path) -> Path:
    """Make an archive that was filled without a sync look like one that a full sync fetched whole."""
    with Archive.open(folder, write=True, clock=FixedClock()) as archive, transaction(archive.db):
        archive.db.execute("UPDATE conversations SET fetched_at = first_seen_at WHERE fetched_at IS NULL")
        archive.db.execute(
            "INSERT INTO sync_runs (mode, started_at, finished_at, status, complete) "
            "VALUES ('full', ?1, ?1, 'ok', 1)",
            (iso(NOW),),
        )
        write_receipts(archive.db, FixedClock())
        extend_chain(archive.db, clock=FixedClock())
    return folder


NASTY_BODY = "a\x00b\x07 \u202egnp.exe\r\nFrom me to you\n>From quoted\n.\n\x0cé 😀 e\u0301 مرحبا\rlone"
NASTY_NAME = "../../etc/pass\r\nwd: \u202egnp.<b>exe"


def small_archive(folder: Path) -> Path:
    """Make an archive of a few conversations that hold everything that ever broke an exporter."""
    with ArchiveBuilder(folder) as make:
        make.person(1, "Ann Author", "Ann Beatrix Author")
        make.person(2, "=cmd|' /C calc'!A0", '"Quo,ted" <x@evil.example>\r\nBcc: all@evil.example')
        make.person(3, "Zoë Äöü 王小明 \u202e")
        make.person(4, "<script>alert(1)</script>")
        make.course(12, "Biology <101> & Society", "BIO 101")
        make.conversation(
            100, "Lab report", people=(OWNER, 1, 3), course=12, private=False, count=3,
            last="2026-02-03T09:00:00Z", authored="2026-02-02T09:00:00Z", starred=True,
        )  # fmt: skip
        make.message(1000, 100, 1, "When is it due?", at="2025-12-31T23:59:59Z", to=(OWNER, 1, 3))
        make.message(1001, 100, OWNER, "On Friday.", at="2026-02-02T09:00:00Z", to=(OWNER, 1, 3))
        make.message(
            1002, 100, 3, "Vielen Dank für die Auskunft!", at="2026-02-03T09:00:00Z", to=(OWNER, 1, 3)
        )
        make.message(
            1003, 100, OWNER, "Zoë was added to the conversation by Olivia Owner", at="2026-02-01T09:00:00Z",
            generated=True,
        )  # fmt: skip
        make.attachment(500, 1002, "report.pdf", b"%PDF-1.4 a report" * 99)
        make.conversation(
            101, "Re: =?utf-8?q?trick?=\r\nX-Evil: 1", people=(OWNER, 2), state="unread", count=1
        )
        make.message(1010, 101, 2, NASTY_BODY, at="2026-03-01T10:00:00Z", to=(OWNER, 2))
        make.attachment(501, 1010, NASTY_NAME, b"\x00\xff" * 100, content_type="text/html\r\nX: y")
        make.attachment(502, 1010, "CON.txt", None, position=1)
        make.attachment(503, 1010, "page.html", b"<script>document.title='owned'</script>", position=2,
                        content_type="text/html")  # fmt: skip
        make.conversation(
            102, None, people=(OWNER, 4), state="archived", count=1, last="2025-06-01T00:00:00Z"
        )
        make.message(
            1020, 102, 4, "</textarea></script><img src=x onerror=\"document.title='owned'\"> =1+1",
            at="2025-06-01T00:00:00Z", to=(OWNER, 4),
        )  # fmt: skip
        make.message(900, None, 3, "the forwarded one\nFrom here on", at="2024-05-05T05:05:05Z", to=(3,))
        make.message(901, None, 1, "and one inside it", at="2024-05-04T05:05:05Z", to=(3,))
        make.attachment(504, 900, "inner.txt", b"inner bytes", content_type="text/plain")
        make.forward(1020, 900)
        make.forward(900, 901)
        make.conversation(
            103, "Gone " + "long " * 60, people=(OWNER, 1), count=1, removed_at="2026-03-05T00:00:00Z"
        )  # fmt: skip
        make.message(
            1030, 103, OWNER, "=SUM(A1)\n" + "x" * 3000, to=(OWNER, 1), removed_at="2026-03-05T00:00:00Z"
        )
        make.conversation(
            104, "A note to myself", people=(OWNER,), last=None, authored="2026-01-01T00:00:00Z"
        )
        make.message(1040, 104, OWNER, "remember the milk", at="2026-01-01T00:00:00Z", to=(OWNER,))
        make.sync_run()
    return folder


SMALL_MESSAGES = (1000, 1001, 1002, 1003, 1010, 1020, 1030, 1040)
SMALL_CONVERSATIONS = (100, 101, 102, 103, 104)


def generated_archive(folder: Path, conversations: int, messages_each: int = 4) -> Path:
    """Make a plain archive of any size quickly."""
    with ArchiveBuilder(folder) as make:
        people = max(2, conversations // 20)
        make.db.executemany(
            "INSERT INTO users (id, name, full_name, first_seen_at) VALUES (?, ?, ?, ?)",
            ((100 + n, f"Person {n}", f"Person Number {n}", iso(NOW)) for n in range(people)),
        )
        start = datetime(2020, 1, 1, tzinfo=timezone.utc)
        # Words that begin in as many ways as those of a language do.
        rng = random.Random(1)
        syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "ing")]
        words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(2000)]
        number = 0
        for c in range(conversations):
            other = 100 + c % people
            first = start + timedelta(hours=c * 24 * 1800 // max(conversations, 1))
            make.conversation(
                1000 + c, f"Subject {c}", people=(OWNER, other), count=messages_each, last=iso(first)
            )
            for _ in range(messages_each):
                number += 1
                body = " ".join(words[(number * 31 + k * 17) % 2000] for k in range(90))
                make.message(
                    10**6 + number, 1000 + c, other if number % 2 else OWNER, body,
                    at=iso(first + timedelta(minutes=number % 600)), to=(OWNER, other),
                )  # fmt: skip
        make.sync_run()
    return folder


def rsmf_parts(path: Path) -> tuple[EmailMessage, zipfile.ZipFile]:
    """Open an RSMF file as the specification describes it: a mail with exactly one attachment, rsmf.zip."""
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage) and not message.defects
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "rsmf.zip"
    assert attachment["Content-Transfer-Encoding"] == "base64"
    return message, zipfile.ZipFile(io.BytesIO(attachment.get_content()))


def rsmf_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of an RSMF file."""
    with rsmf_parts(path)[1] as archive:
        document: dict[str, Any] = json.loads(archive.read("rsmf_manifest.json"))
    return document


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder (or the one file) with its bytes."""
    if folder.is_file():
        return {folder.name: folder.read_bytes()}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
