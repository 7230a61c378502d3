"""``canvas-archive show``: conversations as mail, with who wrote to whom, when, and what."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    colours,
    common_options,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.paging import MOST_WIDTH, show_lines, width
from canvas_archive.cli.terminal import byte_size, local_time, one_line, printable
from canvas_archive.cli.values import CONVERSATION_ID, known_conversation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from canvas_archive.store.threads import (
        StoredAttachment,
        StoredMedia,
        Thread,
        ThreadMessage,
        ThreadPerson,
    )

_MOST_NAMED = 12


@click.command()
@common_options
@click.argument("ids", metavar="ID...", nargs=-1, type=CONVERSATION_ID)
@click.option(
    "--receipt",
    metavar="WHAT",
    help="Show what Canvas said: a receipt's number, message:ID or conversation:ID; #ID lists receipts.",
)
@json_option
@pass_settings
def show(settings: Settings, ids: tuple[int, ...], receipt: str | None, as_json: bool) -> None:
    """Show conversations with all their messages, oldest first.

    ID is the number of a conversation or message, with or without #, 'latest', or the address of a page
    here or on Canvas.
    """
    if receipt is not None:
        if ids:
            raise click.UsageError("--receipt shows one receipt, and no conversations. Leave out the ids.")
        from canvas_archive.cli.receipts import show_receipt

        show_receipt(settings, receipt, as_json=as_json)
        return
    if not ids:
        context = click.get_current_context()
        missing = next(one for one in context.command.params if one.name == "ids")
        raise click.MissingParameter(ctx=context, param=missing)
    from canvas_archive.store import Archive
    from canvas_archive.store.threads import read_thread

    with Archive.open(settings.folder) as archive:
        wanted = list(dict.fromkeys(known_conversation(archive.db, number) for number in ids))
        threads = [read_thread(archive.db, number) for number in wanted]
        owner, files_dir = archive.account.owner_id, archive.files_dir
    if as_json:
        from canvas_archive.cli.records import thread_record

        found = [thread_record(thread, files_dir) for thread in threads]
        print_document("show", conversations=found, total=len(found))
        return
    lines: list[str] = []
    for thread in threads:
        lines += [*(["", ""] if lines else []), *letter(thread, owner, files_dir, width())]
    show_lines(settings, lines)


def letter(thread: Thread, owner: int, files_dir: Path, most: int) -> list[str]:
    """Return the lines of a conversation, wrapped at ``most`` cells or at what is easy to read."""
    writer = _Letter(thread, owner, files_dir, min(most, MOST_WIDTH))
    lines = writer.head()
    for message in thread.messages:
        lines += ["", *writer.message(message, "")]
    return lines


def _bold(text: str) -> str:
    return click.style(text, bold=True) if colours() else text


class _Letter:
    """Writes one conversation for its owner."""

    def __init__(self, thread: Thread, owner: int, files_dir: Path, most: int) -> None:
        self._thread = thread
        self._owner = owner
        self._files_dir = files_dir
        self._width = most

    def head(self) -> list[str]:
        """Return the subject, the state and the people."""
        thread = self._thread
        state = [thread.workflow_state, *(["starred"] if thread.starred else [])]
        if not thread.private and not thread.subscribed:
            state.append("unsubscribed")
        about = f"#{thread.id} · {', '.join(state)}"
        if thread.context_name:
            about += f" · {one_line(thread.context_name)}"
        lines = [_bold(line) for line in self._wrapped(one_line(thread.subject or "(no subject)"))]
        lines += self._wrapped(about)
        lines += self._wrapped(f"With {self._names(thread.participants)}")
        if thread.removed_at:
            lines += self._wrapped(
                f"Deleted from Canvas, seen {local_time(thread.removed_at)}. This is the archived copy."
            )
        for field, value in thread.edits.items():
            lines += self._wrapped(one_line(f"Waiting to be sent: {field} = {value}"))
        return lines

    def message(self, message: ThreadMessage, indent: str) -> list[str]:
        """Return one message with its files and what it forwards."""
        when = local_time(message.created_at)
        if message.generated:
            return self._wrapped(f"— {when}  {printable(message.body)}", indent)
        author = self._name(message.author)
        lines = self._wrapped(f"From: {author}", indent, "      ", mark=author)
        others = [one for one in message.recipients if one.id != message.author.id]
        if others:
            lines += self._wrapped(f"To:   {self._names(others)}", indent, "      ")
        gone = "  (deleted from Canvas)" if message.removed_at else ""
        lines += [f"{indent}Date: {when}  #{message.id}{gone}", indent.rstrip()]
        for paragraph in printable(message.body).split("\n"):
            lines += self._wrapped(paragraph, f"{indent}  ") if paragraph.strip() else [indent.rstrip()]
        for file in message.attachments:
            lines += self._file(file, f"{indent}  ")
        for recording in message.media:
            lines += self._recording(recording, f"{indent}  ")
        for inner in message.forwarded:
            lines += [f"{indent}  Forwarded:", *self.message(inner, f"{indent}  │ ")]
        return lines

    def _name(self, person: ThreadPerson) -> str:
        return "You" if person.id == self._owner else one_line(person.name)

    def _names(self, people: Iterable[ThreadPerson]) -> str:
        names = ["you" if one.id == self._owner else one_line(one.name) for one in people]
        more = f" and {len(names) - _MOST_NAMED:,} others" if len(names) > _MOST_NAMED + 1 else ""
        return ", ".join(names[:_MOST_NAMED] if more else names) + more

    def _file(self, file: StoredAttachment, indent: str) -> list[str]:
        size = f", {byte_size(file.size)}" if file.size is not None else ""
        state = "" if file.state == "stored" else f", {file.state}"
        note = f" ({one_line(file.error)})" if file.error else ""
        lines = self._wrapped(f"[{one_line(file.name)}{size}{state}{note}]", indent)
        return [*lines, *self._local(file.sha256, indent)]

    def _recording(self, media: StoredMedia, indent: str) -> list[str]:
        what = f"{media.media_type or 'recording'}: {media.name or media.media_id}"
        return [*self._wrapped(f"[{one_line(what)}]", indent), *self._local(media.sha256, indent)]

    def _local(self, sha256: str | None, indent: str) -> list[str]:
        """Return the line with the local path of a file, which is never wrapped."""
        if not sha256:
            return []
        from canvas_archive.store.blobs import readable_blob

        path = readable_blob(self._files_dir, sha256)
        return [] if path is None else [f"{indent}  {printable(str(path))}"]

    def _wrapped(self, text: str, indent: str = "", following: str = "", *, mark: str = "") -> list[str]:
        lines = textwrap.wrap(
            text,
            max(20, self._width),
            initial_indent=indent,
            subsequent_indent=indent + following,
            break_long_words=False,
            break_on_hyphens=False,
        )
        if mark and colours():
            return [line.replace(mark, _bold(mark), 1) for line in lines]
        return lines
