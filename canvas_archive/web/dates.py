"""Times as a reader sees them: in their own zone, short in lists, exact in messages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from canvas_archive.clock import iso, parse_iso

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_PERIOD = re.compile(r"(?P<year>(?:19|20|21)[0-9]{2})(?:-(?P<month>0[1-9]|1[0-2]))?")


def zone_named(name: str | None) -> tzinfo | None:
    """Return the time zone a browser names; ``None`` stands for this machine's own.

    The name comes from a cookie: anything that is not a known zone is ignored.
    """
    if not name or len(name) > 64:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class Dates:
    """Formats for one reader: their zone (``None``: the machine's) and the present moment."""

    zone: tzinfo | None
    now: datetime

    def local(self, text: str) -> datetime | None:
        """Return an archive's time in the reader's zone; ``None`` for text that is no time."""
        try:
            return parse_iso(text).astimezone(self.zone)
        except (ValueError, OverflowError):
            return None

    @property
    def today(self) -> date:
        """Return the reader's date."""
        return self.now.astimezone(self.zone).date()

    @property
    def offset(self) -> int:
        """Return how many minutes the reader's clock is ahead of UTC now."""
        ahead = self.now.astimezone(self.zone).utcoffset()
        return int(ahead.total_seconds() // 60) if ahead else 0

    def short(self, text: str | None) -> str:
        """Return ``08:14`` today, ``Fri`` this week, ``15 Nov`` this year, else ``15 Nov 2025``."""
        moment = self.local(text) if text else None
        if moment is None:
            return text or ""
        if moment.date() == self.today:
            return f"{moment:%H:%M}"
        if 0 < (self.today - moment.date()).days < 6:
            return DAYS[moment.weekday()]
        return self._day(moment.date(), year=moment.year != self.today.year)

    @staticmethod
    def _day(day: date, *, year: bool = True) -> str:
        return f"{day.day} {MONTHS[day.month - 1][:3]}" + (f" {day.year}" if year else "")

    def day(self, text: str | None) -> str:
        """Return ``9 Nov 2026``."""
        moment = self.local(text) if text else None
        return self._day(moment.date()) if moment else text or ""

    def full(self, text: str | None) -> str:
        """Return ``9 Nov 2026, 17:40``."""
        moment = self.local(text) if text else None
        return f"{self._day(moment.date())}, {moment:%H:%M}" if moment else text or ""

    def exact(self, text: str | None) -> str:
        """Return the time with its zone, for titles: ``Mon 9 Nov 2026, 17:40:12 UTC+01:00``."""
        moment = self.local(text) if text else None
        if moment is None:
            return text or ""
        return f"{DAYS[moment.weekday()]} {self._day(moment.date())}, {moment:%H:%M:%S %Z}".strip()

    def ago(self, text: str | None) -> str:
        """Return ``just now``, ``5 minutes ago``, ``3 hours ago``, else the day."""
        moment = self.local(text) if text else None
        if moment is None:
            return "never"
        minutes = int((self.now - moment).total_seconds() // 60)
        if minutes < 2:
            return "just now"
        if minutes < 60:
            return f"{minutes} minutes ago"
        if minutes < 24 * 60:
            hours = minutes // 60
            return f"{hours} hour{'' if hours == 1 else 's'} ago"
        return f"on {self.day(text)}"

    def group(self, text: str | None) -> str:
        """Return the heading a list puts this moment under."""
        moment = self.local(text) if text else None
        if moment is None:
            return "No date"
        day, today = moment.date(), self.today
        if day >= today:
            return "Today"
        if (today - day).days < 6:
            return "This week"
        name = f"{MONTHS[day.month - 1]}"
        if (day.year, day.month) == (today.year, today.month):
            return f"Earlier in {name}"
        return f"{name} {day.year}"

    def midnight(self, day: date) -> str:
        """Return the moment the reader's ``day`` begins, as the archive writes times."""
        # A time without a zone counts as this machine's, which is what ``None`` stands for.
        return iso(datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(self.zone))

    def period(self, key: str) -> tuple[str, str] | None:
        """Return the first moment of a month (``2026-03``) or year (``2026``) and of what follows it.

        ``None`` for anything else.
        """
        match = _PERIOD.fullmatch(key)
        if match is None:
            return None
        year = int(match["year"])
        if match["month"] is None:
            return self.midnight(date(year, 1, 1)), self.midnight(date(year + 1, 1, 1))
        first = date(year, int(match["month"]), 1)
        return self.midnight(first), self.midnight((first + timedelta(days=32)).replace(day=1))

    @staticmethod
    def period_name(key: str, *, short: bool = False) -> str:
        """Return ``March 2026`` (or ``Mar 2026``) for ``2026-03``, and a year as it is."""
        year, _, month = key.partition("-")
        if not month:
            return year
        name = MONTHS[int(month) - 1]
        return f"{name[:3] if short else name} {year}"
