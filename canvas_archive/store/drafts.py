"""Messages that a person has not finished. They are files, so no push can send one.

drafts/ID/draft.json    what was typed, mode 0600
drafts/ID/SHA256        a file that goes along, by its hash
drafts/.incoming/       files that are arriving
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.errors import ArchiveError, BadInput
from canvas_archive.store.outbox import Draft, OutgoingFile
from canvas_archive.store.private import is_regular, make_folder, read_regular, require_folder, write_private
from canvas_archive.store.rows import short_hash

DRAFTS_NAME = "drafts"
MOST_DRAFTS = 200
MOST_FILES = 20
MOST_BYTES = 1_000_000_000
"""Of the files of all drafts together."""

_INCOMING = ".incoming"
_DOCUMENT = "draft.json"
_MOST_DOCUMENT = 4_000_000
_ID = re.compile(r"[0-9a-f]{24}")
_HASH = re.compile(r"[0-9a-f]{64}")
OWN_PATH = (
    rf"{_ID.pattern}(/({_HASH.pattern}|{re.escape(_DOCUMENT)}(\.partial)?))?"
    rf"|{re.escape(_INCOMING)}(/[0-9a-f]+\.part)?"
)
"""What is in the folder of the drafts, by its path below it."""


@dataclass(frozen=True, slots=True)
class SavedDraft:
    """A message that is not finished.

    ``recipients`` are codes; ``names`` is what was typed and names nobody yet. A reply goes to ``everyone``,
    or to its recipients. ``forwarded`` are messages of ``conversation_id`` that a new message carries.
    ``page`` names the page that saved it last.
    """

    id: str
    kind: Literal["send", "reply"] = "send"
    conversation_id: int | None = None
    recipients: tuple[str, ...] = ()
    names: str = ""
    everyone: bool = True
    subject: str = ""
    body: str = ""
    group: bool = False
    forwarded: tuple[int, ...] = ()
    enclosures: tuple[OutgoingFile, ...] = ()
    reuse: bool = False
    context_code: str | None = None
    page: str = ""
    saved_at: str = ""

    @classmethod
    def of_message(cls, draft: Draft, source: int | None) -> SavedDraft:
        """Return a message of the outbox as a draft; ``source`` is the conversation it forwards from."""
        return cls(
            id=new_id(),
            kind=draft.kind,
            conversation_id=draft.conversation_id if draft.kind == "reply" else source,
            recipients=draft.recipients,
            everyone=not draft.recipients,
            subject=draft.subject or "",
            body=draft.body,
            group=draft.group,
            forwarded=draft.forwarded,
            enclosures=tuple(replace(file, file_id=None) for file in draft.enclosures),
            reuse=draft.kind == "send" and not draft.group and not draft.force_new,
            context_code=draft.context_code,
        )

    def message(self, enclosures: tuple[OutgoingFile, ...]) -> Draft:
        """Return the message of the outbox that this becomes."""
        is_reply = self.kind == "reply"
        return Draft(
            self.kind,
            self.body,
            conversation_id=self.conversation_id if is_reply else None,
            recipients=() if is_reply and self.everyone else self.recipients,
            subject=None if is_reply else self.subject or None,
            group=self.group and not is_reply,
            # Not into an old private conversation, whose subject would win.
            force_new=not (is_reply or self.group or self.reuse),
            context_code=self.context_code,
            enclosures=enclosures,
            forwarded=() if is_reply else self.forwarded,
        )

    @property
    def version(self) -> str:
        """Return a short hash of what was typed, by which a page sees that another one has changed it.

        It is empty for a draft that was never saved.
        """
        if not self.saved_at:
            return ""
        return short_hash(json.dumps(asdict(replace(self, saved_at="", page="", enclosures=()))))

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing in it that somebody typed or chose."""
        typed = self.names or self.body.strip() or self.recipients or self.enclosures
        return not typed and (not self.subject or bool(self.forwarded))

    @property
    def size(self) -> int:
        """Return the bytes of its files."""
        return sum(file.size for file in self.enclosures)


def new_id() -> str:
    """Return the name of a draft that does not exist yet."""
    return secrets.token_hex(12)


def is_id(text: str) -> bool:
    """Return whether a text can be the name of a draft."""
    return _ID.fullmatch(text) is not None


