"""What earlier runs left in the ledger of problems, and how this run adds to it.

An item that failed before gets one try when it is due, and rests otherwise. A conversation that rests is
tried all the same when its list row is another one than at the last try: a message may have come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.store import runs, transaction
from canvas_archive.store.runs import GHOST
from canvas_archive.store.summaries import lasting_fingerprint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from canvas_archive.clock import Clock
    from canvas_archive.model import Conversation

CONVERSATION = "conversation"
LIST = "list"
COURSES = "courses"
"""Item of kind ``list``: the list of courses. Others are a scope, ``SCOPE/page-N`` for a later page of it,
``SCOPE/row`` for a row that cannot be told apart, ``SCOPE/recheck`` for reading it once more."""

UNTRIED = "not tried, because three others in a row had failed"


class Ledger:
    """The ledger as it was when the run began; failures go to the database at once.

    ``everything`` tries what rests, too. What somebody accepted as missing always rests.
    """

    def __init__(self, db: sqlite3.Connection, clock: Clock, *, everything: bool = False) -> None:
        self._db = db
        self._clock = clock
        self._known = {int(one.item_id): one for one in runs.open_problems(db, CONVERSATION)}
        due = runs.due_problems(db, CONVERSATION, clock, everything=everything)
        self.due = [int(problem.item_id) for problem in due]
        self._resting = self._known.keys() - set(self.due)
        self.ghosts = {int(problem.item_id) for problem in runs.open_problems(db, GHOST)}
        lists = runs.open_problems(db, LIST)
        self._lists = {problem.item_id for problem in lists}
        self._accepted_lists = {problem.item_id for problem in lists if problem.accepted_at}
        self._failed_lists: set[str] = set()
        self._resting_lists = self._lists - {
            problem.item_id for problem in runs.due_problems(db, LIST, clock, everything=everything)
        }
        self._rows: dict[int, int] = {}

    # -- conversations ---------------------------------------------------------------------------

    def knows(self, conversation_id: int) -> bool:
        """Return whether the conversation failed in an earlier run."""
        return conversation_id in self._known

    def rests(self, conversation_id: int) -> bool:
        """Return whether the conversation is not to be tried, as far as its id alone says."""
        return conversation_id in self._resting

    def accepted(self, conversation_id: int) -> bool:
        """Return whether somebody accepted that the conversation is missing."""
        problem = self._known.get(conversation_id)
        return problem is not None and problem.accepted_at is not None

    def rests_unchanged(self, row: Conversation) -> bool:
        """Return whether the conversation rests and its list row is the one of the last try."""
        return row.id in self._resting and self._known[row.id].fingerprint == lasting_fingerprint(row)

    def take_row(self, row: Conversation) -> None:
        """Remember the list row of a known problem, for when it fails again."""
        if row.id in self._known:
            self._rows[row.id] = lasting_fingerprint(row)

    def record_conversation(self, conversation_id: int, sentence: str) -> None:
        """Enter a conversation that was tried and failed."""
        with transaction(self._db):
            runs.record_problem(
                self._db,
                CONVERSATION,
                conversation_id,
                sentence,
                self._clock,
                fingerprint=self._rows.get(conversation_id),
            )

    def record_untried(self, conversation_ids: Collection[int]) -> None:
        """Enter conversations that changed and were left out, so that the next run tries them."""
        if conversation_ids:
            with transaction(self._db):
                for id_ in conversation_ids:
                    runs.record_untried(self._db, CONVERSATION, id_, UNTRIED, self._clock)

    # -- lists -----------------------------------------------------------------------------------

    def knows_list(self, item: str) -> bool:
        """Return whether a list, or a later page of it, failed in an earlier run."""
        return any(one == item or one.startswith(f"{item}/") for one in self._lists)

    def rests_list(self, item: str) -> bool:
        """Return whether a list, or a later page of it, is not to be tried more than needed."""
        return any(one == item or one.startswith(f"{item}/") for one in self._resting_lists)

    def record_list(self, item: str, sentence: str) -> bool:
        """Enter a list, or a page or row of it, that was tried and failed.

        Return whether that is news: not if it failed in this run already, or somebody accepted it.
        """
        if item in self._accepted_lists or item in self._failed_lists:
            return False
        self._failed_lists.add(item)
        with transaction(self._db):
            runs.record_problem(self._db, LIST, item, sentence, self._clock)
        return True

    def clear_list(self, item: str, *, to_the_end: bool) -> None:
        """Strike a list that was read off the ledger, its later pages only if it was read to its end."""
        read = {
            one for one in self._lists if one == item or (to_the_end and one.startswith(f"{item}/"))
        } - self._failed_lists
        if read:
            with transaction(self._db):
                runs.clear_problems(self._db, [LIST], sorted(read))
