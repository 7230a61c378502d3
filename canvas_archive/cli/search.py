"""``canvas-archive search``: find messages, keep the queries that find them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.completed_values import QUERY_WORD
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
from canvas_archive.cli.filters import filter_options, filter_query, tz_option
from canvas_archive.cli.finding import with_index
from canvas_archive.cli.paging import show_lines, width
from canvas_archive.cli.querying import (
    QueryCommand,
    limit_option,
    show_understood,
    sort_option,
)
from canvas_archive.cli.tables import print_csv, print_tabbed
from canvas_archive.cli.terminal import count_of, fit, local_time, one_line, printable
from canvas_archive.cli.values import SAVED_NAME
from canvas_archive.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.search import FacetValue, Hit, SearchResult

_ALL = 1_000_000_000
_HEADS = ("conversation", "message", "time", "author", "subject", "course", "text")


@click.command(
    cls=QueryCommand,
    epilog="Operators: from: to: with: course: subject: filename: has: is: in: before: after: on: larger: "
    "smaller: id: thread:, "
    '"phrases", prefix*, NOT, OR, ( ). Dates: 2025, 2025-03, 2025-03-09, 7d, 2w, today. '
    "Quote what your shell would take: canvas-archive search '\"final exam\" -from:chen after:2025'.",
)
@common_options
@click.argument("query", nargs=-1, type=QUERY_WORD)
@filter_options
@limit_option(least=0)
@click.option("--all", "everything", is_flag=True, help="Show all hits, without a limit.")
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
@csv_option
@json_option
@pass_settings
def search(
    settings: Settings,
    /,
    query: tuple[str, ...],
    limit: int,
    everything: bool,
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
    as_csv: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Search the messages.

    The options --from to --starred are operators of the query. A pipe gets whole hits with tabs between the
    values: conversation, message, time in UTC, author, subject, course, text.
    """
    text = f"{QueryCommand.joined(query)} {filter_query(filters)}".strip()
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
    if count + ids_only + as_csv + as_json > 1:
        fail("Give only one of --count, --ids, --csv and --json.")
    if everything or (ids_only and not _limit_given()):
        limit = _ALL
    result = _search(
        settings, text, limit=0 if count else limit, sort=sort, threads=threads, facets=facets, tz=tz
    )
    if save is not None:
        _save(settings, save, text)
    if not as_json:
        show_understood(settings, result.understood)
    if as_json:
        from canvas_archive.cli.records import facets_record, hit_record

        print_document(
            "search",
            result,
            hits=map(hit_record, result.hits),
            facets=facets_record(result.facets),
            milliseconds=round(result.milliseconds, 2),
        )
    elif count:
        click.echo(str(result.total))
    elif ids_only:
        for hit in result.hits:
            click.echo(str(hit.conversation_id if threads else hit.message_id))
    elif as_csv:
        print_csv(_HEADS, map(_row, result.hits))
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
    from canvas_archive.search import search as find

    result = with_index(settings, lambda db_path, search_dir: find(db_path, search_dir, text, **options))
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
    facets = [line for name, values in (result.facets or {}).items() for line in _facet(name, values)]
    notes = _notes(result, "conversation" if threads else "message")
    if sys.stdout.isatty():
        bold = ("\x1b[1m", "\x1b[22m") if colours() else ("", "")
        digits = len(str(len(result.hits)))
        lines = [
            line for number, hit in enumerate(result.hits, 1) for line in _lines(hit, number, digits, bold)
        ]
        show_lines(settings, lines + facets, notes)
        return
    print_tabbed(map(_row, result.hits))
    for line in facets:
        click.echo(line)
    for note in notes:
        settings.note(note)


def _notes(result: SearchResult, what: str) -> list[str]:
    shown = f", the first {len(result.hits)} shown" if len(result.hits) < result.total else ""
    notes = [f"{count_of(result.total, what)} in {result.milliseconds:.0f} ms{shown}."]
    if result.explanation:
        notes.append(printable(result.explanation))
    if result.suggestion:
        notes.append(f"Did you mean: {printable(result.suggestion)}")
    return notes


def _row(hit: Hit) -> tuple[object, ...]:
    """Return the cells of a pipe and of CSV."""
    return (
        hit.conversation_id, hit.message_id, hit.created_at, hit.author or f"User {hit.author_id}",
        hit.subject, hit.course, hit.snippet.plain,
    )  # fmt: skip


def _lines(hit: Hit, number: int, digits: int, bold: tuple[str, str]) -> Iterator[str]:
    """Yield the lines of a hit; none is wider than the terminal."""
    about = [hit.author or f"User {hit.author_id}", hit.subject or "(no subject)"]
    if hit.course:
        about.append(hit.course)
    first = f"{number:>{digits}}  {local_time(hit.created_at)}  "
    last = f"  #{hit.conversation_id}"
    room = max(10, width() - len(first) - len(last))
    title = fit(" · ".join(map(one_line, about)), room).rstrip()
    yield f"{first}{bold[0]}{title}{bold[1]}{last}"
    indent = " " * (digits + 2)
    yield from _wrapped(hit.snippet.marked(_BEGIN, _END), indent, bold)


_BEGIN, _END = "\ue001", "\ue002"
"""Stand for the marks around a found word while the text is wrapped."""


def _wrapped(text: str, indent: str, bold: tuple[str, str]) -> Iterator[str]:
    """Yield a marked text as lines. A mark that goes on in the next line begins anew there."""
    import textwrap

    is_open = False
    for line in textwrap.wrap(text, max(20, width()), initial_indent=indent, subsequent_indent=indent):
        opened = line.count(_BEGIN) - line.count(_END) + is_open > 0
        begun = f"{indent}{_BEGIN}{line[len(indent) :]}" if is_open else line
        yield (begun + _END if opened else begun).replace(_BEGIN, bold[0]).replace(_END, bold[1])
        is_open = opened


def _facet(name: str, values: tuple[FacetValue, ...]) -> Iterator[str]:
    if values:
        yield f"\n{name}"
        digits = len(str(max(value.count for value in values)))
        for value in values:
            yield f"  {value.count:>{digits}}  {one_line(value.label)}"


def _list_saved(settings: Settings, as_json: bool) -> None:
    from canvas_archive.search import saved_searches
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        found = saved_searches(archive.db)
    if as_json:
        print_document("search --list-saved", saved_searches=found, total=len(found))
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
