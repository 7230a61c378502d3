"""The journal of requests that change Canvas at once: written before each one leaves, and with its answer."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from canvas_archive.errors import (
    BadRequest,
    CredentialProblem,
    NotFound,
    NotPermitted,
    Throttled,
    Unreachable,
)
from canvas_archive.store import transaction
from canvas_archive.store.acts import ActRequest, begin_act, settle_act, settle_left, unsettled_acts
from canvas_archive.store.chain import extend_chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from canvas_archive.clock import Clock
    from canvas_archive.model import JsonObject
    from canvas_archive.store import Archive
    from canvas_archive.store.acts import Outcome
    from canvas_archive.store.outbox import Draft, OutgoingFile

_CONVERSATIONS = "/api/v1/conversations"
_REFUSALS = (BadRequest, NotPermitted, NotFound, Throttled, CredentialProblem)


@dataclass(slots=True)
class ActAnswer:
    """What Canvas answered, filled in by the caller: words, and the ids of what it made."""

    words: str = "done"
    result_ids: Sequence[int] = ()


@contextmanager
def recorded(archive: Archive, clock: Clock, request: ActRequest) -> Iterator[ActAnswer]:
    """Record a request, let the block send it, and record the answer or the error.

    The block must do nothing else. A process that is killed in it leaves the act as begun.
    """
    with transaction(archive.db):
        number = begin_act(archive.db, request, clock=clock)
    answer = ActAnswer()
    try:
        yield answer
    except BaseException as error:
        with transaction(archive.db):
            settle_act(archive.db, number, outcome_of(error), words_of(error), clock=clock)
        raise
    with transaction(archive.db):
        settle_act(archive.db, number, "done", answer.words, answer.result_ids, clock=clock)


def outcome_of(error: BaseException) -> Outcome:
    """Return what an error says about the request: refused only where Canvas certainly did not act."""
    if isinstance(error, _REFUSALS) or (isinstance(error, Unreachable) and error.never_sent):
        return "refused"
    return "unknown"


def words_of(error: BaseException) -> str:
    """Return an error in words. Canvas's errors contain the status."""
    return str(error) or f"ended by {type(error).__name__}"


@contextmanager
def chained(archive: Archive, clock: Clock) -> Iterator[None]:
    """Add what the block records to the evidence chain at its end, also when it raises."""
    try:
        yield
    finally:
        with transaction(archive.db):
            extend_chain(archive.db, clock=clock)


def settle_unfinished(archive: Archive, clock: Clock) -> list[str]:
    """Settle the acts of a process that died as unknown; return a sentence for each."""
    if not unsettled_acts(archive.db):
        return []
    with transaction(archive.db):
        left = settle_left(archive.db, clock=clock)
    return [act.sentence() for act in left]


# -- what each command sends ------------------------------------------------------------------------------


def deletion(conversation_id: int) -> ActRequest:
    """Return the request of ``delete``, for one conversation."""
    return ActRequest("delete", f"DELETE {_CONVERSATIONS}/{conversation_id}", conversation_id)


def reading_all() -> ActRequest:
    """Return the request of ``mark-all-read``."""
    return ActRequest("mark-all-read", f"POST {_CONVERSATIONS}/mark_all_as_read")


def removal(conversation_id: int, message_ids: Sequence[int]) -> ActRequest:
    """Return the request of ``remove-messages``."""
    return ActRequest(
        "remove-messages",
        f"POST {_CONVERSATIONS}/{conversation_id}/remove_messages",
        conversation_id,
        tuple(message_ids),
        parameters={"remove[]": list(message_ids)},
    )


def addition(conversation_id: int, codes: Sequence[str]) -> ActRequest:
    """Return the request of ``add-recipients``."""
    return ActRequest(
        "add-recipients",
        f"POST {_CONVERSATIONS}/{conversation_id}/add_recipients",
        conversation_id,
        recipients=len(codes),
        parameters={"recipients[]": list(codes)},
    )


def upload(enclosure: OutgoingFile, conversation_id: int | None) -> ActRequest:
    """Return the request that brings a file to Canvas for a message."""
    return ActRequest(
        "upload", "POST /api/v1/users/self/files", conversation_id, parameters=asdict(enclosure)
    )


def message(draft: Draft) -> ActRequest:
    """Return the request of ``send`` or ``reply``."""
    parameters: JsonObject = {
        "recipients[]": list(draft.recipients),
        "subject": draft.subject,
        "body": draft.body,
        "group_conversation": draft.group,
        "force_new": draft.force_new,
        "context_code": draft.context_code,
        "forwarded_message_ids[]": list(draft.forwarded),
        "attachment_ids[]": [enclosure.file_id for enclosure in draft.enclosures],
    }
    request = f"POST {_CONVERSATIONS}"
    if draft.conversation_id is not None:
        request += f"/{draft.conversation_id}/add_message"
    return ActRequest(
        draft.kind,
        request,
        draft.conversation_id,
        recipients=len(draft.recipients) or None,
        parameters={name: value for name, value in parameters.items() if value},
    )
