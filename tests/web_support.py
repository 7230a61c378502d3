"""Archives for the tests of the web pages, and servers and browsers to look at them with."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import re
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from datasette.database import Database

from canvas_archive.clock import iso
from canvas_archive.search import update_index
from canvas_archive.store import Archive, adoption, transaction
from canvas_archive.web import thread_parts
from canvas_archive.web.login import access_policy
from canvas_archive.web.server import build, prepare
from tests.receipt_rows import write_receipts

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=timezone.utc)
OWNER = 1
HOSTILE = (
    "<img src=x onerror=alert(1)> <script>alert(2)</script> "
    'https://a.example/"onmouseover=alert(3) javascript:alert(4) x@y.example'
)


class Maker:
    """Writes rows as a sync would have: every column together with its ``remote_`` twin."""

    def __init__(self, db: sqlite3.Connection, folder: Path) -> None:
        self.db = db
        self.folder = folder
        self.next_message = 5001
        self.next_file = 9001

    def person(self, ident: int, name: str, pronouns: str | None = None) -> int:
        self.db.execute(
            "INSERT INTO users (id, name, full_name, pronouns, first_seen_at) VALUES (?, ?, ?, ?, ?)",
            (ident, name, name, pronouns, iso(NOW)),
        )
        return ident

    def course(self, ident: int, code: str | None, name: str, term: str | None) -> str:
        key = f"course_{ident}"
        self.db.execute(
            "INSERT INTO contexts (code, kind, canvas_id, name, course_code, term)"
            " VALUES (?, 'course', ?, ?, ?, ?)",
            (key, ident, name, code, term),
        )
        return key

    def conversation(
        self,
        ident: int,
        subject: str | None,
        people: Iterable[int],
        messages: Iterable[tuple[int, datetime, str]],
        *,
        course: str | None = None,
        course_name: str | None = None,
        state: str = "read",
        starred: bool = False,
        removed: datetime | None = None,
        private: bool = False,
        to: dict[int, tuple[int, ...]] | None = None,
    ) -> list[int]:
        messages = list(messages)
        everyone = [*people, OWNER]
        others = [m for m in messages if m[0] != OWNER]
        mine = [m for m in messages if m[0] == OWNER]
        newest = messages[-1] if messages else None
        self.db.execute(
            "INSERT INTO conversations (id, subject, context_code, context_name, private, starred,"
            " workflow_state,"
            " remote_starred, remote_workflow_state, message_count, last_message, last_message_at,"
            " last_authored_message, last_authored_message_at, removed_at, first_seen_at, fetched_at,"
            " audience)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ident,
                subject,
                course,
                course_name,
                int(private),
                int(starred),
                state,
                int(starred),
                state,
                len(messages),
                newest[2][:100] if newest and others else None,
                iso(others[-1][1]) if others else None,
                mine[-1][2][:100] if mine else None,
                iso(mine[-1][1]) if mine else None,
                iso(removed) if removed else None,
                iso(NOW - timedelta(days=1)),
                iso(NOW - timedelta(hours=2)),
                json.dumps(list(people)),
            ),
        )
        self.db.executemany(
            "INSERT INTO conversation_participants (conversation_id, user_id, position) VALUES (?, ?, ?)",
            [(ident, person, position) for position, person in enumerate(everyone)],
        )
        ids = []
        for index, (author, moment, text) in enumerate(messages):
            recipients = (to or {}).get(index, tuple(everyone))
            ids.append(self.message(ident, author, moment, text, recipients))
        return ids

    def message(
        self,
        conversation: int | None,
        author: int,
        moment: datetime,
        text: str,
        recipients: Iterable[int] = (),
        *,
        generated: bool = False,
        removed: datetime | None = None,
    ) -> int:
        ident = self.next_message
        self.next_message += 1
        self.db.execute(
            "INSERT INTO messages (id, conversation_id, author_id, created_at, body, generated, removed_at,"
            " first_seen_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ident,
                conversation,
                author,
                iso(moment),
                text,
                int(generated),
                iso(removed) if removed else None,
                iso(NOW),
            ),
        )
        self.db.executemany(
            "INSERT INTO message_recipients VALUES (?, ?)", [(ident, person) for person in set(recipients)]
        )
        return ident

    def attachment(
        self,
        message: int,
        name: str,
        content: bytes | None = b"content",
        *,
        state: str = "stored",
        size: int | None = None,
    ) -> int:
        ident = self.next_file
        self.next_file += 1
        digest = sha256(content).hexdigest() if content is not None and state == "stored" else None
        if digest is not None and content is not None:
            path = self.folder / "files" / digest[:2] / digest
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        length = len(content) if content is not None else None
        self.db.execute(
            "INSERT INTO attachments (id, display_name, filename, content_type, size, created_at, state,"
            " sha256, stored_size)"
            " VALUES (?, ?, ?, 'text/html', ?, ?, ?, ?, ?)",
            (ident, name, name, size or length, iso(NOW), state, digest, length if digest else None),
        )
        self.db.execute("INSERT INTO message_attachments VALUES (?, ?, 0)", (message, ident))
        self.db.execute(
            "UPDATE conversations SET properties = '[\"attachments\"]' WHERE id ="
            " (SELECT conversation_id FROM messages WHERE id = ?)",
            (message,),
        )
        return ident


def ago(days: float = 0, hours: float = 0) -> datetime:
    """A moment before the tests' present."""
    return NOW - timedelta(days=days, hours=hours)


