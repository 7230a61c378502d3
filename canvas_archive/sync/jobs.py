"""What the threads of a pull are given to do; each comes back on the results queue with its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from canvas_archive.sync.listing import ListPage

if TYPE_CHECKING:
    from canvas_archive.canvas.client import Scope
    from canvas_archive.sync.file_tasks import FileTask
    from canvas_archive.sync.plan import Reason


@dataclass(frozen=True, slots=True)
class ListJob:
    """List one scope."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class RecheckJob:
    """Read one scope's ids again."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class ShowJob:
    """Fetch one conversation."""

    conversation_id: int
    reason: Reason | Literal["missing"]


@dataclass(frozen=True, slots=True)
class FileJob:
    """Download one file."""

    task: FileTask


Job: TypeAlias = ListJob | RecheckJob | ShowJob | FileJob | ListPage
"""A ``ListPage`` is no work of its own: a list job hands over its pages one by one, while it goes on."""
