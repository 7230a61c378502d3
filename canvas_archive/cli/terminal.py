"""Text from Canvas on a terminal: no escape sequences, no direction tricks, dates people read."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from canvas_archive.clock import parse_iso

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""C0 and C1 controls (but tab and newline) and everything that changes the direction of what follows."""


def printable(text: str) -> str:
    """Return the text without anything a terminal would obey rather than show."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def local_time(text: str | None) -> str:
    """Return an archive time as local ``2026-03-09 14:05``; empty for none, the text itself if odd."""
    if not text:
        return ""
    try:
        return parse_iso(text).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return printable(text)


def age(text: str | None, now: datetime | None = None) -> str:
    """Return how long ago that was: ``just now``, ``5 minutes ago``, ``3 days ago``."""
    if not text:
        return "never"
    seconds = ((now or datetime.now(timezone.utc)) - parse_iso(text)).total_seconds()
    if seconds < 90:
        return "just now"
    unit, name = (
        (60, "minute") if seconds < 5400 else (3600, "hour") if seconds < 129_600 else (86_400, "day")
    )
    count = round(seconds / unit)
    return f"{count:,} {name}{'' if count == 1 else 's'} ago"
