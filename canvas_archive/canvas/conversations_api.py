"""The Conversations API: reading the inbox, writing messages, changing flags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from canvas_archive.canvas import parse
from canvas_archive.canvas.endpoints import Endpoints
from canvas_archive.canvas.parse import WORKFLOW_STATES, ConversationPage
from canvas_archive.canvas.transport import Pairs
from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Batch, Conversation, Json, Progress

Scope = Literal["inbox", "unread", "archived", "sent", "starred"]
SCOPES: tuple[Scope, ...] = ("inbox", "unread", "archived", "sent", "starred")
BATCH_EVENTS = frozenset({"mark_as_read", "mark_as_unread", "star", "unstar", "archive", "destroy"})
BATCH_SIZE = 500
"""Canvas takes at most this many conversations in one batch update."""


class ConversationsApi(Endpoints):
    """The endpoints under ``/conversations``. Every method raises CanvasProblem or CredentialProblem errors.

    Reading may be repeated and is, within the patience. Writing is repeated only where Canvas certainly did
    not act (throttled, not connected) or where repeating sets the same absolute values.
    """

    def conversations(
        self,
        scope: Scope = "inbox",
        *,
        per_page: int = 100,
        with_all_ids: bool = False,
        filters: Sequence[str] = (),
        filter_mode: Literal["or", "and"] = "or",
        include: Sequence[str] = (),
    ) -> Iterator[ConversationPage]:
        """Yield the pages of a list, newest first; rows that cannot be read are in ``malformed``.

        ``per_page`` is 1 to 100. ``filters`` are codes (``course_1``, ``group_1``, ``user_1``). With
        ``with_all_ids`` the first page has the ids of the whole list. The list may move between pages.

        Raises ValueError for an unknown scope; UnsafeRedirect or MalformedAnswer for a next link that
        leaves the host or goes in circles.

        :calls: GET /api/v1/conversations
        """
        if scope not in SCOPES:
            # Canvas answers any unknown scope with the inbox.
            raise ValueError(f"unknown scope {scope!r}")
        params = [("scope", str(scope)), ("per_page", str(per_page))]
        if with_all_ids:
            params.append(("include_all_conversation_ids", "1"))
        params += [("filter[]", code) for code in filters]
        if filters:
            params.append(("filter_mode", filter_mode))
        params += [("include[]", what) for what in include]
        return self._conversation_pages(tuple(params))

    def _conversation_pages(self, params: Pairs) -> Iterator[ConversationPage]:
        for document in self._pages("/conversations", params, _row_count):
            yield parse.conversation_page(document)

    def conversation(self, conversation_id: int, *, auto_mark_as_read: bool = False) -> Conversation:
        """Return a conversation with all its messages, newest first. Marks nothing as read unless asked to.

        Raises NotFound when the caller has no such conversation (any more), MalformedAnswer when any part
        of it cannot be read: never a part of a conversation.

        :calls: GET /api/v1/conversations/:id
        """
        # Canvas's own default is to mark as read, so the parameter is always sent.
        params = (("auto_mark_as_read", _boolean(auto_mark_as_read)),)
        found = parse.conversation(self._read(_path(conversation_id), params))
        if found.id != int(conversation_id) or found.messages is None:
            lack = "no messages" if found.messages is None else f"conversation {found.id}"
            raise MalformedAnswer(
                f"Canvas answers with {lack} when asked for conversation {conversation_id}."
            )
        return found

    def create_conversation(
        self,
        recipients: Sequence[str | int],
        body: str,
        *,
        subject: str | None = None,
        group_conversation: bool = False,
        bulk_message: bool = False,
        force_new: bool = False,
        attachment_ids: Sequence[int] = (),
        forwarded_message_ids: Sequence[int] = (),
        media_comment_id: str | None = None,
        media_comment_type: str | None = None,
        mode: Literal["sync", "async"] = "sync",
        context_code: str | None = None,
    ) -> tuple[Conversation, ...]:
        """Send a message; return the conversations it made or reused, none for an asynchronous bulk send.

        Recipients are user ids or codes like ``course_1_students``. Several recipients without
        ``group_conversation`` make one conversation each. An existing private conversation is reused, and the
        subject then ignored, unless ``force_new``.

        Raises BadRequest (no or unknown recipients, no body, too many for a group), NotPermitted. Never sent
        twice: an Unreachable says that it is unknown whether it was sent.

        :calls: POST /api/v1/conversations
        """
        form = [("recipients[]", str(one)) for one in recipients]
        if subject is not None:
            form.append(("subject", subject))
        form.append(("body", body))
        form += [(name, "true") for name, wanted in (
            ("group_conversation", group_conversation),
            ("bulk_message", bulk_message),
            ("force_new", force_new),
        ) if wanted]  # fmt: skip
        form += [("attachment_ids[]", str(int(one))) for one in attachment_ids]
        form += [("forwarded_message_ids[]", str(int(one))) for one in forwarded_message_ids]
        form += _media(media_comment_id, media_comment_type)
        if mode != "sync":
            form.append(("mode", mode))
        if context_code is not None:
            form.append(("context_code", context_code))
        document = self._write("POST", "/conversations", tuple(form))
        return () if document is None else self._written(parse.conversations, document)

    def running_batches(self) -> Iterator[Batch]:
        """Yield the caller's bulk sends that are still being worked on.

        :calls: GET /api/v1/conversations/batches
        """
        return self._rows("/conversations/batches", (("per_page", "100"),), parse.batch)

    def update_conversation(
        self,
        conversation_id: int,
        *,
        workflow_state: str | None = None,
        starred: bool | None = None,
        subscribed: bool | None = None,
    ) -> Conversation:
        """Set flags of the caller's own view; return the conversation as it is then, without messages.

        Setting is repeated when an answer got lost. Raises ValueError, before anything is sent, for an
        unknown state (Canvas would take it for unread) or nothing to set; NotFound.

        :calls: PUT /api/v1/conversations/:id
        """
        if workflow_state is not None and workflow_state not in WORKFLOW_STATES:
            raise ValueError(f"unknown workflow_state {workflow_state!r}")
        form = []
        if workflow_state is not None:
            form.append(("conversation[workflow_state]", workflow_state))
        if starred is not None:
            form.append(("conversation[starred]", _boolean(starred)))
        if subscribed is not None:
            form.append(("conversation[subscribed]", _boolean(subscribed)))
        if not form:
            raise ValueError("nothing to set")
        return self._written(
            parse.conversation, self._write("PUT", _path(conversation_id), tuple(form), idempotent=True)
        )

    def mark_all_as_read(self) -> None:
        """Mark every unread conversation of the caller's as read; archived ones stay as they are.

        :calls: POST /api/v1/conversations/mark_all_as_read
        """
        self._write("POST", "/conversations/mark_all_as_read")

    def delete_conversation(self, conversation_id: int) -> Conversation:
        """Delete the caller's view of a conversation; return what Canvas shows of it for the last time.

        Raises NotFound.

        :calls: DELETE /api/v1/conversations/:id
        """
        return self._written(parse.conversation, self._write("DELETE", _path(conversation_id)))

    def add_recipients(self, conversation_id: int, recipients: Sequence[str | int]) -> Conversation:
        """Add people to a group conversation; return it with the newest message.

        Raises BadRequest (nobody, or too many), NotFound; ServerFailure for a private conversation.

        :calls: POST /api/v1/conversations/:id/add_recipients
        """
        form = tuple(("recipients[]", str(one)) for one in recipients)
        return self._written(
            parse.conversation, self._write("POST", f"{_path(conversation_id)}/add_recipients", form)
        )

    def add_message(
        self,
        conversation_id: int,
        body: str,
        *,
        recipients: Sequence[str | int] = (),
        attachment_ids: Sequence[int] = (),
        included_messages: Sequence[int] = (),
        media_comment_id: str | None = None,
        media_comment_type: str | None = None,
    ) -> Conversation:
        """Reply; return the conversation with the new message alone (its id is 0 when Canvas queued it).

        ``recipients`` narrows who gets it; ``included_messages`` shows them older ones. Raises BadRequest,
        NotPermitted (course concluded, replies locked), NotFound. Never sent twice.

        :calls: POST /api/v1/conversations/:id/add_message
        """
        form = [("body", body)]
        form += [("recipients[]", str(one)) for one in recipients]
        form += [("attachment_ids[]", str(int(one))) for one in attachment_ids]
        form += [("included_messages[]", str(int(one))) for one in included_messages]
        form += _media(media_comment_id, media_comment_type)
        return self._written(
            parse.conversation, self._write("POST", f"{_path(conversation_id)}/add_message", tuple(form))
        )

    def remove_messages(self, conversation_id: int, message_ids: Sequence[int]) -> Conversation | None:
        """Delete messages from the caller's view; return the conversation as it is then, without messages.

        ``None`` when Canvas answers with nothing (no ids given). Unknown ids are ignored. Raises NotFound.

        :calls: POST /api/v1/conversations/:id/remove_messages
        """
        form = tuple(("remove[]", str(int(one))) for one in message_ids)
        document = self._write("POST", f"{_path(conversation_id)}/remove_messages", form)
        return None if document is None else self._written(parse.conversation, document)

    def batch_update(self, conversation_ids: Sequence[int], event: str) -> Progress:
        """Do one thing to up to 500 conversations in the background; return the job to watch.

        Events: mark_as_read, mark_as_unread, star, unstar, archive, destroy. A completed job may have failed
        for some ids: its ``message`` says so. Repeated when an answer got lost, except destroy: setting a
        state twice is setting it once. Raises ValueError, before anything is sent, for no ids, over
        500, or an unknown event.

        :calls: PUT /api/v1/conversations
        """
        if event not in BATCH_EVENTS:
            raise ValueError(f"unknown event {event!r}")
        if not 0 < len(conversation_ids) <= BATCH_SIZE:
            raise ValueError(f"a batch holds 1 to {BATCH_SIZE} conversations, not {len(conversation_ids)}")
        form = (("event", event), *(("conversation_ids[]", str(int(one))) for one in conversation_ids))
        document = self._write("PUT", "/conversations", form, idempotent=event != "destroy")
        return self._written(parse.progress, document)

    def unread_count(self) -> int:
        """Return the number of unread conversations as Canvas has it cached; it may lag behind.

        :calls: GET /api/v1/conversations/unread_count
        """
        return parse.unread_count(self._read("/conversations/unread_count"))


def _path(conversation_id: int) -> str:
    return f"/conversations/{int(conversation_id)}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _media(media_id: str | None, media_type: str | None) -> Pairs:
    if media_id is None:
        return ()
    return (("media_comment_id", media_id), *((("media_comment_type", media_type),) if media_type else ()))


def _row_count(document: Json) -> int:
    rows = document.get("conversations") if isinstance(document, dict) else document
    return len(rows) if isinstance(rows, list) else 0
