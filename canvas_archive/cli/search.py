"""``canvas-archive search``: find messages, keep the queries that find them."""

from __future__ import annotations

import contextlib
import re
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
from canvas_archive.cli.terminal import count_of, local_time, one_line, printable
from canvas_archive.cli.values import SAVED_NAME
from canvas_archive.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.search import FacetValue, Hit, SearchResult

# What is brought up to date on the way to a search: about a second of work.
_SMALL_UPDATE = 2_000
_DOCUMENT_SECONDS = 5.0  # for attached files that nobody has read yet: a search does not wait for all of them
# Stands for the dash of "-from:chen" while click looks for options.
_DASH = "\ue000"


class QueryCommand(click.Command):
    """A command whose words may begin with a dash: ``search exam -from:chen``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what begins with one dash and is no option of this command for a word of the query."""
        short = "".join(
            name[1] for param in self.params for name in param.opts if re.fullmatch("-[A-Za-z]", name)
        )
        options = re.compile(rf"-[{short}h]+\Z")
        guarded = [
            _DASH + arg[1:] if re.match(r"-[^-]", arg) and not options.match(arg) else arg for arg in args
        ]
        return super().parse_args(ctx, guarded)

    @staticmethod
    def joined(words: tuple[str, ...]) -> str:
        """Return the words as the query they are, the dashes back in place."""
        return " ".join(words).replace(_DASH, "-").strip()


@click.command(
    cls=QueryCommand,
    epilog="Operators: from: to: with: course: subject: filename: has: is: in: before: after: on:, "
    '"phrases", prefix*, -not, OR, ( ). Dates: 2025, 2025-03, 2025-03-09, 7d, 2w, today. '
    "Quote what your shell would take: canvas-archive search '\"final exam\" -from:chen after:2025'.",
)
@common_options
@click.argument("query", nargs=-1)
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Hits to show.")
@click.option(
    "--sort",
    type=click.Choice(("relevance", "newest", "oldest")),
    default="relevance",
    show_default=True,
    help="The best first, or by date.",
)
@click.option("--threads", is_flag=True, help="One hit, the best, per conversation.")
@click.option("--facets", is_flag=True, help="Count the hits by person, course, year and what they carry.")
@click.option(
    "--tz", metavar="ZONE", help="Time zone of the query's dates, such as Europe/Berlin. [default: local]"
)
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
    result = _search(settings, text, limit=limit, sort=sort, threads=threads, facets=facets, tz=tz)
    if save is not None:
        _save(settings, save, text)
    if as_json:
        print_json(result.to_json())
    else:
        _show(settings, result, threads=threads)
        if not result.total:
            _hint(settings)


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
    from canvas_archive.clock import SYSTEM
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
