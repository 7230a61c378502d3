"""The form of a message: what was typed into it, whom that means, and what the page shows around it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from canvas_archive.errors import BadInput
from canvas_archive.store import drafts
from canvas_archive.store.addressees import Addressee, candidates, described, is_code, not_one, of_code
from canvas_archive.store.drafts import SavedDraft
from canvas_archive.store.forwarded import forwardable
from canvas_archive.web import queries
from canvas_archive.web.forms import MOST_FILE, MOST_TOGETHER, PostedForm

MOST_SUGGESTED = 400
MOST_RECIPIENTS = 100
MOST_OFFERED = 20
MOST_LISTED = 60
"""Of a conversation, so many of the newest messages can be chosen to be forwarded."""

_SEPARATOR = re.compile(r"[,;\n]")
_NUMBER = re.compile(r"[0-9]{1,18}")
_LISTED = """
SELECT m.id, m.created_at, m.author_id, coalesce(u.name, 'User ' || u.id) AS author,
  substr(m.body, 1, 120) AS text
FROM messages m JOIN users u ON u.id = m.author_id
WHERE m.conversation_id = :id AND m.removed_at IS NULL AND NOT m.generated
ORDER BY m.created_at DESC, m.id DESC LIMIT :limit
"""
_PLACES = "SELECT coalesce(course_code, name) FROM contexts WHERE coalesce(course_code, name) IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Unclear:
    """A typed name that may mean several recipients, or (``found`` is empty) nobody."""

    text: str
    found: tuple[Addressee, ...]


@dataclass(frozen=True, slots=True)
class ComposeForm:
    """The form of a message, filled in."""

    draft: SavedDraft
    action: str
    error: str
    can_send: bool
    people: Sequence[sqlite3.Row]
    chosen: Sequence[Addressee]
    unclear: Sequence[Unclear]
    listed: Sequence[sqlite3.Row]
    suggested: Sequence[str]

    @property
    def is_reply(self) -> bool:
        """Return whether this answers a conversation."""
        return self.draft.kind == "reply"

    @property
    def page(self) -> str:
        """Return a new name for the page that shows the form."""
        return drafts.new_id()

    @property
    def version(self) -> str:
        """Return which version of the draft this is; empty for one that is not saved."""
        return self.draft.version if self.draft.saved_at else ""

    @property
    def limits(self) -> str:
        """Return the limits of what can be attached."""
        each, together = MOST_FILE // 1_000_000, MOST_TOGETHER // 1_000_000
        return f"Up to {drafts.MOST_FILES} files, {each} MB each, {together} MB together."


def body_of(text: str) -> str:
    """Return a text field as it is sent: one kind of line break, no blank end."""
    return text.replace("\r\n", "\n").rstrip()


def typed_draft(form: PostedForm, stored: SavedDraft | None, blank: SavedDraft) -> SavedDraft:
    """Return what a form says; ``stored`` is the draft it came from, ``blank`` what it is of."""
    page = form.one("page")
    base = replace(stored or blank, page=page if drafts.is_id(page) else "")
    if blank.kind == "reply":
        return replace(
            base,
            kind="reply",
            conversation_id=blank.conversation_id,
            recipients=tuple(dict.fromkeys(form.all("to"))),
            everyone=bool(form.one("all")),
            body=body_of(form.one("body")),
        )
    source = form.one("forward")
    return replace(
        base,
        kind="send",
        conversation_id=int(source) if _NUMBER.fullmatch(source) else None,
        recipients=tuple(dict.fromkeys(code for code in form.all("who") if is_code(code))),
        names=form.one("to").strip()[:4000],
        subject=form.one("subject").strip(),
        body=body_of(form.one("body")),
        group=bool(form.one("group")),
        forwarded=tuple(int(one) for one in dict.fromkeys(form.all("message")) if _NUMBER.fullmatch(one)),
    )


def _names(draft: SavedDraft) -> list[str]:
    return [name for part in _SEPARATOR.split(draft.names) if (name := part.strip())]


def settle_names(connection: sqlite3.Connection, draft: SavedDraft) -> SavedDraft:
    """Return the draft with each typed name that means one recipient turned into that recipient."""
    codes, left = list(draft.recipients), []
    names = _names(draft)
    if len(names) > MOST_RECIPIENTS:
        return draft
    for name in names:
        found = [of_code(name)] if is_code(name) else candidates(connection, name)
        if len(found) == 1:
            codes.append(found[0].code)
        else:
            left.append(name)
    return replace(draft, recipients=tuple(dict.fromkeys(codes)), names=", ".join(left))


def check(connection: sqlite3.Connection, draft: SavedDraft) -> None:
    """Raise BadInput for a message that cannot be sent as it is."""
    from canvas_archive.sync.online import check_text

    if draft.kind == "reply":
        check_text(draft.body)
        _check_reply(connection, draft)
        return
    names = _names(draft)
    if not names and not draft.recipients:
        raise BadInput("Whom is it for? Give names, with commas between them.")
    if len(names) + len(draft.recipients) > MOST_RECIPIENTS:
        raise BadInput(f"At most {MOST_RECIPIENTS} names. For a whole course give its code, like course_12.")
    for name in names:
        raise BadInput(
            not_one(name, [(one.code, one.name) for one in candidates(connection, name)]).replace(
                "'canvas-archive recipients NAME'", "People"
            )
        )
    check_text(draft.body, draft.subject or None)
    if draft.conversation_id is not None:
        if not draft.forwarded:
            raise BadInput("Choose at least one message to forward.")
        forwardable(connection, draft.conversation_id, draft.forwarded)


def _check_reply(connection: sqlite3.Connection, draft: SavedDraft) -> None:
    row = connection.execute(queries.REPLY_TO, {"id": draft.conversation_id}).fetchone()
    if row is None or row["removed_at"] is not None:
        raise BadInput("This conversation is no longer on Canvas: nobody would get a reply.")
    if draft.everyone:
        return
    if not draft.recipients:
        raise BadInput("Tick whom the reply goes to.")
    people = connection.execute(queries.PEOPLE_OF, {"ids": f"[{draft.conversation_id}]"}).fetchall()
    if not set(draft.recipients) <= {str(person["id"]) for person in people}:
        raise BadInput("A reply goes only to people of its conversation. Tick them again.")


def compose_form(
    connection: sqlite3.Connection, draft: SavedDraft, owner_id: int, *, can_send: bool, error: str = ""
) -> ComposeForm:
    """Return a draft as a form."""
    if draft.kind == "reply":
        people = connection.execute(queries.PEOPLE_OF, {"ids": f"[{draft.conversation_id}]"}).fetchall()
        others = [person for person in people if person["id"] != owner_id]
        action = f"/mail/c/{draft.conversation_id}/reply"
        return ComposeForm(draft, action, error, can_send, others, (), (), (), ())
    suggested = connection.execute(queries.SUGGESTED, {"limit": MOST_SUGGESTED, "owner": owner_id})
    unclear = [
        Unclear(name, tuple(described(connection, candidates(connection, name)[:MOST_OFFERED])))
        for name in (_names(draft)[:MOST_OFFERED] if draft.saved_at or error else ())
    ]
    listed = connection.execute(_LISTED, {"id": draft.conversation_id, "limit": MOST_LISTED}).fetchall()
    return ComposeForm(
        draft,
        "/mail/new/queue",
        error,
        can_send,
        (),
        tuple(described(connection, map(of_code, draft.recipients))),
        unclear,
        listed,
        [*(row[0] for row in suggested), *(row[0] for row in connection.execute(_PLACES))],
    )


def reply_draft(folder: Path, conversation_id: int, ident: str) -> SavedDraft:
    """Return the draft of a reply: that of the name, else the one saved last, else a new one."""
    named = drafts.read_draft(folder, ident)
    saved = [named] if named is not None else drafts.list_drafts(folder)
    for draft in saved:
        if draft.kind == "reply" and draft.conversation_id == conversation_id:
            return draft
    return SavedDraft(drafts.new_id(), "reply", conversation_id)
