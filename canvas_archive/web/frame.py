"""The frame of every page: folders with their counts, courses by term, pending changes, the owner."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from canvas_archive.store.addressees import enumerated
from canvas_archive.store.folders import FOLDERS
from canvas_archive.web import queries
from canvas_archive.web.cache import cached
from canvas_archive.web.dates import Dates
from canvas_archive.web.render import HUES, plural

SIDE_COURSES = 5
"""As many as leave the rest of the column in sight on a small screen."""
SIDE_SEARCHES = 5
OTHER = "Other courses"


@dataclass(frozen=True, slots=True)
class CourseLabel:
    """A course or group as pages name it: the short label, and the full name where it says more."""

    code: str
    kind: str
    label: str
    name: str
    term: str
    latest_at: str
    place: int = 0  # among all courses, in the order Canvas made them

    @property
    def hue(self) -> int:
        """Return the number of its colour: neighbours differ, and a course keeps its colour."""
        return self.place % HUES

    @property
    def rest(self) -> str:
        """Return what the name says beyond the label; nothing when that is all."""
        return self.name.removeprefix(self.label).lstrip(" :·–-")

    @property
    def full(self) -> str:
        """Return label and name together, once each."""
        return f"{self.label} {self.rest}".rstrip()


@dataclass(frozen=True, slots=True)
class TermHeading:
    """A heading of the side column and the courses under it."""

    title: str
    courses: tuple[CourseLabel, ...]


@dataclass(frozen=True, slots=True)
class FolderLink:
    """A folder in the side column; ``count`` is shown where there is something to do."""

    key: str
    title: str
    count: int
    shown: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything the side column shows, and what pages need to know of the mailbox."""

    owner_id: int
    owner_name: str
    base_url: str
    created_at: str
    counts: dict[str, int]
    courses: dict[str, CourseLabel]
    terms: tuple[TermHeading, ...]
    more_courses: bool
    sync_status: str
    synced_at: str | None
    masquerading: bool
    searches: tuple[tuple[str, str], ...]

    @property
    def canvas_href(self) -> str:
        """Return Canvas's address for links; empty where the archive names none that a link may have."""
        return self.base_url if self.base_url.startswith(("https://", "http://")) else ""

    @property
    def school(self) -> str:
        """Return the host of the Canvas that this mailbox is of."""
        return urlsplit(self.base_url).hostname or self.base_url

    @property
    def folders(self) -> tuple[FolderLink, ...]:
        """Return the folders in their order."""
        return tuple(
            FolderLink(key, folder.label, self.counts[key], key in ("unread", "starred", "removed"))
            for key, folder in FOLDERS.items()
        )

    @property
    def waits(self) -> int:
        """Return how many changes and messages wait to be sent."""
        return self.counts["pending"] + self.counts["outbox"]

    @property
    def waiting(self) -> str:
        """Name what waits: ``1 change and 2 messages``."""
        parts = (("pending", "change"), ("outbox", "message"))
        return enumerated(plural(self.counts[key], noun) for key, noun in parts if self.counts[key])

    def label_of(self, name: str) -> str:
        """Return the short label of the course of that name; the name itself for an unknown one."""
        return next((course.label for course in self.courses.values() if course.name == name), name)

    def course(self, code: str | None, fallback: str | None = None) -> CourseLabel | None:
        """Return the course of that code. An unknown one gets the name that the conversation has."""
        if not code:
            return None
        return self.courses.get(code) or course_of(code, code.partition("_")[0], fallback, None, None, None)


def course_of(
    code: str, kind: str, name: str | None, course_code: str | None, term: str | None, latest_at: str | None
) -> CourseLabel:
    """Name a course: its code where it has one, else its name."""
    return CourseLabel(code, kind, course_code or name or code, name or "", term or "", latest_at or "")


def by_term(courses: list[CourseLabel], other: str = OTHER) -> tuple[TermHeading, ...]:
    """Group courses under their terms, each with the newest message first.

    Terms have no order of their own here. Canvas numbers courses as they are made, so the term of the
    latest made course comes first.
    """
    groups: dict[str, list[CourseLabel]] = {}
    for course in sorted(courses, key=lambda course: (course.latest_at, course.label), reverse=True):
        groups.setdefault(course.term, []).append(course)
    titles = sorted(
        (term for term in groups if term),
        key=lambda term: max(course.place for course in groups[term]),
        reverse=True,
    )
    titles += [""] if "" in groups else []
    return tuple(TermHeading(title or other, tuple(groups[title])) for title in titles)


def _courses(connection: sqlite3.Connection) -> dict[str, CourseLabel]:
    return {
        row["code"]: replace(course_of(*tuple(row)), place=place)
        for place, row in enumerate(connection.execute(queries.CONTEXTS))
    }


def read_frame(connection: sqlite3.Connection, dates: Dates) -> Frame:
    """Read the frame of every page."""
    account = connection.execute(queries.ACCOUNT).fetchone()
    counts = cached(connection, "counts", lambda: dict(connection.execute(queries.COUNTS).fetchone()))
    courses = cached(connection, "courses", lambda: _courses(connection))
    shown = [course for course in courses.values() if course.kind == "course" and course.latest_at]
    newest = sorted(shown, key=lambda course: course.latest_at, reverse=True)[:SIDE_COURSES]
    sync = connection.execute(queries.LAST_SYNC).fetchone()
    searches = connection.execute(queries.SAVED_SEARCHES).fetchmany(SIDE_SEARCHES)
    return Frame(
        owner_id=account["owner_id"],
        owner_name=account["owner_name"] or "You",
        base_url=account["base_url"],
        created_at=account["created_at"],
        counts=counts,
        courses=courses,
        terms=by_term(newest),
        more_courses=len(courses) > len(newest),
        sync_status=sync["status"] if sync else "",
        synced_at=(sync["finished_at"] or sync["started_at"]) if sync else None,
        masquerading=bool(account["masquerading"]),
        searches=tuple((row["name"], row["query"]) for row in searches),
    )
