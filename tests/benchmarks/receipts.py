"""What receipts cost: in space, in a first sync, and when every row is derived again.

The peer is the archive without them. ``python -m tests.benchmarks.receipts --old FOLDER`` measures a first
sync and one of an earlier version by turns: FOLDER is its tree.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from canvas_archive.canvas import parse
from canvas_archive.clock import SYSTEM, iso, parse_iso
from canvas_archive.model import Conversation, Json, JsonObject
from canvas_archive.store import Archive, Ingest, runs, transaction
from canvas_archive.store.chain import extend_chain
from tests.benchmarks.children import canvas_archive, run_child
from tests.benchmarks.figures import ROOT, Plan, Row, median
from tests.benchmarks.local_canvas import local_canvas
from tests.benchmarks.store import PORTION, fetched

MOST_SPACE = 1.4
MOST_TIME = 1.15
MOST_GROWN = 2.0
MOST_MEGABYTES_A_YEAR = 30.0
MOST_SECONDS = 90.0
MOST_MEGABYTES = 200.0
MILLION = 1_000_000
_PROGRAM = """
import sys
sys.path[0] = {0!r}
import canvas_archive
from canvas_archive.cli import run
assert canvas_archive.__file__.startswith({0!r})
sys.exit(run(sys.argv[1:]))
"""


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the rows, each next to its limit."""
    conversations = fetched(plan.size(3_000, 60))
    folder = plan.work / "sample"
    _write(folder, conversations)
    yield _space(folder, len(conversations))
    yield _grown(plan, conversations)
    yield _id_lists(plan)
    yield from _verify(plan, conversations)


def first_sync(plan: Plan, old: Path) -> Row:
    """Return the row of a first sync by this version and by an older one, by turns."""
    size, n = plan.size(1_500, 60), plan.size(5, 1)
    took: dict[Path | None, list[float]] = {None: [], old: []}
    with local_canvas(size, latency=0.0) as canvas:
        for turn in range(n):
            for tree in sorted(took, key=lambda one: (one is None) == bool(turn % 2)):
                folder = plan.work / f"first-{turn}-{tree is None}"
                program = _PROGRAM.format(str(tree or ROOT))
                prefix = [sys.executable, "-c", program, "--archive", str(folder)]
                run_child([*prefix, "init", canvas.url], **canvas.environment())
                ran = run_child([*prefix, "sync", "--no-attachments", "--no-index"], **canvas.environment())
                took[tree].append(ran.cpu)
    ours, theirs = median(took[None]), median(took[old])
    return Row(
        f"first sync of {size:,} conversations, seconds of processor time (peer: without receipts)",
        f"{ours:.2f} s", f"{theirs:.2f} s", ours / theirs, n, f"≤ {MOST_TIME} times",
        ours / theirs <= MOST_TIME, ours, theirs, "s",
    )  # fmt: skip


def _write(folder: Path, conversations: list[Conversation]) -> None:
    Archive.create(folder, base_url="https://canvas.example.edu", user_id=1, name="Owner").close()
    with Archive.open(folder, write=True) as archive:
        run_id = runs.start_run(archive.db, "full", SYSTEM)
        ingest = Ingest(archive.db, SYSTEM, run_id)
        for at in range(0, len(conversations), PORTION):
            with transaction(archive.db):
                ingest.save_conversations(conversations[at : at + PORTION])
        runs.finish_run(archive.db, run_id, "ok", True, 0, 0, {}, None, clock=SYSTEM)
        with transaction(archive.db):
            extend_chain(archive.db)
        archive.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _space(folder: Path, count: int) -> Row:
    """Return how large a database is with receipts, and without."""
    path = folder / "archive.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("VACUUM")
        ours = path.stat().st_size
        copy = folder / "without.db"
        db.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        db.execute("DROP TABLE receipts")
        db.execute("VACUUM")
    theirs = copy.stat().st_size
    copy.unlink()
    return Row(
        f"database of {count:,} conversations (peer: without receipts)",
        f"{ours / 1e6:.1f} MB", f"{theirs / 1e6:.1f} MB", ours / theirs, 1, f"≤ {MOST_SPACE} times",
        ours / theirs <= MOST_SPACE, ours / 1e6, theirs / 1e6, "MB",
    )  # fmt: skip


def _received(folder: Path, answers: list[Conversation]) -> int:
    """Store answers one by one; return the bytes of their receipts."""
    Archive.create(folder, base_url="https://canvas.example.edu", user_id=1, name="Owner").close()
    with Archive.open(folder, write=True) as archive:
        ingest = Ingest(archive.db, SYSTEM)
        for answer in answers:
            with transaction(archive.db):
                ingest.save_conversation(answer)
        size: int = archive.db.execute(
            "SELECT sum(length(payload) + length(salt)) FROM receipts WHERE kind = 'thread'"
        ).fetchone()[0]
    return size


def _grown(plan: Plan, conversations: list[Conversation]) -> Row:
    """Return what the receipts of a thread take that grew message by message, and of one fetched at once."""
    length = plan.size(200, 20)
    messages = [one for conv in conversations for one in conv.raw["messages"]][:length]  # type: ignore[union-attr]
    raw = conversations[0].raw

    def answer(count: int) -> Conversation:
        said: list[Json] = [{**one, "id": 10_000 + at} for at, one in enumerate(messages[:count])]  # type: ignore[dict-item]
        return parse.conversation({**raw, "message_count": count, "messages": said[::-1]})

    ours = _received(plan.work / "grown", [answer(count) for count in range(1, length + 1)])
    theirs = _received(plan.work / "at-once", [answer(length)])
    return Row(
        f"receipts of a thread that grew one by one to {length} messages (peer: fetched at once)",
        f"{ours / 1e3:.1f} kB", f"{theirs / 1e3:.1f} kB", ours / theirs, 1, f"≤ {MOST_GROWN} times",
        ours / theirs <= MOST_GROWN, ours / 1e3, theirs / 1e3, "kB",
    )  # fmt: skip