def fill(make: Maker) -> None:
    """A small mailbox with one of everything the pages must show."""
    make.person(OWNER, "Jules Marchetti", "they/them")
    names = [
        "Anneliese Fernández",
        "Hana Mensah",
        "Felix Haddad",
        "Prof. Emeka Mensah",
        "Farah Raman",
        "Imani Dubois",
        "Astrid Chen",
        "王小明",
        "ليلى حداد",
        "Wolfeschlegelsteinhausenbergerdorff-Montgomery-Featherstonehaugh III",
    ]
    people = [make.person(index + 2, name) for index, name in enumerate(names)]
    make.db.execute("UPDATE users SET pronouns = 'she/her' WHERE id = 3")
    geog = make.course(106, "GEOG 118", "Maps and Their Makers", "Autumn 2026")
    cs = make.course(105, "CS 240", "Data Structures", "Autumn 2026")
    math = make.course(103, "MATH 221", "Linear Algebra", "Spring 2026")
    make.course(110, "PHYS 1", "PHYS 1 A course nobody wrote in", "Spring 2027")
    old = make.course(90, None, "A course whose name is very long because nobody gave it a code", None)
    bodies = [
        "Hi Jules,\n\nThe room has changed: we are now in Hollis 204, on the second floor. The projector "
        "there is unreliable, so bring a printed copy if you can.\n\nBest,\nAstrid",
        "Hello,\n\nI counted the samples again and we have forty-one, not thirty-nine. Two were filed under "
        "the wrong site. I have corrected the sheet and added a note about it.\n\nSee you Wednesday,\nJules",
        "Dear all,\n\nThe slides are at https://example.edu/courses/slides/week-7?view=print (see also "
        "https://media.example.edu/r/8f2c). Write to help@example.edu if they do not open.\n\nThanks",
        "One thing I would push back on: the proof assumes the matrix is invertible, and you only show "
        "that in the next lemma. Swap the order and it reads better.",
    ]
    subjects = [
        "Re: attendance in section",
        "Accommodations for the final",
        "Peer review pairings",
        "Field trip on Friday",
    ]
    ident = 700001
    for index in range(70):
        person = people[index % 7]
        end = ago(days=index * 2.3, hours=1.3)
        course = (geog, cs, math, None)[index % 4]
        count = 1 + index % 5
        messages = [
            (
                person if turn % 2 == count % 2 - 1 + 1 or turn == count - 1 else OWNER,
                end - timedelta(days=count - 1 - turn),
                bodies[(index + turn) % 4],
            )
            for turn in range(count)
        ]
        make.conversation(
            ident,
            subjects[index % 4],
            [person] if index % 6 else people[:5],
            messages,
            course=course,
            state="unread" if index % 9 == 1 else "archived" if index % 11 == 5 else "read",
            starred=index % 8 == 2,
            removed=ago(days=20) if index % 23 == 22 else None,
            private=bool(index % 6),
        )
        ident += 1
    first = make.conversation(
        800001,
        "Midterm review session",
        [people[6], people[1]],
        [
            (people[6], ago(4), bodies[0]),
            (OWNER, ago(3), bodies[1]),
            (
                people[6],
                ago(2),
                "> I counted the samples again\n> and we have forty-one\n\n"
                "Thank you! 🎉 That is 5 < 6 & 7 > 2.",
            ),
        ],
        course=geog,
        state="unread",
        to={1: (OWNER, people[6])},
    )
    make.message(
        800001,
        people[6],
        ago(3.5),
        "Hana Mensah was added to the conversation by Astrid Chen",
        [OWNER],
        generated=True,
    )
    make.attachment(
        first[0],
        "Essay draft 3.docx",
        b"PK essay",
    )
    make.attachment(first[0], "samples.csv", None, state="pending", size=3_700_000)
    make.attachment(first[2], "Überblick – naïve “café”.pdf", b"%PDF-1.4 overview")
    make.db.execute(
        "INSERT INTO media_comments (message_id, media_id, media_type, display_name, content_type)"
        " VALUES (?, 'm-abc', 'audio', 'Spoken comment', 'audio/mp4')",
        (first[2],),
    )
    inner = make.message(None, people[3], ago(400), "The original question, from last year.")
    middle = make.message(None, people[2], ago(300), "Passing this on.")
    make.db.execute("INSERT INTO forwarded_messages VALUES (?, ?, 0)", (first[1], middle))
    make.db.execute("INSERT INTO forwarded_messages VALUES (?, ?, 0)", (middle, inner))
    make.attachment(inner, "original.txt", b"the original")
    gone = make.message(
        800001, people[1], ago(2.5), "I should not have said this.", [OWNER, people[1]], removed=ago(1)
    )
    make.db.execute("UPDATE messages SET removed_at = ? WHERE id = ?", (iso(ago(1)), gone))
    make.conversation(800002, HOSTILE, [make.person(66, HOSTILE)], [(66, ago(1.2), HOSTILE)], course=cs)
    make.attachment(
        make.next_message - 1, 'ev"il\r\nX-Injected: 1; <script>.html', b"<script>alert(5)</script>"
    )
    make.conversation(
        800003,
        "مرحبا بكم في الدورة 2026",
        [people[8]],
        [(people[8], ago(0.2), "السلام عليكم،\n\nأود أن أسأل عن موعد التسليم (CS 240).")],
        course=cs,
    )
    make.conversation(
        800004,
        "关于期末考试的时间安排",
        [people[7]],
        [(people[7], ago(0.1), "老师好，请问期末考试是什么时候？谢谢！")],
        state="unread",
    )
    make.conversation(
        800005,
        "A subject that goes on and on, " * 7 + "without_any_space_" * 12,
        [people[9], *people[:6]],
        [(people[9], ago(1.5), "x" * 3000)],
        course=old,
        course_name="A course whose name is very long",
    )
    make.conversation(
        800006, None, [people[0]], [(OWNER, ago(5), "Nobody answered this one yet.")], course=math
    )
    make.conversation(800007, "Note to self", [], [(OWNER, ago(6), "Remember the maps.")])
    make.conversation(
        800008,
        "Reading group Tuesday",
        [people[4]],
        [(people[4], ago(9), bodies[3])],
        course=cs,
        removed=ago(8),
    )
    run = json.dumps({"new": 12, "changed": 3})
    make.db.execute(
        "INSERT INTO sync_runs (mode, started_at, finished_at, status, complete, requests, bytes, counts)"
        " VALUES ('full', ?, ?, 'partial', 1, 214, 1830021, ?)",
        (iso(ago(hours=2.1)), iso(ago(hours=2)), run),
    )
    make.db.execute(
        "INSERT INTO problems (kind, item_id, error, attempts, first_at, last_at) "
        "VALUES ('attachment', '9002', 'Canvas answered 500 three times.', 3, ?, ?)",
        (iso(ago(3)), iso(ago(hours=2))),
    )


