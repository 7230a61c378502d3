"""The words people try: other names of commands, and what to type instead of words that are none.

Nothing here stands in a help text. A name that another program has for one of these commands runs it. Any
other known word is answered with the command to type. This module is loaded when a word is no command.
"""

from __future__ import annotations

from canvas_archive.cli.registry import COMMANDS

SAME = {
    "cat": "show", "view": "show", "less": "show", "more": "show", "print": "show", "display": "show",
    "thread": "show", "conversation": "show", "get": "show",
    "ls": "list", "dir": "list", "mail": "list", "messages": "list", "conversations": "list",
    "threads": "list", "mailbox": "list", "folder": "list",
    "inbox": "list inbox", "sent": "list sent", "starred": "list starred", "archived": "list archived",
    "removed": "list removed", "deleted": "list removed", "trash": "list removed", "stars": "list starred",
    "list-unread": "list unread", "outgoing": "list sent",
    "find": "search", "grep": "search", "rg": "search", "query": "search", "look": "search",
    "pull": "sync", "update": "sync", "fetch": "sync", "refresh": "sync", "download-all": "sync",
    "get-mail": "sync", "collect": "sync", "syncronize": "sync", "synchronize": "sync",
    "web": "serve", "ui": "serve", "gui": "serve", "server": "serve", "start": "serve", "webui": "serve",
    "http": "serve", "datasette": "serve",
    "browse": "open", "browser": "open",
    "auth": "login", "signin": "login", "sign-in": "login", "log-in": "login", "authenticate": "login",
    "auth login": "login", "auth logout": "logout", "auth status": "token status", "auth token": "token",
    "set-token": "token set", "signout": "logout", "sign-out": "logout", "logoff": "logout",
    "log-out": "logout", "reauth": "login", "relogin": "login",
    "mark-read": "mark read", "mark-as-read": "mark read", "markread": "mark read",
    "mark-unread": "mark unread", "mark-as-unread": "mark unread", "markunread": "mark unread",
    "mark star": "star", "mark starred": "star", "mark archived": "archive", "mark unstarred": "unstar",
    "favorite": "star", "favourite": "star", "fav": "star", "bookmark": "star", "pin": "star",
    "unpin": "unstar", "unfavorite": "unstar", "flag": "star", "unflag": "unstar", "mute": "unsubscribe",
    "unmute": "subscribe", "follow": "subscribe", "unfollow": "unsubscribe",
    "revert": "undo", "cancel": "undo", "rollback": "undo",
    "discard": "edits discard", "outbox": "edits", "queue": "edits", "pending": "edits", "changes": "edits",
    "journal": "edits", "diff": "edits", "edits list": "edits", "edits show": "edits", "edits ls": "edits",
    "edit list": "edits", "edit": "edits",
    "compose": "send", "new": "send", "write": "send", "message": "send", "msg": "send", "mail-to": "send",
    "answer": "reply", "respond": "reply", "fwd": "forward",
    "read-all": "mark-all-read", "mark all-read": "mark-all-read",
    "contacts": "people", "users": "people", "persons": "people", "senders": "people",
    "participants": "people", "addressbook": "people", "directory": "recipients",
    "classes": "courses", "groups": "courses", "contexts": "courses", "course": "courses",
    "statistics": "stats", "stat": "stats", "summary": "stats",
    "attachment": "attachments", "files": "attachments", "documents": "attachments",
    "du": "size", "disk": "size", "usage": "size", "space": "size", "disk-usage": "size",
    "history": "log", "logs": "log", "runs": "log", "activity": "log",
    "who": "whoami", "me": "whoami", "account": "whoami", "profile": "whoami", "user": "whoami",
    "settings": "config", "configuration": "config", "preferences": "config", "prefs": "config",
    "options": "config", "config show": "config", "config list": "config", "config get": "config",
    "info": "status", "st": "status", "state": "status", "dashboard": "status",
    "accounts": "archives", "archives list": "archives", "profiles": "archives", "archive list": "archives",
    "mailboxes": "archives",
    "errors": "problems", "issues": "problems", "failures": "problems", "failed": "problems",
    "missing": "problems", "problems list": "problems",
    "check": "verify", "fsck": "verify", "audit": "verify", "validate": "verify", "integrity": "verify",
    "diagnose": "doctor", "diagnostics": "doctor", "health": "doctor",
    "reindex": "index", "rebuild": "index --rebuild", "index rebuild": "index --rebuild",
    "index check": "index --check", "index update": "index", "index status": "index --check",
    "save": "export", "dump": "export", "takeout": "export",
    "query-sql": "sql", "sqlite": "sql", "db": "sql", "database": "sql",
    "mock": "sandbox", "fake": "sandbox", "try": "demo", "tour": "demo", "example": "demo",
    "tutorial": "demo", "setup": "init", "create": "init", "connect": "init", "clone": "init",
    "trust": "adopt", "completions": "completion", "complete": "completion",
    "man": "help", "manual": "help", "docs": "help", "topics": "help topics", "commands": "help commands",
    "tables": "help tables", "schema": "help tables", "exit-codes": "help exit-codes",
    "ver": "version",
    "fleet list": "fleet status", "fleet ls": "fleet status",
}  # fmt: skip
"""What one or two first words stand for."""

