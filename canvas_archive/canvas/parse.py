"""Documents of the API as values of the model: tolerant of missing and unknown fields, strict on types.

Everything raises MalformedAnswer, naming the item and the field, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from canvas_archive.canvas import values
from canvas_archive.canvas.values import as_list, as_object, entry, identifier, named, rest, wrong
from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import (
    AccessToken,
    Attachment,
    Batch,
    Conversation,
    Course,
    Json,
    JsonObject,
    MediaComment,
    Message,
    Participant,
    Progress,
    Recipient,
    User,
)

WORKFLOW_STATES = frozenset({"read", "unread", "archived"})
DEEPEST_FORWARD = 100

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row of a page that could not be read: its id when that much was clear, and what is wrong."""

    id: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """One page of a list. ``all_ids``: the ids of the whole list, in its order, where they were asked for."""

    conversations: tuple[Conversation, ...]
    malformed: tuple[Malformed, ...] = ()
    all_ids: tuple[int, ...] | None = None


def _bounded(read: Callable[P, T]) -> Callable[P, T]:
    """Turn nesting beyond what Python can follow into the error it is."""

    @wraps(read)
    def bounded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except RecursionError:
            raise MalformedAnswer("Canvas answered with data nested too deeply.") from None

    return bounded


# -- people ------------------------------------------------------------------------------------

_PARTICIPANT = frozenset({"id", "name", "full_name", "pronouns", "avatar_url"})


def participant(value: Json, where: str) -> Participant:
    """Read a person of a conversation."""
    item, number, here = entry(value, "participant", where)
    return Participant(
        id=number,
        name=values.text(item, "name", here),
        full_name=values.text(item, "full_name", here),
        pronouns=values.text(item, "pronouns", here),
        avatar_url=values.text(item, "avatar_url", here),
        extra=rest(item, _PARTICIPANT),
    )


_USER = frozenset({"id", "name"})


def user(value: Json) -> User:
    """Read ``GET /users/self``."""
    item = as_object(value, "The user")
    name = values.text(item, "name", "The user") or values.text(item, "short_name", "The user") or ""
    return User(id=identifier(item, "id", "The user"), name=name, extra=rest(item, _USER), raw=item)


def access_token(value: Json) -> AccessToken:
    """Read a row of ``GET /users/self/user_generated_tokens``."""
    item = as_object(value, "A token")
    hint = values.text(item, "token_hint", "A token") or ""
    return AccessToken(hint=hint, expires_at=values.moment(item, "expires_at", "A token"))


_COURSE = frozenset({"id", "name", "course_code"})


def course(value: Json) -> Course:
    """Read a course; its term is the name of the ``term`` that was included."""
    item = as_object(value, "A course")
    here = named("Course", item)
    term = item.get("term")
    return Course(
        id=identifier(item, "id", here),
        name=values.text(item, "name", here),
        course_code=values.text(item, "course_code", here),
        term=values.text(term, "name", f"{here}: term") if isinstance(term, dict) else None,
        extra=rest(item, _COURSE),
        raw=item,
    )


_RECIPIENT = frozenset({"id", "name", "full_name", "user_count"})


def recipient(value: Json) -> Recipient:
    """Read a person, course, group or section a message can be sent to."""
    item = as_object(value, "A recipient")
    raw = item.get("id")
    number = values.id_or_none(raw)
    here = named("Recipient", item)
    if number is None and (not isinstance(raw, str) or not raw):
        raise wrong(here, "id", "an id")
    is_context = item.get("type") == "context" or number is None
    return Recipient(
        id=raw if isinstance(raw, str) else str(number),
        name=values.text(item, "name", here) or "",
        kind="context" if is_context else "user",
        full_name=values.text(item, "full_name", here),
        user_count=values.count(item, "user_count", here),
        extra=rest(item, _RECIPIENT),
    )


# -- messages ----------------------------------------------------------------------------------

_ATTACHMENT = frozenset({"id", "display_name", "filename", "content-type", "size", "created_at", "url"})


def attachment(value: Json, where: str = "The file") -> Attachment:
    """Read an attached file, or the file that ``GET /files/:id`` shows."""
    item, number, here = entry(value, "attachment", where)
    return Attachment(
        id=number,
        display_name=values.text(item, "display_name", here),
        filename=values.text(item, "filename", here),
        content_type=values.text(item, "content-type", here),
        size=values.count(item, "size", here),
        created_at=values.text(item, "created_at", here),
        url=values.text(item, "url", here),
        extra=rest(item, _ATTACHMENT),
        raw=item,
    )


