"""A sync next to a script on ``canvasapi`` that does the same job on the same local Canvas.

Ours is the whole command, from its start to its end; the peer's time leaves out its imports. Attachments and
index are left out on both sides. The server runs in a process of its own and counts the requests. The peer,
which takes minutes, runs once between ours; its time is nearly all waiting, and hardly varies.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from canvas_archive.store import Archive
from tests.benchmarks.canvasapi_peer import Took, canvasapi_peer
from tests.benchmarks.children import Failed, Ran, canvas_archive, run_child
from tests.benchmarks.figures import Plan, Row, median
from tests.benchmarks.local_canvas import LocalCanvas, Told, local_canvas

LATENCY = 0.05
COSTLY = 2.5  # units: dear enough that the bucket, not the network, is what holds a client up
FIRST_TIMES = 6.0
LEAST_SHARE = 0.9
MOST_THROTTLED = 0.01
LEAST_RATE = 400
MOST_REQUESTS = 6
MOST_CPU = 0.5


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the rows of a first sync under Canvas's limits, and of later ones of a large mailbox."""
    yield from _first_sync(plan)
    yield _bucket(plan)
    yield from _large_mailbox(plan)


class Mailbox:
    """An archive that is made new for every first sync."""

    def __init__(self, canvas: LocalCanvas, work: Path) -> None:
        self._canvas = canvas
        self._work = work
        self._made = 0

    def begin(self) -> None:
        """Make a new archive, with nothing in it."""
        self._made += 1
        Archive.create(
            self._folder, base_url=self._canvas.url, user_id=self._canvas.user_id, name="Owner"
        ).close()

    @property
    def _folder(self) -> Path:
        return self._work / f"archive-{self._canvas.url.rpartition(':')[2]}-{self._made}"

    def sync(self) -> tuple[Ran, Told]:
        """Sync once; return what it cost and what the server saw."""
        self._canvas.forget()
        ran = run_child(
            canvas_archive(
                "--archive", str(self._folder), "sync", "--no-attachments", "--no-index", "--json"
            ),
            **self._canvas.environment(),
        )
        told = self._canvas.tell()
        if told.writes or json.loads(ran.output)["requests"] != told.requests:
            raise Failed(f"the sync and the server disagree about what was asked: {told}")
        return ran, told


def _first_sync(plan: Plan) -> Iterator[Row]:
    size, n = plan.size(1_000, 60), plan.size(3, 1)
    with local_canvas(size, latency=LATENCY, throttle=True) as canvas:
        mailbox = Mailbox(canvas, plan.work)
        ours: list[tuple[Ran, Told]] = []
        theirs: list[tuple[Took, Told]] = []
        for turn in range(n):
            mailbox.begin()
            ours.append(mailbox.sync())
            if turn == 0:
                canvas.forget()
                with canvasapi_peer(canvas.environment()) as peer:
                    theirs.append((peer.sync(), canvas.tell()))
    yield _race(
        f"first sync of {size:,} conversations, {LATENCY * 1000:.0f} ms latency, throttled (peer: canvasapi)",
        ours, theirs, FIRST_TIMES,
    )  # fmt: skip
    refused = max(told.throttled / told.requests for _, told in ours)
    yield Row(
        "of its requests refused by the bucket",
        f"{refused:.1%}",
        n=n,
        target=f"< {MOST_THROTTLED:.0%}",
        met=refused < MOST_THROTTLED,
        value=refused,
    )


def _bucket(plan: Plan) -> Row:
    """Return the row of a sync whose requests cost so much that the bucket decides how long it takes."""
    with local_canvas(plan.size(400, 40), latency=LATENCY, throttle=True, cost=COSTLY) as canvas:
        mailbox = Mailbox(canvas, plan.work)
        mailbox.begin()
        told = mailbox.sync()[1]
    share = told.cost / told.allowed
    bound = told.cost > told.allowed / 2
    return Row(
        f"units used of those the bucket allows at {COSTLY} a request ({told.throttled} of "
        f"{told.requests:,} refused)",
        f"{told.cost:,.0f} in {told.seconds:.1f} s",
        f"{told.allowed:,.0f}",
        share,
        1,
        f"≥ {LEAST_SHARE:.0%}",
        share >= LEAST_SHARE if bound else None,
        told.cost,
        told.allowed,
        "units",
    )


def _large_mailbox(plan: Plan) -> Iterator[Row]:
    size, n = plan.size(10_000, 100), plan.size(3, 1)
    with local_canvas(size) as canvas, canvasapi_peer(canvas.environment()) as peer:
        mailbox = Mailbox(canvas, plan.work)
        mailbox.begin()

        def both(changes: int, times: int) -> tuple[list[tuple[Ran, Told]], list[tuple[Took, Told]]]:
            ours, theirs = [], []
            for turn in range(times):
                if changes:
                    canvas.change(changes)
                ours.append(mailbox.sync())
                if turn == 0:
                    canvas.forget()
                    theirs.append((peer.sync(), canvas.tell()))
            return ours, theirs

        first, peers_first = both(0, 1)
        yield _race(f"first sync of {size:,}, no latency (peer: canvasapi)", first, peers_first)
        yield _ingest_rate(size, first[0][0], peers_first[0][0])
        none, peers_none = both(0, n)
        yield _race(f"sync of {size:,} without changes (peer: canvasapi)", none, peers_none)
        yield _quiet_cost(none, peers_none)
        for changes in (1, 50):
            ours, theirs = both(changes, n)
            yield _race(f"sync of {size:,} with {changes} changed (peer: canvasapi)", ours, theirs)


def _race(
    name: str, ours: list[tuple[Ran, Told]], theirs: list[tuple[Took, Told]], least: float | None = None
) -> Row:
    mine, peer = median(ran.seconds for ran, _ in ours), median(took.seconds for took, _ in theirs)
    ratio = peer / mine
    return Row(
        name,
        f"{mine:.2f} s, {ours[-1][1].requests:,} requests",
        f"{peer:.2f} s, {theirs[-1][1].requests:,} requests",
        ratio,
        len(ours),
        "" if least is None else f"≥ {least:g} times",
        None if least is None else ratio >= least,
        mine,
        peer,
        "s",
    )


def _ingest_rate(size: int, ours: Ran, theirs: Took) -> Row:
    rate, peer = size / ours.cpu, size / theirs.cpu
    return Row(
        "conversations for each second of own processor time (peer: canvasapi, which stores nothing)",
        f"{rate:,.0f}",
        f"{peer:,.0f}",
        rate / peer,
        1,
        f"≥ {LEAST_RATE}",
        rate >= LEAST_RATE,
        rate,
        peer,
        "1/s",
    )


def _quiet_cost(ours: list[tuple[Ran, Told]], theirs: list[tuple[Took, Told]]) -> Row:
    cpu, peer = median(ran.cpu for ran, _ in ours), median(took.cpu for took, _ in theirs)
    requests = max(told.requests for _, told in ours)
    return Row(
        "processor time of a sync without changes, the whole command (peer: canvasapi)",
        f"{cpu:.2f} s",
        f"{peer:.2f} s",
        peer / cpu,
        len(ours),
        f"≤ {MOST_REQUESTS} requests, < {MOST_CPU} s",
        requests <= MOST_REQUESTS and cpu < MOST_CPU,
        cpu,
        peer,
        "s",
    )


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    sys.exit(main(["--only", "sync", *sys.argv[1:]]))