_SCHEDULE = "To run it on a schedule: canvas-archive help schedule"
_NO_TAGS = (
    "A Canvas inbox has no labels. To mark a conversation: canvas-archive star ID. "
    "To save a search: canvas-archive search --save NAME QUERY"
)
_REMOVE = (
    "To delete an archive and its token: canvas-archive forget ARCHIVE. "
    "To delete a conversation on Canvas: canvas-archive delete ID"
)
_UNINSTALL = (
    "To remove the program: pip uninstall canvas-archive (or: pipx uninstall canvas-archive). "
    "Your archive stays. To delete it first: canvas-archive forget ARCHIVE"
)
_IMPORT = "To bring a backup back: canvas-archive restore SOURCE. To fetch from Canvas: canvas-archive sync"
_DOWNLOAD = (
    "To download from Canvas: canvas-archive sync. To save the files of a conversation: "
    "canvas-archive attachments ID --save DIR. To write other formats: canvas-archive export DEST"
)
_UPGRADE = (
    "To update the program: pip install --upgrade canvas-archive (or: pipx upgrade canvas-archive). "
    "To fetch new messages: canvas-archive sync"
)
_REPAIR = (
    "To find what is wrong: canvas-archive doctor, or canvas-archive verify. "
    "To build the search index again: canvas-archive index --rebuild"
)
_PRUNE = "An archive keeps everything. To see what takes space: canvas-archive size"
_CLEAR = "Nothing is cleared from an archive. To discard local changes: canvas-archive edits discard --all"
_STOP = "A server ends with Ctrl-C in its own terminal. To stop sync --watch, do the same."
_DRAFTS = "Canvas has no drafts here. Messages that wait to be sent: canvas-archive edits"
_SPAM = "To move a conversation out of the inbox: canvas-archive archive ID"
_COUNT = "To count: canvas-archive stats, canvas-archive status, or canvas-archive search -c QUERY"
_REMOTE = "To find people to write to on Canvas: canvas-archive recipients NAME"
_WATCH = "To sync again and again: canvas-archive sync --watch MINUTES. " + _SCHEDULE
_SAVED = "To list saved searches: canvas-archive search --list-saved"
_USE = (
    "Every command takes the archive's folder or name: canvas-archive list --archive NAME. "
    "The archives here: canvas-archive archives"
)
_MOVE = (
    "An archive is one folder: move it, and name it with --archive DIR. "
    "To copy it while it is in use: canvas-archive backup DEST"
)

INSTEAD = {
    **dict.fromkeys(("cron", "schedule", "crontab", "systemd", "timer", "daemon", "service"), _SCHEDULE),
    **dict.fromkeys(("tag", "tags", "untag", "label", "labels", "note", "category"), _NO_TAGS),
    **dict.fromkeys(("remove", "rm", "del", "destroy", "erase", "wipe", "drop"), _REMOVE),
    **dict.fromkeys(("uninstall", "deinstall"), _UNINSTALL),
    **dict.fromkeys(("import", "load", "ingest"), _IMPORT),
    **dict.fromkeys(("download", "downloads"), _DOWNLOAD),
    **dict.fromkeys(("upgrade", "self-update", "selfupdate", "install"), _UPGRADE),
    **dict.fromkeys(("repair", "fix", "recover", "rescue"), _REPAIR),
    **dict.fromkeys(("prune", "clean", "cleanup", "compact", "vacuum", "gc", "purge"), _PRUNE),
    **dict.fromkeys(("clear", "reset", "abort"), _CLEAR),
    **dict.fromkeys(("stop", "kill", "quit", "exit", "close"), _STOP),
    **dict.fromkeys(("draft", "drafts"), _DRAFTS),
    **dict.fromkeys(("spam", "junk", "hide", "done"), _SPAM),
    **dict.fromkeys(("count", "counts", "total"), _COUNT),
    **dict.fromkeys(("lookup", "whois"), _REMOTE),
    **dict.fromkeys(("watch", "loop", "auto"), _WATCH),
    **dict.fromkeys(("saved", "searches", "saved-searches", "bookmarks", "filters"), _SAVED),
    **dict.fromkeys(("use", "switch", "select"), _USE),
    **dict.fromkeys(("move", "mv", "cp", "copy"), _MOVE),
}  # fmt: skip
"""Words without a command of the same meaning, and what to type for what they mean."""


