"""Many custodians: ``fleet sync`` next to the script on ``canvasapi`` acting as each of them.

The custodians are those of the sample mailbox who take part in most conversations. Attachments and index are
left out on both sides. There is no latency: with it, the peer would wait for minutes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.canvasapi_peer import Took, canvasapi_peer
from tests.benchmarks.children import Failed, Ran, canvas_archive, run_child
from tests.benchmarks.figures import Plan, Row, median
from tests.benchmarks.local_canvas import LocalCanvas, Told, local_canvas

CUSTODIANS = 200
CONVERSATIONS = 1_000


def rows(plan: Plan) -> Iterator[Row]:
    """Yield a first collection and one in which nothing has changed."""
    count = plan.size(CUSTODIANS, 5)
    with local_canvas(plan.size(CONVERSATIONS, 40), throttle=True) as canvas:
        people = canvas.people[:count]
        listed = plan.work / "custodians.csv"
        listed.write_text("user_id\n" + "".join(f"{user_id}\n" for user_id in people))
        root = plan.work / "fleet"
        with canvasapi_peer(canvas.environment(administrator=True)) as peer:
            for event, times in (("first collection", 1), ("nothing changed", 1)):
                ours: list[tuple[Ran, Told]] = []
                theirs: list[tuple[Took, Told]] = []
                for _ in range(times):
                    ours.append(_collect(canvas, listed, root, len(people)))
                    canvas.forget()
                    theirs.append((peer.sync(people), canvas.tell()))
                yield _row(f"fleet of {len(people)} custodians, {event}", ours, theirs)


def _collect(canvas: LocalCanvas, listed: Path, root: Path, people: int) -> tuple[Ran, Told]:
    canvas.forget()
    ran = run_child(
        canvas_archive(
            "fleet", "sync", str(listed), "--root", str(root), "--url", canvas.url,
            "--jobs", "4", "--no-attachments", "--no-index", "--json",
        ),
        **canvas.environment(administrator=True),
    )  # fmt: skip
    complete = [row for row in json.loads(ran.output)["custodians"] if row["status"] == "ok"]
    if len(complete) != people:
        raise Failed(f"only {len(complete)} of {people} custodians were collected")
    return ran, canvas.tell()


def _row(name: str, ours: list[tuple[Ran, Told]], theirs: list[tuple[Took, Told]]) -> Row:
    mine, peer = median(ran.seconds for ran, _ in ours), median(took.seconds for took, _ in theirs)
    told, peers_told = ours[-1][1], theirs[-1][1]
    return Row(
        f"{name} (peer: canvasapi, which stores nothing)",
        f"{mine:.1f} s, {told.requests:,} requests, {told.throttled} refused, {ours[-1][0].megabytes:.0f} MB",
        f"{peer:.1f} s, {peers_told.requests:,} requests",
        peer / mine,
        len(ours),
        value=mine,
        peer_value=peer,
        unit="s",
    )


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    sys.exit(main(["--only", "fleet", *sys.argv[1:]]))
