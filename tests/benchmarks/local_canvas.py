"""The local Canvas in a process of its own, so that its work is not counted as a client's.

Run as a program it is the server: one JSON line says where it is, then every line on its standard input is an
order (``forget``, ``change N``, ``tell``), answered by one JSON line. It ends when its input does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.throttle import HIGH_WATER, OUTFLOW, UP_FRONT
from tests.benchmarks.talking import Talker, talking


@dataclass(frozen=True, slots=True)
class Told:
    """What the server saw since it last forgot; ``cost`` in units of the bucket, ``seconds`` from the first
    request to the last answer.
    """

    requests: int
    throttled: int
    cost: float
    seconds: float
    writes: int

    @property
    def allowed(self) -> float:
        """Return the units that the bucket let through at most in that time: its room and what leaked out."""
        return HIGH_WATER - UP_FRONT + OUTFLOW * self.seconds


class LocalCanvas:
    """A running server; made by ``local_canvas``."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker
        where = talker.hear()
        self.url: str = where["url"]
        self.token: str = where["token"]
        self.admin_token: str = where["admin_token"]
        self.user_id: int = where["user_id"]
        self.people: list[int] = where["people"]

    def forget(self) -> None:
        """Forget every request so far, and empty the buckets."""
        self._talker.ask("forget")

    def change(self, count: int) -> None:
        """Let somebody write in that many conversations."""
        self._talker.ask(f"change {count}")

    def tell(self) -> Told:
        """Return what was seen since."""
        return Told(**self._talker.ask("tell"))

    def environment(self, *, administrator: bool = False) -> dict[str, str]:
        """Return the variables that point a program here."""
        return {
            "CANVAS_API_URL": self.url,
            "CANVAS_API_TOKEN": self.admin_token if administrator else self.token,
        }


@contextmanager
def local_canvas(
    conversations: int, *, latency: float = 0.0, throttle: bool = False, cost: float | None = None
) -> Iterator[LocalCanvas]:
    """Run a server: ``latency`` in seconds for every answer, ``cost`` of each in units of the bucket."""
    arguments = ["--conversations", str(conversations), "--latency", str(latency)]
    if throttle:
        arguments.append("--throttle")
    if cost is not None:
        arguments += ["--cost", str(cost)]
    with talking("tests.benchmarks.local_canvas", *arguments) as talker:
        yield LocalCanvas(talker)


class _Server:
    """The server's side of the orders."""

    def __init__(self, sandbox: Sandbox, cost: float | None) -> None:
        self._sandbox = sandbox
        self._costs: list[float] = []
        self._first: float | None = None
        self._last = 0.0
        usual = sandbox.throttle.cost_of

        def cost_of(method: str, path: str) -> float:
            self._last = time.monotonic()
            self._costs.append(usual(method, path) if cost is None else cost)
            return self._costs[-1]

        sandbox.throttle.cost_of = cost_of
        sandbox.faults.on_request("", self._note_first)

    def _note_first(self, number: int) -> None:
        if self._first is None:
            self._first = time.monotonic()

    def obey(self, order: str) -> dict[str, Any]:
        """Carry out one order."""
        sandbox = self._sandbox
        word, _, number = order.strip().partition(" ")
        if word == "forget":
            sandbox.log.clear()
            self._costs.clear()
            self._first, self._last = None, 0.0
            for token in (sandbox.token, sandbox.admin_token):
                sandbox.throttle.fill(token, 0.0)
            return {}
        if word == "change":
            self._change(int(number))
            return {}
        entries = list(sandbox.log)
        return {
            "requests": len(entries),
            "throttled": sum(entry.status == sandbox.throttle.status for entry in entries),
            "cost": sum(self._costs),
            "seconds": max(0.0, self._last - self._first) if self._first is not None else 0.0,
            "writes": len(sandbox.log.writes),
        }

    def _change(self, count: int) -> None:
        school = self._sandbox.school
        ids = [id_ for id_ in school.ids("inbox") if len(school.conversation(id_).rows) > 1][:count]
        for id_ in ids:
            author = next(u for u in school.conversation(id_).rows if u != self._sandbox.user_id)
            school.receive(id_, author, "Something new.")


def _busiest(sandbox: Sandbox) -> list[int]:
    """Return everybody but the administrator, those first who take part in most conversations."""
    counts: dict[int, int] = {}
    for conversation in sandbox.school.state.conversations.values():
        for user_id in conversation.rows:
            counts[user_id] = counts.get(user_id, 0) + 1
    wanted = set(sandbox.school.state.people) - {sandbox.school.admin_id}
    return sorted(wanted & counts.keys(), key=lambda user_id: (-counts[user_id], user_id))


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--conversations", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--throttle", action="store_true")
    parser.add_argument("--cost", type=float)
    options = parser.parse_args()
    with Sandbox(
        conversations=options.conversations, latency=options.latency, throttle=options.throttle
    ) as sandbox:
        server = _Server(sandbox, options.cost)
        where = {
            "url": sandbox.url,
            "token": sandbox.token,
            "admin_token": sandbox.admin_token,
            "user_id": sandbox.user_id,
            "people": _busiest(sandbox),
        }
        print(json.dumps(where), flush=True)
        for order in sys.stdin:
            print(json.dumps(server.obey(order)), flush=True)


if __name__ == "__main__":
    main()
