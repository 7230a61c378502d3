"""``canvas-archive export``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings, print_document
from canvas_archive.cli.exporting import destination_of, how_to_read
from canvas_archive.cli.progress import steps
from canvas_archive.cli.querying import QueryCommand, show_understood
from canvas_archive.cli.redacting import redacting
from canvas_archive.cli.selecting import export_options, message_finder, refuse_receipts, selection_of
from canvas_archive.cli.values import FOLDER
from canvas_archive.clock import SYSTEM
from canvas_archive.errors import BadInput, ItemsFailed
from canvas_archive.places import expanded
from canvas_archive.store.folders import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from canvas_archive.export.checks import ProgressCallback
    from canvas_archive.export.context import ExportOptions
    from canvas_archive.export.run import ExportReport, Redaction
    from canvas_archive.export.selection import Selection
    from canvas_archive.search.query.resolve import AbsentNames
    from canvas_archive.store import Archive


@click.command(cls=QueryCommand)
@click.argument("words", metavar="[QUERY]... [DEST]", nargs=-1)
@click.option(
    "-o",
    "--output",
    "output",
    metavar="DEST",
    help="Write to this file or folder; other words are QUERY.",
)
@export_options(format_required=False)
@click.option("--ids", metavar="ID,…", multiple=True, help="Only these conversations.")
@click.option(
    "--folder", "folders", metavar="FOLDER", type=FOLDER, multiple=True, help=f"Only {', '.join(FOLDERS)}."
)
@click.option(
    "--redact-names",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --redact: write who is behind which pseudonym to this file.",
)
@click.option(
    "--slice",
    "slices",
    type=click.Choice(["conversation", "day"]),
    default="conversation",
    help="One RSMF file per conversation, or per conversation and day.",
)
@click.option(
    "--excel",
    is_flag=True,
    help="CSV for Excel: byte order mark, ids as text, no cell over 32,767 characters.",
)
@click.option(
    "--excel-sep",
    type=click.Choice([",", ";", "tab"]),
    help="With --excel: separate by this, and say so in a first line sep=.",
)
@click.option("--raw", is_flag=True, help="CSV with texts as they are, also what a spreadsheet would run.")
@json_option
@common_options
@pass_settings
def export(
    settings: Settings,
    words: tuple[str, ...],
    output: str | None,
    formats: tuple[str, ...],
    query: str | None,
    after: str | None,
    before: str | None,
    people: tuple[str, ...],
    courses: tuple[str, ...],
    shared_courses: bool,
    tz: str | None,
    ids: tuple[str, ...],
    folders: tuple[str, ...],
    whole_threads: bool,
    with_attachments: bool | None,
    with_receipts: bool,
    bag: bool,
    redact: bool,
    redact_key: Path | None,
    redact_attachments: str | None,
    report: str | None,
    redact_names: Path | None,
    slices: str,
    excel: bool,
    excel_sep: str | None,
    raw: bool,
    force: bool,
    allow_incomplete: bool,
    as_json: bool,
) -> None:
    """Write messages to files that other programs read.

    DEST is a new folder, or one file such as inbox.mbox. Its name says the format: out.csv, mail.mbox,
    mail.jsonl, or a folder named site, eml, parquet or rsmf. QUERY chooses messages as 'search' does; DEST
    then stands behind -o. The same archive and options give the same bytes.

    Exit code 5: the export is written, but the collection is unfinished, or items of it are missing, or
    there is no message in it.
    """
    from canvas_archive.export.context import ExportOptions

    dest, asked = destination_of(words, output, formats, query)
    selection = selection_of(
        asked,
        after,
        before,
        people,
        courses,
        shared_courses,
        tz,
        bag=bag,
        whole_threads=whole_threads,
        ids=_numbers(ids),
        folders=tuple(name for text in folders for name in text.split(",")),
    )
    if redact_names is not None and not redact:
        raise BadInput("--redact-names goes with --redact.")
    if with_receipts:
        refuse_receipts(redact=redact)
    if excel_sep is not None and not excel:
        raise BadInput("--excel-sep goes with --excel.")
    if raw and excel:
        raise BadInput("--raw leaves in what Excel would run as a formula. Leave out --raw or --excel.")
    redaction = redacting(
        settings,
        dest,
        redact=redact,
        key=redact_key,
        attachments=redact_attachments,
        with_attachments=with_attachments,
        report=report,
        as_json=as_json,
    )
    options = ExportOptions(
        attachments=redaction.attachments,
        slice_by_day=slices == "day",
        excel=excel,
        separator="\t" if excel_sep == "tab" else excel_sep,
        raw=raw,
        string_ids=settings.string_ids,
        redacted=redact,
        receipts=with_receipts,
    )
    with steps(settings) as progress:
        written = write_export(
            settings.folder,
            dest,
            formats,
            selection,
            options,
            bag=bag,
            force=force,
            redaction=redaction.of_export(expanded(redact_names) if redact_names else None),
            progress=progress,
            say=partial(show_understood, settings),
            warn=settings.warn,
        )
    redaction.end()
    _tell(settings, written, as_json=as_json, allow_incomplete=allow_incomplete)
    if with_receipts and selection.takes_few_messages:
        settings.note("receipts.jsonl holds the chosen conversations whole, with messages before and after.")
    shortcoming = written.shortcoming()
    if shortcoming and written.counts.lost:
        raise ItemsFailed(f"The export is written, but {shortcoming}")
    if shortcoming and not allow_incomplete:
        raise ItemsFailed(
            f"The export is written. {shortcoming} "
            "Give --allow-incomplete to end with exit code 0 all the same."
        )


def write_export(
    folder: Path,
    dest: Path,
    formats: tuple[str, ...],
    selection: Selection,
    options: ExportOptions,
    *,
    bag: bool,
    force: bool,
    redaction: Redaction | None = None,
    absent: AbsentNames | None = None,
    progress: ProgressCallback,
    say: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> ExportReport:
    """Export one archive, letting ``progress`` hear how far it is. Raises what ``export.run.export`` raises.

    Calls ``say`` with what the query and the names were understood to mean.

    ``absent`` is as in ``export.run.Request``. A bag is signed as ``config.toml`` says; ``warn`` is called
    when it cannot be.
    """

    from canvas_archive.export.run import ExportProgress, Redaction, Request
    from canvas_archive.export.run import export as write
    from canvas_archive.export.signatures import sign_bag_quietly
    from canvas_archive.search import understand
    from canvas_archive.signing.heads import means_of
    from canvas_archive.store import Archive

    class _ExportSteps(ExportProgress):
        """Adds up the messages that are written."""

        def begin(self, messages: int) -> None:
            self._total, self._done = messages, 0
            progress("Messages", 0, messages)

        def advance(self, messages: int) -> None:
            self._done += messages
            progress("Messages", self._done, self._total)

        def finishing(self) -> None:
            progress("Completing", 0, 0)

    now = SYSTEM.now()
    with Archive.open(folder) as archive:
        if say is not None:
            for sentence in _meant(archive, selection, now):
                say(sentence)
        if selection.query is not None:
            understood, _ = understand(
                archive.db_path, selection.query, tz=selection.zone, now=now, absent=absent,
                redact=options.redacted,
            )  # fmt: skip
            selection = replace(selection, understood=understood)
        request = Request(
            archive_folder=archive.folder,
            db_path=archive.db_path,
            files_dir=archive.files_dir,
            dest=dest,
            formats=formats,
            selection=selection,
            options=options,
            bag=bag,
            redaction=redaction or Redaction(),
            force=force,
            find_messages=message_finder(
                archive.db_path, archive.search_dir, absent, zone=selection.zone, now=now
            ),
            absent=absent,
        )
        config = archive.config
    report = write(request, _ExportSteps())
    if bag and warn is not None:
        for sentence in sign_bag_quietly(report.dest, means_of(config)):
            warn(sentence)
    return report


def _meant(archive: Archive, selection: Selection, now: datetime) -> Iterator[str]:
    """Yield what the query means, and each name of ``--with`` that several people have."""

    from canvas_archive.search import understand
    from canvas_archive.search.query.resolve import people
    from canvas_archive.search.query.tree import PersonNode
    from canvas_archive.search.query.understood import Understanding

    if selection.query is not None:
        yield understand(archive.db_path, selection.query, tz=selection.zone, now=now)[0]
    for name in selection.people:
        if len(people(archive.db, "--with", name)) > 1:
            yield f"With {Understanding(archive.db, timezone.utc).people(PersonNode('with', name))}"


def shared_sentence(messages: int) -> str:
    """Return the sentence on the messages that --with-shared-courses adds."""
    return f"{messages:,} of them belong to no such course: their people share one."


def _numbers(texts: tuple[str, ...]) -> tuple[int, ...]:

    words = [word for text in texts for word in text.replace(",", " ").split()]
    if not all(word.isdecimal() for word in words):
        raise BadInput("--ids takes numbers, such as --ids 12,15.")
    return tuple(int(word) for word in words)


def _tell(settings: Settings, report: ExportReport, *, as_json: bool, allow_incomplete: bool) -> None:

    totals = report.totals
    if as_json:
        from canvas_archive.cli.records import export_record

        print_document("export", export_record(report))
        return
    settings.note(f"{totals.sentence}.")
    if report.shared:
        settings.note(shared_sentence(report.shared))
    settings.note(f"Written to {report.dest} ({', '.join(report.formats)}).")
    for line in how_to_read(report):
        settings.note(line)
    if totals.unavailable:
        settings.note(
            f"{totals.unavailable:,} of {totals.files:,} attachments are not in the archive; "
            "the export says which."
        )
    if allow_incomplete or not report.collection.advice:
        settings.note(report.collection.sentence)  # else the error says it