_MEDIA = frozenset({"media_id", "media_type", "display_name", "content-type", "url"})


def _media_comment(item: JsonObject, where: str) -> MediaComment:
    here = f"{where}: media_comment"
    media_id = item.get("media_id")
    if isinstance(media_id, bool) or not isinstance(media_id, (str, int)) or media_id == "":
        raise wrong(here, "media_id", "an id")
    return MediaComment(
        media_id=media_id if isinstance(media_id, str) else str(identifier(item, "media_id", here)),
        media_type=values.text(item, "media_type", here),
        display_name=values.text(item, "display_name", here),
        content_type=values.text(item, "content-type", here),
        url=values.text(item, "url", here),
    )


_MESSAGE = frozenset(
    {
        "id",
        "author_id",
        "created_at",
        "body",
        "generated",
        "participating_user_ids",
        "attachments",
        "media_comment",
        "forwarded_messages",
    }
)


@_bounded
def message(value: Json, where: str = "Canvas's answer") -> Message:
    """Read a message with everything forwarded in it (100 levels at most, loops cut)."""
    return _message(value, where, ())


def _message(value: Json, where: str, forwarders: tuple[int, ...]) -> Message:
    item, number, here = entry(value, "message", where)
    created_at = values.moment(item, "created_at", here)
    if created_at is None:
        raise wrong(here, "created_at", "a time")
    media = item.get("media_comment")
    extra = rest(item, _MESSAGE)
    comment = None
    if media is not None:
        media = as_object(media, f"{here}: media_comment")
        comment = _media_comment(media, here)
        if unknown := rest(media, _MEDIA):
            extra["media_comment"] = unknown
    return Message(
        id=number,
        author_id=identifier(item, "author_id", here),
        created_at=created_at,
        body=values.text(item, "body", here) or "",
        generated=values.flag(item, "generated", here, False),
        participating_user_ids=values.identifiers(item, "participating_user_ids", here),
        attachments=values.items(item, "attachments", here, attachment),
        media_comment=comment,
        forwarded_messages=_forwarded(item, here, (*forwarders, number)),
        extra=extra,
    )


def _forwarded(item: JsonObject, where: str, forwarders: tuple[int, ...]) -> tuple[Message, ...]:
    field = item.get("forwarded_messages")
    if field is None:
        return ()
    inner = as_list(field, f"{where}: forwarded_messages")
    if len(forwarders) > DEEPEST_FORWARD:
        return ()
    # A message among its own forwarders is a loop: Canvas cannot make one, so following it shows nothing new.
    return tuple(
        _message(value, where.rpartition(": message")[0] + ": forwarded", forwarders)
        for value in inner
        if not (isinstance(value, dict) and values.id_or_none(value.get("id")) in forwarders)
    )


# -- conversations -----------------------------------------------------------------------------

_CONVERSATION = frozenset(
    {
        "id",
        "workflow_state",
        "subject",
        "last_message",
        "last_message_at",
        "last_authored_message",
        "last_authored_message_at",
        "message_count",
        "subscribed",
        "private",
        "starred",
        "properties",
        "audience",
        "audience_contexts",
        "avatar_url",
        "participants",
        "context_name",
        "context_code",
        "messages",
    }
)
_CONTEXT_KINDS = {"courses": "course", "groups": "group"}


