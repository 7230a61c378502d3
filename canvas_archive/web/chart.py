"""Messages per month as bars, drawn on the server: no script, and every bar is a link."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from canvas_archive.web import queries
from canvas_archive.web.cache import cached
from canvas_archive.web.dates import Dates

WIDTH = 760
HEIGHT = 138
MOST_MONTHS = 72
"""Beyond six years, a bar is a year."""


@dataclass(frozen=True, slots=True)
class Period:
    """A month or a year: its key, its first moment, and the first moment after it."""

    key: str
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One period's bar: what came in below, what was sent on top, in the units of the drawing."""

    key: str
    label: str
    title: str
    x: float
    width: float
    slot: float
    slot_width: float
    received_y: float
    received_height: float
    sent_y: float
    sent_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole drawing."""

    bars: tuple[Bar, ...]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels under the axis: first, middle and last."""
        if len(self.bars) < 3:
            return tuple(bar.label for bar in self.bars)
        return self.bars[0].label, self.bars[len(self.bars) // 2].label, self.bars[-1].label


def periods_of(connection: sqlite3.Connection, dates: Dates) -> tuple[Period, ...]:
    """Return the months from the archive's first message to its last, or the years when they are many."""
    span = connection.execute(queries.SPAN).fetchone()
    first, last = dates.local(span["first"] or ""), dates.local(span["last"] or "")
    if first is None or last is None:
        return ()
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    if months > MOST_MONTHS:
        keys = [f"{year:04d}" for year in range(first.year, last.year + 1)]
    else:
        start = first.year * 12 + first.month - 1
        keys = [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(start, start + months)]
    found = []
    for key in keys:
        bounds = dates.period(key)
        if bounds is not None:
            found.append(Period(key, *bounds))
    return tuple(found)


def counted(connection: sqlite3.Connection, periods: tuple[Period, ...], person: int | None) -> list[int]:
    """Count the messages of each period: all of them, or those of one author."""
    bounds = json.dumps([(period.start, period.end) for period in periods])
    statement = queries.PERIODS_ALL if person is None else queries.PERIODS_BY
    values = {"periods": bounds, "person": person}
    return cached(
        connection,
        ("periods", bounds, person),
        lambda: [row["n"] for row in connection.execute(statement, values)],
    )


def bucketed(times: Iterable[str], periods: tuple[Period, ...]) -> list[int]:
    """Count times per period."""
    counts = [0] * len(periods)
    starts = [period.start for period in periods]
    for moment in times:
        place = bisect_right(starts, moment) - 1
        if place >= 0 and moment < periods[place].end:
            counts[place] += 1
    return counts


def draw(periods: tuple[Period, ...], received: list[int], sent: list[int]) -> Chart | None:
    """Return the drawing; ``None`` when there is nothing to draw."""
    tallest = max((come + gone for come, gone in zip(received, sent, strict=True)), default=0)
    if not tallest:
        return None
    slot = WIDTH / len(periods)
    bars = []
    for place, (period, come, gone) in enumerate(zip(periods, received, sent, strict=True)):
        low, high = HEIGHT * come / tallest, HEIGHT * gone / tallest
        label = Dates.period_name(period.key, short=True)
        bars.append(
            Bar(
                key=period.key,
                label=label,
                title=f"{Dates.period_name(period.key)}: {come:,} received, {gone:,} sent",
                x=round(place * slot + slot * 0.14, 1),
                width=round(slot * 0.72, 1),
                slot=round(place * slot, 1),
                slot_width=round(slot, 1),
                received_y=round(HEIGHT - low, 1),
                received_height=round(low, 1),
                sent_y=round(HEIGHT - low - high, 1),
                sent_height=round(high, 1),
            )
        )
    unit = "year" if len(periods[0].key) == 4 else "month"
    return Chart(
        tuple(bars),
        f"Messages per {unit}; {sum(received):,} received, {sum(sent):,} sent, at most {tallest:,}",
    )
