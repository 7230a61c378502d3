"""``canvas-archive send`` and ``reply``: writing messages, now or into the outbox."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from canvas_archive.children import secrets_hidden
from canvas_archive.cli.addressing import to_whom
from canvas_archive.cli.consent import Declined, can_ask, require_consent, yes_option
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.editing import note_left
from canvas_archive.cli.login import require_token
from canvas_archive.cli.progress import PlainLines
from canvas_archive.cli.terminal import count_of, one_line
from canvas_archive.cli.values import CONVERSATION_ID
from canvas_archive.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from canvas_archive.model import Recipient
    from canvas_archive.store import Archive
    from canvas_archive.store.addressees import Addressees
    from canvas_archive.store.outbox import Draft, Queued

    Composed: TypeAlias = "tuple[Draft, Addressees, str]"
    """A message, whom it goes to, and what the question calls it."""

_MOST_OFFERED = 20
F = TypeVar("F", bound="Callable[..., Any]")

_THREAD = "SELECT subject, removed_at FROM conversations WHERE id = ?"


group_option = click.option(
    "--group/--individual",
    "group",
    default=False,
    help="One conversation with everyone, or one with each. [default: individual]",
)


def text_options(function: F) -> F:
    """Add the options for what a message says and takes along."""
    options = (
        click.option("--body", metavar="TEXT", help="The message; - reads it from standard input."),
        click.option(
            "--body-file",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
            help="A text file with the message; - is standard input.",
        ),
        click.option(
            "--attach",
            metavar="FILE",
            multiple=True,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Send this file along; repeatable.",
        ),
        click.option("--queue", is_flag=True, help="Offline: put it into the outbox for the next push."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@common_options
@click.option(
    "--to",
    "recipients",
    metavar="WHO",
    multiple=True,
    required=True,
    help="A user id, course_12, course_12_students, group_3, or a name; repeatable.",
)
@click.option("--subject", metavar="TEXT", help="What it is about, 255 characters at most.")
@group_option
@click.option("--reuse", is_flag=True, help="Let Canvas continue an old private conversation.")
@click.option("--context", metavar="CODE", help="The course or group it is about, e.g. course_12.")
@text_options
@yes_option
@json_option
@pass_settings
def send(
    settings: Settings,
    recipients: tuple[str, ...],
    subject: str | None,
    group: bool,
    reuse: bool,
    context: str | None,
    body: str | None,
    body_file: Path | None,
    attach: tuple[Path, ...],
    queue: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Send a new message and print the ids of the conversations it began.

    Without --body or --body-file your editor opens. Writing to more than one person is asked about.
    """
    from canvas_archive.store.outbox import Draft
    from canvas_archive.sync.online import check_text

    if group and reuse:
        fail("--reuse is about private conversations; a --group conversation is always a new one.")

    def compose(archive: Archive) -> Composed:
        people = resolved_addressees(settings, archive, recipients, offline=queue, yes=yes)
        text = body_of(body, body_file)
        check_text(text, subject)
        draft = Draft(
            "send",
            text,
            recipients=tuple(one.code for one in people),
            subject=subject,
            group=group,
            # With this, Canvas makes one conversation for each person: never for a group.
            force_new=not (group or reuse),
            context_code=context,
        )
        return draft, people, "Send"

    deliver(settings, compose, attach, queue=queue, yes=yes, as_json=as_json)


