"""What the commands share that read all archives of a fleet: one bad archive does not stop the others."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from canvas_archive.cli.context import fail
from canvas_archive.cli.terminal import count_of
from canvas_archive.errors import ItemsFailed
from canvas_archive.machine import as_archive_error, concerns_every_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from canvas_archive.cli.context import Settings
    from canvas_archive.search.query.resolve import AbsentNames
    from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet

F = TypeVar("F", bound="Callable[..., Any]")

ROOT_VARIABLE = "CANVAS_ARCHIVE_FLEET"
UNREADABLE = "unreadable"
"""The status of a custodian whose archive cannot be read now."""


def root_option(function: F) -> F:
    """Add ``--root``, which every command of the group takes."""
    return click.option(
        "--root",
        metavar="DIR",
        envvar=ROOT_VARIABLE,
        type=click.Path(path_type=Path, file_okay=False),
        help=f"The folder that holds the archives. [env: {ROOT_VARIABLE}]",
    )(function)


def open_fleet(root: Path | None) -> Fleet:
    """Return the fleet in that folder; a missing answer is a usage error."""
    from canvas_archive.sync.fleet_record import Fleet

    if root is None:
        fail(f"Where are the archives? Give --root DIR, or set {ROOT_VARIABLE}.")
    return Fleet(root)


MOST_NAMED = 5


def users(user_ids: Sequence[int]) -> str:
    """Return ``user 7``, or ``users 1, 2, 3, 4, 5 and 20 more``."""
    shown = ", ".join(map(str, user_ids[:MOST_NAMED]))
    more = f" and {len(user_ids) - MOST_NAMED:,} more" if len(user_ids) > MOST_NAMED else ""
    return f"user{'' if len(user_ids) == 1 else 's'} {shown}{more}"


class FleetReading:
    """One pass over the archives of a fleet: which cannot be read, and which names they do not know."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self.custodians = fleet.collected()
        self.failed: list[dict[str, Any]] = []
        self._missing = [
            user_id for user_id, one in sorted(fleet.outcomes.items()) if not fleet.is_collected(one)
        ]
        self._settings = settings
        self._fleet = fleet
        self._absent: list[AbsentNames] = []

    @contextmanager
    def of(self, outcome: CustodianOutcome) -> Iterator[AbsentNames]:
        """Note what goes wrong inside, and go on. Yield a set for the names that this archive does not know.

        Raises what every other archive would meet, such as a full disk.
        """
        absent: AbsentNames = set()
        try:
            yield absent
        except Exception as error:  # whatever it is, the others can be read
            known = as_archive_error(error)
            if concerns_every_archive(known):
                raise known from None
            self.fail(outcome, str(known))
        else:
            self._absent.append(absent)

    def fail(self, outcome: CustodianOutcome, sentence: str) -> None:
        """Note and print what is wrong with one archive."""
        self._settings.warn(f"User {outcome.user_id}: {sentence}")
        self.failed.append({"user_id": outcome.user_id, "name": outcome.name, "error": sentence})

    def check_names(self) -> None:
        """Say which names not all archives know. Raises UnknownName for one that none of them knows."""
        for operator, name in sorted(set[tuple[str, str]]().union(*self._absent)):
            knowing = sum((operator, name) not in absent for absent in self._absent)
            if not knowing and not self.failed:
                self._raise_unknown(operator, name)
            shown = f"{operator} {name}" if operator.startswith("--") else f"{operator}:{name}"
            self._settings.note(
                f"'{shown}' is known to {knowing:,} of {count_of(len(self._absent), 'archive')}."
            )

    def _raise_unknown(self, operator: str, name: str) -> None:
        from canvas_archive.search.query.resolve import known_names, unknown_name

        known: set[str] = set()
        for outcome in self.custodians:
            with suppress(Exception), self._fleet.open_archive(outcome) as archive:
                known.update(known_names(archive.db, operator))
        count = len(self._absent)
        raise unknown_name(operator, name, known, f"in these {count:,} archives" if count > 1 else "there")

    def unread(self) -> dict[str, Any]:
        """Return whose archives could not be read, and who has none yet, as JSON names them."""
        return {"unreadable": self.failed, "no_archive": self._missing}

    def end(self, done: str) -> None:
        """Say who has no archive yet. Raises ItemsFailed when an archive could not be ``done``."""
        if self._missing:
            self._settings.note(
                f"{count_of(len(self._missing), 'custodian')} without an archive yet: {users(self._missing)}."
            )
        if self.failed:
            raise ItemsFailed(
                f"{count_of(len(self.failed), 'archive')} of {len(self.custodians):,} could not be {done}: "
                f"{users([row['user_id'] for row in self.failed])}. They are in {self._fleet.root}; name "
                "one with --archive to see to it."
            )
