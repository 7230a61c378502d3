"""Archives to search in: small ones row by row, and one made of the sample mailbox."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from canvas_archive.clock import iso
from canvas_archive.sandbox.contents import file_bytes
from canvas_archive.sandbox.mailbox import Mailbox
from canvas_archive.search import SearchResult, search, update_index
from canvas_archive.store import Archive, blob_path, transaction

OWNER = 7
NOW = datetime(2026, 3, 9, 14, 5, tzinfo=timezone.utc)


class SearchArchive:
    """An archive that is filled row by row and searched."""

    def __init__(self, folder: Path, *, owner: int = OWNER, owner_name: str = "Jules Owner") -> None:
        self.folder = folder
        Archive.create(folder, base_url="https://canvas.example.edu", user_id=owner, name=owner_name).close()
        self.archive = Archive.open(folder, write=True)
        self.db: sqlite3.Connection = self.archive.db
        self.search_dir = self.archive.search_dir
        self.owner = owner
        self._next_message = 1000
        self.person(owner, owner_name)

    def close(self) -> None:
        """Let go of the archive."""
        self.archive.close()

    def person(self, number: int, name: str, full_name: str | None = None) -> int:
        """Add a user."""
        self.db.execute(
            "INSERT OR REPLACE INTO users (id, name, full_name, first_seen_at) VALUES (?, ?, ?, ?)",
            (number, name, full_name or name, iso(NOW)),
        )
        return number

    def course(self, number: int, name: str, code: str | None = None) -> str:
        """Add a course and return its context code."""
        self.db.execute(
            "INSERT INTO contexts (code, kind, canvas_id, name, course_code) VALUES (?, 'course', ?, ?, ?)",
            (f"course_{number}", number, name, code),
        )
        return f"course_{number}"

    def conversation(self, number: int, subject: str | None = None, **columns: Any) -> int:
        """Add a conversation in the inbox."""
        state = columns.pop("workflow_state", "read")
        values = {
            "id": number, "subject": subject, "workflow_state": state, "remote_workflow_state": state,
            "last_message_at": "2026-03-01T10:00:00Z", "first_seen_at": iso(NOW),
            "fetched_at": iso(NOW), **columns,
        }  # fmt: skip
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        self.db.execute(f"INSERT INTO conversations ({names}) VALUES ({marks})", tuple(values.values()))
        return number

    def message(
        self,
        body: str,
        *,
        conversation: int = 1,
        author: int | None = None,
        to: Iterable[int] = (),
        at: str | datetime = NOW,
        number: int | None = None,
        generated: bool = False,
        files: Iterable[str | tuple[str, bytes]] = (),
        media: bool = False,
    ) -> int:
        """Add a message, and its files: a name alone, or a name with the bytes that are stored."""
        author = self.owner if author is None else author
        if number is None:
            self._next_message += 1
            number = self._next_message
        if not self.db.execute("SELECT 1 FROM conversations WHERE id = ?", (conversation,)).fetchone():
            self.conversation(conversation)
        moment = at if isinstance(at, str) else iso(at)
        self.db.execute(
            "INSERT INTO messages"
            " (id, conversation_id, author_id, created_at, body, generated, first_seen_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, conversation, author, moment, body, int(generated), iso(NOW)),
        )
        self.db.executemany(
            "INSERT INTO message_recipients VALUES (?, ?)", [(number, user) for user in {author, *to}]
        )
        for position, file in enumerate(files):
            name, content = (file, None) if isinstance(file, str) else file
            self._file(number, position, name, content)
        if media:
            self.db.execute(
                "INSERT INTO media_comments (message_id, media_id) VALUES (?, ?)", (number, f"m-{number}")
            )
        return number

    def _file(self, message: int, position: int, name: str, content: bytes | None) -> None:
        attachment = message * 10 + position
        digest = hashlib.sha256(content).hexdigest() if content is not None else None
        if content is not None and digest is not None:
            path = blob_path(self.archive.files_dir, digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.db.execute(
            "INSERT INTO attachments (id, display_name, filename, state, sha256, stored_size)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (attachment, name, name, "pending" if digest is None else "stored", digest,
             None if content is None else len(content)),
        )  # fmt: skip
        self.db.execute("INSERT INTO message_attachments VALUES (?, ?, ?)", (message, attachment, position))

    def index(self) -> None:
        """Bring the index up to date."""
        update_index(self.db, self.search_dir)

    def search(self, text: str, **options: Any) -> SearchResult:
        """Search as the command line does, in UTC at a fixed time."""
        return search(
            self.archive.db_path, self.search_dir, text, **{"tz": timezone.utc, "now": NOW, **options}
        )

    def found(self, text: str, **options: Any) -> set[int]:
        """Return the ids of all messages that match."""
        return {hit.message_id for hit in self.search(text, limit=100_000, **options).hits}

    def order(self, text: str, **options: Any) -> list[int]:
        """Return the ids of the hits in order."""
        return [hit.message_id for hit in self.search(text, **options).hits]


def load_mailbox(folder: Path, mailbox: Mailbox) -> SearchArchive:
    """Put a sandbox mailbox straight into an archive's tables, with its text files and documents stored."""
    owner = mailbox.people[mailbox.owner_id]
    archive = SearchArchive(folder, owner=owner.id, owner_name=owner.name)
    with transaction(archive.db):
        for person in mailbox.people.values():
            archive.person(person.id, person.name, person.full_name)
        for course in mailbox.courses.values():
            archive.course(course.id, course.name, course.course_code)
        for group in mailbox.groups.values():
            archive.db.execute(
                "INSERT INTO contexts (code, kind, canvas_id, name) VALUES (?, 'group', ?, ?)",
                (f"group_{group.id}", group.id, group.name),
            )
        for thread in mailbox.threads.values():
            authored = [m.created_at for m in thread.messages if m.author_id == mailbox.owner_id]
            archive.conversation(
                thread.id,
                thread.subject,
                context_code=thread.context_code,
                private=int(thread.private),
                starred=int(thread.starred),
                subscribed=int(thread.subscribed),
                remote_subscribed=int(thread.subscribed),
                workflow_state=thread.workflow_state,
                last_authored_message_at=iso(max(authored)) if authored else None,
            )
            for message in thread.messages:
                archive.message(
                    message.body, conversation=thread.id, author=message.author_id, to=message.to_ids,
                    at=message.created_at, number=message.id, generated=message.generated,
                    media=message.media is not None,
                    files=[_sample_file(mailbox, number) for number in message.file_ids],
                )  # fmt: skip
        archive.db.executemany(
            "INSERT INTO forwarded_messages VALUES (?, ?, ?)",
            [
                (message.id, forwarded, position)
                for thread in mailbox.threads.values()
                for message in thread.messages
                for position, forwarded in enumerate(message.forwarded_ids)
            ],
        )
    return archive


