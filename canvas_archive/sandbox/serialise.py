"""Canvas's JSON: conversations, messages, attachments, people, as one person sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from canvas_archive.clock import iso
from canvas_archive.sandbox.addressing import course_of, replies_locked, user_uuid
from canvas_archive.sandbox.contents import stored_size
from canvas_archive.sandbox.mailbox import Group, Media, SandboxCourse, SentMessage
from canvas_archive.sandbox.state import ADMIN_ACCOUNT, Conversation, MailboxRow, State, StoredFile

Json = dict[str, Any]
PREVIEW = 100
AVATAR_LIMIT = 100
_ID_SUFFIXES = ("_id", "_ids")
_MEDIA_TYPES = {"audio": "audio/mp4", "video": "video/mp4"}
_MIME_CLASSES = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xls",
    "application/zip": "zip",
    "text/html": "html",
}


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a conversation an answer shows; the defaults are those of a single conversation."""

    avatars: bool = True
    contexts: bool = True
    uuids: bool = False
    context_name: bool = False
    beta: bool = False
    enrollments: bool = True
    indirect: bool = False
    reply_check: bool = False
    submissions: bool = False


def preview(body: str) -> str:
    """Cut a body the way the lists show it: 97 characters and three dots."""
    return body if len(body) <= PREVIEW else body[: PREVIEW - 3] + "..."


