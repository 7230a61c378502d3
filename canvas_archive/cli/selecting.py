"""What the exports of one archive and of a fleet share: their options, and the messages they choose."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.completed_values import COURSE, PERSON
from canvas_archive.cli.context import F, option_group
from canvas_archive.cli.redacting import redaction_options
from canvas_archive.cli.values import OneOf
from canvas_archive.errors import BadInput
from canvas_archive.export.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from canvas_archive.export.selection import Selection
    from canvas_archive.search.query.resolve import AbsentNames

_SELECTION = (
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
        type=PERSON,
        multiple=True,
        help="Only conversations with this person; repeatable.",
    ),
    click.option(
        "--course",
        "courses",
        metavar="COURSE",
        type=COURSE,
        multiple=True,
        help="Only this course; repeatable.",
    ),
    click.option(
        "--with-shared-courses",
        "shared_courses",
        is_flag=True,
        help="With --course: also conversations of other courses whose people share it.",
    ),
    click.option(
        "--tz",
        metavar="ZONE",
        help="Time zone of dates, such as Europe/Berlin. [default: UTC; of --query without --bag: local]",
    ),
)


def export_options(*, format_required: bool) -> Callable[[F], F]:
    """Return what adds the options that every export takes: formats, which messages, what becomes of them."""
    by_name = "" if format_required else " [default: by the name of DEST]"
    return option_group(
        click.option(
            "--format",
            "-f",
            "formats",
            multiple=True,
            required=format_required,
            metavar="FORMAT",
            type=OneOf(FORMATS),
            help=f"{', '.join(FORMATS)}; repeatable.{by_name}",
        ),
        *_SELECTION,
        click.option("--whole-threads", is_flag=True, help="The whole conversation of every message chosen."),
        click.option(
            "--with-attachments/--without-attachments",
            default=None,
            help="Include the bytes of attachments. [default: yes, unless --redact]",
        ),
        click.option(
            "--with-receipts",
            is_flag=True,
            help="Add receipts.jsonl: what Canvas said of these conversations, whole.",
        ),
        click.option("--bag", is_flag=True, help="Wrap everything as BagIt, with custody.json and gaps.csv."),
        redaction_options,
        click.option("--force", is_flag=True, help="Replace an earlier export."),
        click.option(
            "--allow-incomplete", is_flag=True, help="Exit code 0 for an incomplete or empty export, too."
        ),
    )


def selection_of(
    query: str | None,
    after: str | None,
    before: str | None,
    people: tuple[str, ...],
    courses: tuple[str, ...],
    shared_courses: bool,
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

    if shared_courses and not courses:
        raise BadInput("--with-shared-courses goes with --course.")
    given = zone(tz) or timezone.utc
    used = local_zone() if query is not None and not tz and not bag else given
    return Selection(
        query=query,
        after=parse_moment(after, "--after", given) if after else None,
        before=parse_moment(before, "--before", given) if before else None,
        people=people,
        courses=courses,
        shared_courses=shared_courses,
        ids=ids,
        folders=folders,
        whole_threads=whole_threads,
        zone=zone_name(used) if query is not None or after or before else None,
    )


def refuse_receipts(*, redact: bool) -> None:
    """Raise BadInput where receipts would name the people that the export does not."""
    if redact:
        raise BadInput(
            "Receipts hold what Canvas said, with every name and id. Leave out --with-receipts or --redact."
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
