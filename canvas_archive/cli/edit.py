"""Local edits: star, archive, read and subscription marks made offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import require_consent, yes_option
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.editing import ASK_OVER, show_report, subject_line
from canvas_archive.cli.filters import tz_option
from canvas_archive.cli.querying import show_understood
from canvas_archive.cli.terminal import count_of
from canvas_archive.cli.values import CONVERSATION_ID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from canvas_archive.store import Archive
    from canvas_archive.store.verbs import Applied, Verb
    from canvas_archive.sync.consent import Shown
    from canvas_archive.sync.push_report import PushReport

ORIGIN = "cli"

_QUESTIONS = {"read": "Mark {} as read?", "unread": "Mark {} as unread?"}


def _edit_command(name: str, help_text: str) -> click.Command:
    @click.command(name, help=help_text)
    @common_options
    @click.argument("ids", metavar="[ID]...", nargs=-1, type=CONVERSATION_ID)
    @click.option("--query", metavar="QUERY", help="All conversations with a message this search finds.")
    @tz_option
    @click.option("-n", "--dry-run", is_flag=True, help="Say what would change; write nothing.")
    @click.option("--push", is_flag=True, help="Send it to Canvas at once.")
    @yes_option
    @json_option
    @pass_settings
    def command(
        settings: Settings,
        ids: tuple[int, ...],
        query: str | None,
        tz: str | None,
        dry_run: bool,
        push: bool,
        yes: bool,
        as_json: bool,
    ) -> None:
        if dry_run and (push or as_json):
            fail("--dry-run goes with neither --push nor --json.")
        _run(settings, name, ids, query, tz=tz, dry_run=dry_run, push=push, yes=yes, as_json=as_json)

    return command


def _run(
    settings: Settings,
    name: str,
    ids: tuple[int, ...],
    query: str | None,
    *,
    tz: str | None,
    dry_run: bool,
    push: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from canvas_archive.clock import SYSTEM
    from canvas_archive.store import Archive
    from canvas_archive.store.verbs import VERBS, apply_verb, would_change
    from canvas_archive.store.writing import brief_write

    understood = None
    if not ids and query is None:
        fail(
            f"Which conversations? Give ids ('canvas-archive list' shows them), or --query: "
            f"{click.get_current_context().command_path} --query 'course:\"BIO 130\" before:2026'."
        )
    if ids and query is not None:
        fail("Give either ids or --query, not both.")
    if tz is not None and query is None:
        fail("--tz goes with --query.")
    with Archive.open(settings.folder) as archive:
        targets = list(dict.fromkeys(ids))
        if query is not None:
            from canvas_archive.search import select_conversations, understand

            now = SYSTEM.now()
            understood, _ = understand(archive.db_path, query, tz=tz, now=now)
            show_understood(settings, understood)
            targets = select_conversations(archive.db_path, archive.search_dir, query, tz=tz, now=now)
            if not targets and not as_json:
                settings.note("The search finds no conversation; nothing was changed.")
                return
            settings.note(f"{count_of(len(targets), 'conversation')} found.")
        verb = VERBS[name]
        planned = would_change(archive.db, verb, targets)
        if dry_run:
            _show_planned(settings, archive, planned)
            return
        what = count_of(len(planned), "conversation")
        if len(planned) > ASK_OVER:
            require_consent(f"{_QUESTIONS.get(name, name.capitalize() + ' {}?').format(what)}", yes=yes)
        # What a search found and cannot be edited is left out; of ids, all are edited or none.
        with brief_write(archive.db_path) as db:
            applied = apply_verb(db, verb, targets, ORIGIN, lenient=query is not None)
            wanted = _waiting(db, targets, verb.field) if push else None
    if push:
        from canvas_archive.cli.login import require_token

        require_token(settings)
    report = _push(settings, wanted) if wanted is not None else None
    _show(settings, verb, applied, report, as_json, understood)
    error = report.error() if report else None
    if error is not None:
        raise error


def _show_planned(settings: Settings, archive: Archive, planned: Sequence[int]) -> None:
    from canvas_archive.store.reading import subjects

    known = subjects(archive.db, planned)
    for number in planned:
        click.echo(f"{number:>14}  {subject_line(known.get(number))}")
    settings.note(f"{count_of(len(planned), 'conversation')} would change; nothing was changed.")


def _waiting(db: sqlite3.Connection, conversation_ids: Collection[int], column: str) -> Shown:
    """Return what waits for these conversations and this field. Nothing else is sent."""
    from canvas_archive.store.edits import pending_edits
    from canvas_archive.sync import consent

    wanted = frozenset(conversation_ids)
    edits = [edit for edit in pending_edits(db) if edit.conversation_id in wanted and edit.field == column]
    return consent.shown(db, edits, ())


def _push(settings: Settings, shown: Shown) -> PushReport:
    """Send these edits, as far as nothing has changed them since."""
    from canvas_archive.cli.progress import sync_progress
    from canvas_archive.clock import SYSTEM
    from canvas_archive.store import Archive
    from canvas_archive.sync.consent import changed_since
    from canvas_archive.sync.push import push_archive
    from canvas_archive.sync.service import open_client

    with Archive.open(settings.folder, write=True) as archive:
        with (
            sync_progress(settings) as progress,
            open_client(archive, progress=progress) as client,
        ):
            progress.phase("Sending")
            report = push_archive(archive, client, SYSTEM, shown=shown)
        if changed := changed_since(archive.db, shown):
            report.notes.append(f"Changed meanwhile, and not sent: {count_of(changed, 'edit')}.")
        return report


def _show(
    settings: Settings,
    verb: Verb,
    applied: Applied,
    report: PushReport | None,
    as_json: bool,
    understood: str | None,
) -> None:
    if as_json:
        from canvas_archive.cli.records import push_record
        from canvas_archive.store.flags import as_value

        print_document(
            "star",
            command=settings.command if verb.name not in ("read", "unread") else f"mark {verb.name}",
            field=verb.field,
            conversations=[
                {
                    "id": change.conversation_id,
                    "subject": change.subject,
                    "value": as_value(verb.field, change.after),
                    "outcome": change.outcome.value,
                }
                for change in applied.changes
            ],
            unchanged_count=applied.unchanged,
            skipped=[
                {"id": left.conversation_id, "subject": left.subject, "reason": left.reason}
                for left in applied.refused
            ],
            understood=understood,
            push=None if report is None else push_record(report),
        )
        return
    for change in applied.changes:
        click.echo(f"{change.conversation_id:>14}  {subject_line(change.subject)}")
    for left in applied.refused:
        settings.warn(f"conversation {left.conversation_id} was left out: {left.reason}.")
    settings.note(
        f"{count_of(len(applied.changes), 'conversation')} changed, {applied.unchanged:,} unchanged."
    )
    if report is not None:
        show_report(settings, report)
    elif applied.changes:
        settings.note("Send it to Canvas with: canvas-archive push")


_LATER = "To update Canvas, run 'canvas-archive push'."

star = _edit_command("star", f"Star conversations. {_LATER}")
unstar = _edit_command("unstar", f"Remove the star of conversations. {_LATER}")
archive = _edit_command(
    "archive",
    f"Archive conversations. {_LATER} If a new message arrives first, the conversation stays in the inbox.",
)
unarchive = _edit_command(
    "unarchive", f"Move archived conversations back to the inbox, read or unread as they were. {_LATER}"
)


@click.group()
@common_options
def mark() -> None:
    """Mark conversations as read or unread. To update Canvas, run 'canvas-archive push'."""


mark.add_command(_edit_command("read", f"Mark conversations as read; archived ones stay archived. {_LATER}"))
mark.add_command(
    _edit_command("unread", f"Mark conversations as unread, which moves archived ones to the inbox. {_LATER}")
)
subscribe = _edit_command("subscribe", f"Follow group conversations. {_LATER}")
unsubscribe = _edit_command(
    "unsubscribe", f"Stop following group conversations. {_LATER} Canvas marks them as read then."
)
