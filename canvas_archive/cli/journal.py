"""``canvas-archive edits``: what waits to be sent, what became of the rest, and taking things back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from canvas_archive.cli.addressing import recipients_of, to_whom
from canvas_archive.cli.consent import require_consent, yes_option
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.editing import ASK_OVER, subject_line
from canvas_archive.cli.tables import print_table
from canvas_archive.cli.terminal import count_of, local_time
from canvas_archive.cli.values import EDIT_NUMBER

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from canvas_archive.store.acts import Act
    from canvas_archive.store.edits import Edit
    from canvas_archive.store.outbox import Queued


@click.group(invoke_without_command=True)
@common_options
@click.option(
    "--all", "everything", is_flag=True, help="Include edits that were sent, discarded or overridden."
)
@json_option
@pass_settings
@click.pass_context
def edits(ctx: click.Context, settings: Settings, everything: bool, as_json: bool) -> None:
    """List the edits and messages that wait to be sent; with --all also earlier ones, and acts on Canvas.

    Acts are what was done there at once: send, reply, delete, remove-messages, add-recipients, mark-all-read.
    """
    if ctx.invoked_subcommand is not None:
        return
    from canvas_archive.store import Archive
    from canvas_archive.store.acts import list_acts, unsettled_acts
    from canvas_archive.store.edits import list_edits, pending_edits
    from canvas_archive.store.outbox import OPEN, outbox
    from canvas_archive.store.reading import subjects as subjects_of

    with Archive.open(settings.folder) as opened:
        db = opened.db
        found = list_edits(db) if everything else pending_edits(db)
        messages = outbox(db, ("queued", "sending", "sent", "failed", "discarded") if everything else OPEN)
        acts = list_acts(db) if everything else unsettled_acts(db)
        shown = {edit.conversation_id for edit in found} | {one.draft.conversation_id for one in messages}
        shown |= {act.conversation_id for act in acts}
        subjects = subjects_of(db, [id_ for id_ in shown if id_ is not None])
        named = {one.id: to_whom(recipients_of(db, one)) for one in messages}
    if as_json:
        from canvas_archive.cli.records import act_record, edit_record, queued_record

        print_document(
            "edits",
            edits=[edit_record(edit, subjects.get(edit.conversation_id)) for edit in found],
            outbox=map(queued_record, messages),
            acts=[act_record(act, subjects.get(act.conversation_id or 0)) for act in acts],
        )
        return
    if found:
        _print_edits(found, subjects)
    if messages:
        _print_messages(messages, subjects, named)
    if acts:
        _print_acts(acts, subjects)
    if not found and not messages and not acts:
        settings.note("Nothing waits to be sent." if not everything else "No edits yet.")


def _print_edits(found: Iterable[Edit], subjects: dict[int, str | None]) -> None:
    rows: list[tuple[str, ...]] = [
        (
            str(edit.id),
            str(edit.conversation_id),
            f"{edit.field}: {edit.base_value} → {edit.value}",
            edit.state,
            local_time(edit.settled_at or edit.made_at),
            edit.origin,
            subject_line(subjects.get(edit.conversation_id)),
            edit.detail or "",
        )
        for edit in found
    ]
    print_table(("edit", "conversation", "change", "state", "when", "from", "subject", "note"), rows)


def _print_messages(
    messages: Iterable[Queued], subjects: dict[int, str | None], named: dict[int, str]
) -> None:
    rows: list[tuple[str, ...]] = []
    for message in messages:
        draft = message.draft
        subject = draft.subject if draft.conversation_id is None else subjects.get(draft.conversation_id)
        rows.append(
            (
                str(message.id),
                named[message.id],
                message.state,
                local_time(message.sent_at or message.queued_at),
                subject_line(subject),
                message.detail or "",
            )
        )
    print_table(("message", "to", "state", "when", "subject", "note"), rows)


def _print_acts(acts: Iterable[Act], subjects: dict[int, str | None]) -> None:
    rows: list[tuple[str, ...]] = [
        (
            str(act.id),
            act.command,
            act.state,
            local_time(act.ended_at or act.begun_at),
            str(act.conversation_id or ""),
            subject_line(subjects.get(act.conversation_id)) if act.conversation_id else "",
            act.answer or "no answer is recorded: it is unknown whether Canvas did it",
        )
        for act in acts
    ]
    print_table(("act", "command", "state", "when", "conversation", "subject", "answer"), rows)


@edits.command()
@common_options
@click.argument("ids", metavar="[EDIT]...", nargs=-1, type=EDIT_NUMBER)
@click.option("--all", "everything", is_flag=True, help="All pending edits.")
@click.option(
    "--message",
    "messages",
    metavar="N",
    multiple=True,
    type=click.IntRange(min=1),
    help="Withdraw this message of the outbox; repeatable.",
)
@yes_option
@json_option
@pass_settings
def discard(
    settings: Settings,
    ids: tuple[int, ...],
    everything: bool,
    messages: tuple[int, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Take back pending edits by their numbers in 'edits', or --all: the columns show Canvas's values again.

    A message is withdrawn only if it is not known to be sent.
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.edits import discard_edits, pending_edits
    from canvas_archive.store.outbox import discard_messages, outbox
    from canvas_archive.store.writing import brief_write

    if (everything and ids) or not (everything or ids or messages):
        fail("Name edits by their numbers in 'canvas-archive edits', or give --all.")
    with Archive.open(settings.folder) as opened:
        pending = {edit.id for edit in pending_edits(opened.db)}
        wanted = pending if everything else set(ids)
        _refuse_unknown("pending edit", wanted - pending)
        open_messages = {one.id for one in outbox(opened.db, ("queued", "sending", "failed"))}
        _refuse_unknown("waiting message", set(messages) - open_messages)
        if len(wanted) > ASK_OVER:
            require_consent(f"Discard {len(wanted):,} edits?", yes=yes)
        with brief_write(opened.db_path) as db:
            edited = discard_edits(db, wanted)
            withdrawn = discard_messages(db, messages)
    if as_json:
        print_document("edits discard", counts={"edits": edited, "messages": withdrawn})
        return
    settings.note(f"{count_of(edited, 'edit')} discarded.")
    if messages:
        settings.note(f"{count_of(withdrawn, 'message')} withdrawn.")


@click.command()
@common_options
@json_option
@pass_settings
def undo(settings: Settings, as_json: bool) -> None:
    """Take back the last local edit that was not sent yet.

    What Canvas already has does not change here. The last line then names the command that reverses it.
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.edits import discard_edits, pending_edits
    from canvas_archive.store.reading import subjects
    from canvas_archive.store.writing import brief_write

    with Archive.open(settings.folder) as opened:
        waiting = sorted(pending_edits(opened.db), key=lambda one: (one.made_at, one.id))
        last = waiting.pop() if waiting else None
        if last is not None:
            subject = subjects(opened.db, [last.conversation_id]).get(last.conversation_id)
            with brief_write(opened.db_path) as db:
                discard_edits(db, [last.id])
        elif not as_json:
            settings.note(_nothing_to_undo(opened.db))
    if as_json:
        from canvas_archive.cli.records import edit_record

        print_document("undo", edits=[] if last is None else [edit_record(last, subject)])
    elif last is not None:
        click.echo(f"{last.conversation_id:>14}  {subject_line(subject)}")
        settings.note(f"Taken back: {last.field} = {last.value}. Canvas was not told of it.")
        together = [str(one.id) for one in waiting if (one.made_at, one.field) == (last.made_at, last.field)]
        if together:
            also = " ".join(together[:10]) if len(together) <= 10 else "EDIT..."
            settings.note(
                f"Made in the same second and still waiting: {count_of(len(together), 'edit')}. "
                f"To take back more: canvas-archive edits discard {also}"
            )


