"""A conversation as the page shows it: the store's thread, with explanations in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from canvas_archive.store.threads import StoredAttachment, StoredMedia, Thread, ThreadMessage, ThreadPerson
from canvas_archive.web.render import file_name

NAMED = 4
WHY_MISSING = {
    "pending": "not fetched yet",
    "gone": "gone from Canvas",
    "refused": "Canvas refused it",
    "failed": "could not be fetched",
}


@dataclass(frozen=True, slots=True)
class FileView:
    """An attachment or a recording. ``why`` says what happened to one whose bytes are not here."""

    key: str
    name: str
    kind: str
    size: int | None
    stored: bool
    why: str
    href: str


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message, its files and forwarded messages. ``elsewhere``: the conversation of a forwarded one."""

    id: int
    author: ThreadPerson
    mine: bool
    created_at: str
    body: str
    generated: bool
    removed_at: str | None
    to: str
    files: tuple[FileView, ...]
    recordings: tuple[FileView, ...]
    forwarded: tuple[MessageView, ...]
    elsewhere: int | None
    number: int


def message_views(
    thread: Thread, owner_id: int, homes: Mapping[int, int], before: int = 0
) -> tuple[MessageView, ...]:
    """Return a thread's messages for showing; ``homes`` maps forwarded messages to their conversations.

    ``before`` is how many messages people wrote before the first of these.
    """
    everyone = {person.id for person in thread.participants}
    number = before
    messages = []
    for message in thread.messages:
        number += not message.generated
        messages.append(_message_view(message, owner_id, everyone, homes, thread.id, number))
    return tuple(messages)


def _message_view(
    message: ThreadMessage,
    owner_id: int,
    everyone: set[int],
    homes: Mapping[int, int],
    here: int,
    number: int = 0,
) -> MessageView:
    home = homes.get(message.id)
    return MessageView(
        id=message.id,
        author=message.author,
        mine=message.author.id == owner_id,
        created_at=message.created_at,
        body=message.body,
        generated=message.generated,
        removed_at=message.removed_at,
        to=_addressed(message, owner_id, everyone),
        files=tuple(attachment_of(file) for file in message.attachments),
        recordings=tuple(recording_of(message.id, media) for media in message.media),
        forwarded=tuple(_message_view(inner, owner_id, everyone, homes, here) for inner in message.forwarded),
        elsewhere=home if home != here else None,
        number=number,
    )


def _addressed(message: ThreadMessage, owner_id: int, everyone: set[int]) -> str:
    """Name the recipients where they are fewer than the conversation's people."""
    others = [person for person in message.recipients if person.id != message.author.id]
    if not others or {person.id for person in message.recipients} | {message.author.id} >= everyone:
        return ""
    names = ["you" if person.id == owner_id else person.name for person in others]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def forwarded_ids(messages: tuple[ThreadMessage, ...]) -> Iterator[int]:
    """Yield the ids of all forwarded messages, at any depth."""
    for message in messages:
        for inner in message.forwarded:
            yield inner.id
        yield from forwarded_ids(message.forwarded)


def every_file(messages: tuple[MessageView, ...]) -> tuple[FileView, ...]:
    """Return each attachment once, in the order they first appear, forwarded ones included."""
    found: dict[str, FileView] = {}

    def collect(message: MessageView) -> None:
        for file in (*message.files, *message.recordings):
            found.setdefault(file.key, file)
        for inner in message.forwarded:
            collect(inner)

    for message in messages:
        collect(message)
    return tuple(found.values())


def listed_files(
    files: Iterable[StoredAttachment], recordings: Iterable[tuple[int, StoredMedia]]
) -> tuple[FileView, ...]:
    """Return the files of a conversation of which not all messages are at hand, each once."""
    found = [attachment_of(file) for file in files]
    found += [recording_of(message_id, media) for message_id, media in recordings]
    return tuple({file.key: file for file in found}.values())


def attachment_of(file: StoredAttachment) -> FileView:
    """Describe an attachment."""
    stored = file.state == "stored"
    return FileView(
        key=f"file {file.id}",
        name=file_name(file.name),
        kind="",
        size=file.stored_size if stored else file.size,
        stored=stored,
        why=WHY_MISSING.get(file.state, ""),
        href=f"/mail/files/{file.id}",
    )


def recording_of(message_id: int, media: StoredMedia) -> FileView:
    """Describe an audio or video comment."""
    kind = "video" if media.media_type == "video" else "audio"
    return FileView(
        key=f"media {media.media_id}",
        name=file_name(media.name or f"{kind.capitalize()} recording"),
        kind=kind,
        size=None,
        stored=media.state == "stored",
        why=WHY_MISSING.get(media.state, ""),
        href=f"/mail/media/{message_id}/{media.media_id}",
    )
