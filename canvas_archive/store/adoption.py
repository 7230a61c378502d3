"""Which archives are this person's own: made here, or adopted with ``canvas-archive adopt``.

An archive is a folder, and folders are handed around. One that somebody else made names the Canvas that a
token would be sent to and the command that would be run for one, and brings an index and triggers of its
own. So until its new owner says so, it is only read: nothing is written to it, nothing that came with it is
run or loaded, and no token goes anywhere on its behalf.

What is known is kept outside of every archive, in the user's state folder: one line per archive, the hash of
its account row (host, user, custodian and the second it was made in), which a moved or restored copy keeps.
A ``token_command`` has a line of its own: one that is changed has to be agreed to again.

Where that folder does not last (a container with nothing but the archive mounted),
``CANVAS_ARCHIVE_ADOPTED=1`` says that whatever archive is opened is the user's own.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sqlite3
from pathlib import Path

from canvas_archive.errors import BadInput, NotAdopted
from canvas_archive.places import state_folder

FILE_NAME = "adopted"
ALL_ADOPTED = "CANVAS_ARCHIVE_ADOPTED"
_ACCOUNT = "SELECT base_url, user_id, as_user_id, created_at FROM account"


def state_file() -> Path:
    """Return the file that remembers; it need not exist. Raises BadInput where there is no folder for it."""
    return state_folder() / FILE_NAME


def _all_adopted() -> bool:
    return os.environ.get(ALL_ADOPTED) == "1"


def _remembers(digest: str) -> bool:
    try:
        text = state_file().read_text("ascii", "replace")
    except BadInput:
        return False  # there is no folder to remember it in
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise  # says nothing about whose the archive is
        return False
    # Looked for in the text as it is: every search asks, and the file may have a line for many archives.
    return re.search(rf"\n{digest}(?:[ \n]|\Z)", f"\n{text}") is not None


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def identity_of(base_url: str, user_id: int, as_user_id: int | None, created_at: str) -> str:
    """Return what tells an archive from any other. Pure."""
    return _digest(base_url, user_id, as_user_id, created_at)


def identity(db: sqlite3.Connection) -> str | None:
    """Return the identity of an open archive; ``None`` when its account cannot be read."""
    try:
        row = db.execute(_ACCOUNT).fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if row is None else identity_of(*tuple(row))


def is_adopted(db: sqlite3.Connection) -> bool:
    """Tell whether the archive was made or adopted by this user."""
    who = identity(db)
    return who is not None and (_all_adopted() or _remembers(who))


def require_adopted(db: sqlite3.Connection, folder: Path) -> None:
    """Raise NotAdopted for an archive that this user neither made nor adopted."""
    if not is_adopted(db):
        raise NotAdopted(
            f"The archive in {folder} was made on another machine or by somebody else, so it is only read. "
            "If it is yours, or you trust whoever gave it to you: canvas-archive adopt"
        )


def agreed_command(db: sqlite3.Connection, command: str, folder: Path) -> str:
    """Return the archive's ``token_command``, which this user has agreed to run. Raises NotAdopted."""
    who = identity(db)
    if who is None or not (_all_adopted() or _remembers(_digest(who, command))):
        raise NotAdopted(
            f"{folder / 'config.toml'} names a token_command that you have not agreed to yet: {command!r}. "
            "It was not run. If it is yours: canvas-archive adopt"
        )
    return command


def remember(who: str, folder: Path, token_command: str | None = None) -> None:
    """Remember an archive as this user's own, and its command as agreed to.

    Raises BadInput when it cannot be written down.
    """
    try:
        path = state_file()
    except BadInput:
        if _all_adopted():
            return
        raise
    wanted = [who, *([_digest(who, token_command)] if token_command else [])]
    # The path is for people who look into the file; it means nothing.
    shown = str(folder).encode("ascii", "backslashreplace").decode().replace("\n", " ").replace("\r", " ")
    lines = "".join(f"{digest} {shown}\n" for digest in wanted if not _remembers(digest))
    if not lines:
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, lines.encode("ascii"))
        finally:
            os.close(descriptor)
    except OSError as error:
        if _all_adopted():
            return
        raise BadInput(
            f"{path} cannot be written ({error.strerror or error}); it remembers which archives are yours. "
            f"Make that folder writable, set XDG_STATE_HOME to one that is, or set {ALL_ADOPTED}=1."
        ) from error
