"""What can be forwarded, and which forwarded messages are shown below a message.

What is shown grows with what is stored. A message that two others forward is shown below both; sixty messages
that each forward the two before them would so be shown a million million times.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from canvas_archive.errors import BadInput

DEEPEST_FORWARD = 100
_MOST_REPEATED = 1000
_MOST_FORWARDED = 100
_MOST_SUBJECT = 255
_SUBJECT = "SELECT coalesce(subject, '(no subject)'), removed_at FROM conversations WHERE id = ?"
_ON_CANVAS = """
SELECT id FROM messages WHERE conversation_id = ? AND removed_at IS NULL AND NOT generated
ORDER BY created_at, id
"""


class Forwards:
    """The forwarded messages of one answer; ``links`` are the ids that each message forwards."""

    def __init__(self, links: Mapping[int, Sequence[int]]) -> None:
        self._links = links
        self._shown: set[int] = set()
        self._left = _MOST_REPEATED + 4 * sum(map(len, links.values()))

    def below(self, message_id: int, above: Collection[int]) -> Sequence[int]:
        """Return what to show below a message, which stands below ``above``.

        A message that, through broken data, forwards itself is cut off where it would repeat. Every message
        is shown with all it forwards once, and again until that has been many more than there are.
        """
        if len(above) >= DEEPEST_FORWARD - 1:
            return ()
        inner = [one for one in self._links.get(message_id, ()) if one != message_id and one not in above]
        if message_id in self._shown:
            if len(inner) > self._left:
                return ()
            self._left -= len(inner)
        self._shown.add(message_id)
        return inner


def forwardable(db: sqlite3.Connection, conversation_id: int, wanted: Sequence[int]) -> tuple[int, ...]:
    """Return the messages to forward, oldest first: those wanted, or the newest one.

    Raises BadInput for an unknown conversation, and for a message that Canvas no longer has in it.
    """
    row = db.execute(_SUBJECT, (conversation_id,)).fetchone()
    if row is None:
        raise BadInput(f"There is no conversation {conversation_id} in this archive.")
    if row[1] is not None:
        raise BadInput(f"Conversation {conversation_id} is no longer on Canvas: it cannot be forwarded.")
    there = [number for (number,) in map(tuple, db.execute(_ON_CANVAS, (conversation_id,)))]
    unknown = sorted(set(wanted) - set(there))
    if unknown:
        raise BadInput(
            f"Conversation {conversation_id} has no message {unknown[0]} that Canvas can forward. "
            f"'canvas-archive show {conversation_id}' names them."
        )
    if not there:
        raise BadInput(f"Conversation {conversation_id} has no message that Canvas can forward.")
    if len(set(wanted)) > _MOST_FORWARDED:
        raise BadInput(f"At most {_MOST_FORWARDED} messages can be forwarded at once.")
    return tuple(one for one in there if one in set(wanted)) if wanted else (there[-1],)


def forwarded_subject(db: sqlite3.Connection, conversation_id: int) -> str:
    """Return the subject of a forwarded message: ``Fwd:`` once, and that of its conversation."""
    subject = str(db.execute(_SUBJECT, (conversation_id,)).fetchone()[0])
    return (subject if subject.startswith("Fwd: ") else f"Fwd: {subject}")[:_MOST_SUBJECT]
