"""``people``, ``courses`` and ``stats``: what the mailbox is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    csv_option,
    fail,
    json_option,
    option_group,
    pass_settings,
    print_document,
)
from canvas_archive.cli.tables import print_csv, print_table
from canvas_archive.cli.terminal import count_of, local_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canvas_archive.store.tallies import CourseTally, PersonTally

_TOP = 10

_many = option_group(
    click.option(
        "-n", "--limit", type=click.IntRange(min=1), default=25, show_default=True, help="Rows to show."
    ),
    click.option("--all", "everything", is_flag=True, help="Show all, without a limit."),
    csv_option,
    json_option,
)


@click.command()
@common_options
@click.argument("name", required=False)
@_many
@pass_settings
def people(
    settings: Settings, name: str | None, limit: int, everything: bool, as_csv: bool, as_json: bool
) -> None:
    """List the people who wrote to you, most messages first; NAME is a part of a name."""
    from canvas_archive.store import Archive
    from canvas_archive.store.tallies import people_by_messages

    with Archive.open(settings.folder) as archive:
        found = people_by_messages(archive.db, name or "")
    shown = found if everything else found[:limit]
    rows = [(one.id, one.name, one.messages, local_time(one.latest_at)) for one in shown]
    documents = list(map(_correspondent, shown))
    _print(
        settings, "people", ("id", "name", "messages", "latest"), rows, documents, len(found), as_csv, as_json
    )
    if not found and name and not as_json:
        settings.note(f"To search Canvas for people to write to: canvas-archive recipients {name}")


@click.command()
@common_options
@_many
@pass_settings
def courses(settings: Settings, limit: int, everything: bool, as_csv: bool, as_json: bool) -> None:
    """List the courses and groups that conversations belong to, most conversations first."""
    from canvas_archive.store import Archive
    from canvas_archive.store.tallies import courses_by_conversations

    with Archive.open(settings.folder) as archive:
        found = courses_by_conversations(archive.db)
    shown = found if everything else found[:limit]
    heads = ("code", "name", "conversations", "unread", "latest")
    rows = [(one.code, one.name, one.conversations, one.unread, local_time(one.latest_at)) for one in shown]
    documents = list(map(_course, shown))
    _print(settings, "courses", heads, rows, documents, len(found), as_csv, as_json)


def _correspondent(one: PersonTally) -> dict[str, object]:
    return {"id": one.id, "name": one.name, "message_count": one.messages, "latest_at": one.latest_at}


def _course(one: CourseTally) -> dict[str, object]:
    return {
        "context_code": one.code, "context_name": one.name, "conversation_count": one.conversations,
        "unread_count": one.unread, "latest_at": one.latest_at,
    }  # fmt: skip


def _print(
    settings: Settings,
    what: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    documents: Sequence[object],
    total: int,
    as_csv: bool,
    as_json: bool,
) -> None:
    if as_csv and as_json:
        fail("Give only one of --csv and --json.")
    if as_json:
        print_document(what, {what: documents, "total": total})
        return
    if as_csv:
        print_csv(heads, rows)
    elif rows:
        print_table(heads, rows)
    more = " More: -n N or --all" if len(rows) < total else ""
    settings.note(f"{len(rows):,} of {total:,} {what}.{more}")


@click.command()
@common_options
@json_option
@pass_settings
def stats(settings: Settings, as_json: bool) -> None:
    """Count the messages by year, the ten busiest people and the ten busiest courses."""
    from canvas_archive.store import Archive
    from canvas_archive.store.counts import archive_counts
    from canvas_archive.store.tallies import courses_by_conversations, messages_by_year, people_by_messages

    with Archive.open(settings.folder) as archive:
        counts = archive_counts(archive.db)
        years = messages_by_year(archive.db)
        persons = people_by_messages(archive.db)
        found = courses_by_conversations(archive.db)
    if as_json:
        print_document(
            "stats",
            counts={"conversations": counts.conversations, "messages": counts.messages},
            people=map(_correspondent, persons[:_TOP]),
            courses=map(_course, found[:_TOP]),
            years=[{"year": int(year), "message_count": number} for year, number in years],
        )
        return
    click.echo(
        f"{count_of(counts.conversations, 'conversation')}, {count_of(counts.messages, 'message')}. "
        f"People who wrote: {len(persons):,}. Courses and groups: {len(found):,}."
    )
    for heads, rows in (
        (("year", "messages"), list(years)),
        (("person", "messages"), [(one.name, one.messages) for one in persons[:_TOP]]),
        (("course", "conversations"), [(one.name, one.conversations) for one in found[:_TOP]]),
    ):
        if rows:
            click.echo()
            print_table(heads, rows)
