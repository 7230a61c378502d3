"""One request to the API, as its endpoint needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from canvas_archive.sandbox.addressing import parse_id, user_uuid
from canvas_archive.sandbox.answers import invalid, json_answer, not_found
from canvas_archive.sandbox.auth import Caller
from canvas_archive.sandbox.paging import PageParams, link_header, page_of
from canvas_archive.sandbox.params import Pairs, Params
from canvas_archive.sandbox.school import School
from canvas_archive.sandbox.serialise import Detail, Serialiser
from canvas_archive.sandbox.state import SCOPES, Conversation, MailboxRow, State


@dataclass(slots=True)
class Call:
    """Who asks what of the school. ``base`` is the address the client used; ``path`` has no ``.json``."""

    school: School
    caller: Caller
    params: Params
    query: Pairs
    base: str
    path: str
    string_ids: bool
    path_id: str = ""
    files_base: str = ""

    @property
    def state(self) -> State:
        """Return the state of the school."""
        return self.school.state

    @property
    def user_id(self) -> int:
        """Return the person this request acts for."""
        return self.caller.user_id

    @property
    def writer(self) -> Serialiser:
        """Return the JSON writer for this person."""
        return Serialiser(
            self.state, self.user_id, self.base, file_links=self.school.file_links, clean=self.school.clean
        )

    def answer(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Return a JSON answer."""
        return json_answer(body, status, headers, string_ids=self.string_ids)

    def paged(self, items: list[Any], page: PageParams, total: int) -> dict[str, str]:
        """Return the Link header for a counted list."""
        return {"Link": link_header(self.base + self.path, self.query, page, total)}

    @property
    def page(self) -> PageParams:
        """Return the wanted page."""
        return page_of(self.params)

    def number(self) -> int:
        """Return the id in the path; anything that is no id finds nothing."""
        number = parse_id(self.path_id)
        if number is None:
            raise not_found()
        return number

    def includes(self, name: str) -> bool:
        """Return whether ``include[]`` names something this token may include."""
        return name in self.params.items("include") and (self.caller.includes or name == "uuid")

    def row(self, *, deleted: bool = False) -> MailboxRow:
        """Return the caller's row the path names; deleted views only when ``deleted``."""
        row = self.state.row(self.user_id, self.number())
        if row is None or not self.sees(row) or (row.message_count <= 0 and not deleted):
            raise not_found()
        return row

    def sees(self, row: MailboxRow) -> bool:
        """Return whether a row is there for this caller: masquerading hides those of foreign accounts."""
        if row.conversation_id in self.state.orphans:
            return False
        hidden = self.caller.masquerading and self.state.conversations[row.conversation_id].foreign_account
        return not hidden

    # Scopes --------------------------------------------------------------------------------------------

    @property
    def scope(self) -> str:
        """Return the wanted scope; anything unknown is the inbox."""
        wanted = self.params.get("scope")
        return wanted if isinstance(wanted, str) and wanted in SCOPES else "inbox"

    def check_filter_mode(self) -> None:
        """Refuse a ``filter_mode`` other than ``and`` and ``or``."""
        if self.params.get("filter_mode") is not None and self.params.get("filter_mode") not in ("and", "or"):
            raise invalid("filter_mode", "invalid")

    @property
    def narrowed(self) -> bool:
        """Return whether filters or masquerading make the list shorter than the scope."""
        return bool(self.params.items("filter")) or self.caller.masquerading

    def passes(self, conversation_id: int) -> bool:
        """Return whether a conversation passes the filters and is not hidden by masquerading."""
        conversation = self.state.conversations[conversation_id]
        if self.caller.masquerading and conversation.foreign_account:
            return False
        wanted = [str(one) for one in self.params.items("filter")]
        if not wanted:
            return True
        matches = (self._matches(conversation, one) for one in wanted)
        return all(matches) if self.params.get("filter_mode") == "and" else any(matches)

    def _matches(self, conversation: Conversation, wanted: str) -> bool:
        kind, _, rest = wanted.partition("_")
        if kind == "user" and rest.isdigit():
            return int(rest) in conversation.rows
        if wanted.startswith("uuid:"):
            return any(wanted == f"uuid:{user_uuid(one)}" for one in conversation.rows)
        return wanted in self.state.row_codes(conversation.rows[self.user_id])

    def visible(self, row: MailboxRow) -> bool:
        """Return whether a row is in the wanted scope and passes its filters."""
        in_scope = self.state.folders(self.user_id).holds(self.scope, row.conversation_id)
        return in_scope and self.passes(row.conversation_id)

    # Shapes --------------------------------------------------------------------------------------------

    def detail(self, **changes: bool) -> Detail:
        """Return the detail of a single conversation's answer, changed as named."""
        enrollments = self.params.flag("include_private_conversation_enrollments", True)
        settings: dict[str, bool] = {
            "uuids": self.includes("uuid"),
            "enrollments": enrollments,
            **changes,
        }
        return Detail(**settings)
