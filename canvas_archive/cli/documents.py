"""The JSON of every command: one table of names, and the documents that are made of them.

A name has one meaning and one type, wherever it stands. ``docs/json.md`` is generated from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Name(NamedTuple):
    """What a name stands for. ``kind`` is a basic type, a record, or a list of either in brackets.

    With a question mark the value may be null.
    """

    kind: str
    meaning: str


BASIC = {
    "id": "an integer; with --string-ids a text",
    "number": "an integer",
    "decimal": "a number",
    "text": "a text",
    "flag": "true or false",
    "time": "a time in UTC, such as 2026-03-09T14:05:00Z",
    "value": "true, false, a number or a text",
    "counts": "an object of numbers, some of them grouped in an object",
    "settings": "an object: each setting by its name",
}
"""The basic types."""

NAMES = {
    # What it is about
    "id": Name("id", "The id of the record: Canvas's, or the archive's own number of an edit, act or run."),
    "conversation_id": Name("id?", "The conversation it belongs to."),
    "conversation_ids": Name("[id]", "The conversations it concerns."),
    "absent_ids": Name("[id]", "Conversations that Canvas had no longer."),
    "message_id": Name("id", "The message it belongs to."),
    "message_ids": Name("[id]", "The messages it concerns."),
    "forwarded_message_ids": Name("[id]", "The messages that a queued message forwards."),
    "skipped_ids": Name("[id]", "Messages that cannot be indexed, because their rows are damaged."),
    "sent_ids": Name("[id]", "What Canvas made of a queued message: conversations, or messages of a reply."),
    "result_ids": Name("[id]", "What Canvas made of an act."),
    "outbox_id": Name("id", "The number of the message in the outbox."),
    "media_id": Name("text", "The id of a recording."),
    "user_id": Name("id?", "A user of Canvas; null for a course or group."),
    "as_user_id": Name("id?", "The user whose mailbox an administrator collects."),
    "name": Name("text?", "The name of what the record is about."),
    "full_name": Name("text?", "The whole name of a person."),
    "pronouns": Name("text?", "The pronouns of a person."),
    "kind": Name("text", "Which kind of thing: user or context; send or reply; conversation, attachment, …"),
    "item": Name("text", "The item that failed, as 'problems' takes it, such as attachment 512."),
    "item_id": Name("text", "The item without its kind."),
    "archive": Name("text?", "The folder of the archive."),
    "base_url": Name("text?", "The address of Canvas."),
    "dest": Name("text", "The file or folder that was written."),
    "path": Name("text?", "The local file with the bytes of an attachment or recording."),
    "file": Name("text", "The file of the settings, or of the log."),
    "lines": Name("[text]", "Lines of the log."),
    "root": Name("text", "The folder of the fleet."),
    "folder": Name("text", "The folder of the mailbox, or of a custodian in a fleet."),
    "version": Name("text", "The version of the program."),
    "query": Name("text", "A query, as it was written."),
    "understood": Name("text?", "What the query means, as a sentence."),
    "canonical": Name("text", "The same query, written out."),
    "suggestion": Name("text?", "Another query that finds something."),
    "zone": Name("text", "The time zone of the query's dates."),
    "command": Name("text", "The command that made the change."),
    "request": Name("text", "Method and path of the request of an act."),
    "calls": Name("[text]", "The requests that were sent, or would be, with their parameters."),
    "parameters": Name("settings", "The parameters of the request of an act."),
    # Mail
    "subject": Name("text?", "The subject of a conversation."),
    "body": Name("text?", "The text of a message."),
    "preview": Name("text?", "The beginning of the newest message."),
    "snippet": Name("text", "The part of a message that was found."),
    "context_code": Name("text?", "The course or group, such as course_12."),
    "context_name": Name("text?", "The name of the course or group."),
    "workflow_state": Name("text", "read, unread or archived; of a batch, Canvas's word."),
    "participants": Name("[person]", "The people of a conversation; of 'list', without yourself."),
    "recipients": Name("[person]", "Who got a message, or can be written to."),
    "author": Name("person", "Who wrote the message."),
    "messages": Name("[message]", "The messages of a conversation, oldest first."),
    "forwarded": Name("[message]", "The messages that a message forwards, newest first."),
    "attachments": Name("[attachment]", "Attached files."),
    "media": Name("[recording]", "Recordings."),
    "content_type": Name("text?", "The type of a file, such as image/png."),
    "media_type": Name("text?", "audio or video."),
    "sha256": Name("text?", "The SHA-256 of the bytes, where the archive has them."),
    "url": Name("text?", "The address of a file on Canvas."),
    "address": Name("text", "What --to takes: a user's id, or a code such as course_12."),
    "addresses": Name("[text]", "Whom a queued message goes to, each as --to takes it."),
    "files": Name("[text]", "The names of the files that a queued message carries."),
    # Yes or no
    "starred": Name("flag", "Whether it has a star."),
    "subscribed": Name("flag", "Whether you follow the conversation."),
    "private": Name("flag", "Whether it is between two people."),
    "edited": Name("flag", "Whether a local edit waits to be sent."),
    "generated": Name("flag", "Whether Canvas itself wrote the message."),
    "adopted": Name("flag", "Whether the archive is yours, not only read."),
    "current": Name("flag", "Whether commands work on this archive."),
    "complete": Name("flag", "Whether nothing was left out."),
    "dry_run": Name("flag", "Whether nothing was done."),
    "rebuilt": Name("flag", "Whether the index was built anew."),
    "ok": Name("flag", "Whether all is well."),
    "unfinished": Name("flag", "Whether the check must be run again to be complete."),
    "agreed": Name("flag", "Whether you agreed to the setting."),
    "index_missing": Name("flag", "Whether there is no search index."),
    "conversation_left": Name("flag", "Whether anything of the conversation is left on Canvas."),
    "synced": Name("flag", "Whether there was a whole sync."),
    "interrupted": Name("flag", "Whether the last sync was interrupted."),
    # Times
    "created_at": Name("time?", "When it was written or made."),
    "latest_at": Name("time?", "When the newest message was written."),
    "sorted_at": Name("time?", "The time that the list is sorted by."),
    "removed_at": Name("time?", "When a sync saw that Canvas had deleted it."),
    "fetched_at": Name("time?", "When it was downloaded last."),
    "made_at": Name("time", "When a local edit was made."),
    "settled_at": Name("time?", "When an edit was sent, discarded or overridden."),
    "queued_at": Name("time", "When a message was queued."),
    "sent_at": Name("time?", "When a message was sent."),
    "begun_at": Name("time", "When an act began."),
    "ended_at": Name("time?", "When an act ended."),
    "started_at": Name("time", "When a run began."),
    "finished_at": Name("time?", "When a run ended."),
    "succeeded_at": Name("time?", "When a custodian's mailbox was synced last."),
    "last_sync_at": Name("time?", "When the last sync ended."),
    "last_full_sync_at": Name("time?", "When the last whole full sync began."),
    "token_expires_at": Name("time?", "When the token in use expires, where that is known."),
    "first_message_at": Name("time?", "When the oldest message was written."),
    "last_message_at": Name("time?", "When the newest message was written."),
    "first_at": Name("time?", "When an item failed first."),
    "last_at": Name("time?", "When an item failed last."),
    "next_at": Name("time?", "When a sync tries an item again; null for the next one."),
    "accepted_at": Name("time?", "When you accepted that an item is missing."),
    "updated_at": Name("time?", "When the index was updated."),
    "swept_at": Name("time?", "When the last whole full sync began."),
    # Numbers
    "total": Name("number", "How many there are, whatever was shown."),
    "message_count": Name("number", "How many messages."),
    "conversation_count": Name("number", "How many conversations."),
    "unread_count": Name("number", "How many unread conversations."),
    "archive_unread_count": Name("number", "How many unread conversations the archive has."),
    "recipient_count": Name("number?", "How many people it goes to."),
    "user_count": Name("number?", "How many people a course or group has."),
    "unchanged_count": Name("number", "How many were so already."),
    "hit_count": Name("number", "How many messages were found."),
    "count": Name("number", "How many hits have this value."),
    "year": Name("number", "A year (UTC)."),
    "size": Name("number?", "The bytes of a file, as Canvas says."),
    "stored_size": Name("number?", "The bytes that the archive has of a file."),
    "bytes": Name("number", "Bytes: on the disk, or received from Canvas."),
    "requests": Name("number", "How many requests were made."),
    "attempts": Name("number", "How often an item failed."),
    "seconds": Name("decimal", "How long it took."),
    "milliseconds": Name("decimal", "How long it took."),
    "score": Name("decimal", "How well a message fits the query."),
    "completion": Name("decimal?", "The part of a batch that is sent, from 0 to 1."),
    "writer_pid": Name("number?", "The process that writes to the archive now."),
    "lacking": Name("number", "Conversations that lack messages."),
    "failed": Name("number", "Items that failed."),
    "waiting": Name("number", "Items that wait for their next try."),
    "accepted": Name("number", "Items accepted as missing."),
    "pending": Name("number", "Files that are not downloaded yet."),
    "counts": Name("counts", "Numbers, by what they count."),
    # How it stands
    "state": Name("text", "The state of a file, edit, act, message, check or collection."),
    "status": Name("text", "How a run ended: ok, partial, failed, interrupted or running."),
    "mode": Name("text", "full or quick."),
    "error": Name("text?", "What went wrong, as a sentence; null where nothing did."),
    "exit_code": Name("number", "The exit code of the command."),
    "usage": Name("text?", "How the command is called."),
    "detail": Name("text?", "More about the state, as a sentence."),
    "reason": Name("text", "Why it was left out."),
    "summary": Name("text", "The state of the collection, as a sentence."),
    "explained": Name("text", "The numbers, as a sentence."),
    "answer": Name("text?", "What Canvas answered to an act."),
    "outcome": Name("text", "recorded, or set_back where Canvas's value stands again."),
    "field": Name("text", "starred, workflow_state or subscribed."),
    "value": Name("value?", "A value: of an edit, a setting, or a facet."),
    "base_value": Name("value", "What Canvas had when the edit was made."),
    "origin": Name("text", "Who made the edit: cli, web, sql, …"),
    "label": Name("text", "The name of a facet's value."),
    "next": Name("text?", "What --cursor takes to go on."),
    "formats": Name("[text]", "The formats that were written."),
    "notes": Name("[text]", "What else happened, as sentences."),
    "actions": Name("[text]", "What a sync would do, as sentences."),
    "items": Name("[text]", "What a check found."),
    "repaired": Name("[text]", "Damaged copies that were replaced."),
    "damaged": Name("[text]", "Files whose bytes are not theirs."),
    "missing": Name("[text]", "Files that the backup lacks."),
    "missing_in_archive": Name("[text]", "Files that the archive itself lacks."),
    "token_command": Name("text?", "The command that prints the token."),
    "source": Name("text?", "Where the token comes from: environment, command, keyring, file."),
    "token_page": Name("text", "The page of Canvas where tokens are made and deleted."),
    "sources": Name("[text]", "Where a token was removed: keyring, file."),
    "statement": Name("text", "The file that says what was signed."),
    "signature": Name("text?", "The file with the signature."),
    "timestamp": Name("text?", "The file with the time stamp."),
    # Records and lists of records
    "account": Name("account", "Whose mailbox it is, and where."),
    "from": Name("account", "What the archive was bound to before."),
    "to": Name("account", "What the archive is bound to now."),
    "archives": Name("[archive]", "The archives that are known here."),
    "conversations": Name("[conversation]", "Conversations."),
    "skipped": Name("[conversation]", "Conversations that were left out, and why."),
    "hits": Name("[hit]", "The messages that were found, best first."),
    "facets": Name("facets?", "With --facets: how many hits each value has."),
    "person": Name("[facet]", "The authors of the hits."),
    "course": Name("[facet]", "The courses and groups of the hits."),
    "years": Name("[year]", "The messages of each year; of a facet, the hits."),
    "has": Name("[facet]", "What the hits carry."),
    "saved_searches": Name("[saved_search]", "Searches that were saved under a name."),
    "people": Name("[correspondent]", "People who wrote, most messages first."),
    "courses": Name("[course]", "Courses and groups, most conversations first."),
    "parts": Name("[part]", "The parts of the archive on the disk."),
    "runs": Name("[run]", "Syncs, newest first."),
    "last_sync": Name("run?", "The last sync."),
    "problems": Name("[problem]", "Items that could not be fetched."),
    "checks": Name("[check]", "What was looked at."),
    "edits": Name("[edit]", "Local changes."),
    "outbox": Name("[queued]", "Messages that were written here to be sent."),
    "acts": Name("[act]", "What was done on Canvas at once."),
    "push": Name("push?", "What --push sent."),
    "collection": Name("collection", "How complete the collection is."),
    "batches": Name("[batch]", "Messages that Canvas is still sending."),
    "agreements": Name("[agreement]", "Settings that grant something."),
    "settings": Name("settings", "The settings of the archive ('canvas-archive config --help')."),
    "custodians": Name("[custodian]", "The people of the fleet."),
    "unreadable": Name("[custodian]", "Custodians whose archives could not be used."),
    "no_archive": Name("[id]", "Custodians without an archive yet."),
    "nothing": Name("[id]", "Custodians whose archives hold nothing of what was asked for."),
    "incomplete": Name("[id]", "Custodians whose collection is not complete."),
}  # fmt: skip
"""Every name of a JSON document, with its type and its meaning."""

_ACCOUNT = "name user_id as_user_id base_url"
_EDIT = "id conversation_id field base_value value made_at origin state settled_at detail"
_MESSAGE = "id author created_at body generated removed_at recipients attachments media forwarded"
_PUSH = "dry_run calls counts notes problems:short"
_SYNC = "mode complete dry_run requests bytes seconds counts problems:short actions"
_EXPORT = "dest formats counts explained collection"
_COPY = "dest counts repaired damaged missing missing_in_archive"
_CONVERSATION = (
    "id subject context_code context_name workflow_state starred subscribed private message_count removed_at"
)

RECORDS = {
    "account": _ACCOUNT,
    "archive": "archive name base_url current error",
    "conversation": f"{_CONVERSATION} fetched_at participants messages edits:short",
    "conversation:line": (f"{_CONVERSATION} participants:short preview latest_at sorted_at edited"),
    "conversation:changed": "id subject value outcome",
    "conversation:skipped": "id subject reason",
    "person": "id name full_name pronouns",
    "person:short": "id name",
    "person:found": "user_id address name full_name kind user_count",
    "message": _MESSAGE,
    "attachment": "id name content_type size stored_size state sha256 error url path",
    "attachment:listed": "id conversation_id message_id name size state sha256 created_at path",
    "recording": "media_id media_type name content_type url state sha256 path",
    "hit": (
        "message_id conversation_id subject author:short created_at context_code context_name snippet score"
    ),
    "facets": "person course years:facet has",
    "facet": "value label count",
    "year": "year message_count",
    "year:facet": "year count",
    "saved_search": "name query created_at",
    "correspondent": "id name message_count latest_at",
    "course": "context_code context_name conversation_count unread_count latest_at",
    "part": "name bytes",
    "run": "id mode started_at finished_at status complete requests bytes error counts",
    "problem": "item kind item_id error attempts first_at last_at next_at accepted_at",
    "problem:short": "item kind item_id error",
    "check": "name ok unfinished detail items",
    "check:doctor": "name ok state detail",
    "edit": _EDIT,
    "edit:subject": f"{_EDIT} subject",
    "edit:short": "field value",
    "queued": (
        "id kind conversation_id addresses subject body files forwarded_message_ids queued_at state "
        "sent_at sent_ids detail"
    ),
    "act": (
        "id command conversation_id message_ids recipient_count request parameters user_id as_user_id "
        "begun_at state ended_at answer result_ids subject"
    ),
    "push": _PUSH,
    "collection": (
        "state complete summary synced swept_at interrupted lacking failed waiting accepted pending"
    ),
    "batch": "id workflow_state completion recipient_count body",
    "agreement": "name value agreed",
    "custodian": (
        "user_id folder name status error counts requests seconds finished_at succeeded_at"
    ),
    "custodian:status": (
        "user_id folder name status error counts requests seconds finished_at succeeded_at archive "
        "last_sync_at"
    ),
    "custodian:found": "user_id name hit_count understood",
    "custodian:error": "user_id name error",
    "custodian:short": "user_id name",
    "custodian:export": f"user_id name {_EXPORT}",
    "custodian:copy": f"user_id name {_COPY}",
    "hit:fleet": (
        "custodians:short message_id conversation_id subject author:short created_at context_code "
        "context_name snippet score"
    ),
}  # fmt: skip
"""The names of each record. A word behind a colon is a variant of the record that has other names."""

DOCUMENTS = {
    "error": "error exit_code usage",
    "init": "archive base_url user_id name",
    "demo": f"{_SYNC} archive",
    "version": "version",
    "sync": _SYNC,
    "status": (
        "archive adopted account counts first_message_at last_message_at writer_pid last_sync "
        "last_full_sync_at token_expires_at index_missing saved_searches problems"
    ),
    "problems": "problems total",
    "doctor": "ok checks:doctor",
    "adopt": "archive base_url token_command agreements",
    "rebind": "from to counts",
    "index": "rebuilt seconds counts skipped_ids detail",
    "index --check": "ok detail updated_at counts",
    "whoami": f"archive adopted {_ACCOUNT}",
    "archives": "archives total",
    "config": "file settings",
    "log": "runs total",
    "log --last": "file lines",
    "size": "archive parts bytes",
    "forget": "archive base_url sources token_page",
    "logout": "base_url sources token_page",
    "token status": "base_url source token_expires_at token_page",
    "list": "folder conversations:line total next",
    "show": "conversations total",
    "search": "query understood canonical zone hits total facets suggestion milliseconds",
    "search --list-saved": "saved_searches total",
    "attachments": "attachments:listed total",
    "people": "people total",
    "courses": "courses total",
    "stats": "counts people courses years",
    "star": "command field conversations:changed unchanged_count skipped:skipped understood push",
    "edits": "edits:subject outbox acts",
    "edits discard": "counts",
    "undo": "edits:subject",
    "push": _PUSH,
    "send": "state outbox_id conversation_ids message_ids",
    "add-recipients": "conversation_id participants:short",
    "remove-messages": "conversation_id message_ids conversation_left",
    "delete": "conversation_ids absent_ids problems:short",
    "mark-all-read": "conversation_count",
    "recipients": "recipients:found total",
    "unread-count": "unread_count archive_unread_count",
    "batches": "batches total",
    "export": _EXPORT,
    "verify": "ok unfinished checks",
    "sign": "statement signature timestamp",
    "backup": _COPY,
    "fleet sync": "root requests seconds custodians",
    "fleet status": "root base_url custodians:status",
    "fleet search": (
        "query understood zone hits:fleet total custodians:found unreadable:error no_archive"
    ),
    "fleet export": "dest formats custodians:export nothing incomplete unreadable:error no_archive",
    "fleet backup": "dest custodians:copy unreadable:error no_archive",
    "fleet verify": "ok checks",
}  # fmt: skip
"""The names of the document of each command."""

SAME = {
    **dict.fromkeys(
        ("unstar", "archive", "unarchive", "mark read", "mark unread", "subscribe", "unsubscribe"), "star"
    ),
    **dict.fromkeys(("problems retry", "problems accept"), "problems"),
    "reply": "send",
    "forward": "send",
    "read": "show",
    "restore": "backup",
}
"""Commands that print the document of another one."""


def document(command: str, source: object = None, /, **values: object) -> dict[str, Any]:
    """Return the document of a command: each of its names from ``values``, or an attribute of ``source``.

    Records are made of the attributes, or the keys, of what stands in their place.
    """
    return _filled(DOCUMENTS[command], source, values)


def record(name: str, source: object = None, /, **values: object) -> dict[str, Any]:
    """Return a record, made as ``document`` makes a document."""
    return _filled(RECORDS[name], source, values)


def _filled(names: str, source: object, values: Mapping[str, object]) -> dict[str, Any]:
    given = {**source, **values} if isinstance(source, Mapping) else values
    filled = {}
    for word in names.split():
        name, _, variant = word.partition(":")
        value = given[name] if name in given or isinstance(source, Mapping) else getattr(source, name)
        filled[name] = _value(NAMES[name].kind, variant, value)
    return filled


def _value(kind: str, variant: str, value: Any) -> Any:
    kind = kind.rstrip("?")
    if value is None:
        return None
    if kind.startswith("["):
        return [_value(kind[1:-1], variant, one) for one in value]
    if kind == "flag":
        return bool(value)
    if kind in BASIC:
        return value
    return _filled(RECORDS[f"{kind}:{variant}" if variant else kind], value, {})
