"""Commands on folders in which a link, a FIFO, a socket, a folder or a device stands in a file's place.

Run as ``python -m tests.odd_commands TEMPLATES``: prints one JSON line for each command. It is a process of
its own because a command that waits for a FIFO would hold the tests for ever; each has ``SECONDS``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from canvas_archive.cli.main import run
from tests.odd_support import ODD, put_odd

SECONDS = 30
READING = (["list", "--limit", "1"], ["verify"], ["status"], ["search", "room"])
WRITING = (["star", "700001"], ["index", "--rebuild"], ["adopt", "-y"], ["backup", "{work}/copy"])
PLACES = (
    "archive.db",
    "archive.db-wal",
    "archive.db-shm",
    "archive.db-journal",
    "config.toml",
    "lock",
    "identity.key",
    "redaction.key",
    "files",
    "search",
    "files/{blob[:2]}",
    "files/{blob[:2]}/{blob}",
    "search/{toc}",
    "search/{segment}",
)
OF_A_BACKUP = (
    "backup.json",
    "config.toml",
    "identity.key",
    "manifest-sha256.txt",
    "backup.unfinished",
    "{database}",
    "files",
    "files/{blob[:2]}",
    "files/{blob[:2]}/{blob}",
)
OF_A_BAG = (
    "bagit.txt",
    "bag-info.txt",
    "manifest-sha256.txt",
    "tagmanifest-sha512.txt",
    "unlisted",
    "data",
    "data/custody.json",
    "data/conversations.jsonl",
)


class Hung(BaseException):
    """A command did not end in its time."""


def _hung(number: int, frame: FrameType | None) -> None:
    raise Hung


def attempt(arguments: list[str]) -> tuple[int, str]:
    """Run one command in this process and return its exit code and what it wrote to standard error."""
    said = io.StringIO()
    signal.signal(signal.SIGALRM, _hung)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = run(arguments)
    except Hung:
        return -1, "hung"
    finally:
        signal.alarm(0)
    return code, said.getvalue()


def _name(folder: Path, place: str) -> str:
    blob = next(folder.glob("files/??/*"), Path("none")).name
    search = sorted(path.name for path in folder.glob("search/*"))
    found = {
        "toc": next((name for name in search if name.endswith(".toc")), "none.toc"),
        "segment": next((name for name in search if not name.endswith(".toc")), "none.trm"),
        "database": next(folder.glob("archive-*.db"), Path("none.db")).name,
    }
    return (
        place.format(**found)
        if "blob" not in place
        else place.replace("{blob[:2]}", blob[:2]).replace("{blob}", blob)
    )


def cases(templates: Path, work: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield template, place, what stands there, and a command; the folder is made anew for each command."""
    yield from _of(templates, work, "archive", PLACES, [*READING, *WRITING], "{folder}")
    yield from _of(
        templates,
        work,
        "backup",
        OF_A_BACKUP,
        [["verify", "{folder}"], ["restore", "{folder}", "{work}/new"]],
        "{work}/none",
    )
    yield from _of(templates, work, "backup", OF_A_BACKUP, [["backup", "{folder}"]], "{templates}/archive")
    yield from _of(templates, work, "bag", OF_A_BAG, [["verify", "{folder}"]], "{work}/none")


def _of(
    templates: Path,
    work: Path,
    template: str,
    places: tuple[str, ...],
    commands: list[list[str]],
    archive: str,
) -> Iterator[tuple[str, str, str, list[str]]]:
    for number, place in enumerate(places):
        for turn, odd in enumerate(ODD):
            # What can hang is tried with every command; the others take turns.
            tried = commands if odd == "fifo" else commands[(number + turn) % len(commands) :][:1]
            for command in tried:
                shutil.rmtree(work, ignore_errors=True)
                folder = work / template
                shutil.copytree(templates / template, folder)
                name = _name(folder, place)
                put_odd(folder / name, odd)
                words = [archive, *command]
                places_of = {"folder": folder, "work": work, "templates": templates}
                named = [word.format(**places_of) for word in words]
                yield template, name, odd, ["--archive", *named]


def main() -> None:
    """Try everything and print what came of it."""
    templates = Path(sys.argv[1])
    out = os.fdopen(os.dup(1), "w")
    for template, name, odd, arguments in cases(templates, templates / "work"):
        code, said = attempt(arguments)
        print(json.dumps([template, name, odd, arguments[2:], code, said]), file=out, flush=True)


if __name__ == "__main__":
    main()
