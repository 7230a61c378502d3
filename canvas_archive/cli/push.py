"""``canvas-archive push``: pending edits and queued messages go to Canvas."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.addressing import recipients_of, subject_of, to_whom
from canvas_archive.cli.consent import can_ask, require_consent, yes_option
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.editing import subject_line
from canvas_archive.cli.login import require_token
from canvas_archive.cli.terminal import count_of, one_line
from canvas_archive.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.store import Archive
    from canvas_archive.sync.consent import Shown
    from canvas_archive.sync.merge import Ask, Policy
    from canvas_archive.sync.push_report import PushReport


@click.command()
@common_options
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be sent; write nothing at all.")
@click.option("--http", is_flag=True, help="With --dry-run: print the requests.")
@click.option(
    "--on-conflict",
    type=click.Choice(["local", "remote", "ask"]),
    default="local",
    show_default=True,
    help="Whose value to use where both sides changed: yours, Canvas's, or ask.",
)
@yes_option
@json_option
@pass_settings
def push(
    settings: Settings, dry_run: bool, http: bool, on_conflict: Policy, yes: bool, as_json: bool
) -> None:
    """Send pending edits and queued messages to Canvas.

    What Canvas has is read first. A conversation that got a new message is not archived any more; what
    changed to the same on both sides is not sent. Interrupted at any point, the next push goes on.
    """
    from canvas_archive.store import Archive
    from canvas_archive.sync.push_report import PushReport

    if http and not dry_run:
        fail("--http goes with --dry-run.")
    require_token(settings)
    report = PushReport(dry_run=dry_run)
    shown = None if dry_run else announce(settings, ask=True, yes=yes)
    with Archive.open(settings.folder, write=not dry_run) as archive:
        _push(settings, archive, report, on_conflict, shown, http=http, as_json=as_json)
    error = report.error()
    if error is not None and not dry_run:
        raise error


def announce(settings: Settings, *, ask: bool, yes: bool) -> Shown:
    """Say what waits, and to whom; return it.

    With ``ask``, a person at a terminal is asked about messages to more than one.
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.edits import pending_edits
    from canvas_archive.store.outbox import outbox
    from canvas_archive.sync import consent

    with Archive.open(settings.folder) as archive:
        archive.db.execute("BEGIN")  # what is named and what is sent are of one moment
        edits = pending_edits(archive.db)
        messages = outbox(archive.db)
        named = [(subject_of(archive.db, one), recipients_of(archive.db, one)) for one in messages]
        shown = consent.shown(archive.db, edits, messages)
    if not edits and not messages:
        return shown
    touched = len({edit.conversation_id for edit in edits})
    waiting = [f"{count_of(len(edits), 'edit')} of {count_of(touched, 'conversation')}"] * bool(edits)
    waiting += [count_of(len(messages), "message")] * bool(messages)
    settings.note(f"To send: {' and '.join(waiting)}.")
    for subject, people in named:
        settings.note(one_line(f"  {subject}: to {to_whom(people)}"))
    many = sum(people.several for _, people in named)
    if many and ask and can_ask():
        require_consent(f"Send {count_of(many, 'message')} to more than one person?", yes=yes)
    return shown


def _push(
    settings: Settings,
    archive: Archive,
    report: PushReport,
    policy: Policy,
    shown: Shown | None,
    *,
    http: bool,
    as_json: bool,
) -> None:
    """Push, and say what was done also when something ends it early."""
    from canvas_archive.cli.progress import PlainLines, sync_progress
    from canvas_archive.sync.consent import left_waiting
    from canvas_archive.sync.push import push_archive
    from canvas_archive.sync.service import open_client

    asking = policy == "ask" and can_ask() and not report.dry_run
    # Rows and a question would write over each other.
    display = contextlib.nullcontext(PlainLines(settings)) if asking else sync_progress(settings)
    with display as progress, open_client(archive, progress=progress) as client:
        progress.phase("Sending")
        try:
            push_archive(
                archive,
                client,
                SYSTEM,
                policy=policy,
                choose=_choose if asking else None,
                dry_run=report.dry_run,
                shown=shown,
                report=report,
            )
        finally:
            if shown is not None and (left := left_waiting(archive.db, shown)):
                report.notes.append(left)
            _show(settings, archive, report, http=http, as_json=as_json)


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


def _planned(archive: Archive, report: PushReport) -> Iterator[str]:
    """Yield a line for every edit and message that would be sent."""
    from canvas_archive.store.outbox import outbox
    from canvas_archive.store.reading import subjects
    from canvas_archive.store.verbs import act_words

    named = subjects(archive.db, {edit.conversation_id for edit in report.planned})
    for edit in report.planned:
        what = act_words(edit.field, edit.value)
        yield one_line(f"{edit.conversation_id:>14}  {what:18}  {subject_line(named[edit.conversation_id])}")
    for queued in outbox(archive.db):
        to = to_whom(recipients_of(archive.db, queued))
        yield one_line(f"message {queued.id:>6}  {subject_of(archive.db, queued)}: to {to}")


def _show(settings: Settings, archive: Archive, report: PushReport, *, http: bool, as_json: bool) -> None:
    from canvas_archive.cli.editing import show_report

    if as_json:
        from canvas_archive.cli.records import push_record

        print_document("push", push_record(report))
        return
    if report.dry_run:
        for line in report.requests if http else _planned(archive, report):
            click.echo(one_line(line))
    show_report(settings, report)
