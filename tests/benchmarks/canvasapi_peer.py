"""A backup script on ``canvasapi``, as carefully written as the library allows, in a process of its own.

``canvasapi`` has no store, so the job is what its users write: list the four scopes at 100 rows a page and
get each conversation that is not known to be unchanged (told by comparing its list row with the last one,
which is the best a list can tell). What it finds stays in memory; ours is on the disk. A throttled request
is repeated after a second.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.benchmarks.talking import Talker, talking

T = TypeVar("T")

SCOPES = (None, "archived", "sent", "starred")
PAUSE_SECONDS = 1.0


class Script:
    """The script, for one person or for many as whom it acts."""

    def __init__(self) -> None:
        from canvasapi import Canvas

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that the local Canvas is not on https
            self._canvas = Canvas(os.environ["CANVAS_API_URL"], os.environ["CANVAS_API_TOKEN"])
        self._rows: dict[tuple[int, int], Any] = {}
        self.threads: dict[tuple[int, int], list[Any]] = {}

    def sync(self, custodian: int = 0) -> None:
        """Have every conversation with all its messages; ``custodian`` 0 is the token's owner."""
        person = {"as_user_id": custodian} if custodian else {}
        for scope in SCOPES:
            options = {"scope": scope} if scope else {}
            rows = _patiently(
                lambda options=options: list(  # type: ignore[misc]
                    self._canvas.get_conversations(per_page=100, **options, **person)
                )
            )
            for row in rows:
                told = (
                    row.message_count,
                    row.last_message_at,
                    row.last_authored_message_at,
                    row.last_message,
                )
                key = (custodian, row.id)
                if self._rows.get(key) != told:
                    full = _patiently(
                        lambda row=row: self._canvas.get_conversation(  # type: ignore[misc]
                            row.id, auto_mark_as_read=False, **person
                        )
                    )
                    self._rows[key] = told
                    self.threads[key] = full.messages


def _patiently(call: Callable[[], T]) -> T:
    from canvasapi.exceptions import RateLimitExceeded

    while True:
        try:
            return call()
        except RateLimitExceeded:
            time.sleep(PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Took:
    """What one run of the script took: wall and processor seconds, and how many conversations it has."""

    seconds: float
    cpu: float
    conversations: int


class Peer:
    """The running script; made by ``canvasapi_peer``."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker

    def sync(self, custodians: Sequence[int] = ()) -> Took:
        """Let it run once, for its own mailbox or for each custodian's."""
        return Took(**self._talker.ask(json.dumps(list(custodians) or [0])))


@contextmanager
def canvasapi_peer(environment: dict[str, str]) -> Iterator[Peer]:
    """Start a new script that knows nothing yet."""
    with talking("tests.benchmarks.canvasapi_peer", **environment) as talker:
        yield Peer(talker)


def main() -> None:
    """Run once for every line of the input, which lists the custodians."""
    script = Script()
    for line in sys.stdin:
        began, cpu = time.perf_counter(), time.process_time()
        for custodian in json.loads(line):
            script.sync(custodian)
        took = {
            "seconds": time.perf_counter() - began,
            "cpu": time.process_time() - cpu,
            "conversations": len(script.threads),
        }
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
