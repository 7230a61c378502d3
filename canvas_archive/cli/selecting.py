"""What the exports of one archive and of a fleet share: which messages, as options and as a selection."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from canvas_archive.export.selection import Selection
    from canvas_archive.search.query.resolve import AbsentNames

F = TypeVar("F", bound="Callable[..., Any]")

_OPTIONS = (
    click.option("--query", metavar="QUERY", help="Only messages that this search finds."),
    click.option(
        "--after",
        metavar="DATE",
        help="Only messages from this date on (2025, 2025-03, …; UTC without --tz).",
    ),
    click.option("--before", metavar="DATE", help="Only messages earlier than this date."),
    click.option(
        "--with",
        "people",
        metavar="PERSON",
        multiple=True,
        help="Only conversations with this person; repeatable.",
    ),
    click.option(
        "--course", "courses", metavar="COURSE", multiple=True, help="Only this course; repeatable."
    ),
    click.option(
        "--tz",
        metavar="ZONE",
        help="Time zone of dates, such as Europe/Berlin. [default: UTC; of --query without --bag: local]",
    ),
)


def selection_options(function: F) -> F:
    """Add the options that choose messages."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def selection_of(
    query: str | None,
    after: str | None,
    before: str | None,
    people: tuple[str, ...],
    courses: tuple[str, ...],
    tz: str | None,
    *,
    bag: bool,
    whole_threads: bool,
    ids: tuple[int, ...] = (),
    folders: tuple[str, ...] = (),
) -> Selection:
    """Return what the options say. Raises BadInput for a date or zone that is none.

    The dates of a query are local, in a bag those of UTC: it must be the same on every machine.
    """

    from canvas_archive.export.selection import Selection, parse_moment
    from canvas_archive.search.query.dates import local_zone, zone, zone_name

    given = zone(tz) or timezone.utc
    used = local_zone() if query is not None and not tz and not bag else given
    return Selection(
        query=query,
        after=parse_moment(after, "--after", given) if after else None,
        before=parse_moment(before, "--before", given) if before else None,
        people=people,
        courses=courses,
        ids=ids,
        folders=folders,
        whole_threads=whole_threads,
        zone=zone_name(used) if query is not None or after or before else None,
    )


def message_finder(
    db_path: Path,
    search_dir: Path,
    absent: AbsentNames | None = None,
    *,
    zone: str | None,
    now: datetime | None = None,
) -> Callable[[str], list[int]]:
    """Return what answers ``--query``: the ids of the messages that an archive's search finds.

    ``absent``, ``zone`` (local without one) and ``now`` are as in ``search``.
    """

    def find(query: str) -> list[int]:
        from canvas_archive.search import select_messages

        return select_messages(db_path, search_dir, query, tz=zone, now=now, absent=absent)

    return find
