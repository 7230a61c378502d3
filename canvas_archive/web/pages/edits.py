"""``/mail/edits``: what waits to be sent, what needs a decision, and how the rest ended."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from datasette import Response

from canvas_archive.errors import BadInput
from canvas_archive.store.verbs import state_words
from canvas_archive.web import queries, writing
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, form_of, in_thread, view
from canvas_archive.web.pending import MADE_BY, named_in_form, read_pending
from canvas_archive.web.render import plural
from canvas_archive.web.undo import remember

HISTORY = 60
REPLACED = "replaced what Canvas had"
OUTCOMES = {
    "pushed": ("ok", "sent"),
    "conflict": ("warn", "conflict"),
    "discarded": ("", "discarded"),
    "gone": ("warn", "gone from Canvas"),
    "reverted": ("warn", "taken back by Canvas"),
}
ACT_OUTCOMES = {"done": "ok", "refused": "warn", "unknown": "warn", "begun": "warn"}


@dataclass(frozen=True, slots=True)
class EditLine:
    """A settled edit in words."""

    id: int
    conversation_id: int
    subject: str
    change: str
    made_by: str
    outcome: str
    tone: str
    settled_at: str | None
    detail: str


def line_of(row: sqlite3.Row) -> EditLine:
    """Describe a settled row of the journal."""
    tone, outcome = OUTCOMES.get(row["state"], ("", row["state"]))
    detail = row["detail"] or ""
    if row["state"] == "pushed" and detail.startswith("conflict:"):
        tone, outcome = "warn", REPLACED
    return EditLine(
        id=row["id"],
        conversation_id=row["conversation_id"],
        subject=row["subject"] or "(no subject)",
        change=f"{state_words(row['field'], row['base_value'])} → {state_words(row['field'], row['value'])}",
        made_by=MADE_BY.get(row["origin"], f"by {row['origin']}"),
        outcome=outcome,
        tone=tone,
        settled_at=row["settled_at"] or row["made_at"],
        detail="" if detail in ("discarded", "set back") else detail,
    )


@dataclass(frozen=True, slots=True)
class ActLine:
    """An act on Canvas in words."""

    conversation_id: int | None
    subject: str
    command: str
    answer: str
    at: str
    outcome: str
    tone: str


def act_line(row: sqlite3.Row) -> ActLine:
    """Describe a row of the journal of acts."""
    begun = row["state"] == "begun"
    return ActLine(
        conversation_id=row["conversation_id"],
        subject=row["subject"] or "(no subject)",
        command=row["command"],
        answer="no answer is recorded" if begun else row["answer"] or "",
        at=row["ended_at"] or row["begun_at"],
        outcome="unknown" if begun else row["state"],
        tone=ACT_OUTCOMES[row["state"]],
    )


@view(table="edits")
async def journal(page_request: PageRequest) -> Any:
    """Answer with what waits, and how the rest ended."""

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        unsettling = connection.execute(queries.UNSETTLING_EDITS, {"limit": HISTORY})
        settled = [line_of(row) for row in connection.execute(queries.SETTLED_EDITS, {"limit": HISTORY})]
        replaced = [line for line in settled if line.outcome == REPLACED]
        return {
            "title": "Changes",
            "can_sync": page_request.can_sync,
            "pending": read_pending(connection, frame.counts),
            "unsettling": [*replaced, *map(line_of, unsettling)],
            "settled": [line for line in settled if line.outcome != REPLACED],
            "acts": list(map(act_line, connection.execute(queries.ACTS, {"limit": HISTORY}))),
        }

    return await page_request.page("mail/edits.html", build, active="edits")


def _edit_of(page_request: PageRequest) -> int:
    chosen = form_of(page_request).one("edit")
    if not re.fullmatch(r"[0-9]{1,18}", chosen):
        raise BadInput("Choose a change first.")
    return int(chosen)


@view(table="edits", method="POST")
async def discard(page_request: PageRequest) -> Any:
    """``POST /mail/edits/discard``: take back the pending changes (``edit``) that the form shows."""
    named = named_in_form(form_of(page_request).all("edit"))
    if not named:
        raise BadInput("Choose a change first.")
    done = await in_thread(lambda: writing.discard(page_request.archive.path, named))
    return answer(
        page_request, f"{plural(done, 'change')} discarded." if done else "That change is no longer waiting."
    )


@view(table="edits", method="POST")
async def keep(page_request: PageRequest) -> Any:
    """``POST /mail/edits/keep``: decide a conflict for one's own value, which waits to be sent then."""
    chosen = _edit_of(page_request)
    done = await in_thread(lambda: writing.keep_mine(page_request.archive.path, chosen))
    return answer(page_request, "Yours waits to be sent." if done else "That change is no longer waiting.")


def answer(page_request: PageRequest, message: str) -> Any:
    """Answer a form of the page: a sentence for its script, else the page again with the sentence."""
    if page_request.wants_json:
        return Response.json({"ok": True, "message": message, "undo": None, "changed": []})
    notice = remember(page_request.datasette, message)
    return Response.redirect(page_request.path(f"/mail/edits?done={notice.key}"), status=303)
