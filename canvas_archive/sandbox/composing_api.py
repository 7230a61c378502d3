"""Writing messages through the API: a new conversation or a reply, with Canvas's checks in Canvas's order."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.responses import Response

from canvas_archive.sandbox import delivery
from canvas_archive.sandbox.addressing import (
    MAX_GROUP_SIZE,
    course_of,
    may_send_to_all,
    may_use_context,
    parse_id,
    replies_locked,
    resolve,
    teaches,
)
from canvas_archive.sandbox.answers import Refusal, forbidden, invalid, server_error
from canvas_archive.sandbox.call import Call
from canvas_archive.sandbox.delivery import Draft
from canvas_archive.sandbox.jobs import Batch
from canvas_archive.sandbox.mailbox import Media, SandboxCourse, SentMessage
from canvas_archive.sandbox.state import Conversation, MailboxRow

MAX_SUBJECT = 255
MAX_BODY = 64 * 1024 - 1
ATTACHMENTS_FOLDER = "conversation attachments"


def create(call: Call) -> Response:
    """:calls: POST /api/v1/conversations"""
    call.check_filter_mode()
    people = _check_recipients(call)
    if call.params.blank("body"):
        raise invalid("body", "blank")
    context_code = _check_context(call, people)
    for recipient in call.params.items("recipients"):
        if not may_send_to_all(call.state, call.user_id, recipient):
            raise invalid("recipients", "restricted by role")
    group = call.params.flag("group_conversation")
    one_each_group = (group and call.params.flag("bulk_message")) or call.params.flag("force_new")
    draft = _draft(call, forwards=True)
    if not one_each_group and len(people) > MAX_GROUP_SIZE:
        raise invalid("recipients", "too many for group conversation")
    everyone = list(dict.fromkeys([call.user_id, *people]))
    reused = (
        not (group or one_each_group)
        and delivery.existing_private(call.state, everyone, context_code) is not None
    )
    subject = None if reused else _check_subject(call)
    if one_each_group or (not group and len(people) > 1):
        return _create_many(call, people, draft, subject, context_code, private=not one_each_group)
    conversation = delivery.open_conversation(
        call.state,
        everyone,
        private=not group,
        subject=subject,
        context_code=context_code,
    )
    message = delivery.post(call.state, conversation, draft, call.school.next_moment())
    row = conversation.rows[call.user_id]
    body = call.writer.conversation(
        row, call.detail(indirect=True), visible=call.visible(row), messages=[message]
    )
    return call.answer([body], 201)


def add_message(call: Call) -> Response:
    """:calls: POST /api/v1/conversations/:id/add_message"""
    call.check_filter_mode()
    row = call.row(deleted=True)
    conversation = call.state.conversations[row.conversation_id]
    course = course_of(call.state, conversation.context_code)
    if course is not None and course.concluded and call.user_id not in call.state.admin_ids:
        raise invalid("workflow_state", "Course concluded, unable to send messages", 401)
    if replies_locked(call.state, call.user_id, conversation):
        raise forbidden()
    if call.params.blank("body"):
        raise invalid("empty_message", "Unable to create message without a body")
    people = _named_recipients(call, conversation)
    included = _check_included(call, row, conversation)
    draft = _draft(call, forwards=False)
    moment = call.school.next_moment()
    if len(conversation.rows) >= MAX_GROUP_SIZE:
        call.school.jobs.queued_calls.append(
            partial(_reply, call, conversation, draft, moment, people, included)
        )
        message = SentMessage(0, call.user_id, moment, draft.body, [], file_ids=list(draft.file_ids))
        message.media = draft.media
        status = 202
    else:
        message = _reply(call, conversation, draft, moment, people, included)
        status = 200
    body = call.writer.conversation(row, call.detail(), visible=call.visible(row), messages=[message])
    return call.answer(body, status)


def _reply(
    call: Call,
    conversation: Conversation,
    draft: Draft,
    moment: Any,
    people: list[int] | None,
    included: list[int],
) -> SentMessage:
    if people is not None and not conversation.private:
        delivery.join_silently(call.state, conversation, people)
    for number in included:
        delivery.share(call.state, conversation, number, people if people is not None else conversation.rows)
    return delivery.post(call.state, conversation, draft, moment, to_ids=people)


def _create_many(
    call: Call,
    people: list[int],
    draft: Draft,
    subject: str | None,
    context_code: str | None,
    *,
    private: bool,
) -> Response:
    """Send to each person on their own; Canvas calls the job a batch, also when it is done at once."""
    state, user_id = call.state, call.user_id
    moment = call.school.next_moment()
    made: list[MailboxRow] = []

    def deliver(recipient: int) -> None:
        conversation = delivery.open_conversation(
            state,
            list(dict.fromkeys([user_id, recipient])),
            private=private,
            subject=subject,
            context_code=context_code,
        )
        delivery.post(state, conversation, draft, moment)
        made.append(conversation.rows[user_id])

    if call.params.get("mode") == "async":
        root = SentMessage(state.next_id("message"), user_id, moment, draft.body, [])
        tags = [context_code] if context_code else []
        batch = Batch(state.next_id("batch"), user_id, root, people, tags, deliver)
        call.school.jobs.batches[batch.id] = batch
        return call.answer([], 202, {"X-Conversation-Batch-Id": str(batch.id)})
    for recipient in people:
        deliver(recipient)
    made.sort(
        key=lambda row: (row.last_message_at is None, row.last_message_at or moment, row.number), reverse=True
    )
    detail = call.detail(avatars=False, contexts=False)
    body = [call.writer.conversation(row, detail, visible=call.visible(row)) for row in made]
    return call.answer(body, 201)


def _check_recipients(call: Call) -> list[int]:
    if not call.params.items("recipients"):
        raise invalid("recipients", "blank")
    given = call.params.get("recipients")
    if isinstance(given, str):
        call.params.values["recipients"] = [one for one in given.split(",") if one]
    recipients = call.params.items("recipients")
    people = resolve(call.state, call.user_id, recipients)
    if not people or not all(isinstance(one, str) for one in recipients):
        raise invalid("recipients", "invalid")
    return people


def _check_context(call: Call, people: list[int]) -> str | None:
    if call.params.blank("context_code"):
        return None
    code = call.params.text("context_code") or ""
    context = call.state.context(code)
    if not may_use_context(call.state, call.user_id, code):
        if isinstance(context, SandboxCourse) and not all(teaches(one, context) for one in people):
            raise invalid(f"Unable to send messages to users in {context.name}", "")
        raise invalid("context_code", "invalid")
    if isinstance(context, SandboxCourse) and context.concluded and call.user_id not in call.state.admin_ids:
        raise invalid("Course concluded", "Unable to send messages")
    return code


def _check_subject(call: Call) -> str | None:
    subject = call.params.text("subject")
    if subject is not None and len(subject) > MAX_SUBJECT:
        problem = {"attribute": "subject", "type": "too_long", "message": "too_long"}
        raise Refusal(400, {"errors": {"subject": [problem]}})
    return subject


def _draft(call: Call, *, forwards: bool) -> Draft:
    body = call.params.text("body") or ""
    if len(body) > MAX_BODY:
        problem = {"attribute": "body", "type": "too_long", "message": "too_long"}
        raise Refusal(400, {"errors": {"body": [problem]}})
    return Draft(
        call.user_id,
        body,
        tuple(_own_files(call)),
        _media(call),
        tuple(_forwarded(call)) if forwards else (),
    )


def _own_files(call: Call) -> list[int]:
    """Return the named files that may be attached: the sender's own, in the right folder."""
    wanted = [parse_id(str(one)) for one in call.params.items("attachment_ids")]
    found = []
    for number in wanted:
        stored = call.state.files.get(number) if number is not None else None
        if stored is None or stored.file.owner_id != call.user_id:
            continue
        if stored.folder == ATTACHMENTS_FOLDER and stored.state == "available":
            found.append(stored.file.id)
    return found


