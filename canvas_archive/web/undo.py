"""What was just done, and how to take it back: kept in memory under a key that only the visitor gets."""

from __future__ import annotations

import secrets
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from canvas_archive.store.verbs import Change

KEPT = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about what was done; ``changes`` can be taken back."""

    key: str
    sentence: str
    changes: tuple[Change, ...] = ()

    @property
    def can_undo(self) -> bool:
        """Return whether there is anything to take back."""
        return bool(self.changes)


_notices: weakref.WeakKeyDictionary[Any, OrderedDict[str, Notice]] = weakref.WeakKeyDictionary()


def remember(datasette: Any, sentence: str, changes: tuple[Change, ...] = ()) -> Notice:
    """Keep a notice for the next page; the oldest of many is forgotten."""
    kept = _notices.setdefault(datasette, OrderedDict())
    notice = Notice(secrets.token_urlsafe(12), sentence, changes)
    kept[notice.key] = notice
    while len(kept) > KEPT:
        kept.popitem(last=False)
    return notice


def notice_of(datasette: Any, key: str) -> Notice | None:
    """Return the notice of that key, if it is still kept."""
    return _notices.get(datasette, OrderedDict()).get(key) if key else None


def take(datasette: Any, key: str) -> Notice | None:
    """Return the notice and forget it, so that it is undone once."""
    return _notices.get(datasette, OrderedDict()).pop(key, None)
