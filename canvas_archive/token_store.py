"""What is recorded of a saved token: when it expires and, without a keyring, the token itself.

One file for each account, in the folder ``tokens`` of the user's configuration (mode 0700): mode 0600,
written in one step. It holds the token only where the user agreed to that. A file that other users can read,
a link, and a file of somebody else are refused. Windows has no such modes: there, whoever can read the user's
profile can read the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from canvas_archive.errors import BadInput, CredentialProblem, UnusableFile
from canvas_archive.places import config_folder
from canvas_archive.secret import Secret, token_text
from canvas_archive.store.private import make_folder, open_regular, write_private

MOST_BYTES = 1 << 16
FOLDER_NAME = "tokens"


TOKEN_VARIABLE = "CANVAS_API_TOKEN"  # noqa: S105 (the name of a variable, not a secret)
URL_VARIABLE = "CANVAS_API_URL"


def origin(url: str) -> str:
    """Return ``https://host[:port]`` of an address, as tokens are told apart by it."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    default = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    host = parts.netloc.removesuffix(default) if default else parts.netloc
    return f"{parts.scheme}://{host}".lower()


def account_name(base_url: str, user_id: int | None) -> str:
    """Return the name under which a person's token is saved, or without an id that of the whole Canvas."""
    return f"{origin(base_url)}#{user_id}" if user_id is not None else origin(base_url)


def text_in_environment(base_url: str) -> Secret:
    """Return ``CANVAS_API_TOKEN``, empty if ``CANVAS_API_URL`` says that it belongs to another host."""
    url = os.environ.get(URL_VARIABLE, "").strip()
    elsewhere = url and origin(url) != origin(base_url)
    return token_text("" if elsewhere else os.environ.get(TOKEN_VARIABLE, ""))


def known_expiry(
    base_url: str, *, token_command: str | None = None, user_id: int | None = None
) -> str | None:
    """Return when the token expires, as ISO-8601 text, where that is on record; else ``None``.

    No keyring is opened and no command is run.
    """
    with suppress(CredentialProblem):
        record, token = read_record(account_name(base_url, user_id)), text_in_environment(base_url)
        if record is not None and (record.is_of(token) if token else not token_command):
            return record.expires_at
    return None


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A saved token: ``token`` is in the file itself, ``None`` where the keyring has it.

    ``expires_at`` is ISO-8601 text; ``None`` when the token never expires, or Canvas does not say.
    """

    digest: str
    expires_at: str | None = None
    token: Secret | None = None

    def is_of(self, token: str) -> bool:
        """Return whether this is the record of that token."""
        return self.digest == digest_of(token)


def digest_of(token: str) -> str:
    """Return the hash by which a record names its token. A token is too long to be guessed from it."""
    return hashlib.sha256(token.encode()).hexdigest()


def record_path(account: str) -> Path:
    """Return the file of an account, which need not exist. Raises BadInput where the user has no home."""
    return config_folder() / FOLDER_NAME / f"{quote(account, safe='')}.json"


def read_record(account: str) -> TokenRecord | None:
    """Return the record of an account, ``None`` without one.

    Raises CredentialProblem for a file that is not to be trusted.
    """
    try:
        path = record_path(account)
        _require_own_folders(path)
        with open_regular(path) as file:
            _require_private(path, os.fstat(file.fileno()))
            document = json.loads(file.read(MOST_BYTES))
        token = document.get("token")
        return TokenRecord(
            str(document["digest"]), document.get("expires_at"), Secret(token) if token else None
        )
    except (BadInput, FileNotFoundError, NotADirectoryError):
        return None
    except UnusableFile as error:
        raise _refused(path, error.reason) from None
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror or type(error).__name__})") from None
    except (ValueError, KeyError, AttributeError, RecursionError):
        raise _refused(path, "is damaged") from None


def write_record(account: str, record: TokenRecord) -> Path:
    """Write the record of an account and return its file. Raises CredentialProblem, and BadInput."""
    path = record_path(account)
    document = {"account": account, "digest": record.digest, "expires_at": record.expires_at}
    if record.token is not None:
        document["token"] = str(record.token)
    try:
        make_folder(path.parent)
        _require_own_folders(path)
        write_private(path, json.dumps(document, indent=1).encode())
    except UnusableFile as error:
        raise CredentialProblem(f"{error} Then run: canvas-archive login") from None
    except OSError as error:
        raise CredentialProblem(
            f"{path} cannot be written ({error.strerror or type(error).__name__}). Make its folder writable, "
            "or set XDG_CONFIG_HOME to one that is, then run: canvas-archive login"
        ) from None
    return path


def delete_record(account: str) -> bool:
    """Delete the file of an account; return whether it held a token. Raises CredentialProblem."""
    try:
        path = record_path(account)
        held = False
        with suppress(CredentialProblem):
            record = read_record(account)
            held = record is not None and record.token is not None
        path.unlink()
    except (BadInput, FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise CredentialProblem(
            f"{path} cannot be deleted ({error.strerror or type(error).__name__}). Delete it by hand."
        ) from None
    return held


def _require_own_folders(path: Path) -> None:
    """Raise CredentialProblem when another user can put files of theirs into the folder."""
    if sys.platform == "win32":
        return
    for folder in (path.parent, path.parent.parent):
        found = folder.lstat() if folder == path.parent else folder.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise UnusableFile(f"{folder} is not a folder.", reason=f"is not used: {folder} is not a folder")
        if found.st_uid not in (os.geteuid(), 0):
            raise _refused(folder, "belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o022:
            raise CredentialProblem(
                f"{folder} can be written by other users, so no token is read from it or written to it. "
                f"Run: chmod go-w {folder}"
            )


def _require_private(path: Path, found: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    if found.st_uid != os.geteuid():
        raise _refused(path, "belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise CredentialProblem(
            f"{path} can be read by other users, so the token in it is not used. If they should not know it, "
            f"delete it on Canvas. To save a new one, run: canvas-archive login"
        )


def _refused(path: Path, reason: str) -> CredentialProblem:
    return CredentialProblem(
        f"{path} {reason}, so no token is read from it. Delete it, then run: canvas-archive login"
    )
