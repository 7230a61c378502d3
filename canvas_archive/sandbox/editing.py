"""What people do to their own view: read, archive, star, follow, remove, delete. No other person notices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from canvas_archive.sandbox.state import MailboxRow, State

STATES = ("read", "unread", "archived")
EVENTS = ("mark_as_read", "mark_as_unread", "star", "unstar", "archive", "destroy")
_TRUE_WORDS = ("yes", "y", "true", "t", "on")
_FALSE_WORDS = ("no", "n", "false", "f", "off")


def truth_of(value: object) -> bool:
    """Read a boolean as Canvas does: words, else any whole number but nought."""
    if isinstance(value, bool):
        return value
    text = str("" if value is None else value).strip().lower()
    if text in _TRUE_WORDS:
        return True
    if text in _FALSE_WORDS:
        return False
    digits = ""
    for position, character in enumerate(text):
        if not (character.isdigit() or (position == 0 and character in "+-")):
            break
        digits += character
    return digits.strip("+-") != "" and int(digits) != 0


def set_workflow_state(state: State, row: MailboxRow, wanted: object) -> None:
    """Move a row to a state; anything Canvas does not know silently becomes ``unread``."""
    new = wanted if isinstance(wanted, str) and wanted in STATES else "unread"
    _count_change(state, row, new)
    row.workflow_state = new


def set_subscribed(state: State, row: MailboxRow, wanted: bool) -> None:
    """Follow or stop following a group conversation; private ones ignore it.

    Leaving makes an unread row read. Coming back dates the row by its newest message and makes it unread when
    that is later than before, even in the archive.
    """
    if state.conversations[row.conversation_id].private or row.subscribed == wanted:
        return
    row.subscribed = wanted
    if not wanted:
        if row.workflow_state == "unread":
            set_workflow_state(state, row, "read")
        return
    before = row.last_message_at
    newest = state.newest(row)
    if before is None or newest is None:
        return
    row.last_message_at = newest.created_at
    if newest.created_at > before:
        set_workflow_state(state, row, "unread")


def update(state: State, row: MailboxRow, changes: dict[str, object]) -> None:
    """Apply ``subscribed``, ``workflow_state`` and ``starred``; the explicit state is applied last."""
    before = (row.subscribed, row.workflow_state, row.starred, row.last_message_at)
    if changes.get("subscribed") is not None:
        set_subscribed(state, row, truth_of(changes["subscribed"]))
    if "starred" in changes:
        row.starred = truth_of(changes["starred"])
    if "workflow_state" in changes:
        set_workflow_state(state, row, changes["workflow_state"])
    if before != (row.subscribed, row.workflow_state, row.starred, row.last_message_at):
        state.saved(row)


def mark_all_as_read(state: State, user_id: int, *, masquerading: bool = False) -> None:
    """Make all unread rows read in one go, which moves no ``updated_at``."""
    for row in state.rows.get(user_id, {}).values():
        hidden = masquerading and state.conversations[row.conversation_id].foreign_account
        if row.workflow_state == "unread" and not hidden:
            row.workflow_state = "read"
            state.placed(row)
    state.unread[user_id] = 0


def remove_messages(state: State, row: MailboxRow, message_ids: Iterable[int]) -> None:
    """Take messages out of one person's view; ids that are not there are ignored.

    When only generated lines would remain, those go too, and with them the conversation.
    """
    gone = set(message_ids) & set(row.visible)
    if not gone:
        return
    _hide(row, gone)
    if not any(not state.messages[number].generated for number in row.visible):
        delete(state, row)
        return
    # Canvas takes "no last_message_at" for "no messages left", so removing one message of a conversation
    # nobody has answered empties the row, although the other messages are still there.
    if row.last_message_at is None:
        _clear(state, row)
    else:
        _recount(state, row, row.last_message_at)
    state.saved(row)


def delete(state: State, row: MailboxRow) -> None:
    """Delete the conversation from one person's view. The row stays, and a new message brings it back."""
    _hide(row, set(row.visible))
    _clear(state, row)
    state.saved(row)


def restore_message(state: State, row: MailboxRow, message_id: int) -> None:
    """Bring a removed message back, as a site administrator can."""
    row.removed.remove(message_id)
    row.visible.append(message_id)
    row.visible.sort(key=lambda number: (state.messages[number].created_at, number))
    # Canvas counts every message here, generated ones too, and dates the row by the newest one.
    row.message_count = len(row.visible)
    row.last_message_at = state.messages[row.visible[-1]].created_at
    state.saved(row)


def apply_event(state: State, row: MailboxRow, event: str) -> None:
    """Apply one event of a batch update, also to rows whose messages are all deleted."""
    if event == "destroy":
        delete(state, row)
        return
    changes: dict[str, dict[str, object]] = {
        "mark_as_read": {"workflow_state": "read"},
        "mark_as_unread": {"workflow_state": "unread"},
        "archive": {"workflow_state": "archived"},
        "star": {"starred": True},
        "unstar": {"starred": False},
    }
    update(state, row, changes[event])


def _count_change(state: State, row: MailboxRow, new: str) -> None:
    if row.workflow_state != new and "unread" in (row.workflow_state, new):
        step = 1 if new == "unread" else -1
        state.unread[row.user_id] = max(state.unread.get(row.user_id, 0) + step, 0)


def _hide(row: MailboxRow, gone: set[int]) -> None:
    row.removed.extend(number for number in row.visible if number in gone)
    row.visible = [number for number in row.visible if number not in gone]


def _clear(state: State, row: MailboxRow) -> None:
    if row.workflow_state == "unread":
        set_workflow_state(state, row, "read")
    row.message_count = 0
    row.last_message_at = None
    row.visible_last_authored_at = None
    row.has_attachments = row.has_media = row.starred = False


def _recount(state: State, row: MailboxRow, dated: datetime) -> None:
    """Count what is left of a row dated so, which is at least one message that a person wrote."""
    messages = list(state.visible_messages(row))
    written = [message for message in messages if not message.generated]
    row.message_count = len(written)
    if row.subscribed:
        row.last_message_at = written[0].created_at
    else:
        times = [message.created_at for message in messages]
        row.last_message_at = next((time for time in times if time <= dated), times[-1])
    row.has_attachments = any(message.file_ids for message in messages)
    row.has_media = any(message.media is not None for message in messages)
    own = state.newest(row, author_id=row.user_id)
    row.visible_last_authored_at = own.created_at if own else None
