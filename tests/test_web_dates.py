"""Times as readers see them, and the chart of an archive's months."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from canvas_archive.store import Archive, connect_readonly, transaction
from canvas_archive.web.chart import Period, bucketed, draw, periods_of
from canvas_archive.web.dates import Dates, zone_named
from tests.web_support import OWNER, Maker

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=timezone.utc)  # a Monday
UTC = Dates(timezone.utc, NOW)
BERLIN = Dates(ZoneInfo("Europe/Berlin"), NOW)


@pytest.mark.parametrize(
    ("text", "short", "group", "ago"),
    [
        ("2026-11-23T09:29:30Z", "09:29", "Today", "just now"),
        ("2026-11-23T09:25:00Z", "09:25", "Today", "5 minutes ago"),
        ("2026-11-23T08:30:00Z", "08:30", "Today", "1 hour ago"),
        ("2026-11-23T04:00:00Z", "04:00", "Today", "5 hours ago"),
        ("2026-11-20T09:30:00Z", "Fri", "This week", "on 20 Nov 2026"),
        ("2026-11-09T17:40:12Z", "9 Nov", "Earlier in November", "on 9 Nov 2026"),
        ("2026-03-09T17:40:12Z", "9 Mar", "March 2026", "on 9 Mar 2026"),
        ("2025-11-15T00:00:00Z", "15 Nov 2025", "November 2025", "on 15 Nov 2025"),
        ("2026-12-24T00:00:00Z", "24 Dec", "Today", "just now"),  # a clock that is ahead of ours
    ],
)
def test_a_time_is_told_as_people_tell_it(text: str, short: str, group: str, ago: str) -> None:
    assert (UTC.short(text), UTC.group(text), UTC.ago(text)) == (short, group, ago)


@pytest.mark.parametrize("text", [None, "", "soon", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_shown_as_it_is(text: str | None) -> None:
    shown = text or ""
    assert (UTC.short(text), UTC.day(text), UTC.full(text), UTC.exact(text)) == (shown,) * 4
    assert (UTC.ago(text), UTC.group(text)) == ("never", "No date")


def test_a_reader_elsewhere_has_another_day() -> None:
    late = "2026-11-22T23:40:12Z"
    assert (UTC.full(late), BERLIN.full(late)) == ("22 Nov 2026, 23:40", "23 Nov 2026, 00:40")
    assert (UTC.exact(late), BERLIN.exact(late)) == (
        "Sun 22 Nov 2026, 23:40:12 UTC",
        "Mon 23 Nov 2026, 00:40:12 CET",
    )
    assert (UTC.short(late), BERLIN.short(late)) == ("Sun", "00:40")
    assert (UTC.offset, BERLIN.offset) == (0, 60)
    assert BERLIN.period("2026-03") == ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
    assert BERLIN.period("2026") == ("2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z")


def test_without_a_zone_the_machine_s_own_counts() -> None:
    here = Dates(None, NOW)
    assert here.local("2026-11-22T23:40:12Z") == datetime(2026, 11, 22, 23, 40, 12, tzinfo=timezone.utc)
    start, end = here.period("2026-03") or ("", "")
    assert start < end


@pytest.mark.parametrize("key", ["", "1850", "2026-13", "2026-00", "26", "2026-3", "2026-03-01", "٢٠٢٦"])
def test_a_period_is_a_year_or_a_month(key: str) -> None:
    assert UTC.period(key) is None


@pytest.mark.parametrize(
    "name", [None, "", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "x" * 65, "Europe"]
)
def test_a_zone_that_is_none_is_ignored(name: str | None) -> None:
    assert zone_named(name) is None


def test_times_outside_all_periods_are_not_counted() -> None:
    months = (
        Period("2026-01", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        Period("2026-03", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
    )
    times = ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-02-14T00:00:00Z", "2026-03-31T23:59:59Z",
             "2026-04-01T00:00:00Z"]  # fmt: skip
    assert bucketed(times, months) == [1, 1]
    assert draw(months, [0, 0], [0, 0]) is None
    chart = draw(months, [3, 0], [1, 2])
    assert chart is not None and chart.labels == ("Jan 2026", "Mar 2026")
    assert [bar.title for bar in chart.bars] == [
        "January 2026: 3 received, 1 sent",
        "March 2026: 0 received, 2 sent",
    ]


def spanned(folder: Path, *years: int) -> sqlite3.Connection:
    with Archive.create(folder, base_url="https://school.example", user_id=OWNER, name="Jo") as archive:
        with transaction(archive.db):
            make = Maker(archive.db, archive.folder)
            make.person(OWNER, "Jo")
            for number, year in enumerate(years):
                moment = datetime(year, 6, 1, tzinfo=timezone.utc)
                make.conversation(number + 1, "Note", [], [(OWNER, moment, "x")])
        return connect_readonly(archive.db_path)


def test_years_that_no_page_is_about_have_no_bar(tmp_path: Path) -> None:
    with closing(spanned(tmp_path / "archive", 1890, 1901)) as db:
        assert [period.key for period in periods_of(db, UTC)] == ["1900", "1901"]


def test_an_archive_without_messages_has_no_periods(tmp_path: Path) -> None:
    with closing(spanned(tmp_path / "archive")) as db:
        assert periods_of(db, UTC) == ()
