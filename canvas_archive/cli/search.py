"""``canvas-archive search``: find messages, keep the queries that find them."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.context import (
    Settings,
    colours,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_json,
)
from canvas_archive.cli.querying import (
    QueryCommand,
    limit_option,
    show_understood,
    sort_option,
    tz_option,
)
from canvas_archive.cli.terminal import count_of, local_time, one_line, printable
from canvas_archive.cli.values import SAVED_NAME
from canvas_archive.clock import SYSTEM
from canvas_archive.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.search import FacetValue, Hit, SearchResult

# What is brought up to date on the way to a search: about a second of work.
_SMALL_UPDATE = 2_000
_ALL = 1_000_000_000
_DOCUMENT_SECONDS = 5.0  # for attached files that nobody has read yet: a search does not wait for all of them


@click.command(
    cls=QueryCommand,
    epilog="Operators: from: to: with: course: subject: filename: has: is: in: before: after: on: larger: "
    "smaller: id: thread:, "
    '"phrases", prefix*, NOT, OR, ( ). Dates: 2025, 2025-03, 2025-03-09, 7d, 2w, today. '
    "Quote what your shell would take: canvas-archive search '\"final exam\" -from:chen after:2025'.",
)
@common_options
@click.argument("query", nargs=-1)
@limit_option(least=0)
@sort_option
@click.option("-l", "--threads", is_flag=True, help="One hit, the best, per conversation.")
@click.option("-c", "--count", is_flag=True, help="Print only how many there are.")
@click.option(
    "--ids",
    "ids_only",
    is_flag=True,
    help="Print only the ids, one per line: of messages, or with -l of conversations.",
)
@click.option("--facets", is_flag=True, help="Count the hits by person, course, year and what they carry.")
@tz_option
@click.option("--save", metavar="NAME", help="Keep the query under this name.")
@click.option(
    "--saved", metavar="NAME", type=SAVED_NAME, help="Search for the query kept under this name (and QUERY)."
)
@click.option("--list-saved", is_flag=True, help="List the queries that are kept.")
@click.option("--forget", metavar="NAME", help="Drop the query kept under this name.")
@json_option
@pass_settings
def search(
    settings: Settings,
    query: tuple[str, ...],
    limit: int,
    sort: str,
    threads: bool,
    count: bool,
    ids_only: bool,
    facets: bool,
    tz: str | None,
    save: str | None,
    saved: str | None,
    list_saved: bool,
    forget: str | None,
    as_json: bool,
) -> None:
    """Search the messages."""
    text = QueryCommand.joined(query)
    if list_saved:
        _list_saved(settings, as_json)
        return
    if forget is not None:
        _forget(settings, forget)
        return
    if saved is not None:
        text = f"{_saved_query(settings, saved)} {text}".strip()
    if not text:
        fail("Say what to search for, such as: canvas-archive search 'exam from:chen after:2025'.")
    if count + ids_only + as_json > 1:
        fail("Give only one of --count, --ids and --json.")
    if ids_only and not _limit_given():
        limit = _ALL
    result = _search(
        settings, text, limit=0 if count else limit, sort=sort, threads=threads, facets=facets, tz=tz
    )
    if save is not None:
        _save(settings, save, text)
    if not as_json:
        show_understood(settings, result.understood)
    if as_json:
        print_json(result.to_json())
    elif count:
        click.echo(str(result.total))
    elif ids_only:
        for hit in result.hits:
            click.echo(str(hit.conversation_id if threads else hit.message_id))
    else:
        _show(settings, result, threads=threads)
        if not result.total:
            _hint(settings)


def _limit_given() -> bool:
    source = click.get_current_context().get_parameter_source("limit")
    return source is not click.core.ParameterSource.DEFAULT


def _hint(settings: Settings) -> None:
    from canvas_archive.cli.emptiness import NOTHING_PULLED, was_pulled
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        if not was_pulled(archive.db):
            settings.note(NOTHING_PULLED)


def _search(settings: Settings, text: str, **options: Any) -> SearchResult:
    """Search, after bringing the index up to date where that is needed and quick."""
    from canvas_archive.cli.index import bring_up_to_date
    from canvas_archive.search import IndexUnusable, pending_messages
    from canvas_archive.search import search as find
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        db_path, search_dir = archive.db_path, archive.search_dir
        pending = pending_messages(archive.db)
    if 0 < pending <= _SMALL_UPDATE and search_dir.is_dir():
        # A sync that is running will do it, and a read-only disk cannot: a search never fails for it.
        with contextlib.suppress(ArchiveError, OSError, sqlite3.Error):
            bring_up_to_date(settings, document_seconds=_DOCUMENT_SECONDS)
    try:
        result = find(db_path, search_dir, text, **options)
    except IndexUnusable as error:
        if error.exit_code != IndexUnusable.exit_code:
            raise  # somebody else's archive: nothing is built in it
        settings.note(f"{error.reason} Building it.")
        bring_up_to_date(settings, anew=True, document_seconds=_DOCUMENT_SECONDS)
        result = find(db_path, search_dir, text, **options)
    if result.freshness.pending:
        settings.note(
            f"{count_of(result.freshness.pending, 'message')} not indexed yet: "
            "they are found after the next 'canvas-archive sync' or 'canvas-archive index'."
        )
    if result.freshness.skipped:
        settings.note(
            f"Not searched, because their rows in the database are damaged: "
            f"{count_of(result.freshness.skipped, 'message')}. 'canvas-archive index' names them."
        )
    return result


def _show(settings: Settings, result: SearchResult, *, threads: bool) -> None:
    """Print the hits, then what there is beyond them."""
    bold = ("\x1b[1m", "\x1b[22m") if colours() else ("", "")
    width = len(str(len(result.hits)))
    for number, hit in enumerate(result.hits, 1):
        for line in _lines(hit, number, width, bold):
            click.echo(line)
    for name, values in (result.facets or {}).items():
        _show_facet(name, values)
    what = "conversation" if threads else "message"
    shown = f", the first {len(result.hits)} shown" if len(result.hits) < result.total else ""
    settings.note(f"{count_of(result.total, what)} in {result.milliseconds:.0f} ms{shown}.")
    if result.explanation:
        settings.note(printable(result.explanation))
    if result.suggestion:
        settings.note(f"Did you mean: {printable(result.suggestion)}")


def _lines(hit: Hit, number: int, width: int, bold: tuple[str, str]) -> Iterator[str]:
    about = [hit.author or f"User {hit.author_id}", hit.subject or "(no subject)"]
    if hit.course:
        about.append(hit.course)
    title = " · ".join(map(one_line, about))
    when = local_time(hit.created_at)
    yield f"{number:>{width}}  {when}  {bold[0]}{title}{bold[1]}  #{hit.conversation_id}"
    snippet = hit.snippet.marked(*bold)
    if snippet:
        yield f"{'':>{width}}  {snippet}"


def _show_facet(name: str, values: tuple[FacetValue, ...]) -> None:
    if not values:
        return
    click.echo(f"\n{name}")
    width = len(str(max(value.count for value in values)))
    for value in values:
        click.echo(f"  {value.count:>{width}}  {one_line(value.label)}")


def _list_saved(settings: Settings, as_json: bool) -> None:
    from canvas_archive.search import saved_searches
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        found = saved_searches(archive.db)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        click.echo(f"{one_line(one.name):<{width}}  {one_line(one.query)}")
    if not found:
        settings.note("No search has been saved yet: canvas-archive search --save NAME QUERY")


def _saved_query(settings: Settings, name: str) -> str:
    from canvas_archive.search import saved_query
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        return saved_query(archive.db, name)


def _save(settings: Settings, name: str, text: str) -> None:
    from canvas_archive.search import save_search
    from canvas_archive.store import Archive

    with Archive.open(settings.folder, write=True) as archive:
        save_search(archive.db, name, text, now=SYSTEM.now())
    settings.note(f"Saved as '{printable(name.strip())}'.")


def _forget(settings: Settings, name: str) -> None:
    from canvas_archive.search import forget_search
    from canvas_archive.store import Archive

    with Archive.open(settings.folder, write=True) as archive:
        forget_search(archive.db, name)
    settings.note(f"'{printable(name)}' is forgotten.")
