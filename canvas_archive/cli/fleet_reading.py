"""``canvas-archive fleet search`` and ``fleet export``: over all archives of a fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.context import (
    Settings,
    colours,
    json_option,
    pass_settings,
    print_json,
    talking_options,
)
from canvas_archive.cli.export import FORMATS, write_export
from canvas_archive.cli.fleet import open_fleet, root_option
from canvas_archive.cli.progress import board, steps, unheard
from canvas_archive.cli.search import QueryCommand
from canvas_archive.cli.selecting import selection_of, selection_options
from canvas_archive.cli.terminal import local_time, one_line
from canvas_archive.places import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from canvas_archive.cli.board import Step
    from canvas_archive.export.run import ExportReport
    from canvas_archive.search import Hit
    from canvas_archive.sync.fleet import Outcome


@dataclass(frozen=True, slots=True)
class SharedHit:
    """A message that was found, and in whose archives: the same message may be in several."""

    hit: Hit
    custodians: tuple[Outcome, ...]


def merged(found: Iterable[tuple[Outcome, Hit]], sort: str, limit: int) -> list[SharedHit]:
    """Merge the hits of many archives: by score or date, each message once. Pure."""
    best: dict[int, Hit] = {}
    holders: dict[int, list[Outcome]] = {}
    for outcome, hit in found:
        holders.setdefault(hit.message_id, []).append(outcome)
        if hit.message_id not in best or hit.score > best[hit.message_id].score:
            best[hit.message_id] = hit
    if sort == "relevance":
        ordered = sorted(best.values(), key=lambda hit: (-hit.score, -hit.message_id))
    else:
        ordered = sorted(
            best.values(), key=lambda hit: (hit.created_at, hit.message_id), reverse=sort == "newest"
        )
    return [SharedHit(hit, tuple(holders[hit.message_id])) for hit in ordered[:limit]]


@click.command(cls=QueryCommand)
@click.argument("query", nargs=-1, required=True)
@root_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Hits to show.")
@click.option(
    "--sort",
    type=click.Choice(("relevance", "newest", "oldest")),
    default="relevance",
    show_default=True,
    help="The best first, or by date.",
)
@click.option("--tz", metavar="ZONE", help="Time zone of the query's dates. [default: local]")
@json_option
@talking_options
@pass_settings
def search(
    settings: Settings,
    query: tuple[str, ...],
    root: Path | None,
    limit: int,
    sort: str,
    tz: str | None,
    as_json: bool,
) -> None:
    """Search the messages of all custodians; a message that several have is shown once."""
    from typing import cast

    from canvas_archive.errors import ArchiveError, BadInput, ItemsFailed
    from canvas_archive.search import search as find
    from canvas_archive.search.service import Sort
    from canvas_archive.store import Archive

    text = QueryCommand.joined(query)
    found: list[tuple[Outcome, Hit]] = []
    per_custodian: list[dict[str, Any]] = []
    failed: list[str] = []
    archives = open_fleet(root).archives()
    with steps(settings) as tell:
        for number, (outcome, folder) in enumerate(archives):
            tell("Searching", number, len(archives))
            try:
                with Archive.open(folder) as archive:
                    db_path, search_dir = archive.db_path, archive.search_dir
                result = find(db_path, search_dir, text, limit=limit, sort=cast("Sort", sort), tz=tz)
            except BadInput:
                raise  # the query itself is wrong, for everybody
            except ArchiveError as error:
                settings.warn(f"User {outcome.user_id}: {error}")
                failed.append(str(outcome.user_id))
                continue
            found += [(outcome, hit) for hit in result.hits]
            per_custodian.append({"user_id": outcome.user_id, "name": outcome.name, "total": result.total})
    shown = merged(found, sort, limit)
    if as_json:
        print_json(
            {
                "query": text,
                "custodians": per_custodian,
                "failed": [int(number) for number in failed],
                "hits": [_hit_json(one) for one in shown],
            }
        )
    else:
        for line in _lines(shown):
            click.echo(line)
        total = sum(row["total"] for row in per_custodian)
        holding = sum(row["total"] > 0 for row in per_custodian)
        settings.note(f"{total:,} hits in the archives of {holding:,} of {len(per_custodian):,} custodians.")
    if failed:
        raise ItemsFailed(
            f"The archives of {len(failed)} custodians could not be searched: {', '.join(failed[:5])}. "
            "'canvas-archive fleet sync' or 'canvas-archive --archive DIR index' mends their indexes."
        )


def _hit_json(one: SharedHit) -> dict[str, Any]:
    custodians = [{"user_id": who.user_id, "name": who.name} for who in one.custodians]
    return {"custodians": custodians, **one.hit.to_json()}


def _lines(shown: list[SharedHit]) -> Iterator[str]:
    bold = ("\x1b[1m", "\x1b[22m") if colours() else ("", "")
    for one in shown:
        hit = one.hit
        names = [one_line(who.name or f"user {who.user_id}") for who in one.custodians]
        holders = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        about = one_line(f"{hit.author or f'User {hit.author_id}'} · {hit.subject or '(no subject)'}")
        yield f"{local_time(hit.created_at)}  {bold[0]}{about}{bold[1]}  #{hit.conversation_id}  [{holders}]"
        snippet = hit.snippet.marked(*bold)
        if snippet:
            yield f"  {snippet}"


@click.command()
@click.argument("dest", type=click.Path(path_type=Path))
@root_option
@click.option(
    "--format",
    "-f",
    "formats",
    multiple=True,
    required=True,
    metavar="FORMAT",
    help=f"{', '.join(FORMATS)}; repeatable.",
)
@selection_options
@click.option("--whole-threads", is_flag=True, help="The whole conversation of every message chosen.")
@click.option(
    "--with-attachments/--without-attachments",
    default=None,
    help="Include the bytes of attachments. [default: yes, unless --redact]",
)
@click.option("--bag", is_flag=True, help="A BagIt bag with a chain of custody for every custodian.")
@click.option("--redact", is_flag=True, help="Replace everyone but the custodian by pseudonyms.")
@click.option("--force", is_flag=True, help="Replace earlier exports.")
@json_option
@talking_options
@pass_settings
def export(
    settings: Settings,
    dest: Path,
    root: Path | None,
    formats: tuple[str, ...],
    query: str | None,
    after: str | None,
    before: str | None,
    people: tuple[str, ...],
    courses: tuple[str, ...],
    whole_threads: bool,
    with_attachments: bool | None,
    bag: bool,
    redact: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Export every custodian's messages into a folder of their own below DEST.

    With --format parquet all of them are one table to DuckDB or Spark: every row names its custodian, and
    read_parquet('DEST/*/parquet/messages/*/*.parquet') reads them together.
    """
    from canvas_archive.errors import ItemsFailed
    from canvas_archive.export.context import Options
    from canvas_archive.export.formats import check_formats

    selection = selection_of(query, after, before, people, courses, whole_threads=whole_threads)
    attachments = with_attachments if with_attachments is not None else not redact
    options = Options(attachments=attachments, redacted=redact)
    check_formats(formats, dest)

    def write(folder: Path, name: str, tell: Step) -> ExportReport:
        inside = expanded(dest) / name
        inside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return write_export(folder, inside, formats, selection, options, bag=bag, force=force, tell=tell)

    done = _export_all(settings, open_fleet(root).archives(), write, lenient=bool(people or courses))
    rows = done.rows
    if as_json:
        print_json({"dest": str(dest), "formats": list(formats), "custodians": rows, "without": done.without})
    else:
        settings.note(
            f"{sum(row['messages'] for row in rows):,} messages of {len(rows):,} custodians written to "
            f"{dest} ({', '.join(formats)})."
        )
    if done.failed:
        raise ItemsFailed(
            f"The exports of {len(done.failed)} custodians failed or lack files: "
            f"{', '.join(done.failed[:5])}. Run 'canvas-archive --archive DIR verify' on their archives."
        )


