"""The three-way decision for one local edit: a pure function, and the table the README publishes.

``base`` is what Canvas had when the edit was made, ``value`` is what the person wants, ``remote`` is what
Canvas has now (just read). Fields are decided one by one: a star never conflicts with archiving.
Values are text, as in the journal: ``0``/``1``, or ``read``/``unread``/``archived``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Policy: TypeAlias = Literal["local", "remote", "ask"]
Field: TypeAlias = Literal["starred", "workflow_state", "subscribed"]


@dataclass(frozen=True, slots=True)
class PendingEdit:
    """A change in the journal that was not sent to Canvas yet."""

    id: int
    conversation_id: int
    field: Field
    base: str
    value: str
    again: bool = False
    """Queued by a sync, because Canvas had undone it: nothing that happened since is overruled."""


@dataclass(frozen=True, slots=True)
class Send:
    """Tell Canvas; ``detail`` is journalled with the settled edit when there is something to say."""

    edit: PendingEdit
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class AlreadySo:
    """Canvas has what the person wants: settled without a request."""

    edit: PendingEdit


@dataclass(frozen=True, slots=True)
class Yield:
    """Canvas's value is taken and the edit marked ``conflict``; ``detail`` says why."""

    edit: PendingEdit
    detail: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A person has to decide; the edit stays pending."""

    edit: PendingEdit
    remote: str


@dataclass(frozen=True, slots=True)
class TargetGone:
    """The conversation is no longer on Canvas: the edit is marked ``gone``."""

    edit: PendingEdit


Decision: TypeAlias = "Send | AlreadySo | Yield | Ask | TargetGone"


def decide(edit: PendingEdit, remote: str | None, *, new_message: bool, policy: Policy) -> Decision:
    """Decide one edit. ``remote`` is ``None`` when Canvas answers 404 for the conversation.

    ``new_message``: a message came since the person last saw the conversation: that beats a
    archiving, under every policy, because archiving would hide a message that was never read.
    """
    if remote is None:
        return TargetGone(edit)
    if remote == edit.value:
        return AlreadySo(edit)
    if edit.again and remote != edit.base:
        return Yield(edit, f"it is {remote} on Canvas now, and stays so")
    if edit.field == "workflow_state" and edit.value == "archived" and new_message:
        return Yield(edit, "a new message arrived: the conversation stays in the inbox")
    if remote == edit.base:
        return Send(edit)
    if policy == "local":
        return Send(edit, f"conflict: Canvas had {remote}; the local wish won")
    if policy == "remote":
        return Yield(edit, f"conflict: Canvas had {remote}, and it was kept")
    return Ask(edit, remote)


def protect_states(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the decisions, with the state sent along where a subscription is changed.

    Unsubscribing makes Canvas mark the conversation as read, subscribing may make it unread: a state
    that is already right would be lost. In one request an explicit state wins.
    """
    settled = list(decisions)
    moved = {
        one.edit.conversation_id
        for one in settled
        if isinstance(one, Send) and one.edit.field == "subscribed"
    }
    return [
        Send(one.edit)
        if isinstance(one, AlreadySo)
        and one.edit.field == "workflow_state"
        and one.edit.conversation_id in moved
        else one
        for one in settled
    ]


CONFLICT_TABLE = """\
| you, since the last sync | Canvas, since the last sync | what `push` does |
|---|---|---|
| unchanged | changed | takes Canvas's value (any `sync` does) |
| changed | unchanged | sends yours, reads it back |
| changed | changed to the same | nothing to send; the edit is settled |
| changed | changed to something else | conflict: sends yours and journals it; `--on-conflict remote` takes Canvas's, `--on-conflict ask` asks (without a terminal: leaves it pending, exit 6) |
| want it archived | a new message arrived | the message wins: back to the inbox, edit marked `conflict` |
| changed | gone (404) | edit marked `gone`, conversation marked removed |
| archived and pushed | unread again within the hour, with no new message | a `sync` says so and queues it; `push` archives it once more, unless it changed on Canvas since; undone again, edit marked `reverted` |
"""  # noqa: E501 (a table row is one line)