@_bounded
def conversation(value: Json) -> Conversation:
    """Read a conversation: a row of the list, or one with its messages."""
    item = as_object(value, "A conversation")
    here = named("Conversation", item)
    state = values.text(item, "workflow_state", here)
    if state not in WORKFLOW_STATES:
        raise wrong(here, "workflow_state", "read, unread or archived")
    extra = rest(item, _CONVERSATION)
    contexts, unknown_contexts = _audience_contexts(item, here)
    if unknown_contexts:
        extra["audience_contexts"] = unknown_contexts
    messages = item.get("messages")
    return Conversation(
        id=identifier(item, "id", here),
        workflow_state=state,
        subject=values.text(item, "subject", here),
        last_message=values.text(item, "last_message", here),
        last_message_at=values.moment(item, "last_message_at", here),
        last_authored_message=values.text(item, "last_authored_message", here),
        last_authored_message_at=values.moment(item, "last_authored_message_at", here),
        message_count=values.count(item, "message_count", here) or 0,
        subscribed=values.flag(item, "subscribed", here, True),
        private=values.flag(item, "private", here, False),
        starred=values.flag(item, "starred", here, False),
        properties=values.texts(item, "properties", here),
        audience=values.identifiers(item, "audience", here),
        audience_contexts=contexts,
        avatar_url=values.text(item, "avatar_url", here),
        participants=values.items(item, "participants", here, participant),
        context_name=values.text(item, "context_name", here),
        context_code=values.text(item, "context_code", here),
        messages=None if messages is None else values.items(item, "messages", here, message),
        extra=extra,
        raw=item,
    )


def _audience_contexts(item: JsonObject, where: str) -> tuple[dict[str, tuple[str, ...]], JsonObject]:
    """Return the roles by context code, and the kinds of context that have no code."""
    field = item.get("audience_contexts")
    if field is None:
        return {}, {}
    here = f"{where}: audience_contexts"
    kinds = as_object(field, here)
    flat = {}
    for kind, prefix in _CONTEXT_KINDS.items():
        given = kinds.get(kind)
        if given is None:
            continue
        roles_by_id = as_object(given, f"{here}: {kind}")
        for key in roles_by_id:
            number = values.id_or_none(key)
            if number is None:
                raise wrong(here, kind, "a map by id")
            flat[f"{prefix}_{number}"] = values.texts(roles_by_id, key, here)
    return flat, rest(kinds, _CONTEXT_KINDS.keys())


def conversation_page(document: Json) -> ConversationPage:
    """Read a page of the list, bare or with all ids; a row that cannot be read does not lose the others."""
    all_ids = None
    rows = document
    if isinstance(document, dict):
        rows = document.get("conversations")
        if "conversation_ids" in document:
            all_ids = values.identifiers(document, "conversation_ids", "The list of conversations")
    good, bad = [], []
    for row in as_list(rows, "The list of conversations"):
        try:
            good.append(conversation(row))
        except MalformedAnswer as error:
            bad.append(
                Malformed(values.id_or_none(row.get("id")) if isinstance(row, dict) else None, str(error))
            )
    return ConversationPage(tuple(good), tuple(bad), all_ids)


def conversations(document: Json) -> tuple[Conversation, ...]:
    """Read the conversations that a write answers with, all of them."""
    return tuple(conversation(row) for row in as_list(document, "The list of conversations"))


# -- jobs --------------------------------------------------------------------------------------

_PROGRESS = frozenset({"id", "workflow_state", "completion", "message", "url"})


def progress(value: Json) -> Progress:
    """Read the state of a background job."""
    item = as_object(value, "The progress")
    here = named("Progress", item)
    state = values.text(item, "workflow_state", here)
    if state is None:
        raise wrong(here, "workflow_state", "a state")
    return Progress(
        id=identifier(item, "id", here),
        workflow_state=state,
        completion=values.number(item, "completion", here),
        message=values.text(item, "message", here),
        url=values.text(item, "url", here),
        extra=rest(item, _PROGRESS),
    )


_BATCH = frozenset({"id", "workflow_state", "completion", "recipient_count", "message", "tags"})


def batch(value: Json) -> Batch:
    """Read a bulk send that is still being worked on."""
    item = as_object(value, "A batch")
    here = named("Batch", item)
    state = values.text(item, "workflow_state", here)
    if state is None:
        raise wrong(here, "workflow_state", "a state")
    inner = item.get("message")
    return Batch(
        id=identifier(item, "id", here),
        workflow_state=state,
        completion=values.number(item, "completion", here),
        recipient_count=values.count(item, "recipient_count", here),
        message=None if inner is None else message(inner, here),
        tags=values.texts(item, "tags", here),
        extra=rest(item, _BATCH),
    )


def unread_count(value: Json) -> int:
    """Read the number of unread conversations, which Canvas sends as text."""
    found = values.count(as_object(value, "The unread count"), "unread_count", "The answer")
    if found is None:
        raise wrong("The answer", "unread_count", "a count")
    return found
