"""The bytes of files and recordings: stored ones as they are, sample ones rendered on first use."""

from __future__ import annotations

import hashlib

from canvas_archive.sandbox.mailbox import Media, SandboxFile
from canvas_archive.sandbox.state import StoredFile


def file_bytes(file: SandboxFile) -> bytes:
    """Return the bytes of a file: its content if it has any, else what its recipe says.

    Raises ValueError for a recipe of an unknown kind.
    """
    if file.content is not None:
        return file.content
    # Imported late: rendering needs zip and image code that a school without sample files never uses.
    from canvas_archive.sandbox.render import render_recipe

    return render_recipe(file.recipe)


def stored_size(stored: StoredFile) -> int:
    """Return the size of a file in bytes; rendered once, then remembered."""
    if stored.size is None:
        stored.size = len(file_bytes(stored.file))
    return stored.size


def media_bytes(media: Media) -> bytes:
    """Return the recording of a media comment: a small MP4 shell, different for every recording."""
    mark = hashlib.sha256(media.media_id.encode()).digest()
    kind = b"ftypisom\x00\x00\x02\x00isomiso2mp41"
    boxes = (kind, b"free" + mark)
    return b"".join((len(box) + 4).to_bytes(4, "big") + box for box in boxes)
