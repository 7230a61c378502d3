"""What there is to download, and how a download ended: plain values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

State: TypeAlias = Literal["stored", "gone", "refused", "failed", "pending"]
Kind: TypeAlias = Literal["attachment", "media"]


class Ending(Enum):
    """How a download ended."""

    STORED = "the bytes are in the archive"
    GONE = "Canvas's own record says that the file was deleted"
    UPLOADING = "Canvas says that the file has not arrived there yet"
    MISSING = "the address answers 404, and nothing says that the file was deleted"
    LOCKED = "locked on Canvas"
    TOO_LARGE = "larger than the user's limit"
    FORBIDDEN = "not permitted"
    UNSAFE = "the address leads to a host that no file is fetched from"
    SIGN_IN = "a sign-in is asked for, or its page came instead"
    WRONG = "what came is not the file, not all of it, or no answer that makes sense"
    HOST = "the host broke off, was silent, failed (5xx) or refused for the rate"
    PLACE = "a link or the like is where the bytes belong in the archive"
    UNTRIED = "the host rests"

    @property
    def state(self) -> State:
        """Return the state of a file that ended so."""
        return _STATES.get(self, "failed")

    @property
    def is_failure(self) -> bool:
        """Return whether the file was tried and could not be had, and nobody meant it so."""
        return self not in _MEANT


_STATES: dict[Ending, State] = {
    Ending.STORED: "stored",
    Ending.GONE: "gone",
    Ending.UPLOADING: "pending",
    Ending.MISSING: "pending",
    Ending.UNTRIED: "pending",
    Ending.LOCKED: "refused",
    Ending.TOO_LARGE: "refused",
    Ending.FORBIDDEN: "refused",
    Ending.UNSAFE: "refused",
}
_MEANT = frozenset(
    {Ending.STORED, Ending.GONE, Ending.UPLOADING, Ending.LOCKED, Ending.TOO_LARGE, Ending.UNTRIED}
)


@dataclass(frozen=True, slots=True)
class FileTask:
    """One thing to download. ``size`` is what Canvas says, in bytes; unknown for recordings.

    ``is_new``: a message of this run brought it, so it is tried even where a host rests since an earlier run.
    ``failed_before``: its requests are made once, and not repeated.
    """

    kind: Kind
    key: str
    url: str | None
    content_type: str | None
    size: int | None
    is_new: bool = False
    failed_before: bool = False

    @property
    def part_number(self) -> int:
        """Return the number an unfinished download is kept under: its id, or a stable stand-in."""
        if self.kind == "attachment":
            return int(self.key)
        return -int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:7], "big")


@dataclass(frozen=True, slots=True)
class FileResult:
    """How a download ended; ``url`` is a fresher address when one had to be asked for.

    ``sentence`` says why the bytes are not here, or, for stored ones, what is odd about them. ``hosts`` are
    those that answered, or the one that rests.
    """

    ending: Ending
    sentence: str | None = None
    sha256: str | None = None
    size: int | None = None
    url: str | None = None
    hosts: tuple[str, ...] = ()
