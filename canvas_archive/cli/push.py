"""``canvas-archive push``: pending edits and queued messages go to Canvas."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import can_ask
from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings, print_json
from canvas_archive.cli.terminal import one_line
from canvas_archive.clock import SYSTEM

if TYPE_CHECKING:
    from canvas_archive.store import Archive
    from canvas_archive.sync.merge import Ask, Policy
    from canvas_archive.sync.push_report import PushReport


@click.command()
@common_options
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be sent; write nothing at all.")
@click.option(
    "--on-conflict",
    type=click.Choice(["local", "remote", "ask"]),
    default="local",
    show_default=True,
    help="Whose value wins where both sides changed: yours, Canvas's, or as you say.",
)
@json_option
@pass_settings
def push(settings: Settings, dry_run: bool, on_conflict: Policy, as_json: bool) -> None:
    """Send pending edits and queued messages to Canvas.

    What Canvas has is read first. A conversation that got a new message is not archived any more; what
    changed to the same on both sides is not sent. Interrupted at any point, the next push goes on.
    """
    from canvas_archive.store import Archive
    from canvas_archive.sync.push_report import PushReport

    report = PushReport(dry_run=dry_run)
    with Archive.open(settings.folder, write=not dry_run) as archive:
        _push(settings, archive, report, on_conflict, as_json=as_json)
    error = report.error()
    if error is not None and not dry_run:
        raise error


def _push(settings: Settings, archive: Archive, report: PushReport, policy: Policy, *, as_json: bool) -> None:
    """Push, and say what was done also when something ends it early."""
    from canvas_archive.cli.progress import PlainLines, sync_progress
    from canvas_archive.sync.push import push_archive
    from canvas_archive.sync.service import open_client

    asking = policy == "ask" and can_ask() and not report.dry_run
    # Rows and a question would write over each other.
    shown = contextlib.nullcontext(PlainLines(settings)) if asking else sync_progress(settings)
    with shown as progress, open_client(archive, progress=progress) as client:
        progress.phase("Sending")
        try:
            push_archive(
                archive,
                client,
                SYSTEM,
                policy=policy,
                choose=_choose if asking else None,
                dry_run=report.dry_run,
                report=report,
            )
        finally:
            _show(settings, report, as_json)


def _choose(question: Ask) -> Policy:
    edit = question.edit
    click.echo(
        one_line(
            f"Conversation {edit.conversation_id}: {edit.field} was {edit.base}; you want {edit.value}, "
            f"Canvas has {question.remote}."
        ),
        err=True,
    )
    answer: str = click.prompt(
        "Keep yours, Canvas's, or decide later?",
        type=click.Choice(["mine", "canvas", "later"]),
        default="later",
        err=True,
    )
    choices: dict[str, Policy] = {"mine": "local", "canvas": "remote", "later": "ask"}
    return choices[answer]


def _show(settings: Settings, report: PushReport, as_json: bool) -> None:
    from canvas_archive.cli.editing import show_report

    if as_json:
        print_json(report.to_json())
        return
    if report.dry_run:
        for line in report.requests:
            click.echo(one_line(line))
    show_report(settings, report)