@dataclass(slots=True)
class _Exported:
    """What came of it: a row for each export, who failed, how many had nothing of what is wanted."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    without: int = 0


def _export_all(
    settings: Settings,
    archives: Sequence[tuple[Outcome, Path]],
    write: Callable[[Path, str, Step], ExportReport],
    *,
    lenient: bool,
) -> _Exported:
    """Export one archive after the other.

    ``lenient``: an archive may not know the person or course that is asked for, as long as one of them does.
    """
    from canvas_archive.errors import ArchiveError, BadInput

    done = _Exported()
    unknown: BadInput | None = None
    with board(settings) as shown:
        for number, (outcome, folder) in enumerate(archives):
            if shown is not None:
                shown.step("Custodians", number, len(archives))
            tell = partial(shown.step, row=1) if shown is not None else unheard
            try:
                report = write(folder, outcome.folder, tell)
            except BadInput as error:
                if not lenient:
                    raise
                unknown = unknown or error
                done.without += 1
                settings.note(f"User {outcome.user_id}: {error}", level=1)
                continue
            except ArchiveError as error:
                settings.warn(f"User {outcome.user_id}: {error}")
                done.failed.append(str(outcome.user_id))
                continue
            counts = report.counts
            who = {"user_id": outcome.user_id, "name": outcome.name, "dest": str(report.dest)}
            done.rows.append({**who, **counts.to_json()})
            if counts.lost:
                done.failed.append(str(outcome.user_id))
            settings.note(
                f"{one_line(outcome.name or '')}: {counts.messages:,} messages in {report.dest}", level=1
            )
    if unknown is not None and not done.rows and not done.failed:
        raise unknown
    return done
