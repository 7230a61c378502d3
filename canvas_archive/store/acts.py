"""The journal of acts: what was done on Canvas at once, each request with who, when, what and the answer.

    begun    committed before the request leaves
    done     Canvas carried it out
    refused  Canvas refused it, or certainly never got it
    unknown  no readable answer came, or the program ended before it did

Edits have their own journal (``edits``). Only the holder of the writer's lock begins an act, and settles it
before the next one: a ``begun`` act that another process finds is one whose process died. Triggers keep the
table append-only: an act is settled once, and nothing else of it ever changes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from canvas_archive.clock import SYSTEM, Clock, iso
from canvas_archive.store.journal import journaled, note_new
from canvas_archive.store.rows import clean, ids_json, to_json

if TYPE_CHECKING:
    from canvas_archive.model import JsonObject

Outcome: TypeAlias = Literal["done", "refused", "unknown"]

_COLUMNS = (
    "id, command, conversation_id, message_ids, recipients, request, parameters, user_id, as_user_id, "
    "begun_at, state, ended_at, answer, result_ids"
)
_ALL = f"SELECT {_COLUMNS} FROM acts ORDER BY id"  # noqa: S608 (constants)
_UNSETTLED = f"SELECT {_COLUMNS} FROM acts WHERE state = 'begun' ORDER BY id"  # noqa: S608 (constants)
_BEGIN = """
INSERT INTO acts (command, conversation_id, message_ids, recipients, request, parameters, user_id, as_user_id,
  begun_at)
SELECT ?, ?, ?, ?, ?, ?, user_id, as_user_id, ? FROM account
"""
_SETTLE = """
UPDATE acts SET state = ?, ended_at = ?, answer = ?, result_ids = ? WHERE id = ? AND state = 'begun'
"""
_ENDED = "the program ended before it noted Canvas's answer"


@dataclass(frozen=True, slots=True)
class ActRequest:
    """A request that is about to be sent: all of it but the token. ``recipients`` counts those named."""

    command: str
    request: str
    conversation_id: int | None = None
    message_ids: tuple[int, ...] = ()
    recipients: int | None = None
    parameters: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act:
    """One row of the journal."""

    id: int
    command: str
    conversation_id: int | None
    message_ids: list[int]
    recipients: int | None
    request: str
    parameters: JsonObject
    user_id: int
    as_user_id: int | None
    begun_at: str
    state: str
    ended_at: str | None
    answer: str | None
    result_ids: list[int]

    def sentence(self) -> str:
        """Return what is known of an act without an answer."""
        where = "" if self.conversation_id is None else f" (conversation {self.conversation_id})"
        return (
            f"'{self.command}'{where}, begun {self.begun_at}, has no recorded answer: it is unknown whether "
            f"Canvas did it. Look on Canvas before you repeat it."
        )


def begin_act(db: sqlite3.Connection, request: ActRequest, *, clock: Clock = SYSTEM) -> int:
    """Write down a request before it is sent; return the act's number. The caller holds the transaction."""
    values = (
        request.command,
        request.conversation_id,
        ids_json(request.message_ids),
        request.recipients,
        request.request,
        to_json(request.parameters),
        iso(clock.now()),
    )
    settle_left(db, clock=clock)
    number = db.execute(_BEGIN, values).lastrowid or 0
    note_new(db, "acts", number)
    return number


def settle_act(
    db: sqlite3.Connection,
    number: int,
    state: Outcome,
    answer: str,
    result_ids: Iterable[int] = (),
    *,
    clock: Clock = SYSTEM,
) -> None:
    """Write down what Canvas answered. The caller holds the transaction."""
    with journaled(db, "acts", [number]):
        db.execute(_SETTLE, (state, iso(clock.now()), clean(answer), ids_json(result_ids), number))


def settle_left(db: sqlite3.Connection, *, clock: Clock = SYSTEM) -> list[Act]:
    """Settle as unknown what a process that died had begun; return these acts.

    The caller holds the transaction and the writer's lock.
    """
    left = unsettled_acts(db)
    for act in left:
        settle_act(db, act.id, "unknown", _ENDED, clock=clock)
    return left


def unsettled_acts(db: sqlite3.Connection) -> list[Act]:
    """Return the acts without an answer: those of a process that died, or of one at work right now."""
    return [_act(row) for row in db.execute(_UNSETTLED)]


def list_acts(db: sqlite3.Connection) -> list[Act]:
    """Return every act, in the order they were begun."""
    return [_act(row) for row in db.execute(_ALL)]


def _act(row: sqlite3.Row) -> Act:
    values = dict(zip(Act.__slots__, row, strict=True))
    for name in ("message_ids", "parameters", "result_ids"):
        values[name] = json.loads(values[name])
    return Act(**values)
