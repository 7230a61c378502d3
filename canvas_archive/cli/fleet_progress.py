"""How a sync of many custodians shows itself: rows on a terminal, else a line for whoever is done."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from canvas_archive.cli.progress import PlainLines, progress_display
from canvas_archive.cli.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.cli.context import Settings
    from canvas_archive.cli.progress_display import ProgressDisplay
    from canvas_archive.sync.custodians import ListedCustodian
    from canvas_archive.sync.fleet import CustodianOutcome, FleetProgress


class _Lines:
    """A line when somebody is done."""

    def __init__(self, settings: Settings, people: int) -> None:
        self._note = settings.note
        self._people = people
        self._total = self._done = 0
        self.waiting = PlainLines(settings).waiting

    def begin(self, total: int) -> None:
        """Say how many need no sync."""
        self._total = total
        if total < self._people:
            self._note(f"{self._people - total:,} custodians are fresh enough.")

    def started(self, custodian: ListedCustodian) -> None:
        """Name whoever begins, with ``-v``."""
        self._note(f"User {custodian.user_id} begins.", level=1)

    def finished(self, outcome: CustodianOutcome) -> None:
        """Say how it went."""
        self._done += 1
        name = one_line(outcome.name or f"user {outcome.user_id}")
        self._note(
            f"{self._done:,} of {self._total:,}: {name}: {outcome.status}, "
            f"{outcome.new_messages:,} new messages, {outcome.requests:,} requests, "
            f"{outcome.seconds:.1f} s"
        )


class _OnDisplay(_Lines):
    """A row that counts custodians, and one for whoever was begun last."""

    def __init__(self, settings: Settings, people: int, shown: ProgressDisplay) -> None:
        super().__init__(settings, people)
        self._shown = shown
        self.waiting = shown.wait

    def begin(self, total: int) -> None:
        """Begin to count."""
        super().begin(total)
        self._shown.step("Custodians", 0, total)

    def started(self, custodian: ListedCustodian) -> None:
        """Name whoever begins."""
        self._shown.step(one_line(custodian.name or f"User {custodian.user_id}"), row=1)

    def finished(self, outcome: CustodianOutcome) -> None:
        """Count one more."""
        self._done += 1
        self._shown.step("Custodians", self._done, self._total)


@contextlib.contextmanager
def fleet_progress(settings: Settings, people: int) -> Iterator[FleetProgress]:
    """Yield what shows a run over a list of so many ``people``."""
    with progress_display(settings) as shown:
        yield _Lines(settings, people) if shown is None else _OnDisplay(settings, people, shown)
