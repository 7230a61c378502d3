"""The Canvas REST API as typed methods: knows HTTP and Canvas's rules, and no database."""

from canvas_archive.canvas import without_console  # noqa: F401 - before anything imports httpx

# isort: split
from canvas_archive.canvas.client import CanvasClient, Scope
from canvas_archive.canvas.download import Download, FileHostUnreachable, FileTooLarge, SignInNeeded
from canvas_archive.canvas.parse import ConversationPage, Malformed
from canvas_archive.canvas.token import Token
from canvas_archive.canvas.waiting import RetryWait, Stats

__all__ = [
    "CanvasClient",
    "ConversationPage",
    "Download",
    "FileHostUnreachable",
    "FileTooLarge",
    "Malformed",
    "RetryWait",
    "Scope",
    "SignInNeeded",
    "Stats",
    "Token",
]
