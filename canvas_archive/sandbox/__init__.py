"""A faithful local Canvas: the whole Conversations API over a sample mailbox, for tests and demos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canvas_archive.sandbox.faults import Fault
    from canvas_archive.sandbox.server import Sandbox

__all__ = ["Fault", "Sandbox"]


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that the mailbox's plain types cost no web server.
    if name == "Sandbox":
        from canvas_archive.sandbox.server import Sandbox

        return Sandbox
    if name == "Fault":
        from canvas_archive.sandbox.faults import Fault

        return Fault
    raise AttributeError(name)
