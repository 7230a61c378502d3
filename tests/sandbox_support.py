"""A small school that sandbox tests know by heart, and a plain HTTP client for it.

Ada (1) owns the mailbox. She studies in BIO 101 (course 10) with Ben (2) and Cleo (3), taught by Dr. Dee (4).
Course 11 has ended. Group 20 is Ada's and Ben's. Nobody shares anything with Eve (5).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import httpx

from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.mailbox import (
    Group,
    Mailbox,
    Media,
    SandboxCourse,
    SandboxFile,
    SandboxPerson,
    SentMessage,
    Thread,
)
from canvas_archive.sandbox.school import School

ADA, BEN, CLEO, DEE, EVE = 1, 2, 3, 4, 5
BIO, OLD = 10, 11
TEAM = 20
START = datetime(2026, 3, 1, 9, 0, tzinfo=timezone.utc)
PDF, PNG = 501, 502


def at(minutes: int) -> datetime:
    """Return a moment some minutes after the first message."""
    return START + timedelta(minutes=minutes)


def small_mailbox() -> Mailbox:
    """Return the school: six conversations that differ in everything that matters."""
    people = {
        ADA: SandboxPerson(ADA, "Ada", "Ada Lovelace", "she/her", email="ada@school.example"),
        BEN: SandboxPerson(BEN, "Ben", "Ben Okri"),
        CLEO: SandboxPerson(CLEO, "Cleo", "Cleo Stern"),
        DEE: SandboxPerson(DEE, "Dr. Dee", "Dora Dee", role="teacher"),
        EVE: SandboxPerson(EVE, "Eve", "Eve Elsewhere"),
    }
    everyone = {
        ADA: "StudentEnrollment",
        BEN: "StudentEnrollment",
        CLEO: "StudentEnrollment",
        DEE: "TeacherEnrollment",
    }
    courses = {
        BIO: SandboxCourse(BIO, "Biology 101", "BIO 101", 1, "Spring", dict(everyone)),
        OLD: SandboxCourse(OLD, "Old Physics", "PHY 1", 0, "Autumn", dict(everyone), concluded=True),
    }
    groups = {TEAM: Group(TEAM, "Team Fern", BIO, [ADA, BEN])}
    files = {
        PDF: SandboxFile(
            PDF, DEE, "Syllabus März.pdf", "application/pdf", START, "", b"%PDF-1.4 syllabus " * 40
        ),
        PNG: SandboxFile(PNG, ADA, "leaf.png", "image/png", START, "", b"\x89PNG leaf"),
    }
    threads = [
        Thread(
            100,
            [DEE, ADA],
            [
                SentMessage(1000, DEE, at(0), "Welcome to the course", [DEE, ADA], file_ids=[PDF]),
                SentMessage(1001, ADA, at(1), "Thank you!", [DEE, ADA]),
                SentMessage(1002, DEE, at(10), "x" * 150, [DEE, ADA]),
            ],
            subject="Welcome",
            private=True,
            context_code=f"course_{BIO}",
            workflow_state="unread",
        ),
        Thread(
            101,
            [ADA, BEN, CLEO],
            [
                SentMessage(1010, BEN, at(2), "Lab on Friday?", [ADA, BEN, CLEO]),
                SentMessage(
                    1011, CLEO, at(20), "Listen", [ADA, BEN, CLEO], media=Media("m-1", "audio", "note.mp3")
                ),
            ],
            subject="Lab",
            context_code=f"group_{TEAM}",
            starred=True,
        ),
        Thread(
            102,
            [BEN, ADA],
            [SentMessage(1020, BEN, at(5), "Old news", [BEN, ADA])],
            private=True,
            workflow_state="archived",
        ),
        Thread(
            103,
            [ADA, CLEO],
            [SentMessage(1030, ADA, at(30), "Are you there?", [ADA, CLEO])],
            subject="Unanswered",
            private=True,
            context_code=f"course_{BIO}",
        ),
        Thread(
            104,
            [DEE, ADA, BEN],
            [
                SentMessage(1040, DEE, at(3), "See below", [DEE, ADA, BEN], forwarded_ids=[1041]),
            ],
            subject="Forwarded",
        ),
        Thread(
            105,
            [ADA, BEN],
            [SentMessage(1050, BEN, at(4), "The end of physics", [ADA, BEN])],
            subject="Physics",
            context_code=f"course_{OLD}",
            workflow_state="unread",
        ),
    ]
    # What conversation 104 forwards was written elsewhere, by someone who is not in it.
    elsewhere = Thread(
        106,
        [EVE, DEE],
        [
            SentMessage(1041, EVE, at(-5), "The original", [EVE, DEE], file_ids=[PDF], forwarded_ids=[1042]),
            SentMessage(1042, CLEO, at(-6), "Before that", [EVE, DEE]),
        ],
    )
    return Mailbox(
        ADA, people, courses, groups, files, {one.id: one for one in [*threads, elsewhere]}, at(600)
    )


class Client:
    """Plain requests to a sandbox with a token, answers decoded."""

    def __init__(self, sandbox: Sandbox, token: str | None = None) -> None:
        self.http = httpx.Client(
            base_url=sandbox.url,
            headers={"Authorization": f"Bearer {token or sandbox.token}"},
            timeout=20,
            trust_env=False,
            verify=False,  # plain HTTP: reading the certificates would only cost time
        )

    def get(self, path: str, **params: Any) -> Any:
        """GET below /api/v1 and return the JSON of a 200."""
        response = self.http.get(f"/api/v1/{path}", params=params)
        assert response.status_code == 200, (response.status_code, response.text)
        return response.json()

    def call(self, method: str, path: str, data: Any = None, **options: Any) -> httpx.Response:
        """Send any request below /api/v1 with form data."""
        return self.http.request(method, f"/api/v1/{path}", data=data, **options)

    def ids(self, scope: str = "inbox", **params: Any) -> list[int]:
        """Return the ids of a scope in the order of its list."""
        return [row["id"] for row in self.get("conversations", scope=scope, per_page=100, **params)]

    def show(self, number: int, **params: Any) -> Any:
        """Return a conversation without marking it as read."""
        return self.get(f"conversations/{number}", auto_mark_as_read="false", **params)


class Pair(NamedTuple):
    """A running sandbox and a client for its owner."""

    sandbox: Sandbox
    client: Client

    opened: list[Client]

    def as_person(self, user_id: int) -> Client:
        """Return a client with a token of another person."""
        self.opened.append(Client(self.sandbox, self.sandbox.tokens.issue(user_id)))
        return self.opened[-1]

    @property
    def school(self) -> School:
        """Return what happens at the school."""
        return self.sandbox.school


@contextmanager
def running(mailbox: Mailbox | None = None, **options: Any) -> Iterator[Pair]:
    """Run a sandbox of the small school, or of another mailbox, with a client for its owner."""
    with Sandbox(mailbox or small_mailbox(), **options) as sandbox:
        opened = [Client(sandbox)]
        try:
            yield Pair(sandbox, opened[0], opened)
        finally:
            for client in opened:
                client.http.close()