def make_archive(folder: Path) -> Path:
    """Create the small mailbox in ``folder`` and return the folder."""
    made, who = _small_mailbox()
    shutil.copytree(made, folder)
    adoption.remember(folder, who)  # another test may have made this user forget it
    return folder


@functools.cache  # it is made for hundreds of tests, which change their copies
def _small_mailbox() -> tuple[Path, adoption.Who]:
    """Return the small mailbox and whose it is."""
    made = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    folder = Path(made) / "archive"
    with Archive.create(
        folder, base_url="https://school.instructure.com", user_id=OWNER, name="Jules Marchetti"
    ) as archive:
        with transaction(archive.db):
            fill(Maker(archive.db, archive.folder))
            write_receipts(archive.db)
        update_index(archive.db, archive.search_dir)
        archive.db.execute("ANALYZE")
        account = archive.account
    return folder, (account.base_url, account.user_id, account.as_user_id, account.created_at)


LONG_COUNT = 437


def make_long(folder: Path) -> Path:
    """Create a mailbox whose conversation 4 has hundreds of messages; 1 to 3 are about as long as a page."""
    with Archive.create(folder, base_url="https://school.example", user_id=OWNER, name="Jo") as archive:
        with transaction(archive.db):
            make = Maker(archive.db, archive.folder)
            make.person(OWNER, "Jo")
            make.person(2, "Ann")
            for ident, count in ((1, 1), (2, thread_parts.WHOLE), (3, thread_parts.WHOLE + 1)):
                begin = NOW - timedelta(days=ident)
                make.conversation(
                    ident, f"Thread {ident}", [2], [(2, begin, f"Line {n}") for n in range(count)]
                )
            # Three messages a second: equal times, told apart by id alone.
            begin = NOW - timedelta(days=9)
            lines = [(2 - n % 2, begin + timedelta(seconds=n // 3), f"Line {n}.") for n in range(LONG_COUNT)]
            ids = make.conversation(4, "The long one", [2], lines)
            for n in range(0, LONG_COUNT, 13):
                make.attachment(ids[n], f"file {n}.txt", f"text {n}".encode())
            inner = make.message(None, 2, begin, "Told elsewhere")
            archive.db.execute("INSERT INTO forwarded_messages VALUES (?, ?, 0)", (ids[5], inner))
            make.attachment(inner, "forwarded.txt", b"forwarded")
            archive.db.execute(
                "INSERT INTO media_comments (message_id, media_id, media_type, display_name)"
                " VALUES (?, 'm-1', 'audio', 'Spoken')",
                (ids[7],),
            )
            archive.db.execute("UPDATE messages SET generated = 1 WHERE id IN (?, ?)", (ids[0], ids[300]))
    return folder


class Visitor:
    """Asks a Datasette in this process, as a browser of the same origin would."""

    def __init__(self, datasette: Any) -> None:
        self.datasette = datasette
        self.origin = {"origin": "http://localhost", "host": "localhost"}
        self.cookies: dict[str, str] = {"canvas_archive_zone": "UTC"}
        # In a thread of its own: Playwright keeps a loop running in the one the tests run in.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        for database in self.datasette.databases.values():
            database.close()
        self.datasette.executor.shutdown()

    def run(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(60)

    def ask(self, method: str, path: str, **how: Any) -> Any:
        async def go() -> Any:
            await self.datasette.invoke_startup()
            return await getattr(self.datasette.client, method)(path, **how)

        return self.run(go())

    def get(self, path: str, **how: Any) -> Any:
        return self.ask("get", path, **{"cookies": self.cookies, **how})

    def token(self) -> str:
        """The token of the forms, read from a page as a browser would."""
        found = re.search(r'data-token="([0-9a-f]{64})"', self.get("/mail").text)
        if found is None:
            raise LookupError("the page has no form token")
        return found[1]

    def post(
        self,
        path: str,
        fields: dict[str, Any],
        *,
        headers: dict[str, str] | None = None,
        token: str | None = None,
    ) -> Any:
        data = {"csrf": self.token() if token is None else token, **fields}
        return self.ask(
            "post", path, data=data, cookies=self.cookies, headers={**self.origin, **(headers or {})}
        )


def open_visitor(folder: Path) -> Visitor:
    """A visitor of an archive served without sign-in, as on the loopback with ``--no-login``."""
    return Visitor(build(folder, host="127.0.0.1", port=8001, login=False))


def column(folder: Path, statement: str, *values: Any) -> list[Any]:
    """The first column of a query on the archive's database."""
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        return [row[0] for row in db.execute(statement, values)]


def change(folder: Path, statement: str, *values: Any) -> None:
    """Write to the archive's database as any SQLite client may."""
    with closing(sqlite3.connect(folder / "archive.db", timeout=10)) as db, db:
        db.execute(statement, values)


CHROMIUM = next(
    (path for path in (os.environ.get("CHROME", ""), "/usr/bin/chromium") if path and os.path.exists(path)),
    "",
)
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class SteadyClock:
    """A clock that stands still until it is moved."""

    seconds = 1000.0

    def now(self) -> Any:
        raise NotImplementedError

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Running:
    """A server of an archive in a thread of its own, on a free port; ``more`` are attached beside it."""

    def __init__(
        self, folder: Path, *, login: bool = True, more: Iterable[Path] = (), public_url: str = ""
    ) -> None:
        self.folder = folder
        self.served = prepare(folder, login=login, public_url=public_url)
        for other in more:
            database = Database(self.served.datasette, str(other / "archive.db"), is_mutable=True)
            self.served.datasette.add_database(database, name=other.name)
        self.url = self.served.url
        self.base = self.url.partition("/mail")[0]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._up = threading.Event()
        self._thread.start()
        if not self._up.wait(20):
            raise TimeoutError("the server did not start")

    def _serve(self) -> None:
        async def go() -> None:
            await self.served.datasette.invoke_startup()
            task = asyncio.ensure_future(self.served.server.serve(sockets=[self.served.listener]))
            while not self.served.server.started and not task.done():
                await asyncio.sleep(0.005)
            self._up.set()
            await task

        asyncio.run(go())

    def stop(self) -> None:
        # Not force_exit: that skips the application's own shutdown, and its task would be cancelled noisily.
        self.served.server.should_exit = True
        self._thread.join(20)
        self.served.close()

    def link(self) -> str:
        return f"{self.base}/mail/login?token={access_policy(self.served.datasette).new_link()}"


class Watched:
    """A page whose complaints are kept: errors, refused content, requests to other hosts, dialogs."""

    def __init__(self, page: Any, base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._request)
        page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.base + "/", "data:")):
            self.complaints.append(f"outside: {request.url}")

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def go(self, path: str) -> Any:
        return self.page.goto(self.base + path)
