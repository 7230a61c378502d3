"""Text on a terminal: without escape sequences and direction tricks; dates and counts people read."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from unicodedata import combining, east_asian_width

from canvas_archive.clock import parse_iso
from canvas_archive.unicode import TERMINAL_LINE, TERMINAL_TEXT, filtered


def printable(text: str) -> str:
    """Return the text without anything a terminal would obey rather than show."""
    return filtered(text, TERMINAL_TEXT)


def one_line(text: str) -> str:
    """Return the text as ``printable`` does, on one line: nothing in it can pose as a line of its own."""
    return filtered(text, TERMINAL_LINE)


def fit(text: str, width: int) -> str:
    """Cut or pad to so many terminal cells: East Asian characters and emoji take two."""
    cells = 0
    for at, character in enumerate(text):
        wide = 2 if east_asian_width(character) in "WF" else 0 if combining(character) else 1
        if cells + wide > width - 1 and at < len(text) - 1:
            return text[:at] + "…" + " " * (width - 1 - cells)
        cells += wide
    return text + " " * max(0, width - cells)


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
    return f"{count_of(round(seconds / unit), name)} ago"


EXPIRES_SOON = timedelta(days=21)


def token_warnings(expires_at: str | None, now: datetime) -> list[str]:
    """Return a sentence about a token that expires within three weeks, or has; an empty list for others."""
    left = parse_iso(expires_at) - now if expires_at else EXPIRES_SOON * 2
    if left > EXPIRES_SOON:
        return []
    when = f"in {count_of(left.days, 'day')}" if left > timedelta() else f"on {(expires_at or '')[:10]}"
    ends = "expires" if left > timedelta() else "expired"
    return [f"The access token {ends} {when}. To save a new one: canvas-archive login"]


def count_of(number: int, noun: str) -> str:
    """Return ``1 edit``, ``1,200 edits``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def byte_size(number: int) -> str:
    """Return ``312 bytes``, ``1.1 kB``, ``24.0 MB``: decimal units, as disks are sold by."""
    if number < 1000:
        return count_of(number, "byte")
    size = float(number)
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.95 or unit == "TB":
            break
    return f"{size:,.1f} {unit}"
