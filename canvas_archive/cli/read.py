"""``canvas-archive list`` and ``show``: folders and threads in the terminal."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    colours,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_json,
)
from canvas_archive.cli.emptiness import NOTHING_PULLED, was_pulled
from canvas_archive.cli.terminal import fit, local_time, one_line, printable
from canvas_archive.cli.values import CONVERSATION_ID, FOLDER
from canvas_archive.store.folders import FOLDERS

if TYPE_CHECKING:
    from canvas_archive.model import JsonObject
    from canvas_archive.store.reading import ConversationLine
    from canvas_archive.store.threads import StoredAttachment, Thread, ThreadMessage

WIDTH = 100


@click.command("list")
@common_options
@click.option(
    "--folder",
    default="inbox",
    show_default=True,
    metavar="NAME",
    type=FOLDER,
    help=f"One of {', '.join(FOLDERS)}.",
)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=25, show_default=True, help="Conversations to show."
)
@click.option("--before", metavar="CURSOR", help="Go on where the last list ended.")
@json_option
@pass_settings
def list_(settings: Settings, folder: str, limit: int, before: str | None, as_json: bool) -> None:
    """List the conversations of a folder, newest first."""
    from canvas_archive.store import Archive
    from canvas_archive.store.reading import list_conversations

    if folder not in FOLDERS:
        fail(f"There is no folder '{folder}'. The folders are {', '.join(FOLDERS)}.")
    with Archive.open(settings.folder) as archive:
        page = list_conversations(archive.db, folder, limit, _cursor(before))
        pulled = bool(page.lines) or was_pulled(archive.db)
    following = f"{page.next[0]}~{page.next[1]}" if page.next else None
    if as_json:
        print_json(
            {
                "folder": folder,
                "conversations": [asdict(line) for line in page.lines],
                "next": following,
            }
        )
        return
    for line in page.lines:
        click.echo(_line(line))
    if not page.lines:
        settings.note(f"Nothing in {folder}." if pulled else NOTHING_PULLED)
    if following:
        settings.note(f"More: canvas-archive list --folder {folder} --before '{following}'")


def _cursor(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    time, _, number = text.rpartition("~")
    if not number.isascii() or not number.isdigit():
        fail(f"'{text}' is not where a list ended; take the value that the last list printed.")
    return time, int(number)


def _line(line: ConversationLine) -> str:
    marks = ("●" if line.workflow_state == "unread" else " ") + ("★" if line.starred else " ")
    marks += "✎" if line.edited else " "
    who = one_line(line.people or "(only you)")
    subject = one_line(line.subject or "(no subject)")
    text = f"{line.id:>14}  {local_time(line.latest_at):16} {marks} {fit(who, 26)}  "
    text += fit(subject, 50).rstrip()
    if line.message_count > 1:
        text += f" ({line.message_count})"
    return click.style(text, bold=True) if line.workflow_state == "unread" and colours() else text


@click.command()
@common_options
@click.argument("conversation_id", metavar="ID", type=CONVERSATION_ID)
@json_option
@pass_settings
def show(settings: Settings, conversation_id: int, as_json: bool) -> None:
    """Show one conversation with all its messages, oldest first."""
    from canvas_archive.store import Archive
    from canvas_archive.store.threads import read_thread

    with Archive.open(settings.folder) as archive:
        thread = read_thread(archive.db, conversation_id)
        owner = archive.account.owner_id
    if as_json:
        document: JsonObject = asdict(thread)
        print_json(document)
        return
    for line in _head(thread, owner):
        click.echo(line)
    for message in thread.messages:
        click.echo("\n".join(("", *_message(message, owner, ""))))


def _bold(text: str) -> str:
    return click.style(text, bold=True) if colours() else text


def _head(thread: Thread, owner: int) -> list[str]:
    state = [thread.workflow_state, *(["starred"] if thread.starred else [])]
    if not thread.private and not thread.subscribed:
        state.append("unsubscribed")
    people = ", ".join("you" if p.id == owner else printable(p.name) for p in thread.participants)
    lines = [
        _bold(one_line(thread.subject or "(no subject)")),
        f"{thread.id} · {', '.join(state)}"
        + (f" · {one_line(thread.context_name)}" if thread.context_name else ""),
        *textwrap.wrap(f"With {people}", WIDTH),
    ]
    if thread.removed_at:
        lines.append(f"No longer on Canvas since {local_time(thread.removed_at)}; this is the archived copy.")
    for field, value in thread.edits.items():
        lines.append(one_line(f"Waiting to be sent: {field} = {value}"))
    return lines


def _message(message: ThreadMessage, owner: int, indent: str) -> list[str]:
    when = local_time(message.created_at)
    if message.generated:
        return [f"{indent}— {when}  {printable(message.body)}"]
    author = "You" if message.author.id == owner else one_line(message.author.name)
    gone = " (removed on Canvas)" if message.removed_at else ""
    lines = [f"{indent}{_bold(author)}  {when}{gone}  #{message.id}"]
    for paragraph in printable(message.body).split("\n"):
        if not paragraph.strip():
            lines.append("")
            continue
        lines += textwrap.wrap(
            paragraph,
            WIDTH,
            initial_indent=indent + "  ",
            subsequent_indent=indent + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    lines += [f"{indent}  [{_attachment(file)}]" for file in message.attachments]
    for media in message.media:
        what = f"{media.media_type or 'recording'}: {media.name or media.media_id}"
        lines.append(f"{indent}  [{one_line(what)}]")
    for inner in message.forwarded:
        lines += [f"{indent}  Forwarded:", *_message(inner, owner, indent + "  │ ")]
    return lines


def _attachment(file: StoredAttachment) -> str:
    size = f", {file.size:,} bytes" if file.size is not None else ""
    state = "" if file.state == "stored" else f", {file.state}"
    note = f" ({one_line(file.error)})" if file.state == "stored" and file.error else ""
    return f"{one_line(file.name)}{size}{state}{note}"
