"""``canvas-archive sync``."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import yes_option
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    option_group,
    pass_settings,
    print_document,
)
from canvas_archive.cli.login import require_token
from canvas_archive.cli.terminal import count_of, one_line
from canvas_archive.errors import ArchiveLocked, CanvasProblem, ConflictsLeft, ItemsFailed

if TYPE_CHECKING:
    from canvas_archive.sync.listing import Mode
    from canvas_archive.sync.report import Report
    from canvas_archive.sync.service import SyncOptions, SyncResult


sync_options = option_group(
    click.option("--full", is_flag=True, help="Compare every conversation, not only the newest ones."),
    click.option("--quick", is_flag=True, help="Quick check of six requests, even when a full sync is due."),
    click.option("--attachments/--no-attachments", default=None, help="Download attachments. [default: yes]"),
    click.option("--index/--no-index", default=True, help="Update the search index. [default: yes]"),
    click.option(
        "--patience",
        metavar="MINUTES",
        type=click.FloatRange(min=0),
        help="How long to retry while Canvas is busy or fails. [default: 10]",
    ),
)
"""The options that a sync of one archive and of many take."""


def mode_of(*, full: bool, quick: bool) -> Mode | None:
    """Return the mode that ``--full`` and ``--quick`` ask for, if any. Raises BadInput for both."""
    if full and quick:
        fail("--full and --quick exclude each other.")
    return "full" if full else "quick" if quick else None


@click.command()
@common_options
@sync_options
@click.option("--push", is_flag=True, help="Afterwards send the edits and messages that wait now.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done; write nothing at all.")
@click.option("--watch", metavar="MINUTES", type=click.FloatRange(min=0.01), help="Repeat until stopped.")
@click.option(
    "--jobs", type=click.IntRange(1, 32), help="Conversations fetched at a time at most. [default: 8]"
)
@click.option(
    "--max-attachment-size", metavar="MB", type=click.FloatRange(min=0), help="Refuse larger files."
)
@click.option("--retry", is_flag=True, help="Try everything again that failed, also what rests.")
@click.option("--refetch", is_flag=True, help="Fetch every conversation again, changed or not.")
@click.option(
    "--allow-mass-removal", is_flag=True, help="Accept that most of the mailbox is gone from Canvas."
)
@yes_option
@json_option
@pass_settings
def sync(
    settings: Settings,
    full: bool,
    quick: bool,
    push: bool,
    attachments: bool | None,
    index: bool,
    dry_run: bool,
    watch: float | None,
    jobs: int | None,
    patience: float | None,
    max_attachment_size: float | None,
    retry: bool,
    refetch: bool,
    allow_mass_removal: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Pull what changed on Canvas into the archive, then its attachments, then index them.

    Without --push nothing is sent, and nothing on Canvas changes, not even a read mark. Without --full or
    --quick, a full sweep is made when the last one is more than a day old. With --push, what waits is named
    first. At a terminal, messages to more than one person are asked about, but not with --watch.
    """
    from canvas_archive.sync.service import SyncOptions

    mode = mode_of(full=full, quick=quick)
    if refetch and quick:
        fail("--refetch needs a full sweep: leave out --quick.")
    if dry_run and (push or watch):
        fail("--dry-run goes with neither --push nor --watch.")
    options = SyncOptions(
        mode="full" if refetch else mode,
        dry_run=dry_run,
        attachments=attachments,
        index=index,
        push=push,
        jobs=jobs,
        patience_minutes=patience,
        max_attachment_bytes=int(max_attachment_size * 1_000_000) if max_attachment_size else None,
        refetch=refetch,
        retry=retry,
        allow_mass_removal=allow_mass_removal,
    )
    require_token(settings)
    if watch is None:
        _once(settings, options, as_json, ask=True, yes=yes)
        return
    while True:
        _watched(settings, options, as_json)
        settings.note(f"Next sync in {watch:g} minutes. Ctrl-C stops.", level=1)
        time.sleep(watch * 60)


def _run(settings: Settings, options: SyncOptions) -> SyncResult:
    from canvas_archive.cli.progress import sync_progress
    from canvas_archive.sync import service

    with sync_progress(settings) as progress:
        return service.sync(settings.folder, options, progress)


def _show(settings: Settings, result: SyncResult, as_json: bool) -> None:
    if as_json:
        from canvas_archive.cli.records import sync_record

        print_document("sync", sync_record(result.report))
        _show_untouched(settings, result.report)
        return
    for line in result.report.actions:
        click.echo(one_line(line))
    for note in result.notes:
        settings.note(note)
    for problem in result.report.problems[:10]:
        settings.warn(f"{problem.name}: {problem.error}")
    if len(result.report.problems) > 10:
        settings.warn(f"and {len(result.report.problems) - 10:,} more: 'canvas-archive problems' lists them")
    if result.error is None or _did_anything(result.report):
        settings.note(result.report.summary())
    _show_untouched(settings, result.report)


def _show_untouched(settings: Settings, report: Report) -> None:
    """Write one line about the problems of earlier runs that were not tried."""
    parts = []
    if report.resting:
        parts.append(f"{count_of(report.resting, 'item')} rest{'s' if report.resting == 1 else ''}")
    if report.accepted:
        are = "is" if report.accepted == 1 else "are"
        parts.append(f"{count_of(report.accepted, 'item')} {are} accepted as missing")
    if parts:
        settings.note(f"{', '.join(parts)}: canvas-archive problems{' --all' if report.accepted else ''}")


def _did_anything(report: Report) -> bool:
    counts = (report.new, report.changed, report.flags, report.removed, report.new_messages, report.stored)
    return any(counts) or bool(report.problems)


def _once(
    settings: Settings, options: SyncOptions, as_json: bool, *, ask: bool = False, yes: bool = False
) -> None:
    if options.push:
        from canvas_archive.cli.push import announce

        options = replace(options, shown=announce(settings, ask=ask, yes=yes))
    result = _run(settings, options)
    _show(settings, result, as_json)
    if result.error is not None:
        raise result.error


def _watched(settings: Settings, options: SyncOptions, as_json: bool) -> None:
    """Run once; trouble that may pass is told and survived, trouble that needs a person ends the watch."""

    try:
        _once(settings, options, as_json)
    except (CanvasProblem, ItemsFailed, ConflictsLeft, ArchiveLocked) as error:
        settings.warn(str(error))