def stringify_ids(value: Any, under_id: bool = False) -> Any:
    """Turn every whole number under a key that ends in ``id`` or ``ids``, and the audience, into text."""
    if isinstance(value, dict):
        return {
            key: stringify_ids(one, key in ("id", "ids", "audience") or key.endswith(_ID_SUFFIXES))
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [stringify_ids(one, under_id) for one in value]
    if under_id and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


class Serialiser:
    """Writes JSON for one viewer. ``base`` is the address links start with; ``clean`` makes of a body what
    the server sends; ``clean_body`` does so for whole bodies, where these are to differ from previews.
    """

    def __init__(
        self,
        state: State,
        viewer_id: int,
        base: str,
        *,
        file_links: str = "verifier",
        clean: Callable[[str], str] = str,
        clean_body: Callable[[str], str] | None = None,
    ) -> None:
        self.state = state
        self.viewer_id = viewer_id
        self.base = base
        self.file_links = file_links
        self._clean = clean
        self._clean_body = clean_body or clean

    # Conversations -------------------------------------------------------------------------------------

    def conversation(
        self,
        row: MailboxRow,
        detail: Detail,
        *,
        visible: bool,
        messages: Iterable[SentMessage] | None = None,
    ) -> Json:
        """Write one row; ``messages`` are added when given."""
        state = self.state
        conversation = state.conversations[row.conversation_id]
        people = state.participants(conversation)
        audience = [user_id for user_id in people if user_id != row.user_id]
        result = self._summary(row, conversation)
        shown = people
        if messages is not None:
            result["messages"] = [self.message(message) for message in messages]
        if detail.submissions:
            result["submissions"] = []
        if detail.indirect:
            shown = people + [one for one in self._forwarded_authors(row) if one not in conversation.rows]
        codes = state.row_codes(row)
        result["audience"] = audience
        result["audience_contexts"] = self._audience_contexts(audience, codes, detail)
        result["avatar_url"] = self._conversation_avatar(people, audience)
        result["participants"] = self.people(shown, detail)
        result["visible"] = visible
        if detail.context_name:
            result["context_name"] = self._context_name(conversation, codes)
        result["context_code"] = self._context_code(conversation)
        if detail.reply_check and replies_locked(state, self.viewer_id, conversation):
            result["cannot_reply"] = True
        if detail.beta:
            result["beta"] = conversation.context_code is not None
        return result

    def _summary(self, row: MailboxRow, conversation: Conversation) -> Json:
        latest = self.state.newest(row) if row.last_message_at is not None else None
        authored = None
        if row.visible_last_authored_at is not None:
            authored = self.state.newest(row, author_id=row.user_id)
        deciding = latest or authored
        properties = []
        if deciding is not None and deciding.author_id == row.user_id:
            properties.append("last_author")
        if row.has_attachments:
            properties.append("attachments")
        if row.has_media:
            properties.append("media_objects")
        authored_at = authored.created_at if authored else row.visible_last_authored_at
        return {
            "id": row.conversation_id,
            "subject": conversation.subject,
            "workflow_state": row.workflow_state,
            "last_message": preview(self._clean(latest.body)) if latest else None,
            "last_message_at": iso(row.last_message_at) if row.last_message_at else None,
            "last_authored_message": preview(self._clean(authored.body)) if authored else None,
            "last_authored_message_at": iso(authored_at) if authored_at else None,
            "message_count": row.message_count,
            "subscribed": row.subscribed,
            "private": conversation.private,
            "starred": row.starred,
            "properties": properties,
        }

    def _audience_contexts(self, audience: list[int], codes: list[str], detail: Detail) -> Json:
        courses: dict[str, list[str]] = {}
        groups: dict[str, list[str]] = {}
        if audience:
            alone = audience[0] if len(audience) == 1 and detail.enrollments else None
            for code in codes:
                number = code.partition("_")[2]
                context = self.state.context(code)
                if isinstance(context, SandboxCourse):
                    role = context.enrollments.get(alone) if alone is not None else None
                    courses[number] = [role] if role else []
                else:
                    member = isinstance(context, Group) and alone in context.member_ids
                    groups[number] = ["Member"] if member else []
        return {"courses": courses, "groups": groups}

    def _context_name(self, conversation: Conversation, codes: list[str]) -> str | None:
        if conversation.context_code == f"account_{ADMIN_ACCOUNT}":
            return "Account"
        context = self.state.context(conversation.context_code)
        if context is None and codes:
            context = self.state.context(codes[0])
        return context.name if context else None

    def _context_code(self, conversation: Conversation) -> str | None:
        context = self.state.context(conversation.context_code)
        if isinstance(context, SandboxCourse) and self.viewer_id in self.state.admin_ids:
            return f"account_{ADMIN_ACCOUNT}"
        return conversation.context_code

    def _forwarded_authors(self, row: MailboxRow) -> list[int]:
        authors: dict[int, None] = {}
        pending = [number for message in self.state.visible_messages(row) for number in message.forwarded_ids]
        seen: set[int] = set()
        while pending:
            number = pending.pop()
            if number in seen or number not in self.state.messages:
                continue
            seen.add(number)
            message = self.state.messages[number]
            authors[message.author_id] = None
            pending.extend(message.forwarded_ids)
        return sorted(authors)

    # Messages ------------------------------------------------------------------------------------------

    def message(self, message: SentMessage) -> Json:
        """Write one message with everything it forwards, newest first."""
        forwarded = [self.state.messages[one] for one in message.forwarded_ids if one in self.state.messages]
        forwarded.sort(key=lambda one: (one.created_at, one.id), reverse=True)
        return {
            "id": message.id,
            "created_at": iso(message.created_at),
            "body": self.body(message),
            "author_id": message.author_id,
            "generated": message.generated,
            "media_comment": self._media(message.media),
            "forwarded_messages": [self.message(one) for one in forwarded],
            "attachments": [
                self.attachment(self.state.files[number], message_id=message.id)
                for number in message.file_ids
                if number in self.state.files
            ],
            "participating_user_ids": list(message.to_ids),
        }

    def body(self, message: SentMessage) -> str:
        """Return a body; a generated one is worded anew from the names people have now."""
        added = self.state.added_people.get(message.id)
        if added is None:
            return self._clean_body(message.body)
        names = [self.state.name(user_id) for user_id in added]
        adder = self.state.name(message.author_id)
        if len(names) == 1:
            return f"{names[0]} was added to the conversation by {adder}"
        listed = " and ".join(names) if len(names) == 2 else ", ".join(names[:-1]) + ", and " + names[-1]
        return f"{listed} were added to the conversation by {adder}"

    def _media(self, media: Media | None) -> Json | None:
        if media is None:
            return None
        kind = _MEDIA_TYPES.get(media.media_type, "video/mp4")
        return {
            "content-type": kind,
            "display_name": media.display_name,
            "media_id": media.media_id,
            "media_type": media.media_type,
            "url": f"{self.base}/users/{self.viewer_id}/media_download"
            f"?entryId={quote_plus(media.media_id)}&redirect=1&type=mp4",
        }

    # Files ---------------------------------------------------------------------------------------------

    def attachment(self, stored: StoredFile, *, message_id: int | None = None) -> Json:
        """Write a file. Its link carries a verifier, nothing, or the message, as the school is set up."""
        file = stored.file
        locked = stored.state == "locked"
        kind = file.content_type
        url = "" if locked else self.file_url(stored, message_id)
        thumbnail = None
        if kind.startswith("image/"):
            thumbnail = "" if locked else f"{self.base}/images/thumbnails/{file.id}/{stored.uuid}"
        result: Json = {
            "id": file.id,
            "folder_id": 100 + file.owner_id,
            "display_name": file.display_name,
            "filename": quote_plus(file.display_name),
            "upload_status": "pending" if stored.state == "pending" else "success",
            "content-type": kind,
            "url": url,
            "size": stored_size(stored),
            "created_at": iso(file.created_at),
            "updated_at": iso(file.created_at),
            "unlock_at": None,
            "locked": locked,
            "hidden": False,
            "lock_at": None,
            "hidden_for_user": False,
            "thumbnail_url": thumbnail,
            "modified_at": iso(file.created_at),
            "mime_class": self._mime_class(kind),
            "media_entry_id": None,
            "category": "uncategorized",
            "locked_for_user": locked,
        }
        if file.owner_id == self.viewer_id:
            result["uuid"] = stored.uuid
        if locked:
            result["lock_info"] = {"asset_string": f"attachment_{file.id}", "manually_locked": True}
            result["lock_explanation"] = "This file is currently locked."
        return result

    def file_url(self, stored: StoredFile, message_id: int | None) -> str:
        """Return the address a file is fetched from."""
        url = f"{self.base}/files/{stored.file.id}/download?download_frd=1"
        if self.file_links == "verifier":
            return f"{url}&verifier={stored.uuid}"
        if self.file_links == "location" and message_id is not None:
            return f"{url}&location=conversation_message_{message_id}"
        return url

    @staticmethod
    def _mime_class(kind: str) -> str:
        if kind in _MIME_CLASSES:
            return _MIME_CLASSES[kind]
        major = kind.partition("/")[0]
        if major in ("image", "audio", "video", "text"):
            return major
        return "file"

    # People --------------------------------------------------------------------------------------------

    def people(self, user_ids: Sequence[int], detail: Detail) -> list[Json]:
        """Write the people of a conversation; avatars are left out of large ones."""
        avatars = detail.avatars and len(user_ids) <= AVATAR_LIMIT
        return [self.person(user_id, detail, avatars=avatars) for user_id in user_ids]

    def person(self, user_id: int, detail: Detail, *, avatars: bool) -> Json:
        """Write one person."""
        person = self.state.people.get(user_id)
        result: Json = {
            "id": user_id,
            "name": self.state.name(user_id),
            "full_name": person.full_name if person else self.state.name(user_id),
            "pronouns": person.pronouns if person else None,
        }
        if detail.uuids:
            result["uuid"] = user_uuid(user_id)
        if detail.contexts:
            result["common_courses"] = self._common_courses(user_id)
            result["common_groups"] = self._common_groups(user_id)
        if avatars:
            result["avatar_url"] = self.avatar_url
        return result

    @property
    def avatar_url(self) -> str:
        """Return the picture of someone who has not uploaded one."""
        return f"{self.base}/images/messages/avatar-50.png"

    def _conversation_avatar(self, people: list[int], audience: list[int]) -> str:
        if len(audience) > 1:
            return f"{self.base}/images/messages/avatar-group-50.png"
        return self.avatar_url

    def _common_courses(self, user_id: int) -> dict[str, list[str]]:
        if user_id == self.viewer_id:
            return {}
        mine = self.state.enrollments(self.viewer_id)
        return {
            str(course_id): [kind]
            for course_id, kind in self.state.enrollments(user_id).items()
            if course_id in mine and not self.state.courses[course_id].concluded
        }

    def _common_groups(self, user_id: int) -> dict[str, list[str]]:
        if user_id == self.viewer_id:
            return {}
        mine = set(self.state.memberships(self.viewer_id))
        return {str(number): ["Member"] for number in self.state.memberships(user_id) if number in mine}

    def recipient_context(self, code: str) -> Json:
        """Write a course or group as something to write to."""
        context = self.state.context(code)
        count = len(context.enrollments) if isinstance(context, SandboxCourse) else 0
        result: Json = {
            "id": code,
            "name": context.name if context else code,
            "avatar_url": f"{self.base}/images/messages/avatar-group-50.png",
            "type": "context",
            "user_count": len(context.member_ids) if isinstance(context, Group) else count,
            "permissions": {},
        }
        course = course_of(self.state, code)
        if isinstance(context, Group) and course is not None:
            result["context_name"] = course.name
        return result
