"""What the pages write: journalled edits like those of the command line, messages of the outbox, drafts."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from canvas_archive.errors import BadInput
from canvas_archive.store import drafts, edits, outbox
from canvas_archive.store.adoption import require_adopted
from canvas_archive.store.blobs import open_blob
from canvas_archive.store.connection import connect_readonly, transaction
from canvas_archive.store.drafts import SavedDraft
from canvas_archive.store.folder import FILES_NAME
from canvas_archive.store.outbox import OutgoingFile
from canvas_archive.store.private import CREATE
from canvas_archive.store.verbs import VERBS, Applied, Change, apply_verb, undo_changes
from canvas_archive.store.writing import brief_write, brief_writer
from canvas_archive.web.forms import MOST_TOGETHER, Upload

PATIENCE = 8.0
"""Seconds that a page waits for a sync that is writing."""

ORIGIN = "web"
AT_ONCE = 500
WHOLE_LIST = 10_000
"""The most conversations that "all of this list" changes at once."""

_HOME = "SELECT conversation_id FROM messages WHERE id = ?"
_drafting = threading.Lock()
"""Process-wide: two tabs may save the same draft at once."""


def apply(path: Path, verb: str, ids: Iterable[int]) -> Applied:
    """Do what a button says to some conversations, all or none; return what really changed.

    Raises BadInput for a conversation that is not there or cannot be edited.
    """
    with brief_write(path, patience=PATIENCE) as db:
        return apply_verb(db, VERBS[verb], ids, ORIGIN)


def undo(path: Path, changes: Iterable[Change]) -> int:
    """Undo changes, where nothing else has changed the same since; return how many."""
    with brief_write(path, patience=PATIENCE) as db:
        return undo_changes(db, changes, ORIGIN)


def discard(path: Path, shown: Mapping[int, str]) -> int:
    """Discard pending edits that are as they were shown: the columns go back to what Canvas has.

    ``shown`` maps edits to their fingerprints. Return how many were discarded.
    """
    with brief_write(path, patience=PATIENCE) as db:
        waiting = edits.pending_edits(db)
        return edits.discard_edits(
            db, [edit.id for edit in waiting if shown.get(edit.id) == edits.fingerprint(edit)]
        )


def keep_mine(path: Path, edit_id: int) -> bool:
    """Decide a conflict for the person's own value; return whether it still waited."""
    with brief_write(path, patience=PATIENCE) as db:
        return edits.keep_mine(db, edit_id, ORIGIN)


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft as it was saved. ``beside``: another page had changed it, so this one is saved beside it."""

    draft: SavedDraft
    beside: bool = False


def keep_draft(
    path: Path, typed: SavedDraft, version: str, uploads: Iterable[Upload] = (), removed: str = ""
) -> Kept:
    """Save what was typed, with the files that arrived, without the one ``removed``.

    ``version`` is that of the draft that the page had, empty for a new one. What another page has saved since
    stays: this one becomes a draft of its own then. Raises BadInput when it has too many files.
    """
    folder, uploads = path.parent, list(uploads)
    with closing(connect_readonly(path)) as reader:
        require_adopted(reader, folder)
    with _drafting:
        stored = drafts.read_draft(folder, typed.id)
        now = stored.version if stored is not None else ""
        same_page = stored is not None and bool(typed.page) and stored.page == typed.page
        beside = now not in (version, typed.version) and not same_page
        if beside:
            typed, stored = replace(typed, id=drafts.new_id()), None
        files = [one for one in (stored.enclosures if stored else ()) if one.sha256 != removed]
        for upload in uploads:
            drafts.take_file(folder, typed.id, upload.path, upload.sha256)
            files = [one for one in files if one.sha256 != upload.sha256]
            files.append(OutgoingFile(upload.sha256, upload.name, upload.content_type, upload.size))
        if len(files) > drafts.MOST_FILES or sum(file.size for file in files) > MOST_TOGETHER:
            for upload in uploads:
                drafts.file_path(folder, typed.id, upload.sha256).unlink(missing_ok=True)
            raise BadInput(
                f"A message may have {drafts.MOST_FILES} files and {MOST_TOGETHER // 1_000_000} MB at most."
            )
        saved = drafts.save_draft(folder, replace(typed, enclosures=tuple(files)))
        if stored is not None and any(file.sha256 == removed for file in stored.enclosures):
            drafts.file_path(folder, saved.id, removed).unlink(missing_ok=True)
        return Kept(saved, beside)


def discard_draft(path: Path, ident: str) -> bool:
    """Delete a draft and its files; return whether there was one."""
    with closing(connect_readonly(path)) as reader:
        require_adopted(reader, path.parent)
    with _drafting:
        return drafts.discard_draft(path.parent, ident)


def queue_draft(path: Path, draft: SavedDraft) -> int:
    """Put a draft into the outbox; return its number there. The draft is deleted once it waits."""
    from canvas_archive.sync.online import enclose_as

    folder = path.parent
    with _drafting:
        enclosures = tuple(
            enclose_as(folder / FILES_NAME, drafts.file_path(folder, draft.id, file.sha256), file.name)
            for file in draft.enclosures
        )
        with brief_write(path, patience=PATIENCE) as db:
            number = outbox.queue_message(db, draft.message(enclosures))
        drafts.discard_draft(folder, draft.id)
    return number


def back_to_draft(path: Path, number: int) -> SavedDraft | None:
    """Withdraw a message that waits and make a draft of it; ``None`` when it no longer waits.

    Raises BadInput for a file of it that cannot be copied; the message is as it was then.
    """
    folder = path.parent
    with brief_writer(path, patience=PATIENCE) as db, _drafting:
        queued = outbox.outbox_row(db, number)
        if queued is None or queued.state not in ("queued", "failed"):
            return None
        source = None
        if queued.draft.forwarded:
            row = db.execute(_HOME, (queued.draft.forwarded[0],)).fetchone()
            source = row[0] if row else None
        draft = SavedDraft.of_message(queued.draft, source)
        try:
            for file in draft.enclosures:
                _copy_into_draft(folder, draft.id, file)
            saved = drafts.save_draft(folder, draft)
            with transaction(db):
                now = outbox.outbox_row(db, number)
                unchanged = now is not None and (now.state, now.draft) == (queued.state, queued.draft)
                withdrawn = unchanged and outbox.discard_messages(db, [number]) > 0
        except BaseException:
            drafts.discard_draft(folder, draft.id)
            raise
        if not withdrawn:
            drafts.discard_draft(folder, draft.id)
            return None
        return saved


def _copy_into_draft(folder: Path, ident: str, file: OutgoingFile) -> None:
    try:
        with open_blob(folder / FILES_NAME, file.sha256) as data:
            arrived = drafts.incoming(folder) / f"{drafts.new_id()}.part"
            with os.fdopen(os.open(arrived, CREATE, 0o600), "wb") as copy:
                shutil.copyfileobj(data, copy)
        drafts.take_file(folder, ident, arrived, file.sha256)
    except OSError as error:
        raise BadInput(
            f"{file.name} cannot be copied into a draft: {error.strerror or error}. Nothing was changed."
        ) from error


def change_message(path: Path, number: int, *, body: str, subject: str | None) -> bool:
    """Write another text into a message of the outbox; return whether it still waited."""
    with brief_write(path, patience=PATIENCE) as db:
        return outbox.change_message(db, number, body=body, subject=subject)


def withdraw(path: Path, number: int) -> bool:
    """Withdraw a message that is not known to be sent; return whether it still waited."""
    with brief_write(path, patience=PATIENCE) as db:
        return outbox.discard_messages(db, [number]) > 0


def queue_again(path: Path, number: int) -> bool:
    """Let a message that Canvas refused wait once more; return whether it was one."""
    with brief_write(path, patience=PATIENCE) as db:
        return outbox.queue_again(db, [number]) > 0


def sentence(verb: str, changes: Sequence[Change]) -> str:
    """Say what was done."""
    if not changes:
        return f"Nothing to change: {VERBS[verb].already}."
    count = len(changes)
    return f"{count:,} conversation{'' if count == 1 else 's'} {VERBS[verb].done}."


def undone(changes: Sequence[Change], done: int) -> str:
    """Say what undoing did."""
    if not done:
        return "Nothing to undo: it has changed again since."
    if done < len(changes):
        return f"{done} of {len(changes)} undone. The others have changed again since."
    return "Undone."