@click.command()
@common_options
@click.argument("conversation_id", metavar="ID", type=CONVERSATION_ID)
@click.option(
    "--to", "recipients", metavar="WHO", multiple=True, help="Only to this participant; repeatable."
)
@text_options
@yes_option
@json_option
@pass_settings
def reply(
    settings: Settings,
    conversation_id: int,
    recipients: tuple[str, ...],
    body: str | None,
    body_file: Path | None,
    attach: tuple[Path, ...],
    queue: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Reply to a conversation and print the new message's id.

    Without --body or --body-file your editor opens. A reply to more than one person is asked about.
    """
    from canvas_archive.store.addressees import addressees, resolve_offline
    from canvas_archive.store.outbox import Draft
    from canvas_archive.sync.online import check_text

    def compose(archive: Archive) -> Composed:
        row = archive.db.execute(_THREAD, (conversation_id,)).fetchone()
        if row is None:
            fail(f"There is no conversation {conversation_id} in this archive.")
        if row["removed_at"] is not None:
            fail(f"Conversation {conversation_id} is no longer on Canvas: nobody would get a reply.")
        chosen = resolve_offline(archive.db, recipients)
        text = body_of(body, body_file)
        check_text(text)
        draft = Draft(
            "reply",
            text,
            conversation_id=conversation_id,
            recipients=tuple(one.code for one in chosen),
        )
        what = f"Reply in “{one_line(row['subject'] or '(no subject)')}”"
        return draft, addressees(archive.db, draft), what

    deliver(settings, compose, attach, queue=queue, yes=yes, as_json=as_json)


def deliver(
    settings: Settings,
    compose: Callable[[Archive], Composed],
    attach: tuple[Path, ...],
    *,
    queue: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Compose a message, ask whether it may go, and put it into the outbox or send it at once."""
    from canvas_archive.store import Archive

    if not queue:
        require_token(settings)
    with Archive.open(settings.folder) as archive:
        draft, people, what = compose(archive)
        shown = ask_to_send(settings, archive, draft, people, what, queue=queue, yes=yes)
        if queue:
            _queue(settings, archive, draft, attach, as_json)
            return
    _send(settings, draft, attach, shown, as_json)


def resolved_addressees(
    settings: Settings, archive: Archive, recipients: Iterable[str], *, offline: bool, yes: bool
) -> Addressees:
    """Return whom ``--to`` means, as far as it can be found out; ``offline`` by the archive alone."""
    from canvas_archive.store.addressees import described, is_code, resolve_offline
    from canvas_archive.sync.online import counted_on_canvas, resolve_recipients

    known = offline or all(is_code(one.strip()) for one in recipients)
    found = resolve_offline(archive.db, recipients) if known else ()
    if offline or (found and all(one.exact for one in found)):
        return described(archive.db, found)
    from canvas_archive.sync.service import open_client

    with open_client(archive, progress=PlainLines(settings)) as client:
        choose = _choose if can_ask() and not yes else None
        named = described(archive.db, found or resolve_recipients(client, recipients, choose))
        return counted_on_canvas(archive.db, client, named)


def _choose(text: str, found: Sequence[Recipient]) -> Recipient:
    """Ask which of several recipients is meant."""
    shown = found[:_MOST_OFFERED]
    for number, one in enumerate(shown, 1):
        people = f" ({one.user_count:,} people)" if one.user_count is not None else ""
        click.echo(one_line(f"{number:>3}  {one.full_name or one.name}{people}"), err=True)
    if len(shown) < len(found):
        click.echo(f"and {len(found) - len(shown)} more: give a longer part of the name", err=True)
    which: int = click.prompt(
        one_line(f"'{text}' can mean {len(found)} recipients. Which?"),
        type=click.IntRange(1, len(shown)),
        err=True,
    )
    return shown[which - 1]


def body_of(body: str | None, body_file: Path | None) -> str:
    """Return the message from wherever it is given; trailing blank lines of a file do not count."""
    if body is not None and body_file is not None:
        fail("Give the message with --body or with --body-file, not with both.")
    try:
        if body == "-" or (body_file is not None and str(body_file) == "-"):
            return sys.stdin.read().rstrip()
        if body is not None:
            return body
        if body_file is not None:
            return body_file.read_text("utf-8-sig").rstrip()
    except UnicodeDecodeError:
        fail("The message is not UTF-8 text.")
    if not can_ask():
        fail("There is no message: give it with --body or --body-file.")
    with secrets_hidden():
        written = click.edit("", extension=".txt")
    if written is None:
        raise Declined  # the editor was left without saving
    return written.rstrip()


def ask_to_send(
    settings: Settings,
    archive: Archive,
    draft: Draft,
    people: Addressees,
    what: str,
    *,
    queue: bool,
    yes: bool,
) -> str:
    """Say to whom a message goes, and ask where it is more than one person or a guess.

    Return the fingerprint of what was shown.
    """
    from canvas_archive.store.addressees import message_fingerprint

    shown = message_fingerprint(archive.db, draft)
    account = archive.account
    settings.note(f"To {one_line(to_whom(people))}")
    if account.as_user_id is not None:
        who = one_line(account.name or f"user {account.as_user_id}")
        require_consent(f"{what} it? It will be sent in the name of {who}.", yes=yes)
    elif people.several:
        when = " at the next push" if queue else ""
        vague = [one.number() for one in people if not one.exact]
        many = f"{people.people:,} people" if people.exact else (vague or [people.counted()])[0]
        require_consent(f"{what} to {many}{when}?", yes=yes)
    elif can_ask() and any(one.guessed for one in people):
        require_consent(f"{what} to {one_line(to_whom(people))}?", yes=yes)
    return shown


def _queue(
    settings: Settings, archive: Archive, draft: Draft, attach: tuple[Path, ...], as_json: bool
) -> None:
    """Put a message into the outbox."""
    from canvas_archive.store.outbox import queue_message
    from canvas_archive.store.writing import brief_write
    from canvas_archive.sync.online import enclose

    whole = replace(draft, enclosures=enclose(archive.files_dir, attach))
    with brief_write(archive.db_path) as db:
        number = queue_message(db, whole)
    if as_json:
        print_document("send", state="queued", outbox_id=number, conversation_ids=[], message_ids=[])
        return
    click.echo(f"queued as message {number}")
    settings.note("Send it with: canvas-archive push")


def _send(settings: Settings, draft: Draft, attach: tuple[Path, ...], shown: str, as_json: bool) -> None:
    """Send a message at once, unless whom it goes to is no longer what was shown."""
    from canvas_archive.store import Archive
    from canvas_archive.store.addressees import message_fingerprint
    from canvas_archive.sync.online import enclose, send_now
    from canvas_archive.sync.service import open_client

    with Archive.open(settings.folder, write=True) as archive:
        note_left(settings, archive)
        if message_fingerprint(archive.db, draft) != shown:
            fail("Its people changed meanwhile. Nothing was sent. To see who they are now, run it again.")
        with open_client(archive, progress=PlainLines(settings)) as client:
            whole = replace(draft, enclosures=enclose(archive.files_dir, attach))
            queued = send_now(archive, client, SYSTEM, whole)
    settings.note(
        f"Sent: {count_of(len(queued.sent_ids), 'conversation')}." if draft.kind == "send" else "Sent."
    )
    _show(queued, as_json)


def _show(queued: Queued, as_json: bool) -> None:
    ids = list(queued.sent_ids)
    if as_json:
        is_reply = queued.draft.kind == "reply"
        conversation_id = queued.draft.conversation_id
        print_document(
            "send",
            state=queued.state,
            outbox_id=queued.id,
            conversation_ids=[conversation_id] if is_reply else ids,
            message_ids=ids if is_reply else [],
        )
        return
    for id_ in ids:
        click.echo(str(id_))
