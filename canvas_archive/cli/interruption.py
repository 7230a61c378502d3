"""What an interruption leaves behind, said for each command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import Declined

if TYPE_CHECKING:
    from canvas_archive.cli.context import Settings

_ON_CANVAS = "Interrupted. To see whether Canvas did it: canvas-archive edits --all"
_LOCAL = "Interrupted. To see which changes wait to be sent: canvas-archive edits"
_STOPPED = "Stopped."

_READING = (
    "list", "show", "search", "people", "courses", "stats", "sql", "status", "config", "log", "size",
    "whoami", "archives", "version", "help", "completion", "recipients", "unread-count", "batches", "doctor",
    "verify",
)  # fmt: skip

_KEPT = {
    "sync": "Interrupted. Downloaded conversations are saved. To continue: canvas-archive sync",
    "push": "Interrupted. What Canvas answered is recorded. To send the rest: canvas-archive push",
    "index": "Interrupted. To continue: canvas-archive index",
    "export": "Interrupted. The unfinished export was removed.",
    "backup": "Interrupted. The backup is not complete. Run the same command again.",
    "restore": "Interrupted. Nothing was restored.",
    "forget": "Interrupted. Part of the archive may be deleted. To delete the rest, run the command again.",
    "fleet": "Interrupted. Finished mailboxes are saved.",
    "attachments": "Interrupted. Files that were saved stay.",
    "problems": "Interrupted. To see what is left: canvas-archive problems",
    "sign": "Interrupted. To see what was signed: canvas-archive verify",
    "adopt": "Interrupted. To see whether the archive is yours: canvas-archive status",
    "rebind": "Interrupted. To see which Canvas the archive is bound to: canvas-archive whoami",
    **dict.fromkeys(
        ("login", "logout", "token"), "Interrupted. To see the token: canvas-archive token status"
    ),
    **dict.fromkeys(_READING, "Interrupted. Nothing was changed."),
    **dict.fromkeys(("serve", "open", "sandbox"), _STOPPED),
    **dict.fromkeys(
        ("send", "reply", "forward", "delete", "remove-messages", "add-recipients", "mark-all-read"),
        _ON_CANVAS,
    ),
    **dict.fromkeys(
        ("star", "unstar", "archive", "unarchive", "mark", "subscribe", "unsubscribe", "edits", "undo"),
        _LOCAL,
    ),
}


def what_is_kept(settings: Settings, error: BaseException) -> str:
    """Return the last line of a command that a person stopped, or answered with no."""
    if isinstance(error, Declined):
        return "Nothing was done."
    if settings.command == "demo":
        return _of_demo(settings)
    if settings.command in ("init", "login"):
        made = (settings.folder / "archive.db").exists()
        return f"Interrupted. {'The archive was created.' if made else 'No archive was created.'}"
    # Click turns an interruption into Abort, with its cause; a question that is left has none. A question is
    # asked before anything is done; push alone asks in between.
    if isinstance(error, click.Abort) and error.__cause__ is None and settings.command != "push":
        return "Interrupted. Nothing was done."
    return _KEPT.get(settings.command, "Interrupted.")


def _of_demo(settings: Settings) -> str:
    if not settings.archive_named:
        return f"{_STOPPED} The demo archive was deleted."
    return f"{_STOPPED} The demo archive stays in {settings.folder}."
