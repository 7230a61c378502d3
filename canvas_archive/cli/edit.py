"""Local edits: star, archive, read and subscription marks made offline."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.consent import require_consent, yes_option
from canvas_archive.cli.context import Settings, common_options, fail, json_option, pass_settings, print_json
from canvas_archive.cli.editing import ASK_OVER, brief_write, show_report, subject_line
from canvas_archive.cli.querying import show_understood, tz_option
from canvas_archive.cli.terminal import count_of
from canvas_archive.cli.values import CONVERSATION_ID

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from canvas_archive.store import Archive
    from canvas_archive.sync.push_report import PushReport

ORIGIN = "cli"
_ROW = """
SELECT id, subject, starred, workflow_state, subscribed, remote_workflow_state FROM conversations WHERE id = ?
"""


@dataclass(frozen=True, slots=True)
class Verb:
    """What a command does to a conversation: the column, the value, and the words for it."""

    name: str
    field: str
    value: str
    help: str

    def value_for(self, row: sqlite3.Row) -> str:
        """Return the value this conversation is to get; its present one where the command means no change."""
        state: str = row["workflow_state"]
        if self.name == "unarchive":
            # Back to what it was in the inbox; what is there already stays as it is.
            before: str = row["remote_workflow_state"]
            return state if state != "archived" else "read" if before == "archived" else before
        if self.name == "read" and state == "archived":
            return state  # it would come back to the inbox, which nobody asked for
        return self.value


@dataclass(slots=True)
class Outcome:
    """What a command did: ``changed`` rows, how many were as wished, and the rows it left out."""

    changed: list[dict[str, Any]] = field(default_factory=list)
    unchanged: int = 0
    skipped: list[dict[str, Any]] = field(default_factory=list)


def _edit_command(verb: Verb) -> click.Command:
    @click.command(verb.name, help=verb.help)
    @common_options
    @click.argument("ids", metavar="[ID]...", nargs=-1, type=CONVERSATION_ID)
    @click.option("--query", metavar="QUERY", help="All conversations with a message this search finds.")
    @tz_option
    @click.option("--push", is_flag=True, help="Send it to Canvas at once.")
    @yes_option
    @json_option
    @pass_settings
    def command(
        settings: Settings,
        ids: tuple[int, ...],
        query: str | None,
        tz: str | None,
        push: bool,
        yes: bool,
        as_json: bool,
    ) -> None:
        _run(settings, verb, ids, query, tz=tz, push=push, yes=yes, as_json=as_json)

    return command


def _run(
    settings: Settings,
    verb: Verb,
    ids: tuple[int, ...],
    query: str | None,
    *,
    tz: str | None,
    push: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from canvas_archive.clock import SYSTEM
    from canvas_archive.store import Archive

    understood = None
    if not ids and query is None:
        fail(
            f"Which conversations? Give ids ('canvas-archive list' shows them), or --query: "
            f"canvas-archive {verb.name} --query 'course:\"BIO 130\" before:2026'."
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
        planned = _planned(archive.db, verb, targets)
        if len(planned) > ASK_OVER:
            require_consent(f"{verb.name.capitalize()} {len(planned):,} conversations?", yes=yes)
        outcome = _write(archive, verb, targets, lenient=query is not None)
    report = _push(settings, targets, verb.field) if push else None
    _show(settings, verb, outcome, report, as_json, understood)
    error = report.error() if report else None
    if error is not None:
        raise error


def _planned(db: sqlite3.Connection, verb: Verb, targets: Iterable[int]) -> list[int]:
    """Return which targets would change. Raises BadInput for an unknown one."""
    planned = []
    for id_ in targets:
        row = db.execute(_ROW, (id_,)).fetchone()
        if row is None:
            fail(f"There is no conversation {id_} in this archive; nothing was changed.")
        if str(row[verb.field]) != verb.value_for(row):
            planned.append(id_)
    return planned


def _write(archive: Archive, verb: Verb, targets: Iterable[int], *, lenient: bool) -> Outcome:
    """Make the edits, all of them or none, in one short transaction beside a sync that may be running.

    What cannot be edited is left out when ``lenient`` (a search found it), else refused with the reason.
    """
    from canvas_archive.store.edits import EditOutcome, record_edit

    outcome = Outcome()
    with brief_write(archive) as db:
        for id_ in targets:
            row = db.execute(_ROW, (id_,)).fetchone()
            value = verb.value_for(row)
            made = record_edit(db, id_, verb.field, value, ORIGIN)
            if made.refused and not lenient:
                fail(f"Conversation {id_}: {made.reason}. Nothing was changed.")
            if made.refused:
                outcome.skipped.append({"id": id_, "subject": row["subject"], "reason": made.reason})
            elif made is EditOutcome.UNCHANGED:
                outcome.unchanged += 1
            else:
                outcome.changed.append(
                    {"id": id_, "subject": row["subject"], "value": value, "outcome": made.value}
                )
    return outcome


def _push(settings: Settings, conversation_ids: Collection[int], column: str) -> PushReport:
    """Send what now waits for these conversations and this field: nothing else."""
    from canvas_archive.cli.progress import sync_progress
    from canvas_archive.clock import SYSTEM
    from canvas_archive.store import Archive
    from canvas_archive.store.edits import pending_edits
    from canvas_archive.sync.push import push_archive
    from canvas_archive.sync.service import open_client

    wanted = frozenset(conversation_ids)
    with Archive.open(settings.folder, write=True) as archive:
        only = {
            edit.id
            for edit in pending_edits(archive.db)
            if edit.conversation_id in wanted and edit.field == column
        }
        with (
            sync_progress(settings) as progress,
            open_client(archive, progress=progress) as client,
        ):
            progress.phase("Sending")
            return push_archive(archive, client, SYSTEM, only=only)


def _show(
    settings: Settings,
    verb: Verb,
    outcome: Outcome,
    report: PushReport | None,
    as_json: bool,
    understood: str | None,
) -> None:
    if as_json:
        document = {"command": verb.name, "field": verb.field, **asdict(outcome)}
        if understood is not None:
            document["understood"] = understood
        if report is not None:
            document["push"] = report.to_json()
        print_json(document)
        return
    for line in outcome.changed:
        click.echo(f"{line['id']:>14}  {subject_line(line['subject'])}")
    for left in outcome.skipped:
        settings.warn(f"conversation {left['id']} was left out: {left['reason']}.")
    settings.note(
        f"{count_of(len(outcome.changed), 'conversation')} changed, {outcome.unchanged:,} unchanged."
    )
    if report is not None:
        show_report(settings, report)
    elif outcome.changed:
        settings.note("Send it to Canvas with: canvas-archive push")


_LATER = "Offline; 'canvas-archive push' tells Canvas."

star = _edit_command(Verb("star", "starred", "1", f"Star conversations. {_LATER}"))
unstar = _edit_command(Verb("unstar", "starred", "0", f"Remove the star of conversations. {_LATER}"))
archive = _edit_command(
    Verb(
        "archive",
        "workflow_state",
        "archived",
        f"Archive conversations. {_LATER} A message that arrives before it does brings it back.",
    )
)
unarchive = _edit_command(
    Verb("unarchive", "workflow_state", "read", f"Move archived conversations back to the inbox. {_LATER}")
)
read = _edit_command(
    Verb(
        "read",
        "workflow_state",
        "read",
        f"Mark conversations as read; archived ones stay archived. {_LATER}",
    )
)
unread = _edit_command(
    Verb(
        "unread",
        "workflow_state",
        "unread",
        f"Mark conversations as unread, which moves archived ones to the inbox. {_LATER}",
    )
)
subscribe = _edit_command(Verb("subscribe", "subscribed", "1", f"Follow group conversations. {_LATER}"))
unsubscribe = _edit_command(
    Verb(
        "unsubscribe",
        "subscribed",
        "0",
        f"Stop following group conversations. {_LATER} Canvas marks them as read then.",
    )
)
