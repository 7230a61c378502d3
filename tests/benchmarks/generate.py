"""An archive of a million messages, straight into the tables: what a large school's office would collect.

    python -m tests.benchmarks.generate DEST [--messages N] [--seed S] [--no-index]

The texts recombine those of the sample mailbox, so words repeat as they do in mail; numbers, names and
rooms vary, so rare words exist, too. One conversation in five is a group's; lengths follow those of real
threads, with one thread of 5,000 messages. Five in a hundred messages carry a file; the rows share a few
hundred real files, so that exports and ``verify`` find their bytes. The same arguments give the same
archive. Its rows have receipts as those of an older version do. At the end it is analysed and indexed, as
after a sync.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from canvas_archive.clock import SYSTEM, iso
from canvas_archive.sandbox.sample import sample_mailbox
from canvas_archive.store import Archive, runs, transaction
from canvas_archive.store.blobs import blob_path
from canvas_archive.store.chain import extend_chain
from canvas_archive.store.connection import refresh_statistics
from canvas_archive.store.migration_receipts import write_rows

BASE_URL = "https://canvas.example.edu"
OWNER = 1
MESSAGES_PER_CONVERSATION = 5
PEOPLE = 8_000
COURSES = 400
BLOBS = 300
LONGEST = 5_000
FILE_SHARE = 0.05
CHUNK = 4_000  # conversations in one transaction
_BEGIN = datetime(2015, 9, 1, tzinfo=timezone.utc)
_END = datetime(2026, 11, 20, tzinfo=timezone.utc)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_NUMBER = re.compile(r"\b\d{2,5}\b")

_CONVERSATION = """
INSERT INTO conversations (id, subject, context_code, context_name, private, starred, workflow_state,
  subscribed, remote_starred, remote_workflow_state, remote_subscribed, message_count, last_message,
  last_message_at, last_authored_message, last_authored_message_at, properties, audience, avatar_url,
  first_seen_at, fetched_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?17)
"""
_MESSAGE = """
INSERT INTO messages (id, conversation_id, author_id, created_at, body, generated, first_seen_at)
VALUES (?, ?, ?, ?, ?, 0, ?)
"""
_ATTACHMENT = """
INSERT INTO attachments (id, display_name, filename, content_type, size, created_at, url, state, sha256,
  stored_size, fetched_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_NAMES = (
    "Notes week {}.pdf", "Lab report {}.docx", "Syllabus {}.pdf", "Draft {}.docx", "Photo {}.jpg",
    "Problem set {}.pdf", "Budget {}.csv", "Schedule {}.txt", "Poster {}.pdf", "Reading {}.pdf",
)  # fmt: skip
_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "jpg": "image/jpeg",
    "csv": "text/csv",
    "txt": "text/plain",
}


@dataclass(frozen=True, slots=True)
class Words:
    """The sample's sentences, subjects and names, taken apart."""

    sentences: tuple[str, ...]
    subjects: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    courses: tuple[tuple[str, str], ...]

    @classmethod
    def of_sample(cls, conversations: int = 3_000) -> Words:
        """Take the sample mailbox apart."""
        mailbox = sample_mailbox(conversations=conversations)
        bodies = {message.body for thread in mailbox.threads.values() for message in thread.messages}
        sentences = {part for body in bodies for part in _SENTENCE.split(body) if 15 < len(part) < 400}
        names = [person.name.split() for person in mailbox.people.values()]
        return cls(
            tuple(sorted(sentences)),
            tuple(sorted({thread.subject for thread in mailbox.threads.values() if thread.subject})),
            tuple(sorted({name[0] for name in names})),
            tuple(sorted({name[-1] for name in names if len(name) > 1})),
            tuple((course.name, course.course_code) for course in mailbox.courses.values()),
        )


@dataclass(slots=True)
class Rows:
    """The rows of one transaction, by table."""

    conversations: list[tuple[Any, ...]] = field(default_factory=list)
    participants: list[tuple[int, int, int]] = field(default_factory=list)
    contexts: list[tuple[int, str, str]] = field(default_factory=list)
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    recipients: list[tuple[int, int]] = field(default_factory=list)
    attachments: list[tuple[Any, ...]] = field(default_factory=list)
    links: list[tuple[int, int, int]] = field(default_factory=list)