def incoming(folder: Path) -> Path:
    """Return the folder for files that are arriving, and make it.

    Raises BadInput when the drafts have no room for more.
    """
    drafts = folder / DRAFTS_NAME
    make_folder(drafts)
    place = drafts / _INCOMING
    make_folder(place)
    used = sum(_size(path) for path in drafts.glob("*/*"))
    if used > MOST_BYTES:
        raise BadInput(f"The files of the drafts have {used:,} bytes. Send or discard some drafts first.")
    return place


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_size
    return 0


def save_draft(folder: Path, draft: SavedDraft, *, clock: Clock = SYSTEM) -> SavedDraft:
    """Write a draft, and return it as it was saved. Raises BadInput when there are too many."""
    place = _place(folder, draft.id)
    if not is_regular(place / _DOCUMENT) and len(_ids(folder)) >= MOST_DRAFTS:
        raise BadInput(f"There are {MOST_DRAFTS} drafts. Send or discard some first.")
    make_folder(folder / DRAFTS_NAME)
    make_folder(place)
    saved = replace(draft, saved_at=iso(clock.now()))
    write_private(place / _DOCUMENT, json.dumps(asdict(saved)).encode("utf-8", "surrogatepass"))
    return saved


def read_draft(folder: Path, ident: str) -> SavedDraft | None:
    """Return a draft; ``None`` when there is none of that name, or none that can be read."""
    if not is_id(ident):
        return None
    try:
        for there in (folder / DRAFTS_NAME, _place(folder, ident)):
            require_folder(there)
        data = read_regular(_place(folder, ident) / _DOCUMENT, _MOST_DOCUMENT)
        return _draft_of(ident, json.loads(data.decode("utf-8", "surrogatepass")))
    except (OSError, ArchiveError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _draft_of(ident: str, document: Any) -> SavedDraft:
    files = tuple(OutgoingFile(**one) for one in document["enclosures"])
    known = {field.name: document[field.name] for field in fields(SavedDraft) if field.name in document}
    conversation_id = document["conversation_id"]
    whole = known | {
        "id": ident,
        "kind": "reply" if document["kind"] == "reply" else "send",
        "conversation_id": None if conversation_id is None else int(conversation_id),
        "recipients": tuple(str(one) for one in document["recipients"]),
        "forwarded": tuple(int(one) for one in document["forwarded"]),
        "enclosures": tuple(one for one in files if _HASH.fullmatch(one.sha256)),
        **{name: str(document[name]) for name in ("names", "subject", "body", "page", "saved_at")},
    }
    return SavedDraft(**whole)


def _ids(folder: Path) -> list[str]:
    place = folder / DRAFTS_NAME
    try:
        require_folder(place)
        return sorted(path.name for path in place.iterdir() if is_id(path.name))
    except (OSError, ArchiveError):
        return []


def count_drafts(folder: Path) -> int:
    """Return how many drafts there are."""
    return len(_ids(folder))


def list_drafts(folder: Path) -> list[SavedDraft]:
    """Return the drafts, the one saved last first."""
    found = [read_draft(folder, ident) for ident in _ids(folder)[:MOST_DRAFTS]]
    drafts = [draft for draft in found if draft is not None]
    return sorted(drafts, key=lambda draft: (draft.saved_at, draft.id), reverse=True)


def discard_draft(folder: Path, ident: str) -> bool:
    """Delete a draft and its files; return whether there was one."""
    if ident not in _ids(folder):
        return False
    place = _place(folder, ident)
    require_folder(place)
    shutil.rmtree(place)
    return True


def take_file(folder: Path, ident: str, arrived: Path, digest: str) -> None:
    """Move a file that has arrived into its draft."""
    make_folder(folder / DRAFTS_NAME)
    make_folder(_place(folder, ident))
    arrived.replace(file_path(folder, ident, digest))


def file_path(folder: Path, ident: str, digest: str) -> Path:
    """Return where a file of a draft is. Raises BadInput for anything but a hash."""
    if not _HASH.fullmatch(digest):
        raise BadInput(f"{digest!r} is not a SHA-256 in hexadecimal.")
    return _place(folder, ident) / digest


def _place(folder: Path, ident: str) -> Path:
    if not is_id(ident):
        raise BadInput("That is not the name of a draft.")
    return folder / DRAFTS_NAME / ident
