"""What the dates of a query mean, as seconds since 1970."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from pathlib import Path

from canvas_archive.errors import BadInput

_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_DATE = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d)?([Zz]|[+-]\d\d:\d\d)?")
_OFFSET = re.compile(r"UTC([+-])(\d\d):(\d\d)")
_AGO = re.compile(r"(\d{1,4})([dwmy])")
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_ALLOWED = "a date as 2025, 2025-03 or 2025-03-09, a time ago as 7d, 2w, 6m or 1y, today or yesterday"


def zone(name: str | None) -> tzinfo | None:
    """Return a time zone by its name; ``None`` for the machine's own. Raises BadInput for an unknown one."""
    if not name:
        return None
    if name.upper() in ("UTC", "Z", "ETC/UTC"):
        return timezone.utc
    if offset := _OFFSET.fullmatch(name.upper()):
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        if ahead < timedelta(hours=24):
            return timezone(-ahead if offset[1] == "-" else ahead)
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise BadInput(f"'{name}' is not a time zone; give one such as Europe/Berlin or UTC.") from None


def local_zone() -> tzinfo:
    """Return the machine's own zone: by its name where that can be known, else the present offset of UTC.

    It is looked up anew every minute: a search of a fleet asks for each archive.
    """
    return _local_zone(os.environ.get("TZ"), time.tzname, int(time.time()) // 60)


@lru_cache(maxsize=1)
def _local_zone(variable: str | None, names: tuple[str, str], minute: int) -> tzinfo:
    now = datetime.now().astimezone()
    ahead = now.utcoffset()
    for name in _zone_names():
        with suppress(BadInput):
            candidate = zone(name)
            if candidate is not None and now.astimezone(candidate).utcoffset() == ahead:
                return candidate
    return timezone(ahead) if ahead else timezone.utc


def _zone_names() -> Iterator[str]:
    """Yield the names that this machine may have for its zone, the surest first."""
    wanted = os.environ.get("TZ")
    if wanted is not None:
        yield wanted.removeprefix(":").rpartition("zoneinfo/")[2]
        return
    place = os.path.realpath("/etc/localtime")
    if "zoneinfo/" in place:
        yield place.rpartition("zoneinfo/")[2]
    with suppress(OSError, UnicodeDecodeError):
        yield Path("/etc/timezone").read_text("utf-8").strip()


def zone_name(tz: tzinfo) -> str:
    """Return a zone's name as ``--tz`` takes it: ``Europe/Berlin``, ``UTC`` or ``UTC+01:00``."""
    key = getattr(tz, "key", None)
    return str(key) if key else str(tz)


def seconds(moment: datetime, tz: tzinfo | None) -> int:
    """Return a wall-clock time in the zone (``None``: local) as seconds since 1970."""
    return int((moment.replace(tzinfo=tz) if tz else moment.replace(tzinfo=None)).timestamp())


def year_bounds(year: int, tz: tzinfo | None) -> tuple[int, int]:
    """Return when a year begins and ends."""
    return seconds(datetime(year, 1, 1), tz), seconds(datetime(year + 1, 1, 1), tz)


def date_range(
    operator: str, value: str, *, now: datetime, tz: tzinfo | None, typed: str = ""
) -> tuple[int | None, int | None]:
    """Return the span that ``before:``, ``after:`` or ``on:`` with this value asks for.

    ``after:`` includes the day it names, ``before:`` does not, so the two meet without a gap. A moment
    such as ``2025-03-09T14:00Z`` is a point: a range of moments ends right before the second.
    ``typed`` is the operator's name as errors show it.
    Raises BadInput for anything that is not a date.
    """
    shown = typed or operator
    if operator == "on" and ".." in value:
        first, _, last = value.partition("..")
        start = _span(shown, value, first, now, tz)[0] if first else None
        end = _span(shown, value, last, now, tz)[1] if last else None
        if (start is None and end is None) or (start is not None and end is not None and start >= end):
            raise BadInput(f"'{shown}:{value}' is not a range; give one such as on:2025-03..2025-05.")
        return start, end
    start, end = _span(shown, value, value, now, tz)
    if operator == "before":
        return None, start
    if operator == "on" and start == end:
        raise BadInput(
            f"'{shown}:{value}' is a moment; give a day, or a range such as on:{value}..{value[:10]}."
        )
    return (start, None) if operator == "after" else (start, end)


def _span(operator: str, whole: str, value: str, now: datetime, tz: tzinfo | None) -> tuple[int, int]:
    wall = now.astimezone(tz).replace(tzinfo=None)
    today = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    lowered = value.lower()
    if "t" in lowered and lowered[:1].isdecimal():
        moment = _moment(value, tz)
        if moment is not None:
            return moment, moment
    try:
        if lowered in ("today", "yesterday"):
            day = today - timedelta(days=lowered == "yesterday")
            return seconds(day, tz), seconds(day + timedelta(days=1), tz)
        if ago := _AGO.fullmatch(lowered):
            most = (today - datetime(_FIRST_YEAR, 1, 2)).days
            day = today - timedelta(days=min(most, int(ago[1]) * _DAYS[ago[2]]))
            return seconds(day, tz), seconds(day + timedelta(days=1), tz)
        if date := _DATE.fullmatch(lowered):
            year, month, number = int(date[1]), date[2], date[3]
            if _FIRST_YEAR <= year <= _LAST_YEAR:
                return _calendar(year, month and int(month), number and int(number), tz)
    except (ValueError, OverflowError, OSError):
        pass  # 2025-13, 2025-02-30
    raise BadInput(f"'{operator}:{whole}' is not a search; after '{operator}:' can stand {_ALLOWED}.")


def _moment(value: str, tz: tzinfo | None) -> int | None:
    """Return an ISO-8601 time as seconds since 1970; ``None`` for any other text."""
    if not _MOMENT.fullmatch(value):
        return None
    try:
        found = datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
        at = int(found.timestamp()) if found.tzinfo else seconds(found, tz)
    except (ValueError, OverflowError, OSError):
        return None
    return at if _FIRST_YEAR - 1 <= found.year <= _LAST_YEAR + 1 else None


def _calendar(
    year: int, month: int | str | None, day: int | str | None, tz: tzinfo | None
) -> tuple[int, int]:
    if not month:
        return year_bounds(year, tz)
    start = datetime(year, int(month), int(day) if day else 1)
    if day:
        return seconds(start, tz), seconds(start + timedelta(days=1), tz)
    following = start.replace(day=28) + timedelta(days=4)
    return seconds(start, tz), seconds(following.replace(day=1), tz)