def expanded(words: list[str]) -> list[str]:
    """Return a command line with other names of commands replaced by the commands themselves."""
    for length in (2, 1):
        known = SAME.get(" ".join(words[:length]).lower()) if len(words) >= length else None
        if known is not None:
            return [*known.split(), *words[length:]]
    return words


def answer_to(word: str) -> str:
    """Return the sentence for a word that is no command: what it means here, or the nearest name."""
    import difflib

    said = f"There is no command '{word}'."
    lowered = word.lower()
    if lowered in INSTEAD:
        return f"{said} {INSTEAD[lowered]}"
    if lowered in COMMANDS:
        return f"{said} Did you mean '{lowered}'?"
    known = [name for name in (*COMMANDS, *SAME, *INSTEAD) if " " not in name]
    near = difflib.get_close_matches(lowered, known, n=1)
    if near and near[0] in INSTEAD:
        return f"{said} {INSTEAD[near[0]]}"
    if near:
        return f"{said} Did you mean '{SAME.get(near[0], near[0])}'?"
    return f"{said} All commands: canvas-archive help commands"


OPTIONS = {
    "--web": "To read it in a browser: canvas-archive open ID",
    "--browser": "To open a browser: canvas-archive serve --open",
    "--attachments": "The files of a conversation: canvas-archive attachments ID",
    "--download": "To save its files: canvas-archive attachments ID --save DIR",
    "--save": "To save the files of a conversation: canvas-archive attachments ID --save DIR",
    "--since": "A sync fetches what changed by itself. For everything: canvas-archive sync --full. "
    "To choose by date: canvas-archive list --after 2026-01-01",
    "--force": "To do without the question: --yes. To fetch everything again: canvas-archive sync --refetch",
    "--fix": "Each finding says how to fix it: canvas-archive doctor",
    "--all": "To fetch everything: canvas-archive sync --full",
    "--offline": "Everything but sync, push and the sending commands works offline without it.",
    "-o": "To write to a file: canvas-archive export -o DEST, or canvas-archive list > FILE",
    "--output": "To write to a file: canvas-archive export -o DEST, or canvas-archive list > FILE",
    "--out": "To write to a file: canvas-archive export -o DEST, or canvas-archive list > FILE",
    "--url": "The address stands alone: canvas-archive login https://school.instructure.com",
    "--token": "A token on a command line can be read by others. Use: canvas-archive login",
    "--pdf": "To have pages to print: canvas-archive export DEST -f html",
    "--dryrun": "Did you mean --dry-run?",
    "--preview": "Did you mean --dry-run?",
    "--interval": "To sync again and again: canvas-archive sync --watch MINUTES",
    "--db": "The archive's folder is named with --archive DIR.",
    "--dir": "The archive's folder is named with --archive DIR.",
    "--profile": "The archive's folder is named with --archive DIR.",
    "--account": "The archive's folder is named with --archive DIR.",
    "--format": "For scripts, these print other forms: --json, or --csv where there are rows.",
    "--sender": "Did you mean --from?",
    "--person": "Did you mean --with?",
    "--page": "To see more: --limit N, or --all",
    "--count": "To count: canvas-archive search -c QUERY, or canvas-archive stats",
    "--to-file": "The shell writes to a file: canvas-archive list > FILE",
}
"""What to type for options that a command does not have."""


def hint_for_option(option: str) -> str:
    """Return what to type instead of an option that is none; empty where nothing is known."""
    if option[1:].isdecimal():
        return f"To show so many: --limit {option[1:]}"
    return OPTIONS.get(option.lower(), "")