class Writer:
    """Writes one generated mailbox into one archive."""

    def __init__(self, archive: Archive, messages: int, seed: int) -> None:
        self._archive = archive
        self._rng = random.Random(seed)
        self._words = Words.of_sample()
        self._total = messages
        self._blobs = list(self._write_blobs())
        self._used: set[str] = set()
        self._message_id = 0
        self._attachment_id = 0
        self._seen_at = iso(_END)
        # Some people write far more than others.
        self._people = [OWNER + 1 + int((PEOPLE - 2) * self._rng.random() ** 2.5) for _ in range(50_000)]

    def write(self) -> None:
        """Write everything and leave the archive as after a complete sync."""
        db = self._archive.db
        with transaction(db):
            self._write_people_and_courses()
        for rows in self._chunks():
            with transaction(db):
                db.executemany(_CONVERSATION, rows.conversations)
                db.executemany(
                    "INSERT INTO conversation_participants VALUES (?, ?, ?, 1)",
                    rows.participants,
                )
                db.executemany("INSERT INTO conversation_contexts VALUES (?, ?, ?)", rows.contexts)
                db.executemany(_MESSAGE, rows.messages)
                db.executemany("INSERT INTO message_recipients VALUES (?, ?)", rows.recipients)
                db.executemany(_ATTACHMENT, rows.attachments)
                db.executemany("INSERT INTO message_attachments VALUES (?, ?, ?)", rows.links)
        for digest, _ in self._blobs:
            if digest not in self._used:  # a small archive has files that fell to no message
                blob_path(self._archive.files_dir, digest).unlink()
        run_id = runs.start_run(db, "full", SYSTEM)
        runs.finish_run(db, run_id, "ok", True, 0, 0, {}, None, clock=SYSTEM)
        with transaction(db):
            write_rows(db)
            extend_chain(db)
        refresh_statistics(db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _write_people_and_courses(self) -> None:
        db, rng, words = self._archive.db, self._rng, self._words
        names = [(OWNER, "Jules Marchetti")]
        for number in range(OWNER + 1, PEOPLE + OWNER):
            names.append((number, f"{rng.choice(words.first_names)} {rng.choice(words.last_names)}"))
        db.executemany(
            "INSERT INTO users (id, name, full_name, first_seen_at) VALUES (?, ?, ?, ?)",
            [(number, name, name, self._seen_at) for number, name in names],
        )
        courses = []
        for number in range(1, COURSES + 1):
            name, code = rng.choice(words.courses)
            year = 2015 + number % 12
            courses.append(
                (f"course_{number}", "course", number, f"{name} {year}", f"{code}-{number}", str(year))
            )
        self._courses = {row[0]: row[3] for row in courses}
        db.executemany(
            "INSERT INTO contexts (code, kind, canvas_id, name, course_code, term) VALUES (?, ?, ?, ?, ?, ?)",
            courses,
        )

    def _write_blobs(self) -> Iterator[tuple[str, int]]:
        for number in range(BLOBS):
            content = f"File {number}\n".encode() * self._rng.randrange(20, 2_000)
            digest = hashlib.sha256(content).hexdigest()
            path = blob_path(self._archive.files_dir, digest)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o600)
            yield digest, len(content)

    def _chunks(self) -> Iterator[Rows]:
        rows = Rows()
        step = (_END - _BEGIN) / max(1, self._total)
        conversation_id = 0
        while self._message_id < self._total:
            conversation_id += 1
            start = _BEGIN + step * self._message_id
            left = self._total - self._message_id
            self._add_thread(rows, conversation_id, start, min(left, self._length(conversation_id)))
            if len(rows.conversations) == CHUNK:
                yield rows
                rows = Rows()
        yield rows

    def _length(self, conversation_id: int) -> int:
        if conversation_id == 100:
            return max(5, min(LONGEST, self._total // 100))
        return min(400, 1 + int(self._rng.expovariate(1 / (MESSAGES_PER_CONVERSATION - 0.5))))

    def _add_thread(self, rows: Rows, conversation_id: int, start: datetime, length: int) -> None:
        rng = self._rng
        size = rng.choice((2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 8, 12, 30))
        others = sorted({rng.choice(self._people) for _ in range(size - 1)})
        everyone = [OWNER, *others]
        moment = start
        last: dict[bool, tuple[str, str]] = {}
        has_files = False
        for number in range(length):
            author = OWNER if rng.random() < 0.35 else rng.choice(others)
            body, created_at = self._body(), iso(moment)
            self._message_id += 1
            rows.messages.append((self._message_id, conversation_id, author, created_at, body, self._seen_at))
            rows.recipients += [(self._message_id, user_id) for user_id in everyone]
            if rng.random() < FILE_SHARE:
                has_files = True
                self._add_file(rows, created_at)
            last[author == OWNER] = (body, created_at)
            moment += (
                timedelta(minutes=rng.expovariate(1 / 600) + 1) if number < 300 else timedelta(minutes=1)
            )
        code = f"course_{rng.randrange(1, COURSES + 1)}" if rng.random() < 0.8 else None
        state = rng.choices(("read", "unread", "archived"), (80, 5, 15))[0]
        received, sent = last.get(False), last.get(True)
        newest = max(filter(None, (received, sent)), key=lambda told: told[1])
        rows.conversations.append((
            conversation_id, rng.choice(self._words.subjects), code, self._courses.get(code or ""),
            int(size == 2), int(rng.random() < 0.05), state if received else "read", 1, length,
            newest[0][:97] if received else None, received and received[1],
            sent and sent[0][:97], sent and sent[1],
            json.dumps((["last_author"] if newest is sent else []) + (["attachments"] if has_files else [])),
            json.dumps(others), f"{BASE_URL}/images/messages/avatar-50.png", self._seen_at,
        ))  # fmt: skip
        rows.participants += [(conversation_id, user_id, at) for at, user_id in enumerate(everyone)]
        if code:
            rows.contexts.append((conversation_id, code, '["StudentEnrollment"]'))

    def _add_file(self, rows: Rows, created_at: str) -> None:
        rng = self._rng
        self._attachment_id += 1
        name = rng.choice(_NAMES).format(rng.randrange(1, 400))
        digest, size = rng.choice(self._blobs)
        stored = rng.random() < 0.98
        rows.attachments.append((
            self._attachment_id, name, name, _TYPES[name.rpartition(".")[2]], size, created_at,
            f"{BASE_URL}/files/{self._attachment_id}/download", "stored" if stored else "gone",
            digest if stored else None, size if stored else None, self._seen_at if stored else None,
        ))  # fmt: skip
        if stored:
            self._used.add(digest)
        rows.links.append((self._message_id, self._attachment_id, 0))

    def _body(self) -> str:
        rng = self._rng
        parts = []
        for number in range(min(60, 1 + int(rng.lognormvariate(1.0, 0.8)))):
            sentence = rng.choice(self._words.sentences)
            if any(character.isdigit() for character in sentence):
                sentence = _NUMBER.sub(self._number, sentence)
            if rng.random() < 0.04:
                sentence = f"{rng.choice(self._words.first_names)}, {sentence}"
            parts.append(sentence)
            parts.append("\n\n" if number % 4 == 3 else " ")
        return "".join(parts[:-1])

    def _number(self, found: re.Match[str]) -> str:
        digits = len(found[0])
        return str(self._rng.randrange(10 ** (digits - 1), 10**digits))


def generate(dest: Path, messages: int, seed: int = 2026, *, index: bool = True) -> dict[str, float]:
    """Make the archive and return how long its parts took, in seconds."""
    times: dict[str, float] = {}
    started = time.perf_counter()
    Archive.create(dest, base_url=BASE_URL, user_id=OWNER, name="Jules Marchetti").close()
    with Archive.open(dest, write=True) as archive:
        Writer(archive, messages, seed).write()
        times["rows"] = time.perf_counter() - started
        if index:
            from canvas_archive.search import rebuild_index

            started = time.perf_counter()
            rebuild_index(archive.db, archive.search_dir)
            times["index"] = time.perf_counter() - started
    return times


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dest", type=Path)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--no-index", action="store_true")
    options = parser.parse_args()
    times = generate(options.dest, options.messages, options.seed, index=not options.no_index)
    print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items()))


if __name__ == "__main__":
    main()
