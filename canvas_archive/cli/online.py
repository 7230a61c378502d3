"""The commands that act on Canvas at once or only ask it something; ``compose`` has those that write."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import asdict, replace
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
from canvas_archive.cli.editing import note_left, subject_line
from canvas_archive.cli.login import require_token
from canvas_archive.cli.progress import PlainLines
from canvas_archive.cli.terminal import count_of, one_line, printable
from canvas_archive.cli.values import CONVERSATION_ID
from canvas_archive.clock import SYSTEM
from canvas_archive.errors import ItemsFailed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.store import Archive

_SUBJECT = "SELECT subject FROM conversations WHERE id = ?"
_UNREAD = "SELECT count(*) FROM conversations WHERE workflow_state = 'unread' AND removed_at IS NULL"
conversation_argument = click.argument("conversation_id", metavar="ID", type=CONVERSATION_ID)


@contextlib.contextmanager
def _asking(settings: Settings, *, write: bool = False) -> Iterator[tuple[Archive, CanvasClient]]:
    """Open the archive, with ``write`` as its writer, and Canvas."""
    from canvas_archive.store import Archive
    from canvas_archive.sync.service import open_client

    require_token(settings)
    with Archive.open(settings.folder, write=write) as archive:
        if write:
            note_left(settings, archive)
        with open_client(archive, progress=PlainLines(settings)) as client:
            yield archive, client


def _writing(settings: Settings) -> AbstractContextManager[tuple[Archive, CanvasClient]]:
    return _asking(settings, write=True)


def _subject_of(db: sqlite3.Connection, conversation_id: int) -> str:
    row = db.execute(_SUBJECT, (conversation_id,)).fetchone()
    if row is None:
        fail(f"There is no conversation {conversation_id} in this archive; nothing was done.")
    return subject_line(row[0])


@click.command("add-recipients")
@common_options
@conversation_argument
@click.argument("who", nargs=-1, required=True)
@yes_option
@json_option
@pass_settings
def add_recipients(
    settings: Settings, conversation_id: int, who: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Add people (ids, codes or names) to a group conversation. They see everything written so far."""
    from canvas_archive.sync import online

    with _asking(settings) as (archive, client):
        subject = _subject_of(archive.db, conversation_id)
        people = online.resolve_recipients(client, who)
    if sum(one.people for one in people) > 1:
        names = ", ".join(printable(one.name) for one in people)
        require_consent(f"Add {names} to “{subject}”? They will see every message in it.", yes=yes)
    with _writing(settings) as (archive, client):
        answer = online.add_recipients(archive, client, SYSTEM, conversation_id, [one.code for one in people])
    if as_json:
        print_document("add-recipients", conversation_id=answer.id, participants=answer.participants)
        return
    for person in answer.participants:
        click.echo(f"{person.id:>14}  {one_line(person.name or '')}")


@click.command("remove-messages")
@common_options
@conversation_argument
@click.argument("message_ids", metavar="MESSAGE...", nargs=-1, required=True, type=click.IntRange(min=1))
@yes_option
@json_option
@pass_settings
def remove_messages(
    settings: Settings, conversation_id: int, message_ids: tuple[int, ...], yes: bool, as_json: bool
) -> None:
    """Remove messages on Canvas, for you alone; the archive keeps them. 'show ID' names their numbers."""
    from canvas_archive.store import Archive
    from canvas_archive.sync import online

    with Archive.open(settings.folder) as archive:
        subject = _subject_of(archive.db, conversation_id)
        online.check_messages(archive.db, conversation_id, message_ids)
    what = count_of(len(message_ids), "message")
    require_consent(f"Remove {what} of “{subject}” on Canvas? That cannot be undone there.", yes=yes)
    with _writing(settings) as (archive, client):
        left = online.remove_messages(archive, client, SYSTEM, conversation_id, message_ids)
    if as_json:
        print_document(
            "remove-messages",
            conversation_id=conversation_id,
            message_ids=message_ids,
            conversation_left=left,
        )
        return
    for id_ in message_ids:
        click.echo(str(id_))
    settings.note(
        f"{what} removed on Canvas." + ("" if left else " Nothing of the conversation is left there.")
    )


