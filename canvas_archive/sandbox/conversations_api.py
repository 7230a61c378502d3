"""The thirteen endpoints of the Conversations API, except the two that write messages (``composing_api``)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from canvas_archive.clock import iso
from canvas_archive.sandbox import delivery, editing
from canvas_archive.sandbox.addressing import MAX_GROUP_SIZE, parse_id, resolve
from canvas_archive.sandbox.answers import Refusal, invalid, missing, server_error
from canvas_archive.sandbox.call import Call
from canvas_archive.sandbox.jobs import NOT_PARTICIPATING, BatchProgress
from canvas_archive.sandbox.state import MailboxRow

MAX_BATCH = 500
EDITABLE = ("workflow_state", "subscribed", "starred")


def index(call: Call) -> Response:
    """:calls: GET /api/v1/conversations"""
    call.check_filter_mode()
    page = call.page
    folders = call.state.folders(call.user_id)
    all_ids: list[int] | None = None
    if call.narrowed:
        all_ids = [number for number in folders.ids(call.scope) if call.passes(number)]
        total = len(all_ids)
        ids = all_ids[page.offset : page.offset + page.size]
    else:
        total = folders.size(call.scope)
        ids = folders.window(call.scope, page.offset, page.size)
    detail = call.detail(
        avatars=call.includes("participant_avatars"),
        contexts=False,
        context_name=True,
        beta=bool(call.params.get("include_beta")),
    )
    writer = call.writer
    rows = call.state.rows.get(call.user_id, {})
    body: Any = [
        writer.conversation(rows[number], detail, visible=True)
        for number in ids
        if number not in call.state.orphans
    ]
    # Presence decides, not meaning: "false" and "0" are as good as "true".
    if call.params.get("include_all_conversation_ids") is not None:
        everything = all_ids if all_ids is not None else folders.ids(call.scope)
        body = {"conversations": body, "conversation_ids": everything}
    return call.answer(body, headers=call.paged(ids, page, total))


def show(call: Call) -> Response:
    """:calls: GET /api/v1/conversations/:id"""
    call.check_filter_mode()
    row = call.row()
    if row.workflow_state == "unread" and call.params.flag("auto_mark_as_read", True):
        editing.update(call.state, row, {"workflow_state": "read"})
    detail = call.detail(
        contexts=call.params.flag("include_participant_contexts", True),
        context_name=True,
        indirect=True,
        reply_check=True,
        submissions=True,
        beta=bool(call.params.get("include_beta")),
    )
    messages = list(call.state.visible_messages(row))
    return call.answer(call.writer.conversation(row, detail, visible=call.visible(row), messages=messages))


def update(call: Call) -> Response:
    """:calls: PUT /api/v1/conversations/:id"""
    call.check_filter_mode()
    row = call.row()
    wanted = call.params.get("conversation")
    if not wanted:
        raise missing("conversation")
    if not isinstance(wanted, dict):
        raise server_error()
    editing.update(call.state, row, {name: wanted[name] for name in EDITABLE if name in wanted})
    return _row_answer(call, row)


def destroy(call: Call) -> Response:
    """:calls: DELETE /api/v1/conversations/:id"""
    row = call.row()
    editing.delete(call.state, row)
    body = call.writer.conversation(row, call.detail(), visible=False)
    body["audience_contexts"] = {"courses": {}, "groups": {}}
    return call.answer(body)


def mark_all_as_read(call: Call) -> Response:
    """:calls: POST /api/v1/conversations/mark_all_as_read"""
    editing.mark_all_as_read(call.state, call.user_id, masquerading=call.caller.masquerading)
    return call.answer({})


def unread_count(call: Call) -> Response:
    """:calls: GET /api/v1/conversations/unread_count"""
    return call.answer({"unread_count": str(call.state.unread.get(call.user_id, 0))})


def add_recipients(call: Call) -> Response:
    """:calls: POST /api/v1/conversations/:id/add_recipients"""
    row = call.row()
    conversation = call.state.conversations[row.conversation_id]
    people = resolve(call.state, call.user_id, call.params.items("recipients"), conversation)
    if not people:
        raise Refusal(400, {})
    if len({*people, *conversation.rows}) > MAX_GROUP_SIZE + 1:
        raise invalid("recipients", "too many participants for group conversation")
    if conversation.private or not conversation.messages:
        raise server_error()
    delivery.add_people(call.state, conversation, call.user_id, people, call.school.next_moment())
    newest = next(call.state.visible_messages(row), None)
    body = call.writer.conversation(
        row, call.detail(), visible=call.visible(row), messages=[newest] if newest else []
    )
    return call.answer(body)


def remove_messages(call: Call) -> Response:
    """:calls: POST /api/v1/conversations/:id/remove_messages"""
    row = call.row()
    if call.params.get("remove") is None:
        return Response(status_code=204)
    wanted = {parse_id(str(one)) for one in call.params.items("remove")}
    editing.remove_messages(call.state, row, {one for one in wanted if one is not None})
    return _row_answer(call, row)


def batch_update(call: Call) -> Response:
    """:calls: PUT /api/v1/conversations"""
    wanted = call.params.get("conversation_ids")
    if not isinstance(wanted, list):
        raise Refusal(400, {"message": "conversation_ids not specified"})
    if len(wanted) > MAX_BATCH:
        raise Refusal(400, {"message": f"conversation batch size limit ({MAX_BATCH}) exceeded"})
    event = call.params.text("event")
    if event is None:
        raise Refusal(400, {"message": "event not specified"})
    if event not in editing.EVENTS:
        raise Refusal(400, {"message": "invalid event"})
    state, user_id = call.state, call.user_id

    def perform(item: str) -> str | None:
        number = parse_id(item)
        row = state.row(user_id, number) if number is not None else None
        if row is None:
            return NOT_PARTICIPATING
        editing.apply_event(state, row, event)
        return None

    progress = BatchProgress(
        state.next_id("progress"), user_id, call.school.now, [str(one) for one in wanted], perform
    )
    call.school.jobs.progresses[progress.id] = progress
    return call.answer(progress_json(progress, call.base))


def batches(call: Call) -> Response:
    """:calls: GET /api/v1/conversations/batches"""
    page = call.page
    running = [
        batch
        for batch in call.school.jobs.batches.values()
        if batch.user_id == call.user_id and batch.workflow_state in ("created", "sending")
    ]
    shown = running[page.offset : page.offset + page.size]
    body = [
        {
            "id": batch.id,
            "workflow_state": batch.workflow_state,
            "completion": batch.completion,
            "recipient_count": len(batch.recipient_ids),
            "message": call.writer.message(batch.message),
            "tags": batch.tags,
        }
        for batch in shown
    ]
    return call.answer(body, headers=call.paged(shown, page, len(running)))


def progress_json(progress: BatchProgress, base: str) -> dict[str, Any]:
    """Write the state of a batch update."""
    return {
        "id": progress.id,
        "context_id": progress.user_id,
        "context_type": "User",
        "user_id": progress.user_id,
        "tag": "conversation_batch_update",
        "completion": progress.completion,
        "workflow_state": progress.workflow_state,
        "created_at": iso(progress.created_at),
        "updated_at": iso(progress.updated_at or progress.created_at),
        "message": progress.message,
        "url": f"{base}/api/v1/progress/{progress.id}",
    }


def _row_answer(call: Call, row: MailboxRow) -> Response:
    return call.answer(call.writer.conversation(row, call.detail(), visible=call.visible(row)))
