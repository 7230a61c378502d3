"""When something is written, where that is told: now, or the moment that ``SOURCE_DATE_EPOCH`` names.

Exports tell the times of the collection and never their own; a bag may first have to close the archive's hash
chain, and a backup says when it was made. With that variable (of reproducible-builds.org: seconds since 1970)
both come out byte by byte the same from the same archive, whenever they are made.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone

from canvas_archive.clock import SYSTEM, Clock, SystemClock
from canvas_archive.errors import BadInput

VARIABLE = "SOURCE_DATE_EPOCH"


class StatedClock(SystemClock):
    """Waits like the machine's clock, but always tells the same time."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """Return the stated moment, aware, in UTC."""
        return self._moment


def clock_for_output() -> Clock:
    """Return the clock by which an export or a backup is dated.

    Raises BadInput when ``SOURCE_DATE_EPOCH`` is set to anything but seconds since 1970.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return SYSTEM
    try:
        if not text.isdecimal():
            raise ValueError
        return StatedClock(datetime.fromtimestamp(int(text), timezone.utc))
    except (ValueError, OverflowError, OSError):
        raise BadInput(f"{VARIABLE} must be a number of seconds since 1970, not {text!r}.") from None
