"""The mail folders: which conversations each holds, in SQL and for a row that is at hand.

The views ``inbox`` and ``sent`` of the schema say the same; a test compares them with these conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

REMOVED = "removed"
ANYWHERE = "all"
"""What a list can show beside the folders: every conversation that is still on Canvas."""
_RECEIVED = "{c}last_message_at IS NOT NULL"


class FolderColumns(Protocol):
    """What of a conversation decides where it is."""

    @property
    def workflow_state(self) -> str: ...
    @property
    def starred(self) -> bool: ...
    @property
    def last_message_at(self) -> str | None: ...
    @property
    def last_authored_message_at(self) -> str | None: ...
    @property
    def removed_at(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder: its name in commands and addresses, its label, and the column it is sorted by.

    ``rule`` is the condition in SQL (``{c}`` stands for the prefix of the columns) and ``holds`` the same
    condition in Python. All folders but one share what they leave out: a removed conversation is in
    ``removed`` alone. ``walked`` is the whole condition in the words of an index that is in order already.
    """

    name: str
    label: str
    order: str
    rule: str
    holds: Callable[[FolderColumns], bool]
    walked: str = ""

    def condition(self, alias: str = "") -> str:
        """Return the condition on ``conversations`` (or its alias) for a list in order."""
        return self.walked.format(c=f"{alias}." if alias else "") or self.members(alias)

    def members(self, alias: str = "") -> str:
        """Return the condition for all that the folder holds, in any order."""
        # The plus sign keeps SQLite at the index of the rule.
        rest = "" if self.name == REMOVED else " AND +{c}removed_at IS NULL"
        return (self.rule + rest).format(c=f"{alias}." if alias else "")

    def count(self) -> str:
        """Return a scalar subquery that counts the folder from covering indexes alone."""
        held, removed = self.rule.format(c=""), self.rule.format(c="+")
        counted = f"SELECT count(*) FROM conversations WHERE {held}"  # noqa: S608 (constants)
        if self.name == REMOVED:
            return f"({counted})"
        lost = f"SELECT count(*) FROM conversations WHERE removed_at IS NOT NULL AND {removed}"  # noqa: S608 (constants)
        return f"(({counted}) - ({lost}))"


FOLDERS = {
    folder.name: folder
    for folder in (
        Folder(
            "inbox",
            "Inbox",
            "last_message_at",
            # By state, an index finds all; but they would have to be sorted for a list.
            f"{{c}}workflow_state IN ('read', 'unread') AND {_RECEIVED}",
            lambda row: row.workflow_state != "archived" and row.last_message_at is not None,
            f"{{c}}workflow_state <> 'archived' AND {_RECEIVED} AND {{c}}removed_at IS NULL",
        ),
        Folder(
            "unread",
            "Unread",
            "last_message_at",
            f"{{c}}workflow_state = 'unread' AND {_RECEIVED}",
            lambda row: row.workflow_state == "unread" and row.last_message_at is not None,
        ),
        Folder("starred", "Starred", "latest_at", "{c}starred = 1", lambda row: row.starred),
        Folder(
            "archived",
            "Archived",
            "last_message_at",
            f"{{c}}workflow_state = 'archived' AND {_RECEIVED}",
            lambda row: row.workflow_state == "archived" and row.last_message_at is not None,
        ),
        Folder(
            "sent",
            "Sent",
            "last_authored_message_at",
            "{c}last_authored_message_at IS NOT NULL",
            lambda row: row.last_authored_message_at is not None,
        ),
        Folder(
            REMOVED,
            "Removed from Canvas",
            "removed_at",
            "{c}removed_at IS NOT NULL",
            lambda row: row.removed_at is not None,
        ),
    )
}


def is_in(row: FolderColumns, name: str) -> bool:
    """Return whether a conversation is in the folder."""
    return FOLDERS[name].holds(row) and (name == REMOVED or row.removed_at is None)
