"""A faithful local Canvas: the whole Conversations API over a sample mailbox, for tests and demos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.lazy import exports

if TYPE_CHECKING:
    from canvas_archive.sandbox.faults import Fault as Fault
    from canvas_archive.sandbox.server import Sandbox as Sandbox
else:
    __getattr__, __all__ = exports(__name__, {"faults": ("Fault",), "server": ("Sandbox",)})
