"""A conversation as the page shows it: the store's thread, with what a reader needs said in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from canvas_archive.store.reading import Person, StoredAttachment, StoredMedia, Thread, ThreadMessage
from canvas_archive.web.render import file_name

NAMED = 4
WHY_MISSING = {
    "pending": "not fetched yet",
    "gone": "gone from Canvas",
    "refused": "Canvas refused it",
    "failed": "could not be fetched",
}


@dataclass(frozen=True, slots=True)
class File:
    """An attachment or a recording. ``why`` says what happened to one whose bytes are not here."""

    key: str
    name: str
    kind: str
    size: int | None
    stored: bool
    why: str
    href: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with what hangs on it. ``elsewhere`` is the conversation a forwarded one belongs to."""

    id: int
    author: Person
    mine: bool
    created_at: str
    body: str
    generated: bool
    removed_at: str | None
    to: str
    files: tuple[File, ...]
    recordings: tuple[File, ...]
    forwarded: tuple[Letter, ...]
    elsewhere: int | None
    number: int


def letters_of(
    thread: Thread, owner_id: int, homes: Mapping[int, int], before: int = 0
) -> tuple[Letter, ...]:
    """Return a thread's messages for showing; ``homes`` maps forwarded messages to their conversations.

    ``before`` is how many messages people wrote before the first of these.
    """
    everyone = {person.id for person in thread.participants}
    number = before
    letters = []
    for message in thread.messages:
        number += not message.generated
        letters.append(_letter(message, owner_id, everyone, homes, thread.id, number))
    return tuple(letters)


def _letter(
    message: ThreadMessage,
    owner_id: int,
    everyone: set[int],
    homes: Mapping[int, int],
    here: int,
    number: int = 0,
) -> Letter:
    home = homes.get(message.id)
    return Letter(
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
        forwarded=tuple(_letter(inner, owner_id, everyone, homes, here) for inner in message.forwarded),
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


def every_file(letters: tuple[Letter, ...]) -> tuple[File, ...]:
    """Return each attachment once, in the order they first appear, forwarded ones included."""
    found: dict[str, File] = {}

    def collect(letter: Letter) -> None:
        for file in (*letter.files, *letter.recordings):
            found.setdefault(file.key, file)
        for inner in letter.forwarded:
            collect(inner)

    for letter in letters:
        collect(letter)
    return tuple(found.values())


def listed_files(
    files: Iterable[StoredAttachment], recordings: Iterable[tuple[int, StoredMedia]]
) -> tuple[File, ...]:
    """Return the files of a conversation of which not all messages are at hand, each once."""
    found = [attachment_of(file) for file in files]
    found += [recording_of(message_id, media) for message_id, media in recordings]
    return tuple({file.key: file for file in found}.values())


def attachment_of(file: StoredAttachment) -> File:
    """Describe an attachment."""
    stored = file.state == "stored"
    return File(
        key=f"file {file.id}",
        name=file_name(file.name),
        kind="",
        size=file.stored_size if stored else file.size,
        stored=stored,
        why=WHY_MISSING.get(file.state, ""),
        href=f"/mail/files/{file.id}",
    )


def recording_of(message_id: int, media: StoredMedia) -> File:
    """Describe an audio or video comment."""
    kind = "video" if media.media_type == "video" else "audio"
    return File(
        key=f"media {media.media_id}",
        name=file_name(media.name or f"{kind.capitalize()} recording"),
        kind=kind,
        size=None,
        stored=media.state == "stored",
        why=WHY_MISSING.get(media.state, ""),
        href=f"/mail/media/{message_id}/{media.media_id}",
    )
