"""Which command lives where. A new command is one line here; ``--help`` imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Where a command is defined, and the line ``--help`` shows for it."""

    target: str  # "module:attribute" below canvas_archive.cli
    summary: str
    section: str


SECTIONS = ("Start", "Archive", "Read", "Edit", "Write to Canvas", "Evidence")

COMMANDS: dict[str, Entry] = {
    "demo": Entry("demo:demo", "Try everything on a local sample Canvas.", "Start"),
    "init": Entry("init:init", "Create an archive and bind it to your Canvas account.", "Start"),
    "token": Entry("token:token", "Keep a new access token for an archive.", "Start"),
    "sandbox": Entry("sandbox:sandbox", "Run the local Canvas alone.", "Start"),
    "help": Entry("help:help_", "Explain a command or a topic.", "Start"),
    "completion": Entry("completion:completion", "Let a shell complete commands and ids.", "Start"),
    "sync": Entry("sync:sync", "Pull what changed on Canvas into the archive.", "Archive"),
    "status": Entry("status:status", "Show what the archive holds and what to do next.", "Archive"),
    "problems": Entry(
        "problems:problems", "List what could not be fetched, and when it is tried again.", "Archive"
    ),
    "doctor": Entry("doctor:doctor", "Check token, clock, disk, permissions and versions.", "Archive"),
    "adopt": Entry("adopt:adopt", "Say that an archive made elsewhere is yours or trusted.", "Archive"),
    "rebind": Entry("rebind:rebind", "Bind the archive to the same mailbox at a new address.", "Archive"),
    "index": Entry("index:index", "Rebuild or check the search index.", "Archive"),
    "list": Entry("read:list_", "List the conversations of a folder.", "Read"),
    "show": Entry("read:show", "Show one conversation.", "Read"),
    "search": Entry("search:search", "Search the messages.", "Read"),
    "sql": Entry("sql:sql", "Run a read-only SQL query.", "Read"),
    "serve": Entry("serve:serve", "Browse the archive in a web browser, with Datasette.", "Read"),
    "star": Entry("edit:star", "Star conversations.", "Edit"),
    "unstar": Entry("edit:unstar", "Remove the star of conversations.", "Edit"),
    "archive": Entry("edit:archive", "Archive conversations.", "Edit"),
    "unarchive": Entry("edit:unarchive", "Move conversations back to the inbox.", "Edit"),
    "read": Entry("edit:read", "Mark conversations as read.", "Edit"),
    "unread": Entry("edit:unread", "Mark conversations as unread.", "Edit"),
    "subscribe": Entry("edit:subscribe", "Follow group conversations.", "Edit"),
    "unsubscribe": Entry("edit:unsubscribe", "Stop following group conversations.", "Edit"),
    "edits": Entry("journal:edits", "List or discard local edits.", "Edit"),
    "push": Entry("push:push", "Send pending edits and queued messages to Canvas.", "Edit"),
    "send": Entry("compose:send", "Send a new message.", "Write to Canvas"),
    "reply": Entry("compose:reply", "Reply to a conversation.", "Write to Canvas"),
    "add-recipients": Entry(
        "online:add_recipients", "Add people to a group conversation.", "Write to Canvas"
    ),
    "remove-messages": Entry(
        "online:remove_messages", "Remove messages on Canvas, for you alone.", "Write to Canvas"
    ),
    "delete": Entry(
        "online:delete", "Delete conversations on Canvas; the archive keeps them.", "Write to Canvas"
    ),
    "mark-all-read": Entry("online:mark_all_read", "Mark everything on Canvas as read.", "Write to Canvas"),
    "recipients": Entry("online:recipients", "Find people and groups to write to.", "Write to Canvas"),
    "unread-count": Entry(
        "online:unread_count", "Ask Canvas for the number of unread conversations.", "Write to Canvas"
    ),
    "batches": Entry("online:batches", "List bulk messages that Canvas is still sending.", "Write to Canvas"),
    "export": Entry("export:export", "Write messages to files other programs read.", "Evidence"),
    "fleet": Entry("fleet:fleet", "Collect, search and export the mailboxes of many custodians.", "Evidence"),
    "verify": Entry("verify:verify", "Check the archive against its own records and Canvas.", "Evidence"),
    "backup": Entry("backup:backup", "Copy the archive while it is in use.", "Evidence"),
    "restore": Entry("backup:restore", "Make an archive from a backup.", "Evidence"),
}
