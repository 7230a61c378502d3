"""``canvas-archive list``: folders and what filters find."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from canvas_archive.cli.context import (
    Settings,
    colours,
    common_options,
    csv_option,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.emptiness import NOTHING_PULLED, was_pulled
from canvas_archive.cli.filters import SortChoice, filter_options, filter_query, tz_option
from canvas_archive.cli.values import FOLDER
from canvas_archive.store.folders import ANYWHERE, FOLDERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canvas_archive.store.reading import FolderPage

_EVERYTHING = 1_000_000_000


@click.command("list")
@common_options
@click.argument("folder_name", metavar="[FOLDER]", required=False, type=FOLDER)
@click.option(
    "--folder",
    metavar="NAME",
    type=FOLDER,
    help=f"One of {', '.join(FOLDERS)}, {ANYWHERE}. [default: inbox; with filters: {ANYWHERE}]",
)
@filter_options
@tz_option
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=25, show_default=True, help="Conversations to show."
)
@click.option("--all", "everything", is_flag=True, help="Show all, without a limit.")
@click.option(
    "--sort", type=SortChoice(("newest", "oldest")), default="newest", show_default=True, help="By date."
)
@click.option("--cursor", metavar="CURSOR", help="Go on where the last list ended ('next' of --json).")
@csv_option
@json_option
@pass_settings
def list_(
    settings: Settings,
    /,
    folder_name: str | None,
    folder: str | None,
    tz: str | None,
    limit: int,
    everything: bool,
    sort: Literal["newest", "oldest"],
    cursor: str | None,
    as_csv: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """List the conversations of a folder, newest first.

    The filters search as the operators of 'canvas-archive help query' do. On a terminal the columns fit its
    width. A pipe gets whole values with tabs between them, the times in UTC.
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.reading import count_conversations, list_conversations, other_people

    query = filter_query(filters)
    name = _folder(folder_name, folder, ANYWHERE if query else "inbox")
    if as_csv and as_json:
        fail("Give only one of --csv and --json.")
    if tz is not None and not query:
        fail("--tz goes with --after and --before.")
    chosen = _chosen(settings, query, tz) if query else None
    with Archive.open(settings.folder) as archive:
        most = _EVERYTHING if everything else limit
        page = list_conversations(
            archive.db, name, most, _cursor(cursor), oldest=sort == "oldest", chosen=chosen
        )
        total = count_conversations(archive.db, name, chosen)
        pulled = bool(page.lines) or was_pulled(archive.db)
        people = other_people(archive.db, [line.id for line in page.lines]) if as_json else {}
    following = f"{page.next[0]}~{page.next[1]}" if page.next else None
    if as_json:
        found = [
            {
                **{slot: getattr(line, slot) for slot in line.__slots__},
                "participants": [{"id": id_, "name": called} for id_, called in people.get(line.id, ())],
            }
            for line in page.lines
        ]
        print_document("list", folder=name, conversations=found, total=total, next=following)
        return
    _show_page(settings, page, name, total, as_csv=as_csv)
    if not page.lines:
        settings.note(
            (f"Nothing in {name}." if not query else "Nothing found.") if pulled else NOTHING_PULLED
        )


def _folder(named: str | None, option: str | None, otherwise: str) -> str:
    """Return the folder that the argument or the option names."""
    if named is not None and option is not None and named != option:
        fail(f"Name one folder, not both '{named}' and '{option}'.")
    wanted = named or option or otherwise
    if wanted not in FOLDERS and wanted != ANYWHERE:
        from canvas_archive.search.query.operators import IN

        meant = IN.get(wanted.lower())
        hint = f"Did you mean '{meant}'?" if meant else f"To search: canvas-archive search {wanted}"
        fail(f"There is no folder '{wanted}'. The folders are {', '.join(FOLDERS)}, {ANYWHERE}. {hint}")
    return wanted


def _chosen(settings: Settings, query: str, tz: str | None) -> Sequence[int]:
    """Return the conversations that the filters find, and say how they were understood."""
    from canvas_archive.cli.finding import with_index
    from canvas_archive.cli.querying import show_understood
    from canvas_archive.clock import SYSTEM
    from canvas_archive.search import select_conversations, understand

    now = SYSTEM.now()
    found = with_index(
        settings,
        lambda db, index: (
            understand(db, query, tz=tz, now=now)[0],
            select_conversations(db, index, query, tz=tz, now=now),
        ),
    )
    show_understood(settings, found[0])
    return found[1]


def _cursor(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    time, _, number = text.rpartition("~")
    if not number.isascii() or not number.isdigit():
        fail(f"'{text}' is not where a list ended. Take 'next' of: canvas-archive list --json")
    return time, int(number)


def _show_page(settings: Settings, page: FolderPage, folder: str, total: int, *, as_csv: bool) -> None:
    from canvas_archive.cli import columns
    from canvas_archive.cli.paging import show_lines, width
    from canvas_archive.cli.tables import print_csv, print_tabbed

    if as_csv:
        print_csv(columns.HEADS, map(columns.whole_row, page.lines))
    elif not sys.stdout.isatty():
        print_tabbed(map(columns.whole_row, page.lines))
    elif page.lines:
        shown = len(page.lines)
        where = "in all folders" if folder == ANYWHERE else f"in {folder}"
        notes = [f"{shown:,} of {total:,} {where}." if shown < total else f"{total:,} {where}."]
        if page.next:
            notes[0] += " More: -n N or --all"
        marks = columns.legend(page.lines)
        lines = list(columns.table(page.lines, folder, width(), colour=colours()))
        show_lines(settings, lines, ([marks] if marks else []) + notes)
