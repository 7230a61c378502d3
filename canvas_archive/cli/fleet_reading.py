"""``canvas-archive fleet search`` and ``fleet export``: over all archives of a fleet."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from canvas_archive.cli.context import (
    Settings,
    colours,
    json_option,
    pass_settings,
    print_document,
    talking_options,
)
from canvas_archive.cli.export import shared_sentence, write_export
from canvas_archive.cli.filters import tz_option
from canvas_archive.cli.fleet_archives import FleetReading, open_fleet, root_option, users
from canvas_archive.cli.fleet_packages import hand_over, package_of, require_stamp
from canvas_archive.cli.progress import progress_display, show_nothing, steps
from canvas_archive.cli.querying import QueryCommand, limit_option, show_understood, sort_option
from canvas_archive.cli.records import export_record, hit_record
from canvas_archive.cli.redacting import redacting
from canvas_archive.cli.selecting import export_options, message_finder, refuse_receipts, selection_of
from canvas_archive.cli.sign import means_from, signing_options
from canvas_archive.cli.terminal import count_of, local_time, one_line
from canvas_archive.errors import BadInput, ItemsFailed
from canvas_archive.places import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from canvas_archive.export.checks import ProgressCallback
    from canvas_archive.export.fleet_list import Package
    from canvas_archive.export.selection import Selection
    from canvas_archive.search import Hit
    from canvas_archive.search.service import Sort
    from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet


@dataclass(frozen=True, slots=True)
class SharedHit:
    """A message that was found, and in whose archives: the same message may be in several."""

    hit: Hit
    custodians: tuple[CustodianOutcome, ...]


def merged(found: Iterable[tuple[CustodianOutcome, Hit]], sort: str, limit: int) -> list[SharedHit]:
    """Merge the hits of many archives: by score or date, each message once. Pure."""
    best: dict[int, Hit] = {}
    holders: dict[int, list[CustodianOutcome]] = {}
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
@limit_option(least=1)
@sort_option
@tz_option
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
    """Search the messages of all custodians; a message that several have is shown once.

    A name or course needs to be known to one archive, not to all. Exit code 5: an archive could not be
    searched.
    """

    from canvas_archive.cli.fleet_searching import Question, answers
    from canvas_archive.search import understand

    text = QueryCommand.joined(query)
    understood, zone = understand(None, text, tz=tz)
    fleet = open_fleet(root)
    reading = FleetReading(settings, fleet)
    found: list[tuple[CustodianOutcome, Hit]] = []
    per_custodian: list[dict[str, Any]] = []
    question = Question(text, limit, cast("Sort", sort), tz)
    with steps(settings) as progress:
        able = _able(fleet, reading, progress)
        folders = [fleet.root / outcome.folder for outcome in able]
        for number, (outcome, answer) in enumerate(zip(able, answers(folders, question), strict=True)):
            progress("Searching", number, len(able))
            with reading.of(outcome) as absent:
                answer.raise_error()
                absent |= answer.absent
            result = answer.result
            if result is not None:
                found += [(outcome, hit) for hit in result.hits]
                who = {"user_id": outcome.user_id, "name": outcome.name}
                per_custodian.append({**who, "hit_count": result.total, "understood": result.understood})
    fleet.summaries.save()
    reading.check_names()
    shown = merged(found, sort, limit)
    if as_json:
        print_document(
            "fleet search",
            query=text,
            understood=understood,
            zone=zone,
            custodians=per_custodian,
            hits=map(_hit_record, shown),
            total=sum(row["hit_count"] for row in per_custodian),
            **reading.unread(),
        )
    else:
        show_understood(settings, understood)
        for line in _lines(shown):
            click.echo(line)
        total = sum(row["hit_count"] for row in per_custodian)
        holding = sum(row["hit_count"] > 0 for row in per_custodian)
        settings.note(f"{total:,} hits in the archives of {holding:,} of {len(per_custodian):,} custodians.")
    reading.end("searched")


def _able(fleet: Fleet, reading: FleetReading, progress: ProgressCallback) -> list[CustodianOutcome]:
    """Return whose archives can be read and are theirs; note what is wrong with the others."""
    able = []
    for number, outcome in enumerate(reading.custodians):
        progress("Archives", number, len(reading.custodians))
        try:
            fleet.summary_of(outcome)
            able.append(outcome)
        except Exception as error:  # whatever it is, the others can be searched
            with reading.of(outcome):
                raise error
    return able


def _hit_record(one: SharedHit) -> dict[str, Any]:
    return {**hit_record(one.hit), "custodians": one.custodians}


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
@export_options(format_required=True)
@signing_options
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
    shared_courses: bool,
    tz: str | None,
    whole_threads: bool,
    with_attachments: bool | None,
    with_receipts: bool,
    bag: bool,
    redact: bool,
    redact_key: Path | None,
    redact_attachments: str | None,
    report: str | None,
    force: bool,
    key: Path | None,
    timestamp: str | None,
    allow_incomplete: bool,
    as_json: bool,
) -> None:
    """Export every custodian's messages into a folder of their own below DEST.

    With --redact, custodians are replaced, too, and one key serves all.

    With --format parquet all of them are one table to DuckDB or Spark: every row names its custodian, and
    read_parquet('DEST/*/parquet/messages/*/*.parquet') reads them together.

    A person or course needs to be known to one archive, not to all. An archive that holds nothing of what is
    asked for gets no folder. DEST/fleet.json lists the packages with their hashes; --key and --timestamp sign
    it. Exit code 5: an export failed, is incomplete or empty, or none holds anything of it.
    """
    from canvas_archive.export.context import ExportOptions
    from canvas_archive.export.formats import check_formats
    from canvas_archive.search import understand

    selection = selection_of(
        query, after, before, people, courses, shared_courses, tz, bag=bag, whole_threads=whole_threads
    )
    dest = expanded(dest)
    if with_receipts:
        refuse_receipts(redact=redact)
    redaction = redacting(
        settings, dest, redact=redact, key=redact_key, attachments=redact_attachments,
        with_attachments=with_attachments, report=report, as_json=as_json, fleet=True,
    )  # fmt: skip
    options = ExportOptions(
        attachments=redaction.attachments,
        redacted=redact,
        string_ids=settings.string_ids,
        receipts=with_receipts,
    )
    check_formats(formats, dest)
    if query is not None:
        understood, _ = understand(None, query, tz=selection.zone)
        show_understood(settings, understood)
    fleet = open_fleet(root)
    reading = FleetReading(settings, fleet)
    rows: list[dict[str, Any]] = []
    packages: list[Package] = []
    means = means_from(key, timestamp)
    means.check()
    incomplete: list[int] = []
    folder_of = folders_of(redaction.key)
    with progress_display(settings) as shown:
        progress = shown.step if shown is not None else show_nothing
        holding, nothing = holders(fleet, reading, selection, progress)
        if redact:
            redaction.more = tuple(everyone(fleet, holding))
        inner = partial(shown.step, row=1) if shown is not None else show_nothing
        with destination(dest, fleet, holding, folder_of, force=force) as below:
            for number, outcome in enumerate(holding):
                progress("Custodians", number, len(holding))
                with reading.of(outcome) as absent:
                    written = write_export(
                        fleet.root / outcome.folder, below / folder_of(outcome), formats, selection, options,
                        bag=bag, force=force, redaction=redaction.of_export(), absent=absent, progress=inner,
                        warn=settings.warn,
                    )  # fmt: skip
                    counts = written.counts
                    who = {"user_id": outcome.user_id, "name": outcome.name, "dest": str(written.dest)}
                    rows.append({**export_record(written), **who})
                    packages.append(
                        package_of(
                            fleet, outcome, folder_of(outcome), counts.to_json(written.totals), redaction.key
                        )
                    )
                    name = one_line(outcome.name or f"User {outcome.user_id}")
                    settings.note(f"{name}: {counts.messages:,} messages in {written.dest}", level=1)
                    shortcoming = written.shortcoming()
                    if shortcoming and counts.lost:
                        raise ItemsFailed(shortcoming)
                    if shortcoming:
                        incomplete.append(outcome.user_id)
                        settings.warn(f"{name}: {shortcoming}")
            if force:
                for user_id in nothing:
                    remove_earlier(below / folder_of(fleet.outcomes[user_id]))
            signed = hand_over(reading, fleet, below, packages, means, nothing=nothing, key=redaction.key)
    redaction.end()
    if as_json:
        summary = {"dest": str(dest), "formats": formats, "custodians": rows, "nothing": nothing}
        print_document("fleet export", {**summary, "incomplete": incomplete, **reading.unread()})
    elif rows:
        settings.note(
            f"{sum(row['counts']['messages'] for row in rows):,} messages of "
            f"{count_of(len(rows), 'custodian')} written to {dest} ({', '.join(formats)})."
        )
        shared = sum(row["counts"].get("shared_messages", 0) for row in rows)
        if shared:
            settings.note(shared_sentence(shared))
        if nothing:
            settings.note(
                f"{len(nothing):,} of {count_of(len(reading.custodians), 'archive')} hold nothing of it and "
                f"got no folder: {users(nothing)}."
            )
    reading.end("exported whole")
    if not rows:
        raise ItemsFailed("No archive holds anything of what was asked for. Nothing was written.")
    require_stamp(signed)
    if incomplete and not allow_incomplete:
        raise ItemsFailed(
            f"{len(incomplete):,} of {count_of(len(rows), 'export')} incomplete or empty: "
            f"{users(incomplete)}. All are written. "
            "Give --allow-incomplete to end with exit code 0 all the same."
        )


def holders(
    fleet: Fleet, reading: FleetReading, selection: Selection, progress: ProgressCallback
) -> tuple[list[CustodianOutcome], list[int]]:
    """Return whose archives hold something of the selection, and the ids of the others.

    Raises UnknownName for a person or course that no archive knows.
    """
    from canvas_archive.export.reader import Snapshot
    from canvas_archive.export.selection import Selection

    holding: list[CustodianOutcome] = []
    nothing: list[int] = []
    for number, outcome in enumerate(reading.custodians):
        progress("Choosing", number, len(reading.custodians))
        with reading.of(outcome) as absent:
            with fleet.open_archive(outcome) as archive:
                find = message_finder(archive.db_path, archive.search_dir, absent, zone=selection.zone)
            if selection == Selection():
                holding.append(outcome)  # the export of an empty mailbox says that it is empty
                continue
            with Snapshot(archive.db_path) as snapshot:
                chosen = snapshot.choose(selection, find, absent)
            if chosen.conversations:
                holding.append(outcome)
            else:
                nothing.append(outcome.user_id)
    reading.check_names()
    return holding, nothing


def everyone(fleet: Fleet, custodians: Sequence[CustodianOutcome]) -> Iterator[tuple[int, str, str]]:
    """Yield the names that any of these archives knows: a text may name who is in another one alone."""
    from canvas_archive.export.reader import Snapshot

    for outcome in custodians:
        if outcome.name:
            yield outcome.user_id, "name", outcome.name
        with fleet.open_archive(outcome) as archive, Snapshot(archive.db_path) as snapshot:
            for person in snapshot.everyone():
                yield person.id, "name", person.full_name
            yield from snapshot.other_names()


@contextmanager
def destination(
    dest: Path,
    fleet: Fleet,
    custodians: Sequence[CustodianOutcome],
    folder_of: Callable[[CustodianOutcome], str],
    *,
    force: bool,
) -> Iterator[Path]:
    """Make the folder for the exports; remove it at the end when nothing is in it.

    Raises BadInput or ForeignFolder, before anything is written, when one of the exports cannot be placed.
    """
    from canvas_archive.export.destination import check_destination
    from canvas_archive.export.fleet_list import is_list

    folders = {folder_of(one): fleet.root / one.folder for one in custodians}
    missing = not dest.exists()
    make_destination(dest, list(folders.values()))
    try:
        for name, folder in folders.items():
            check_destination(dest / name, folder, alone=False, force=force)
        if not force and is_list(dest):
            raise BadInput(
                f"{dest} holds an earlier hand-over. Name another folder, or replace it with --force."
            )
        yield dest
    finally:
        if missing:
            with suppress(OSError):
                dest.rmdir()


def make_destination(dest: Path, archives: Sequence[Path]) -> None:
    """Make the folder for many packages. Raises BadInput or ForeignFolder when they cannot lie there."""
    from canvas_archive.export.fleet_list import require_place

    require_place(dest)
    for folder in archives:
        if dest.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"{dest} lies inside the archive {folder}. Name another folder.")
    try:
        dest.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{dest} cannot be made: {error.strerror or error}. Name another folder.") from error


def folders_of(key: bytes | None) -> Callable[[CustodianOutcome], str]:
    """Return what names the folder of a custodian's export: with a key to redact by, the pseudonym."""
    if key is None:
        return lambda outcome: outcome.folder
    from canvas_archive.export.pseudonyms import Pseudonyms

    made = Pseudonyms(key)
    return lambda outcome: made.person(outcome.user_id)[1].lower().replace(" ", "-")


def remove_earlier(dest: Path) -> None:
    """Remove the export that ``--force`` replaces by nothing: it would look like a part of the new ones."""
    import shutil

    from canvas_archive.export.destination import is_export

    if dest.is_dir() and not dest.is_symlink() and is_export(dest):
        shutil.rmtree(dest)
