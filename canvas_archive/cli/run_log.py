"""The log of an archive: which commands ran, what they asked of Canvas, and what came back.

It is in the user's state folder, not in the archive, which may be handed over. It holds methods, paths,
states and times: no token, no query, no text, no name, no argument of a command.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_archive import __version__
from canvas_archive.clock import SYSTEM, iso
from canvas_archive.errors import BadInput
from canvas_archive.places import state_folder

if TYPE_CHECKING:
    from canvas_archive.cli.context import Settings

MOST_BYTES = 1_000_000
"""The log is two files of this size at most: the one that is written, and the one before it."""

_BEGIN = "begin"
_ANSWERED = re.compile(r"(?P<method>[A-Z]+) (?P<where>\S+) -> (?P<what>.*)")


def log_file(folder: Path) -> Path:
    """Return the log of an archive; it need not exist. Raises BadInput where the user has no state folder."""
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return state_folder() / "logs" / f"{digest}.log"


class RunLog(logging.Handler):
    """Writes one command into the log, from its first request on or at its end.

    Where the log cannot be written, nothing is: no command fails for it.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(logging.DEBUG)
        self._settings = settings
        self._begun = SYSTEM.now()
        self._requests = 0
        self._file: _PrivateFile | None = None
        self._off = False
        self._logger = logging.getLogger("canvas_archive.canvas")
        self._level = self._logger.level
        self._logger.addHandler(self)
        self._logger.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line of the client's log."""
        found = _ANSWERED.match(record.getMessage())
        if found is not None:
            self._requests += 1
            self._write(f"{found['method']} {_shown(found['where'])} -> {found['what']}")

    def end(self, code: int | None) -> None:
        """Write how the command ended."""
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
        seconds = (SYSTEM.now() - self._begun).total_seconds()
        how = "a defect" if code is None else f"exit code {code}"
        self._write(f"end {self._settings.command}: {how}, {self._requests} requests, {seconds:.1f} s")
        if self._file is not None:
            self._file.close()

    def _write(self, text: str) -> None:
        if self._off:
            return
        try:
            if self._file is None:
                self._file = self._opened()
                head = f"{_BEGIN} {self._settings.command} (canvas-archive {__version__})"
                self._file.write(f"{iso(self._begun)} {os.getpid()} {head}")
            self._file.write(f"{iso(SYSTEM.now())} {os.getpid()} {text}")
        except (OSError, BadInput):
            self._off = True

    def _opened(self) -> _PrivateFile:
        from canvas_archive.store.folder import is_archive

        folder = self._settings.folder
        if not is_archive(folder):
            raise BadInput("There is no archive to log for.")
        path = log_file(folder)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _PrivateFile(path)


class _PrivateFile:
    """A file of lines for its user alone. A full one is renamed, and a new one begun. No link is followed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        return os.open(self._path, flags, 0o600)

    def write(self, line: str) -> None:
        """Append a line, in one piece: another process may write, too."""
        if os.fstat(self._descriptor).st_size > MOST_BYTES:
            self.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._descriptor = self._open()
        os.write(self._descriptor, f"{line}\n".encode("utf-8", "replace"))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _shown(where: str) -> str:
    """Return an address without its query; of other hosts than Canvas, the host alone."""
    if where.startswith(("http://", "https://")):
        return "/".join(where.split("/")[:3])
    return where.partition("?")[0]


def last_lines(folder: Path) -> list[str]:
    """Return the lines of the last command in an archive's log; empty where there is none."""
    try:
        path = log_file(folder)
        text = path.with_name(f"{path.name}.1").read_text("utf-8", "replace") if _is_file(f"{path}.1") else ""
        text += path.read_text("utf-8", "replace") if _is_file(path) else ""
    except OSError:
        return []
    lines = text.splitlines()
    begins = [at for at, line in enumerate(lines) if f" {_BEGIN} " in line[:50]]
    if not begins:
        return []
    who = lines[begins[-1]].split(" ")[1]
    return [line for line in lines[begins[-1] :] if line.split(" ")[1:2] == [who]]


def _is_file(path: Path | str) -> bool:
    return Path(path).is_file() and not Path(path).is_symlink()


def remove_log(folder: Path) -> None:
    """Delete the log of an archive."""
    path = log_file(folder)
    for one in (path, path.with_name(f"{path.name}.1")):
        one.unlink(missing_ok=True)
