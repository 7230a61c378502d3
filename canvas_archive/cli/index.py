"""``canvas-archive index``: keep the index that finds messages, or check it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.progress import steps
from canvas_archive.cli.terminal import count_of, local_time
from canvas_archive.errors import VerificationFailed

if TYPE_CHECKING:
    from canvas_archive.search import IndexReport


@click.command()
@common_options
@click.option("--rebuild", is_flag=True, help="Build the index anew, on two cores.")
@click.option("--documents", is_flag=True, help="Read all attached files, however long it takes.")
@click.option("--check", is_flag=True, help="Read the whole index and compare it with the messages.")
@json_option
@pass_settings
def index(settings: Settings, rebuild: bool, documents: bool, check: bool, as_json: bool) -> None:
    """Bring the search index up to date, rebuild it, or check it.

    The text of attached files is read for a minute at most; the next run continues. Use --documents to read
    them all.
    """
    if check and (rebuild or documents):
        fail(f"Give {'--rebuild' if rebuild else '--documents'} or --check, not both.")
    if check:
        _check(settings, as_json)
        return
    from canvas_archive.search.index.attachments import SECONDS

    report = bring_up_to_date(settings, anew=rebuild, document_seconds=None if documents else SECONDS)
    if as_json:
        numbers = ("added", "removed", "total", "documents_waiting")
        print_document(
            "index",
            report,
            counts={**{name: getattr(report, name) for name in numbers}, "skipped": len(report.skipped)},
            skipped_ids=report.skipped,
            detail=report.document_problem,
        )
        return
    rate = f", {report.added / report.seconds:,.0f} a second" if report.rebuilt and report.seconds else ""
    done = "Rebuilt" if report.rebuilt else "Updated"
    click.echo(
        f"{done}: {count_of(report.total, 'message')} in the index, {report.added:,} indexed, "
        f"{report.removed:,} removed, in {report.seconds:.2f} s{rate}."
    )


def bring_up_to_date(
    settings: Settings, *, document_seconds: float | None, anew: bool = False
) -> IndexReport:
    """Index what is not yet, or with ``anew`` every message; as the archive's writer.

    Attached files are read for ``document_seconds`` at most (``None``: all of them).
    """
    from canvas_archive.search import rebuild_index, update_index
    from canvas_archive.store import Archive

    work = rebuild_index if anew else update_index
    with Archive.open(settings.folder, write=True) as archive, steps(settings) as progress:
        report = work(
            archive.db,
            archive.search_dir,
            document_seconds=document_seconds,
            progress=lambda done, total: progress("Indexing", done, total),
            reading=lambda done, total: progress("Reading attached files", done, total),
        )
    for note in report.notes():
        settings.note(note)
    return report


def _check(settings: Settings, as_json: bool) -> None:
    from canvas_archive.search import check_index
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive, steps(settings) as progress:
        progress("Checking the index", 0, 0)
        state = check_index(archive.db, archive.search_dir)
    if as_json:
        counts = {
            name: number
            for name, number in asdict(state).items()
            if isinstance(number, int) and not isinstance(number, bool)
        }
        print_document("index --check", state, ok=state.problem is None, detail=state.problem, counts=counts)
    elif state.problem is None:
        click.echo(
            f"The index is sound: {count_of(state.total, 'message')} in "
            f"{count_of(state.segments, 'segment')}, {state.bytes / 1e6:.1f} MB, "
            f"updated {local_time(state.updated_at)}, {state.pending:,} waiting."
            f"{f' Not indexed, because their rows are damaged: {state.skipped:,}.' if state.skipped else ''}"
        )
    if state.problem is not None:
        raise VerificationFailed(f"{state.problem} Run 'canvas-archive index --rebuild' to build it anew.")
