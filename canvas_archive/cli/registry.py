"""Which command lives where. A new command is one line here; ``--help`` imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Where a command is defined, and the line ``--help`` shows for it."""

    target: str  # "module:attribute" below canvas_archive.cli
    summary: str
    section: str


SECTIONS = ("Start", "Archive", "Read", "Edit", "Write to Canvas", "Evidence")

DAILY = ("login", "sync", "status", "list", "show", "search", "open", "mark", "push", "export")
"""The commands of the main help. ``help commands`` has all."""

LOGGED = frozenset(
    {
        "sync", "push", "send", "reply", "delete", "add-recipients", "remove-messages", "mark-all-read",
        "recipients", "unread-count", "batches", "doctor", "verify", "rebind", "index", "backup", "serve",
        "forward",
        "star", "unstar", "archive", "unarchive", "mark", "subscribe", "unsubscribe",
    }
)  # fmt: skip
"""The commands that ask Canvas or change the archive: the log has them. The quick ones that read are not."""

HIDDEN = {"read": "reading_words:read", "unread": "reading_words:unread"}
"""Commands that stand in no help text: where each is defined."""

COMMANDS: dict[str, Entry] = {
    "demo": Entry("demo:demo", "Try everything on a local sample Canvas.", "Start"),
    "login": Entry("login:login", "Sign in to Canvas; make an archive where there is none.", "Start"),
    "logout": Entry("login:logout", "Remove the saved access token.", "Start"),
    "init": Entry("init:init", "Create an archive and bind it to your Canvas account.", "Start"),
    "token": Entry("token:token", "Show or change where the access token comes from.", "Start"),
    "sandbox": Entry("sandbox:sandbox", "Run a local test server that imitates Canvas.", "Start"),
    "help": Entry("help:help_", "Explain a command or a topic.", "Start"),
    "completion": Entry("completion:completion", "Let a shell complete commands and ids.", "Start"),
    "version": Entry("about:version", "Print the version of the program.", "Start"),
    "sync": Entry("sync:sync", "Download what changed on Canvas.", "Archive"),
    "status": Entry("status:status", "Show what the archive holds and what to do next.", "Archive"),
    "problems": Entry(
        "problems:problems", "List what could not be fetched, and when it is tried again.", "Archive"
    ),
    "doctor": Entry("doctor:doctor", "Check token, clock, disk, permissions and versions.", "Archive"),
    "adopt": Entry("adopt:adopt", "Trust an archive that was made elsewhere.", "Archive"),
    "rebind": Entry("rebind:rebind", "Bind the archive to the same mailbox at a new address.", "Archive"),
    "index": Entry("index:index", "Rebuild or check the search index.", "Archive"),
    "whoami": Entry("about:whoami", "Show whose mailbox this is, and the archive's folder.", "Archive"),
    "archives": Entry("about:archives", "List the archives that are known here.", "Archive"),
    "config": Entry("about:config", "Show the settings of the archive.", "Archive"),
    "log": Entry("about:log", "List the last syncs, or what the last command asked.", "Archive"),
    "size": Entry("about:size", "Show what takes space on the disk.", "Archive"),
    "forget": Entry("forget:forget", "Delete an archive and its token from this machine.", "Archive"),
    "list": Entry("read:list_", "List conversations.", "Read"),
    "show": Entry("show:show", "Show conversations.", "Read"),
    "search": Entry("search:search", "Search the messages.", "Read"),
    "open": Entry("serve:open_", "Open a conversation, or the inbox, in a browser.", "Read"),
    "attachments": Entry("attachments:attachments", "List attached files, or save them.", "Read"),
    "people": Entry("tallies:people", "List people by the number of their messages.", "Read"),
    "courses": Entry("tallies:courses", "List courses and groups with their mail.", "Read"),
    "stats": Entry("tallies:stats", "Count messages by year, person and course.", "Read"),
    "sql": Entry("sql:sql", "Run a read-only SQL query.", "Read"),
    "serve": Entry("serve:serve", "Browse the archive in a web browser, with Datasette.", "Read"),
    "star": Entry("edit:star", "Star conversations.", "Edit"),
    "unstar": Entry("edit:unstar", "Remove the star of conversations.", "Edit"),
    "archive": Entry("edit:archive", "Archive conversations.", "Edit"),
    "unarchive": Entry("edit:unarchive", "Move conversations back to the inbox.", "Edit"),
    "mark": Entry("edit:mark", "Mark conversations as read or unread.", "Edit"),
    "subscribe": Entry("edit:subscribe", "Follow group conversations.", "Edit"),
    "unsubscribe": Entry("edit:unsubscribe", "Stop following group conversations.", "Edit"),
    "edits": Entry("journal:edits", "List or discard local edits.", "Edit"),
    "undo": Entry("journal:undo", "Take back the last local edit.", "Edit"),
    "push": Entry("push:push", "Send pending edits and queued messages to Canvas.", "Edit"),
    "send": Entry("compose:send", "Send a new message.", "Write to Canvas"),
    "reply": Entry("compose:reply", "Reply to a conversation.", "Write to Canvas"),
    "forward": Entry("forward:forward", "Forward messages to other people.", "Write to Canvas"),
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
    "fleet": Entry(
        "fleet:fleet", "Collect, search, export and check the mailboxes of many custodians.", "Evidence"
    ),
    "verify": Entry("verify:verify", "Check the archive against its own records and Canvas.", "Evidence"),
    "sign": Entry("sign:sign", "Sign the archive or a bag by a key or a time stamp.", "Evidence"),
    "backup": Entry("backup:backup", "Copy the archive while it is in use.", "Evidence"),
    "restore": Entry("backup:restore", "Make an archive from a backup.", "Evidence"),
}
