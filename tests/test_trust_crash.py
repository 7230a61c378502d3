"""kill -9 at every write boundary of every command that writes: nothing is lost, the next run makes it whole.

A plain run dies at a spread of the boundaries of each command, ``-m torture`` at all of them.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive, transaction
from canvas_archive.store.outbox import Draft, queue_message
from tests.sync_support import Pair, assert_equal
from tests.test_sync_faults import QuickClock
from tests.trust_support import TALLY, Ended, Workshop, copied, holdings, spread, unclean

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    pytest.mark.uncounted,
    pytest.mark.sampled,
]
CONVERSATIONS = 6

SOME, ALL = pytest.param(3, id="some"), pytest.param(None, id="all", marks=pytest.mark.torture)
KILLED = -9


def die_everywhere(
    kind: str,
    points: int | None,
    run: Callable[[int | None], Ended],
    check: Callable[[str], None],
) -> None:
    """Run once undisturbed, then die at the chosen boundaries, checking after each."""
    whole = run(None)
    assert whole.status == 0, whole.stderr
    check("an undisturbed run")
    assert len(whole.trail) > 5
    for at in spread(len(whole.trail), points):
        died = run(at)
        # Threads do not write in the same order every time: a run may have a boundary or two fewer.
        assert died.status == KILLED or at > len(died.trail), died.stderr
        TALLY[f"kill points: {kind}"] += died.status == KILLED
        check(f"killed at {at} of {len(whole.trail)}: {died.trail[-1]}")


def converges(pair: Pair, before: set[tuple[str, int, str]], where: str) -> None:
    """Check an archive after a kill: sound at once, nothing lost, and equal to Canvas after the next sync."""
    assert sound(pair.folder) == [], where
    lost = before - holdings(pair.folder)
    assert not lost, where
    at_kill = holdings(pair.folder)
    pair.sync(mode="full", index=True)
    assert_equal(pair)
    assert unclean(pair.folder) == [], where
    lost = at_kill - holdings(pair.folder)
    assert not lost, where


def sound(folder: Path) -> list[str]:
    """Return what ``verify`` finds right after a death.

    Two things may wait for the next run: an index to be built (it is derived), and a file that has its name
    already while the row that points to it was not yet written.
    """
    return [found for found in unclean(folder) if not found.startswith(("index: ", "unknown files: "))]


@pytest.mark.thorough
@pytest.mark.parametrize("points", [SOME, ALL])
def test_init(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: int | None
) -> None:
    with Sandbox(conversations=3) as sandbox:
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
        folder = tmp_path / "archive"

        def run(at: int | None) -> Ended:
            copied(tmp_path / "nothing", folder)
            return workshop.run("init", "--archive", str(folder), scratch=tmp_path / "run", die_at=at)

        def check(where: str) -> None:
            again = workshop.run("init", "--archive", str(folder), scratch=tmp_path / "again")
            # Made completely before, or made now: never something in between that neither accepts.
            assert again.status in (0, 9), (where, again.stderr)
            assert unclean(folder) == [], where
            Pair(sandbox, folder).sync(mode="full", attachments=False)

        (tmp_path / "nothing").mkdir()
        die_everywhere("init", points, run, check)


@pytest.mark.thorough
@pytest.mark.parametrize("points", [SOME, ALL])
def test_first_sync(workshop: Workshop, pair: Pair, tmp_path: Path, points: int | None) -> None:
    start = tmp_path / "start"
    pair.folder.rename(start)

    def run(at: int | None) -> Ended:
        copied(start, pair.folder)
        return workshop.run("sync", "--archive", str(pair.folder), scratch=tmp_path / "run", die_at=at)

    die_everywhere("first sync", points, run, lambda where: converges(pair, set(), where))


@pytest.mark.thorough
@pytest.mark.parametrize("points", [SOME, ALL])
@pytest.mark.parametrize("mode", ["--full", "--quick"])
def test_later_sync(workshop: Workshop, pair: Pair, tmp_path: Path, mode: str, points: int | None) -> None:
    pair.sync(mode="full", index=True)
    school = pair.sandbox.school
    with_others = [id_ for id_ in school.ids("inbox") if pair.others(id_)]
    for id_ in with_others[:3]:
        author = pair.others(id_)[0]
        file_id = school.add_file(author, f"notes {id_}.txt", f"Notes for {id_}".encode() * 50)
        school.receive(id_, author, "News arrived meanwhile.", attachments=[file_id])
    school.owner_delete(with_others[-1])
    school.rename(pair.others(with_others[0])[0], "Renamed Person")
    id_ = with_others[1]
    school.owner_remove_messages(id_, [school.truth()[id_]["messages"][-1]["id"]])
    school.owner_set(with_others[2], starred=True)
    start = tmp_path / "start"
    pair.folder.rename(start)
    before = holdings(start)

    def run(at: int | None) -> Ended:
        copied(start, pair.folder)
        return workshop.run("sync", mode, "--archive", str(pair.folder), scratch=tmp_path / "run", die_at=at)

    die_everywhere(f"later sync {mode}", points, run, lambda where: converges(pair, before, where))


@pytest.mark.parametrize("points", [SOME, ALL])
def test_push(workshop: Workshop, pair: Pair, tmp_path: Path, points: int | None) -> None:
    """Edits and a queued reply: after any death the next push does the rest, and the reply is there once."""
    pair.sync(mode="full")
    school = pair.sandbox.school
    ids = [id_ for id_ in school.ids("inbox") if pair.others(id_)]
    for id_ in ids:
        kind, _, number = str(school.truth()[id_]["context_code"]).partition("_")
        if kind == "course":
            school.conclude_course(int(number), concluded=False)
    original = {id_: (school.truth()[id_]["starred"], school.truth()[id_]["workflow_state"]) for id_ in ids}
    for id_ in ids:
        pair.update(
            "UPDATE conversations SET starred = NOT starred, workflow_state = 'archived' WHERE id = ?", id_
        )
    with Archive.open(pair.folder, write=True) as archive, transaction(archive.db):
        queue_message(archive.db, Draft("reply", "Said exactly once.", ids[0]))
    start = tmp_path / "start"
    pair.folder.rename(start)
    before = holdings(start)

    def replies() -> list[int]:
        return [m["id"] for m in school.truth()[ids[0]]["messages"] if m["body"] == "Said exactly once."]

    def run(at: int | None) -> Ended:
        copied(start, pair.folder)
        for id_, (starred, state) in original.items():
            school.owner_set(id_, starred=starred, workflow_state=state)
        school.owner_remove_messages(ids[0], replies())
        return workshop.run("push", "--archive", str(pair.folder), scratch=tmp_path / "run", die_at=at)

    def check(where: str) -> None:
        assert sound(pair.folder) == [], where
        assert not before - holdings(pair.folder), where
        pair.sync(mode="full", push=True, clock=QuickClock())
        assert len(replies()) == 1, where
        truth = school.truth()
        for id_, (starred, _) in original.items():
            assert truth[id_]["starred"] != starred, where
            # The own reply is newer than the wish to archive nothing but itself: it stays archived.
            assert truth[id_]["workflow_state"] == "archived", where
        assert pair.one("SELECT count(*) FROM edits WHERE state = 'pending'") == 0, where
        assert pair.one("SELECT state FROM outbox") == "sent", where
        assert_equal(pair)
        assert unclean(pair.folder) == [], where

    die_everywhere("push", points, run, check)


@pytest.mark.thorough
@pytest.mark.parametrize("points", [SOME, ALL])
@pytest.mark.parametrize("case", ["first", "update", "rebuild"])
def test_index(workshop: Workshop, pair: Pair, tmp_path: Path, case: str, points: int | None) -> None:
    from canvas_archive.search import check_index, search

    pair.sync(mode="full", index=case != "first")
    id_ = next(id_ for id_ in pair.sandbox.school.ids("inbox") if pair.others(id_))
    pair.sandbox.school.receive(id_, pair.others(id_)[0], "The xylophone concert was moved.")
    pair.sync(mode="full")
    start = tmp_path / "start"
    pair.folder.rename(start)
    before = holdings(start)
    options = ["--rebuild"] if case == "rebuild" else []

    def run(at: int | None) -> Ended:
        copied(start, pair.folder)
        return workshop.run(
            "index", *options, "--archive", str(pair.folder), scratch=tmp_path / "run", die_at=at
        )

    def check(where: str) -> None:
        assert holdings(pair.folder) == before, where
        found = sound(pair.folder) if case == "first" else unclean(pair.folder)
        assert found == [], where
        again = workshop.run("index", "--archive", str(pair.folder), scratch=tmp_path / "again")
        assert again.status == 0, (where, again.stderr)
        hits = search(pair.folder / "archive.db", pair.folder / "search", "xylophone").hits
        assert [hit.conversation_id for hit in hits] == [id_], where
        with closing(sqlite3.connect(pair.folder / "archive.db")) as db:
            state = check_index(db, pair.folder / "search")
        assert state.problem is None and state.pending == 0, where

    die_everywhere(f"index {case}", points, run, check)


@pytest.mark.parametrize("points", [SOME, ALL])
@pytest.mark.parametrize(
    "formats",
    ["jsonl", "csv", "mbox", "eml", "html", "rsmf", "parquet", "sqlite", "jsonl --bag", "jsonl --force"],
)
def test_export(workshop: Workshop, pair: Pair, tmp_path: Path, formats: str, points: int | None) -> None:
    """A name is there with everything in it or not at all; the archive is as it was; trying again works."""
    if formats not in ("jsonl", "jsonl --bag", "jsonl --force") and points is not None:
        points = 2
    pair.sync(mode="full")
    before = holdings(pair.folder)
    start, earlier, dest = tmp_path / "start", tmp_path / "earlier", tmp_path / "out" / "export"
    copied(pair.folder, start)
    arguments = ["export", str(dest), "--format", *formats.split(), "--archive", str(pair.folder)]
    dest.parent.mkdir()
    if "--force" in formats:
        assert workshop.run(*arguments, scratch=tmp_path / "run").status == 0
        copied(dest, earlier)

    def run(at: int | None) -> Ended:
        copied(start, pair.folder)
        copied(tmp_path / "nothing", dest.parent)
        if earlier.exists():
            copied(earlier, dest)
        return workshop.run(*arguments, scratch=tmp_path / "run", die_at=at)

    def check(where: str) -> None:
        assert unclean(pair.folder) == [], where
        assert not before - holdings(pair.folder), where
        if dest.exists():
            verified = workshop.run("verify", str(dest), scratch=tmp_path / "again")
            assert verified.status == 0, (where, verified.stdout)
        again = [word for word in arguments if word != "--force"] + (["--force"] if dest.exists() else [])
        ended = workshop.run(*again, scratch=tmp_path / "again")
        assert ended.status == 0, (where, ended.stderr)
        assert workshop.run("verify", str(dest), scratch=tmp_path / "again").status == 0, where

    (tmp_path / "nothing").mkdir()
    die_everywhere(f"export {formats}", points, run, check)


@pytest.mark.thorough
@pytest.mark.parametrize("points", [SOME, ALL])
@pytest.mark.parametrize("case", ["first", "second"])
def test_backup(workshop: Workshop, pair: Pair, tmp_path: Path, case: str, points: int | None) -> None:
    """A backup that was good stays good until the new one is; one that dies is completed by the next."""
    pair.sync(mode="full")
    dest, earlier, restored = tmp_path / "backup", tmp_path / "earlier", tmp_path / "restored"
    if case == "second":
        made = workshop.run("backup", str(dest), "--archive", str(pair.folder), scratch=tmp_path / "run")
        assert made.status == 0, made.stderr
        dest.rename(earlier)
        id_ = next(id_ for id_ in pair.sandbox.school.ids("inbox") if pair.others(id_))
        author = pair.others(id_)[0]
        file_id = pair.sandbox.school.add_file(author, "later.txt", b"later")
        pair.sandbox.school.receive(id_, author, "Later.", attachments=[file_id])
        pair.sync(mode="full")
    else:
        earlier.mkdir()
    before = holdings(pair.folder)

    def run(at: int | None) -> Ended:
        copied(earlier, dest)
        return workshop.run(
            "backup", str(dest), "--archive", str(pair.folder), scratch=tmp_path / "run", die_at=at
        )

    def check(where: str) -> None:
        assert unclean(pair.folder) == [] and holdings(pair.folder) == before, where
        if case == "second":
            verified = workshop.run("verify", str(dest), scratch=tmp_path / "again")
            assert verified.status == 0, (where, verified.stdout)
        again = workshop.run("backup", str(dest), "--archive", str(pair.folder), scratch=tmp_path / "again")
        assert again.status == 0, (where, again.stderr)
        assert workshop.run("verify", str(dest), scratch=tmp_path / "again").status == 0, where
        copied(tmp_path / "nothing", restored)
        back = workshop.run("restore", str(dest), str(restored), "--no-index", scratch=tmp_path / "again")
        assert back.status == 0, (where, back.stderr)
        assert holdings(restored) == before, where

    (tmp_path / "nothing").mkdir()
    die_everywhere(f"backup {case}", points, run, check)


@pytest.mark.thorough
@pytest.mark.parametrize("points", [SOME, ALL])
def test_restore(workshop: Workshop, pair: Pair, tmp_path: Path, points: int | None) -> None:
    """A restoration that died is not taken for an archive; it can be made again in the same folder."""
    pair.sync(mode="full")
    before = holdings(pair.folder)
    source, target = tmp_path / "backup", tmp_path / "restored"
    made = workshop.run("backup", str(source), "--archive", str(pair.folder), scratch=tmp_path / "run")
    assert made.status == 0, made.stderr

    def run(at: int | None) -> Ended:
        copied(tmp_path / "nothing", target)
        return workshop.run("restore", str(source), str(target), scratch=tmp_path / "run", die_at=at)

    def check(where: str) -> None:
        if not (target / "archive.db").exists():
            again = workshop.run("restore", str(source), str(target), scratch=tmp_path / "again")
            assert again.status == 0, (where, again.stderr)
        assert holdings(target) == before, where
        assert sound(target) == [], where
        Pair(pair.sandbox, target).sync(mode="full", index=True)
        assert unclean(target) == [], where

    (tmp_path / "nothing").mkdir()
    die_everywhere("restore", points, run, check)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "times", [pytest.param(3, id="some"), pytest.param(150, id="many", marks=pytest.mark.torture)]
)
def test_first_sync_at_random_times(workshop: Workshop, pair: Pair, tmp_path: Path, times: int) -> None:
    """Dying by the clock, also in the middle of SQLite's own writing."""
    import random

    start = tmp_path / "start"
    pair.folder.rename(start)
    moments = random.Random(9)
    for _ in range(times):
        copied(start, pair.folder)
        moment = moments.uniform(0.02, 0.8)
        died = workshop.run("sync", "--archive", str(pair.folder), scratch=tmp_path / "run", die_after=moment)
        assert died.status in (0, -14), died.stderr
        TALLY["kill points: first sync, at random times"] += died.status == -14
        converges(pair, set(), f"after {moment} seconds")


@pytest.mark.parametrize("mode", ["--full"])
@pytest.mark.torture
def test_killed_again_and_again_until_it_is_done(
    workshop: Workshop, pair: Pair, tmp_path: Path, mode: str
) -> None:
    """A machine that dies after every few writes still gets everything in the end."""
    for _ in range(400):
        ended = workshop.run("sync", mode, "--archive", str(pair.folder), scratch=tmp_path / "run", die_at=60)
        assert ended.status in (0, KILLED), ended.stderr
        assert sound(pair.folder) == []
        TALLY["kill points: one sync after the other"] += ended.status == KILLED
        if ended.status == 0:
            break
    else:
        pytest.fail("never done")
    assert_equal(pair)
