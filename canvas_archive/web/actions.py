"""The seam to Canvas: "sync now" and "push now" for the pages, when a token is at hand.

The service module is imported when a button is about to be shown or pressed, never before: reading
mail needs no network code. Where it or a token is missing, there are no buttons.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

from canvas_archive.errors import ArchiveError

SERVICE = "canvas_archive.sync.service"
ASK_AGAIN_SECONDS = 30.0


class Service(Protocol):
    """What the pages need of the syncer. Each line of progress is one sentence."""

    def sync_now(self, folder: Path) -> Iterator[str]:
        """Pull, and yield what happens."""

    def push_now(self, folder: Path) -> Iterator[str]:
        """Send the pending edits, and yield what happens."""

    def token_available(self, folder: Path) -> bool:
        """Return whether a token can be had without asking anyone."""


def service() -> Service | None:
    """Return the syncer's service, or ``None`` where it is not installed."""
    try:
        return cast("Service", importlib.import_module(SERVICE))
    except ImportError:
        return None


_tokens: dict[Path, tuple[float, bool]] = {}


def token_available(folder: Path) -> bool:
    """Return whether the buttons make sense. The answer is kept for a while: a keyring can be slow."""
    now = time.monotonic()
    known = _tokens.get(folder)
    if known is not None and now - known[0] < ASK_AGAIN_SECONDS:
        return known[1]
    found = service()
    try:
        answer = found is not None and found.token_available(folder)
    except ArchiveError:
        answer = False  # a bare database without its folder: readable, but bound to no Canvas
    _tokens[folder] = (now, answer)
    return answer


def forget_tokens() -> None:
    """Ask anew at the next page."""
    _tokens.clear()
