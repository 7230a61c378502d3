"""What was just done, and how to undo it: held in memory under a key that only the visitor gets."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from canvas_archive.store.verbs import Change
from canvas_archive.web.per_datasette import PerDatasette

MOST_NOTICES = 100
MOST_CHANGES = 20_000
"""The changes of all notices together; what is beyond them can be discarded on the page of changes."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about what was done. ``changes`` can be taken back, and a queued ``message``."""

    key: str
    sentence: str
    changes: tuple[Change, ...] = ()
    message: int | None = None

    @property
    def can_undo(self) -> bool:
        """Return whether there is anything to take back."""
        return bool(self.changes) or self.message is not None


@PerDatasette
def _notices(datasette: Any) -> OrderedDict[str, Notice]:
    """Return the notices by key, oldest first."""
    return OrderedDict()


def remember(
    datasette: Any, sentence: str, changes: tuple[Change, ...] = (), *, message: int | None = None
) -> Notice:
    """Store a notice for the next page. Beyond the limits, the oldest ones are dropped."""
    notices = _notices(datasette)
    notice = Notice(secrets.token_urlsafe(12), sentence, changes, message)
    notices[notice.key] = notice
    while len(notices) > MOST_NOTICES or (
        len(notices) > 1 and sum(len(one.changes) for one in notices.values()) > MOST_CHANGES
    ):
        notices.popitem(last=False)
    return notice


def notice_of(datasette: Any, key: str) -> Notice | None:
    """Return the notice of that key, if it is still stored."""
    return _notices(datasette).get(key)


def take(datasette: Any, key: str) -> Notice | None:
    """Return the notice and forget it, so that it is undone once."""
    return _notices(datasette).pop(key, None)