def _media(call: Call) -> Media | None:
    media_id, kind = call.params.text("media_comment_id"), call.params.text("media_comment_type")
    if not media_id or not kind:
        return None
    return call.state.media.get(media_id) or Media(media_id, kind, "")


def _forwarded(call: Call) -> list[int]:
    """Return the messages to forward; all of one conversation that the sender has, or Canvas fails."""
    wanted = [parse_id(str(one)) for one in call.params.items("forwarded_message_ids")]
    if not wanted:
        return []
    numbers = [one for one in wanted if one is not None and one in call.state.messages]
    homes = {call.state.home.get(one) for one in numbers}
    if len(homes) != 1 or call.state.row(call.user_id, homes.pop() or 0) is None:
        raise server_error()
    return numbers


def _named_recipients(call: Call, conversation: Conversation) -> list[int] | None:
    given = call.params.get("recipients")
    if given is None:
        return None
    recipients = (
        [one for one in given.split(",") if one]
        if isinstance(given, str)
        else call.params.items("recipients")
    )
    people = resolve(call.state, call.user_id, recipients, conversation)
    if len({*people, *conversation.rows}) > MAX_GROUP_SIZE + 1:
        raise invalid("recipients", "Too many participants for group conversation")
    course = course_of(call.state, conversation.context_code)
    if course is not None and course.enrollments.get(call.user_id) == "StudentEnrollment":
        strangers = [call.state.name(one) for one in people if one not in course.enrollments]
        if strangers:
            raise invalid(
                "recipients",
                "The following recipients have no active enrollment in the course, "
                f"{strangers}, unable to send messages",
                401,
            )
    return people


def _check_included(call: Call, row: MailboxRow, conversation: Conversation) -> list[int]:
    wanted = [parse_id(str(one)) for one in call.params.items("included_messages")]
    numbers = [one for one in wanted if one is not None]
    if any(call.state.home.get(one) != conversation.id for one in numbers) or len(numbers) != len(wanted):
        raise invalid("included_messages", "not for this conversation")
    if any(call.user_id not in call.state.messages[one].to_ids for one in numbers):
        raise invalid("included_messages", "not a participant")
    return numbers
