"""A Canvas whose every name, subject, message, file and course is hostile, and a terminal to see it on."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli.main import run
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.mailbox import (
    Mailbox,
    Media,
    SandboxCourse,
    SandboxFile,
    SandboxPerson,
    SentMessage,
    Thread,
)
from tests.hostile_texts import ALL, FORGED, KINDS, OWNED
from tests.sandbox_support import at
from tests.trust_support import TALLY

SOME_AND_ALL = [
    pytest.param(range(0, len(ALL), 4), id="some"),
    pytest.param(range(len(ALL)), id="all", marks=pytest.mark.torture),
]
"""Which of the texts a test goes through one by one; all of them are in the archive in any case."""

ME = 1
OWNER_NAME = (
    "=Owner\r\nBcc: a@outside.invalid\n" + f"{FORGED}\x1b[2J\u202e<script>window.{OWNED}=1</script>\"';--"
)
FIRST_PERSON, FIRST_COURSE, FIRST_FILE, FIRST_THREAD, FIRST_MESSAGE = 1000, 5000, 20_000, 30_000, 40_000


def hostile_mailbox(texts: tuple[str, ...] = ALL) -> Mailbox:
    """Return a mailbox with one conversation per text: it is the other person's name, the course's name, the
    subject, the message, the name of its file and of its recording, and what a forwarded message says."""
    people = {ME: SandboxPerson(ME, OWNER_NAME, OWNER_NAME)}
    courses: dict[int, SandboxCourse] = {}
    files: dict[int, SandboxFile] = {}
    threads: dict[int, Thread] = {}
    for number, text in enumerate(texts):
        other, course, thread = FIRST_PERSON + number, FIRST_COURSE + number, FIRST_THREAD + number
        people[other] = SandboxPerson(other, text, text, text)
        members = {ME: "StudentEnrollment", other: "TeacherEnrollment"}
        courses[course] = SandboxCourse(course, text, text, 1, text, members)
        file = FIRST_FILE + number
        files[file] = SandboxFile(
            file, other, text, "text/html", at(number), "", f"bytes of file {number}".encode()
        )
        message = FIRST_MESSAGE + 3 * number
        both = [other, ME]
        first = SentMessage(message, other, at(number), text, both, file_ids=[file])
        second = SentMessage(
            message + 1,
            other,
            at(number + 1),
            f"before {text} after",
            both,
            media=Media(f"m-{number}", "audio", text),
            forwarded_ids=[message],
        )
        reply = SentMessage(message + 2, ME, at(number + 2), text, both)
        threads[thread] = Thread(
            thread,
            both,
            [first, second, reply],
            subject=text,
            private=True,
            context_code=f"course_{course}",
            workflow_state="unread" if number % 3 == 0 else "read",
            starred=number % 5 == 0,
        )
    return Mailbox(ME, people, courses, {}, files, threads, at(len(texts) + 600))


@dataclass
class Hostile:
    """A running sandbox with the hostile mailbox, and an archive of it."""

    sandbox: Sandbox
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return what a person has set who syncs it."""
        return {"CANVAS_API_URL": self.sandbox.url, "CANVAS_API_TOKEN": self.sandbox.token}


@contextmanager
def hostile_archive(folder: Path) -> Iterator[Hostile]:
    """Sync the hostile mailbox with the real commands."""
    with Sandbox(hostile_mailbox(), texts="raw") as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in Hostile(sandbox, folder).environment.items():
            patch.setenv(name, value)
        patch.setenv("CANVAS_ARCHIVE", str(folder))
        for command in (["init", sandbox.url], ["sync", "--full"]):
            shown = on_terminal(*command)
            assert shown.code == 0, shown.text
        for kind, texts in KINDS.items():
            TALLY[f"hostile inputs: {kind}"] += len(texts)
        yield Hostile(sandbox, folder)


@dataclass(frozen=True)
class Shown:
    """What a command wrote to a terminal, byte for byte, and its exit code."""

    code: int
    raw: bytes

    @property
    def text(self) -> str:
        """Return it as text; what is no UTF-8 would be a failure."""
        return self.raw.decode("utf-8")


def on_terminal(*arguments: object, text: str = "", progress: bool = False, colour: bool = False) -> Shown:
    """Run a command in this process with standard output and error on a pseudo-terminal."""
    leader, follower = pty.openpty()
    received = bytearray()

    def drain() -> None:
        try:
            while chunk := os.read(leader, 65536):
                received.extend(chunk)
        except OSError:
            return  # the other end was closed

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    words = [str(word) for word in arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("COLUMNS", "200")
        if colour:
            patch.delenv("NO_COLOR", raising=False)
        if not progress:
            words.append("--no-progress")
        with open(follower, "w", encoding="utf-8", buffering=1) as out:
            with open(os.dup(follower), "w", encoding="utf-8", buffering=1) as err:
                patch.setattr(sys, "stdout", out)
                patch.setattr(sys, "stderr", err)
                patch.setattr(sys, "stdin", io.StringIO(text))
                code = run(words)
    reader.join(20)
    os.close(leader)
    return Shown(code, bytes(received))


_OURS = re.compile(r"\x1b\[(?:0|1|2|4|22|31|32|33|34|35|36|39|1;31|31;1)m")
"""What the program itself writes: bold, underlined, and six colours."""

_PROGRESS = re.compile(r"\x1b\[(?:[0-9;]*m|2K|1A|\?25[lh])|\r")
"""What a progress bar writes besides; no text of the corpus has a cursor sequence of these forms."""

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)


def assert_inert(shown: Shown, what: object = "", *, progress: bool = False, debug: bool = False) -> None:
    """Fail if anything that people wrote reached the terminal as more than letters."""
    text = _OURS.sub("", shown.text.replace("\r\n", "\n"))
    if progress:
        text = _PROGRESS.sub("", text)
    found = _OBEYED.search(text)
    assert found is None, (what, text[max(0, found.start() - 80) : found.end() + 20] if found else "")
    posing = [line for line in text.split("\n") if line.startswith(FORGED)]
    assert not posing, (what, posing)
    assert "This is a defect" not in text and ("Traceback" not in text or debug), (what, text[-2000:])


def fields_of(document: Any) -> Iterator[str]:
    """Yield every text in a JSON document."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, list):
        for item in document:
            yield from fields_of(item)
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            yield from fields_of(value)
