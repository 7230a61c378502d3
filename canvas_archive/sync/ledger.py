"""The ledger of problems: what earlier runs left in it, and what this run adds.

An item that failed before gets one try when it is due, and rests otherwise. A conversation that rests is
tried anyway when its list row differs from the one of the last try: there may be a new message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.store import runs, transaction
from canvas_archive.store.runs import GHOST
from canvas_archive.store.summaries import lasting_fingerprint
from canvas_archive.sync.report import ReportedProblem

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from canvas_archive.clock import Clock
    from canvas_archive.model import Conversation
    from canvas_archive.sync.report import Report

CONVERSATION = "conversation"
LIST = "list"
COURSES = "courses"
"""Item of kind ``list``: the list of courses. Others are a scope, ``SCOPE/page-N`` for a later page of it,
``SCOPE/row`` for a row without a readable id, ``SCOPE/recheck`` for reading its ids again."""

UNTRIED = "not tried, because three others in a row had failed"


class Ledger:
    """The ledger as it was when the run began; failures go to the database and to ``report`` at once.

    ``everything``: also try what rests. A problem that a person accepted always rests.
    """

    def __init__(
        self, db: sqlite3.Connection, clock: Clock, report: Report, *, everything: bool = False
    ) -> None:
        self._db = db
        self._clock = clock
        self._report = report
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
        """Return whether the conversation is not due, judged by its id alone."""
        return conversation_id in self._resting

    def accepted(self, conversation_id: int) -> bool:
        """Return whether a person accepted that the conversation is missing."""
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
        self._report.problems.append(ReportedProblem(CONVERSATION, str(conversation_id), sentence))

    def record_absent(self, conversation_id: int, *, listed: bool) -> None:
        """Enter a conversation that Canvas answered 404 for. The caller holds the transaction.

        Where a list names it all the same, it is a ghost: asked for again by full syncs alone.
        """
        runs.clear_problem(self._db, CONVERSATION, str(conversation_id))
        if listed:
            runs.record_problem(self._db, GHOST, str(conversation_id), "listed, but not found", self._clock)

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
        """Return whether a list, or a later page of it, rests: it is read no further than needed."""
        return any(one == item or one.startswith(f"{item}/") for one in self._resting_lists)

    def record_list(self, item: str, sentence: str) -> None:
        """Enter a list, or a page or row of it, that was tried and failed.

        Nothing is entered twice in a run, or when a person accepted it.
        """
        if item in self._accepted_lists or item in self._failed_lists:
            return
        self._failed_lists.add(item)
        with transaction(self._db):
            runs.record_problem(self._db, LIST, item, sentence, self._clock)
        self._report.problems.append(ReportedProblem(LIST, item, sentence))

    def clear_list(self, item: str, *, to_the_end: bool) -> None:
        """Remove a list that was read from the ledger; its later pages only if it was read to its end."""
        read = {
            one for one in self._lists if one == item or (to_the_end and one.startswith(f"{item}/"))
        } - self._failed_lists
        if read:
            with transaction(self._db):
                runs.clear_problems(self._db, [LIST], sorted(read))