def _nothing_to_undo(db: sqlite3.Connection) -> str:
    from canvas_archive.store.edits import list_edits
    from canvas_archive.store.outbox import outbox

    messages = outbox(db, ("queued",))
    if messages:
        withdraw = f"canvas-archive edits discard --message {messages[-1].id}"
        return f"No edit waits to be sent. A message does. To withdraw it: {withdraw}"
    sent = sorted(list_edits(db, ("pushed",)), key=lambda one: (one.settled_at or "", one.id))
    return f"No edit waits to be sent. {_reversal(sent[-1])}" if sent else "There is no edit to take back."


_REVERSALS = {
    ("starred", "1"): "unstar", ("starred", "0"): "star", ("workflow_state", "archived"): "unarchive",
    ("workflow_state", "read"): "mark unread", ("workflow_state", "unread"): "mark read",
    ("subscribed", "1"): "unsubscribe", ("subscribed", "0"): "subscribe",
}  # fmt: skip


def _reversal(edit: Edit) -> str:
    command = _REVERSALS.get((edit.field, edit.value), "edits --all")
    number = "" if command.startswith("edits") else f" {edit.conversation_id}"
    return f"The last one was sent to Canvas. To reverse it: canvas-archive {command}{number}"


def _refuse_unknown(what: str, unknown: Collection[int]) -> None:
    if unknown:
        numbers = ", ".join(map(str, sorted(unknown)))
        fail(f"There is no {what} {numbers}. 'canvas-archive edits' lists what there is.")