@click.command()
@common_options
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=CONVERSATION_ID)
@yes_option
@json_option
@pass_settings
def delete(settings: Settings, ids: tuple[int, ...], yes: bool, as_json: bool) -> None:
    """Delete conversations on Canvas, for you alone. The archive keeps its copies."""
    from canvas_archive.store import Archive
    from canvas_archive.sync import online

    with Archive.open(settings.folder) as archive:
        subjects = {id_: _subject_of(archive.db, id_) for id_ in ids}
    what = f"“{subjects[ids[0]]}”" if len(subjects) == 1 else count_of(len(subjects), "conversation")
    require_consent(f"Delete {what} on Canvas? That cannot be undone there.", yes=yes)
    with _writing(settings) as (archive, client):
        result = online.delete_conversations(archive, client, SYSTEM, subjects)
    if as_json:
        from canvas_archive.cli.records import problem_record

        print_document(
            "delete",
            conversation_ids=result.deleted,
            absent_ids=result.absent,
            problems=map(problem_record, result.problems),
        )
    else:
        for id_ in result.deleted:
            click.echo(f"{id_:>14}  {subjects[id_]}")
        for id_ in result.absent:
            settings.note(f"Conversation {id_} was no longer on Canvas.")
    for problem in result.problems:
        settings.warn(f"Conversation {problem.id}: {problem.error}")
    if result.problems:
        raise ItemsFailed(f"{count_of(len(result.problems), 'conversation')} could not be deleted.")


@click.command("mark-all-read")
@common_options
@yes_option
@json_option
@pass_settings
def mark_all_read(settings: Settings, yes: bool, as_json: bool) -> None:
    """Mark every conversation on Canvas as read, also those this archive does not know yet."""
    from canvas_archive.store import Archive
    from canvas_archive.sync import online

    with Archive.open(settings.folder):
        pass  # nobody is asked about an archive that is not there
    require_consent("Mark everything on Canvas as read? That cannot be undone.", yes=yes)
    with _writing(settings) as (archive, client):
        count = online.mark_all_read(archive, client, SYSTEM)
    if as_json:
        print_document("mark-all-read", conversation_count=count)
        return
    settings.note(f"Everything on Canvas is read; {count_of(count, 'conversation')} of this archive changed.")


@click.command()
@common_options
@click.argument("search", required=False)
@click.option("--context", metavar="CODE", help="People of this course or group, e.g. course_12.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="People to show.")
@json_option
@pass_settings
def recipients(
    settings: Settings, search: str | None, context: str | None, limit: int, as_json: bool
) -> None:
    """Find people, courses and groups to write to, by a part of their name or within a context."""

    if not search and not context:
        fail("Give a part of a name, or --context course_12.")
    with _asking(settings) as (_, client):
        found = list(itertools.islice(client.search_recipients(search, context=context), limit))
    if as_json:
        known = [
            {**asdict(one), "user_id": int(one.id) if one.id.isdecimal() else None, "address": one.id}
            for one in found
        ]
        print_document("recipients", recipients=known, total=len(known))
        return
    for one in found:
        people = f" ({one.user_count:,} people)" if one.user_count is not None else ""
        click.echo(one_line(f"{one.id:>20}  {one.full_name or one.name}{people}"))
    if not found:
        settings.note("Canvas knows nobody by that name whom you can write to.")


@click.command("unread-count")
@common_options
@json_option
@pass_settings
def unread_count(settings: Settings, as_json: bool) -> None:
    """Print Canvas's number of unread conversations. It may lag behind; the archive's own is beside it."""
    with _asking(settings) as (archive, client):
        count = client.unread_count()
        own = archive.db.execute(_UNREAD).fetchone()[0]
    if as_json:
        print_document("unread-count", unread_count=count, archive_unread_count=own)
        return
    click.echo(str(count))
    settings.note(f"The archive has {own:,}.", level=1)


@click.command()
@common_options
@json_option
@pass_settings
def batches(settings: Settings, as_json: bool) -> None:
    """List bulk messages that Canvas is still sending for you."""
    from canvas_archive.sync.texts import message_as_shown

    with _asking(settings) as (archive, client):
        found = [
            replace(one, message=one.message and message_as_shown(archive.db, one.message))
            for one in client.running_batches()
        ]
    if as_json:
        sending = [{**asdict(one), "body": one.message.body if one.message else None} for one in found]
        print_document("batches", batches=sending, total=len(sending))
        return
    for one in found:
        text = " ".join(printable(one.message.body).split())[:60] if one.message else ""
        percent = f"{100 * (one.completion or 0.0):.0f} %"
        click.echo(f"{one.id:>14}  {percent:>5}  {one.recipient_count or 0:,} people  {text}")
    if not found:
        settings.note("Canvas is sending nothing in the background.")
