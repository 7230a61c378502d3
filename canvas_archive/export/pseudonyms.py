"""Numbers and names that stand for others: keyed hashes, so that nobody can find an id by trying all ids.

An export without a key of its own uses the archive's (``redaction.key``). One key for several archives
(``--redact-key``) gives a person, a message or a file the same pseudonym in all of them.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from array import array
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from canvas_archive.errors import BadInput, UnusableFile
from canvas_archive.store.private import CREATE, read_regular

KEY_NAME = "redaction.key"

_KEY_BYTES = 32
_BITS = 52  # JavaScript, jq and Excel's data model hold such integers exactly


def load_key(path: Path) -> bytes:
    """Return the key in a file, which is made now if there is none. Raises BadInput when that fails."""
    try:
        descriptor = os.open(path, CREATE, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise BadInput(
            f"The key for --redact cannot be written to {path}: {error.strerror or error}. Name another file."
        ) from error
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(_KEY_BYTES).encode("ascii") + b"\n")
    try:
        key = bytes.fromhex(read_regular(path, 1000).decode("ascii").strip())
    except UnusableFile:
        raise
    except (OSError, ValueError) as error:
        reason = "it cannot be read" if isinstance(error, OSError) else "it does not hold hexadecimal digits"
        raise BadInput(_no_key(path, reason)) from error
    if len(key) < _KEY_BYTES:
        raise BadInput(_no_key(path, "it is too short"))
    return key


def _no_key(path: Path, reason: str) -> str:
    return f"{path} is no key: {reason}. Restore it from a backup, or name a new file to make a new key."


class Pseudonyms:
    """What stands for the ids of one key: positive integers below 2^53, never two ids with one."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._again: dict[tuple[str, str], int] = {}
        self._people: dict[int, tuple[int, str]] = {}

    def number(self, kind: str, ident: object) -> int:
        """Return the number that stands for an id of a kind ("message", "conversation", "file")."""
        text = str(ident)
        return self._number(kind, text, self._again.get((kind, text), 0) if self._again else 0)

    def person(self, number: int) -> tuple[int, str]:
        """Return the number and the name that stand for a person."""
        made = self._people.get(number)
        if made is None:
            digest = self._digest(f"person:{number}")
            # Fifty bits: ten characters, and a number that JavaScript still holds exactly.
            label = base64.b32encode(digest[:7]).decode("ascii")[:10]
            made = (int.from_bytes(digest[:7], "big") >> 6, f"Person {label}")
            self._people[number] = made
        return made

    def set_apart(self, kind: str, idents: Iterable[object]) -> None:
        """Give other numbers to those of these ids whose numbers are equal.

        Nearly always there are none: of a million ids two collide in one of 9,000 archives.
        """
        texts = [str(ident) for ident in idents]
        made = array("Q", (self._number(kind, text, 0) for text in texts))
        taken = {one for one, following in pairwise(sorted(made)) if one == following}
        if not taken:
            return
        used = set(made)
        for text, number in sorted(zip(texts, made, strict=True)):
            turn = 0
            while number in taken and (turn == 0 or number in used):
                turn += 1
                number = self._number(kind, text, turn)
                taken = taken if number not in used else taken | {number}
            used.add(number)
            if turn:
                self._again[(kind, text)] = turn

    def _number(self, kind: str, ident: str, turn: int) -> int:
        digest = self._digest(f"{kind}:{ident}:{turn}" if turn else f"{kind}:{ident}")
        return (int.from_bytes(digest[:7], "big") >> (56 - _BITS)) or 1

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "replace"), "sha256")
