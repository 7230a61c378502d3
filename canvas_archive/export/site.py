"""A static site: conversations, people and a search that needs no server. Opens from a disk."""

from __future__ import annotations

import shutil
import sqlite3
from array import array
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from canvas_archive.export.context import ExportContext
from canvas_archive.export.records import MessageRecord, PersonRecord, ThreadRecord
from canvas_archive.export.site_pages import (
    SiteFrame,
    SiteRow,
    attribute,
    day,
    pager,
    person_path,
    rows,
    text,
    thread_path,
)
from canvas_archive.export.site_search import DOCS_PER_FILE, SearchIndex, write_script

ROWS_PER_PAGE = 100
_PREVIEW = 160
_MOST_NAMES = 12

_WORK_TABLES = """
CREATE TABLE threads (number INTEGER PRIMARY KEY, id INTEGER, latest TEXT, subject TEXT, people TEXT,
  preview TEXT, unread INTEGER);
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, folded TEXT);
CREATE TABLE part (person INTEGER, thread INTEGER, PRIMARY KEY (person, thread)) WITHOUT ROWID;
"""
_LISTED = "SELECT id, latest, subject, people, preview, unread FROM threads ORDER BY latest DESC, id DESC"


class SiteWriter:
    """Writes the folder ``html``. Lists that need an order wait in a temporary database, not in memory."""

    def __init__(self, target: Path, context: ExportContext) -> None:
        self._root = target
        self._frame = SiteFrame(context)
        self._owner = context.custodian.user_id
        self._work = target / ".work"
        for folder in (target, target / "assets", target / "search", self._work):
            folder.mkdir(exist_ok=True)
        self._index = SearchIndex(target / "search", self._work)
        self._db = sqlite3.connect((self._work / "lists.db").absolute(), isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _WORK_TABLES)
        self._db.execute("BEGIN")
        self._made: set[Path] = set()
        self._count = 0

    def add(self, thread: ThreadRecord) -> None:
        """Write the page of one conversation, and note it for the lists."""
        self._write(thread_path(thread.id), self._frame.thread(thread))
        people = {person.id: person for person in thread.participants}
        for message in thread.messages:
            people.setdefault(message.author.id, message.author)
        self._note(thread, list(people.values()))
        texts = [thread.subject or "", thread.context_name or "", thread.course_code or ""]
        texts += [person.full_name for person in people.values()]
        for message in thread.messages:
            texts += _texts(message)
        self._index.add(self._count, texts)
        self._count += 1

    def _note(self, thread: ThreadRecord, people: list[PersonRecord]) -> None:
        others = [person.full_name for person in people if person.id != self._owner] or [
            person.full_name for person in people
        ]
        names = ", ".join(others[:_MOST_NAMES])
        if len(others) > _MOST_NAMES:
            names += f" and {len(others) - _MOST_NAMES} more"
        latest = max((message.created_at for message in thread.messages), default=thread.latest_at)
        preview = " ".join(thread.messages[-1].body.split())[:_PREVIEW] if thread.messages else ""
        self._db.execute(
            "INSERT INTO threads VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self._count,
                thread.id,
                latest,
                _stored(thread.subject or ""),
                _stored(names),
                _stored(preview),
                "unread" in thread.folders,
            ),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO people VALUES (?, ?, ?)",
            (
                (person.id, _stored(person.full_name), _stored(person.full_name.casefold()))
                for person in people
            ),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO part VALUES (?, ?)", ((person.id, self._count) for person in people)
        )

    def finish(self) -> None:
        """Write the lists, the people and the search index."""
        self._write_index()
        self._write_people()
        self._write_search()
        assets = resources.files("canvas_archive.export") / "assets"
        for name in ("site.css", "site.js"):
            data = (assets / name).read_bytes()
            self._write(f"assets/{name}", data)
        self.close()
        shutil.rmtree(self._work)

    def close(self) -> None:
        """Close the temporary database."""
        self._db.close()

    def _write(self, path: str, data: bytes) -> None:
        target = self._root / path
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        target.write_bytes(data)

    def _write_index(self) -> None:
        last = max(1, -(-self._count // ROWS_PER_PAGE))
        listed = map(_row, self._db.execute(_LISTED))
        for page in range(1, last + 1):
            chosen = _take(listed)
            root = "" if page == 1 else "../"
            path = "index.html" if page == 1 else f"pages/{page}.html"
            later = f"{root}pages/{{}}.html"
            main = (
                f'<h1>Conversations</h1>\n<p class="meta">{self._count:,}, newest first</p>\n'
                f"{self._frame.state if page == 1 else ''}{rows(chosen, root)}\n"
                f"{pager(page, last, later, f'{root}index.html')}"
            )
            self._write(path, self._frame.page("Conversations", root, main, "Conversations"))

    def _write_people(self) -> None:
        total = self._db.execute("SELECT count(*) FROM people").fetchone()[0]
        last = max(1, -(-total // ROWS_PER_PAGE))
        found = self._db.execute(
            "SELECT p.id, p.name, (SELECT count(*) FROM part WHERE person = p.id), "
            "(SELECT max(t.latest) FROM part x JOIN threads t ON t.number = x.thread WHERE x.person = p.id) "
            "FROM people p ORDER BY p.folded, p.id"
        )
        for page in range(1, last + 1):
            root = "" if page == 1 else "../"
            entries = []
            for number, name, count, latest in found.fetchmany(ROWS_PER_PAGE):
                entries.append(
                    f'<li><div class="who"><a href="{root}{person_path(number)}">'
                    f"<bdi>{text(name)}</bdi></a></div>"
                    f'<div class="what">{count:,} conversations</div>'
                    f'<time datetime="{attribute(latest)}">{text(day(latest))}</time></li>'
                )
                self._write_person(number, name)
            path = "people.html" if page == 1 else f"people-pages/{page}.html"
            main = (
                f'<h1>People</h1>\n<p class="meta">{total:,}, by name</p>\n'
                f'<ul class="rows">{"".join(entries)}</ul>\n'
                f"{pager(page, last, f'{root}people-pages/{{}}.html', f'{root}people.html')}"
            )
            self._write(path, self._frame.page("People", root, main, "People"))

    def _write_person(self, number: int, name: str) -> None:
        total = self._db.execute("SELECT count(*) FROM part WHERE person = ?", (number,)).fetchone()[0]
        last = max(1, -(-total // ROWS_PER_PAGE))
        listed = map(
            _row,
            self._db.execute(
                "SELECT t.id, t.latest, t.subject, t.people, t.preview, t.unread "
                "FROM part x JOIN threads t ON t.number = x.thread WHERE x.person = ? "
                "ORDER BY t.latest DESC, t.id DESC",
                (number,),
            ),
        )
        for page in range(1, last + 1):
            own = f"{number}"
            main = (
                f'<h1><bdi>{text(name)}</bdi></h1>\n<p class="meta">{total:,} conversations</p>\n'
                f"{rows(_take(listed), '../../')}\n{pager(page, last, f'{own}-{{}}.html', f'{own}.html')}"
            )
            self._write(person_path(number, page), self._frame.page(name, "../../", main))

    def _write_search(self) -> None:
        ranks = array("L", bytes(array("L").itemsize * self._count))
        order = self._db.execute("SELECT number FROM threads ORDER BY latest DESC, id DESC")
        for rank, (number,) in enumerate(order):
            ranks[number] = rank
        self._index.finish(ranks)
        listed = map(_row, self._db.execute(_LISTED))
        for number in range(-(-self._count // DOCS_PER_FILE)):
            docs = [
                [row.path, row.subject, row.people, row.latest, day(row.latest), row.preview]
                for row in _take(listed, DOCS_PER_FILE)
            ]
            write_script(self._root / "search" / f"docs-{number}.js", f"docs-{number}", docs)
        main = (
            '<h1>Search</h1>\n<p class="meta" id="status" role="status"></p>\n'
            '<noscript><p class="note">Searching needs JavaScript; '
            "the lists of conversations and people do not.</p></noscript>\n"
            '<ul class="rows" id="results"></ul>\n'
            '<div class="pages"><button id="more" hidden>Show more</button></div>'
        )
        self._write("search.html", self._frame.page("Search", "", main, "Search", script=True))


def _texts(message: MessageRecord) -> Iterator[str]:
    yield message.body
    yield message.author.full_name
    yield from (file.name for file in message.files)
    for inner in message.forwarded:
        yield from _texts(inner)


def _row(values: tuple[int, str, str, str, str, int]) -> SiteRow:
    number, latest, subject, people, preview, unread = values
    return SiteRow(number, latest, subject, people, preview, bool(unread))


def _take(listed: Iterator[SiteRow], count: int = ROWS_PER_PAGE) -> list[SiteRow]:
    return [row for _, row in zip(range(count), listed, strict=False)]


def _stored(value: str) -> str:
    # Half a surrogate pair can be shown, but not kept in SQLite.
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