def _sample_file(mailbox: Mailbox, number: int) -> str | tuple[str, bytes]:
    file = mailbox.files[number]
    if file.display_name.endswith((".txt", ".md", ".csv", ".html", ".pdf", ".docx")):
        return file.display_name, file_bytes(file)
    return file.display_name


def utc(year: int, month: int = 1, day: int = 1, hour: int = 12) -> datetime:
    """Return a moment."""
    return datetime(year, month, day, hour, tzinfo=timezone.utc)


def days_ago(days: float) -> datetime:
    """Return a moment before NOW."""
    return NOW - timedelta(days=days)


def pdf(text: str, pages: int = 1) -> bytes:
    """Return a PDF with a line of text, the same on every page."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{'3 0 R ' * pages}] /Count {pages} >>".encode(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, content in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n".encode() + content + b"\nendobj\n")
    start = out.tell()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    out.write(f"xref\n0 6\n0000000000 65535 f \n{table}trailer\n<< /Size 6 /Root 1 0 R >>\n".encode())
    out.write(f"startxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def docx(text: str) -> bytes:
    """Return a Word document with a paragraph and a table."""
    from docx import Document

    document = Document()
    document.add_paragraph(text)
    document.add_table(rows=1, cols=1).cell(0, 0).text = "celltext"
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