def _vacuumed(db: sqlite3.Connection) -> int:
    """Return the size of a database in bytes, without free pages."""
    db.execute("VACUUM")
    size: int = db.execute(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    ).fetchone()[0]
    return size


def _id_lists(plan: Plan) -> Row:
    """Return what a year of id lists takes: twelve syncs a day, each of which finds a new conversation."""
    count, days = plan.size(10_000, 200), plan.size(30, 2)
    rng = random.Random(7)
    ids = [*range(500_000, 500_000 + 3 * count, 3)]
    unread = set(rng.sample(ids, count // 50))
    folder = plan.work / "ids"
    Archive.create(folder, base_url="https://canvas.example.edu", user_id=1, name="Owner").close()
    with Archive.open(folder, write=True) as archive:
        began = time.process_time()
        for _ in range(12 * days):
            ids.append(ids[-1] + rng.randrange(1, 9))
            unread.add(ids[-1])
            unread.discard(rng.choice(sorted(unread)))
            with transaction(archive.db):
                ingest = Ingest(archive.db, SYSTEM)
                ingest.save_ids("inbox", ids)
                ingest.save_ids("unread", unread)
                ingest.save_ids("sent", ids[::3])
        took = (time.process_time() - began) / (12 * days)
        archive.db.execute("VACUUM")
        (size,) = archive.db.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
        archive.db.execute("DROP TABLE receipts")
        archive.db.execute("VACUUM")
        (empty,) = archive.db.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
    year = (size - empty) / 1e6 * 365 / days
    return Row(
        f"id lists of {count:,} conversations, 12 changed a day, {took * 1000:.0f} ms each: a year",
        f"{year:.1f} MB", ratio=MOST_MEGABYTES_A_YEAR / year, target=f"< {MOST_MEGABYTES_A_YEAR:g} MB",
        met=year < MOST_MEGABYTES_A_YEAR, value=year, unit="MB",
    )  # fmt: skip


def _copies(conversations: list[Conversation], least: int) -> Iterator[list[Conversation]]:
    """Yield the conversations again and again, with other ids, until there are so many messages."""
    made = turn = 0
    while made < least:
        turn += 1
        copies = []
        for conv in conversations:
            raw = _renumbered(conv.raw, turn * 10_000_000)
            copies.append(parse.conversation(raw))
            made += len(copies[-1].messages or ())
        yield copies


def _renumbered(raw: JsonObject, offset: int) -> JsonObject:
    def moved(message: Json) -> Json:
        assert isinstance(message, dict)
        at = iso(parse_iso(str(message["created_at"])) - timedelta(seconds=offset // 10_000_000))
        files: list[Any] = message.get("attachments") or []  # type: ignore[assignment]
        files = [{**one, "id": int(str(one["id"])) + offset} for one in files]
        inner = [moved(one) for one in message.get("forwarded_messages") or ()]  # type: ignore[union-attr]
        number = int(str(message["id"])) + offset
        return {**message, "id": number, "created_at": at, "attachments": files, "forwarded_messages": inner}

    messages = raw["messages"]
    assert isinstance(messages, list)
    return {**raw, "id": int(str(raw["id"])) + offset, "messages": [moved(one) for one in messages]}


def _verify(plan: Plan, conversations: list[Conversation]) -> Iterator[Row]:
    """Yield the time and memory of ``verify``, at a part of a million messages."""
    least = plan.size(MILLION // 10, 500)
    folder = plan.work / "many"
    Archive.create(folder, base_url="https://canvas.example.edu", user_id=1, name="Owner").close()
    with Archive.open(folder, write=True) as archive:
        run_id = runs.start_run(archive.db, "full", SYSTEM)
        ingest = Ingest(archive.db, SYSTEM, run_id)
        for copies in _copies(conversations, least):
            for at in range(0, len(copies), 64):
                with transaction(archive.db):
                    ingest.save_conversations(copies[at : at + 64])
        runs.finish_run(archive.db, run_id, "ok", True, 0, 0, {}, None, clock=SYSTEM)
        with transaction(archive.db):
            extend_chain(archive.db)
        (messages,) = archive.db.execute("SELECT count(*) FROM messages").fetchone()
        archive.db.execute("ANALYZE")
        archive.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ran = run_child(canvas_archive("--archive", str(folder), "verify", "--no-files"))
    seconds = ran.cpu * MILLION / messages
    yield Row(
        f"`verify` of {messages:,} messages, in processor time; of a million at this rate",
        f"{ran.cpu:.1f} s; {seconds:.0f} s", ratio=MOST_SECONDS / seconds, target=f"< {MOST_SECONDS:g} s",
        met=seconds < MOST_SECONDS, value=seconds, unit="s",
    )  # fmt: skip
    yield Row(
        "its memory", f"{ran.megabytes:.0f} MB", ratio=MOST_MEGABYTES / ran.megabytes,
        target=f"< {MOST_MEGABYTES:g} MB", met=ran.megabytes < MOST_MEGABYTES, value=ran.megabytes, unit="MB",
    )  # fmt: skip


def main() -> None:
    """Measure a first sync next to that of an older tree."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--old", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmarks-receipts-") as work:
        print(first_sync(Plan(Path(work), options.quick), options.old.resolve()))


if __name__ == "__main__":
    main()
