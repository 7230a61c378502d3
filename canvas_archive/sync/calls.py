"""Which requests carry a set of decided edits to Canvas: a pure function.

A few edits go one conversation at a time (synchronous, and the answer is the read-back); many go as batches.
Canvas has no batch event for subscriptions, and un-archiving by batch is ``mark_as_read`` or
``mark_as_unread``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canvas_archive.sync.merge import PendingEdit

SINGLES = 10
"""Up to so many conversations are updated one by one."""

FEW = 2
"""A batch costs a request, a poll and a reading back: up to so many conversations are cheaper one by one."""

BATCH = 500
"""Canvas refuses larger batches."""

EVENTS = {
    ("workflow_state", "read"): "mark_as_read",
    ("workflow_state", "unread"): "mark_as_unread",
    ("workflow_state", "archived"): "archive",
    ("starred", "1"): "star",
    ("starred", "0"): "unstar",
}

VALUES = {
    "workflow_state": ("read", "unread", "archived"),
    "starred": ("0", "1"),
    "subscribed": ("0", "1"),
}
"""What may be sent. Canvas turns any other state silently into ``unread``."""


@dataclass(frozen=True, slots=True)
class SingleCall:
    """``PUT /api/v1/conversations/:id`` with every edited field of one conversation."""

    conversation_id: int
    edits: tuple[PendingEdit, ...]

    def describe(self) -> str:
        """Return the request as one line."""
        fields = " ".join(f"conversation[{edit.field}]={_spoken(edit)}" for edit in self.edits)
        return f"PUT /api/v1/conversations/{self.conversation_id} {fields}"


@dataclass(frozen=True, slots=True)
class BatchCall:
    """``PUT /api/v1/conversations`` with one event for up to 500 conversations."""

    event: str
    edits: tuple[PendingEdit, ...]

    @property
    def conversation_ids(self) -> list[int]:
        """Return the targets."""
        return [edit.conversation_id for edit in self.edits]

    def describe(self) -> str:
        """Return the request as one line."""
        ids = ",".join(map(str, self.conversation_ids))
        return f"PUT /api/v1/conversations event={self.event} conversation_ids[]={ids}"


Call: TypeAlias = "SingleCall | BatchCall"


def _spoken(edit: PendingEdit) -> str:
    return edit.value if edit.field == "workflow_state" else ("true" if edit.value == "1" else "false")


def is_sendable(edit: PendingEdit) -> bool:
    """Return whether Canvas knows the value: no other is ever sent."""
    return edit.value in VALUES[edit.field]


def plan_calls(edits: Iterable[PendingEdit]) -> list[Call]:
    """Return the requests for these edits, in the order they are to be made."""
    by_conversation: dict[int, list[PendingEdit]] = {}
    for edit in edits:
        by_conversation.setdefault(edit.conversation_id, []).append(edit)
    if len(by_conversation) <= SINGLES:
        return [SingleCall(id_, tuple(group)) for id_, group in by_conversation.items()]
    single: dict[int, list[PendingEdit]] = {}
    by_event: dict[str, list[PendingEdit]] = {}
    for id_, group in by_conversation.items():
        if any((edit.field, edit.value) not in EVENTS for edit in group):
            # Subscribing and unsubscribing move the state: it goes along in the same call, where it wins.
            single[id_] = group
            continue
        for edit in group:
            by_event.setdefault(EVENTS[edit.field, edit.value], []).append(edit)
    for event in [event for event, group in by_event.items() if len(group) <= FEW]:
        for edit in by_event.pop(event):
            single.setdefault(edit.conversation_id, []).append(edit)
    calls: list[Call] = [SingleCall(id_, tuple(group)) for id_, group in single.items()]
    for event, group in by_event.items():
        for start in range(0, len(group), BATCH):
            calls.append(BatchCall(event, tuple(group[start : start + BATCH])))
    return calls
