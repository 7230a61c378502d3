"""One thing that stays broken, of every kind and in every way: it costs itself, and nothing else.

Each run is the real sync against the sandbox with the fault always on. Waits take no time, and an answer that
does not come is given up after a moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.canvas import client as canvas_client
from canvas_archive.canvas import waiting
from canvas_archive.errors import ItemsFailed, Unreachable
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.sync import listing
from tests.sync_support import Pair, bind, told_by_archive, told_by_canvas
from tests.test_sync_faults import QuickClock

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]

CONVERSATIONS = 26
PAGE = 10


class LateClock(QuickClock):
    """A quick clock that can be set ahead."""

    def advance(self, **units: float) -> None:
        self.slept += timedelta(**units).total_seconds()


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A complete archive of a mailbox whose lists take several pages."""
    for name in ("QUICK_SCOPES", "FULL_SCOPES"):
        scopes = getattr(listing, name)
        small = tuple((scope, min(per_page, PAGE)) for scope, per_page in scopes)
        monkeypatch.setattr(listing, name, small)
    monkeypatch.setattr(listing, "PAGE", PAGE)
    # Only what hangs is waited for in real time. Elsewhere the jumps of the clock, which all threads see,
    # would make an answer that is on its way look slow.
    kind = getattr(request.node, "callspec", None)
    hangs = kind is not None and kind.params.get("kind") in ("hang", "endless")
    timeouts = canvas_client.CanvasClient.__init__.__kwdefaults__
    monkeypatch.setitem(timeouts, "timeout", 0.5 if hangs else 10.0)
    monkeypatch.setattr(waiting, "SILENCE_SECONDS", 0.4 if hangs else 1e6)
    with Sandbox(conversations=CONVERSATIONS) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        pair.sync(mode="full", attachments=False)
        yield pair


BREAKS: dict[str, dict[str, Any]] = {
    "reset": {},
    "abort": {},
    "hang": {},
    "endless": {"delay": 0.02},
    "truncate": {},
    "short_body": {},
    "status": {"status": 502},
    "refuse": {"status": 500},
    "throttle_429": {"retry_after": 2},
    "throttle_403": {},
    "html_login": {},
    "foreign_redirect": {},
    "invalid_json": {},
    "wrong_type": {"field": "message_count"},
}


SCOPE = r"^/api/v1/conversations\?(?=.*scope={})"
LATER_PAGE = SCOPE.format("inbox") + r"(?=.*[?&]page=(?!1\b))"
ITEMS: dict[str, tuple[str, Any, str]] = {
    "conversation {id}": (r"^/api/v1/conversations/{id}\b", 0, "full"),
    "list archived": (SCOPE.format("archived"), 0, "full"),
    "list inbox/page-2": (LATER_PAGE, 0, "full"),
    "list sent/recheck": (SCOPE.format("sent") + "(?!.*[?&]page=)", 1, "full"),
    "list courses": (r"^/api/v1/courses", 0, "full"),
    "list unread": (SCOPE.format("unread"), 0, "quick"),
    "list starred": (SCOPE.format("starred"), 0, "quick"),
}
"""What is broken, by its name in the ledger: the requests it takes, how many go well, in which mode."""


def broken_run(pair: Pair, kind: Any, names: Sequence[str], mode: Any) -> None:
    """Break things, sync, and check that they cost themselves alone."""
    school = pair.sandbox.school
    with_others = [id_ for id_ in school.ids("inbox") if pair.others(id_)]
    broken, edited, group = with_others[0], with_others[1], with_others[2]
    for id_ in (broken, group):
        school.receive(id_, pair.others(id_)[0], "Something new.")
    new = school.start_conversation(pair.others(group)[0], [pair.owner], "New", "Hello there.")
    pair.update("UPDATE conversations SET starred = 1 - starred WHERE id = ?", edited)
    star = not school.owner_row(edited).starred
    for name in names:
        match, after, _ = ITEMS[name]
        match = match.replace("{id}", str(broken))
        pair.sandbox.faults.add(Fault(kind, match, times=None, after=after, **BREAKS[kind]))
    clock = LateClock()
    result = pair.sync(mode=mode, attachments=False, check=False, clock=clock, push=True)
    report = result.report
    assert isinstance(result.error, ItemsFailed) and result.error.exit_code == 5, result.error
    assert {problem.name for problem in report.problems} == {name.format(id=broken) for name in names}
    assert str(result.error).startswith(
        "1 item failed." if len(names) == 1 else f"{len(names)} items failed."
    )
    lists = {name for name in names if name.startswith("list")} - {"list courses"}
    assert report.complete == (not lists)
    assert clock.slept < 60 * len(names)
    assert school.owner_row(edited).starred == star, "the waiting edit was pushed"
    archive, canvas = told_by_archive(pair.folder), told_by_canvas(pair.sandbox)
    assert archive.keys() == canvas.keys(), "no conversation is missing, none is taken for removed"
    assert len(archive[new]["messages"]) == 1
    differing = {id_ for id_ in canvas if messages(archive[id_]) != messages(canvas[id_])}
    assert differing == ({broken} if "conversation {id}" in names else set())


@pytest.mark.sampled
@pytest.mark.parametrize("kind", BREAKS)
def test_broken_items_cost_themselves_alone(pair: Pair, kind: Any) -> None:
    names = [name for name, (_, _, mode) in ITEMS.items() if mode == "full"]
    if kind in ("wrong_type", "short_body"):
        names = names[:1]  # the rows of a list are judged one by one, in other tests
    broken_run(pair, kind, names, "full")


@pytest.mark.parametrize("name", ["list inbox/page-2", "list unread", "list starred"])
def test_one_broken_item_costs_itself_alone(pair: Pair, name: str) -> None:
    broken_run(pair, "abort", [name], ITEMS[name][2])


def messages(conversation: dict[str, Any]) -> list[int]:
    return [message["id"] for message in conversation["messages"]]


# -- what comes of it in the next runs -------------------------------------------------------------------


def break_shows(pair: Pair, number: int, kind: Any = "status", **options: Any) -> list[int]:
    """Let new messages come to so many conversations that cannot be shown any more."""
    school = pair.sandbox.school
    ids = [id_ for id_ in school.ids("inbox") if pair.others(id_)][:number]
    for id_ in ids:
        school.receive(id_, pair.others(id_)[0], "Cannot be read.")
    pair.sandbox.faults.add(
        Fault(kind, rf"^/api/v1/conversations/({'|'.join(map(str, ids))})\b", times=None, **options)
    )
    return ids


def ledger(pair: Pair) -> dict[str, int]:
    return dict(map(tuple, pair.sql("SELECT item_id, attempts FROM problems ORDER BY item_id")))


def test_a_sync_with_resting_items_on_more_than_a_page_is_still_six_requests(pair: Pair) -> None:
    ids = break_shows(pair, 12, "refuse", status=403)
    clock = LateClock()
    for requests in (None, None, 6, 6):
        pair.sandbox.log.clear()
        result = pair.sync(mode="quick", attachments=False, check=False, clock=clock)
        if requests is not None:
            assert result.error is None
            assert (result.report.requests, result.report.resting) == (requests, 12)
    assert ledger(pair) == {str(id_): 2 for id_ in ids}
    assert pair.sync(mode="full", attachments=False, clock=clock).error is None, "its rows are the same"
    clock.advance(hours=1)
    result = pair.sync(mode="quick", attachments=False, check=False, clock=clock)
    assert isinstance(result.error, ItemsFailed) and len(result.report.problems) == 12
    pair.sandbox.faults.clear()
    assert pair.sync(mode="quick", attachments=False, clock=clock).report.resting == 12
    assert pair.sync(mode="quick", attachments=False, clock=clock, retry=True).report.new_messages == 12
    assert ledger(pair) == {}


def test_a_resting_conversation_gets_a_try_when_a_message_comes(pair: Pair) -> None:
    (id_,) = break_shows(pair, 1)
    clock = LateClock()
    for _ in range(3):
        pair.sync(mode="quick", attachments=False, check=False, clock=clock)
    assert ledger(pair) == {str(id_): 2}
    pair.sandbox.school.receive(id_, pair.others(id_)[0], "Another one.")
    pair.sync(mode="quick", attachments=False, check=False, clock=clock)
    assert ledger(pair) == {str(id_): 3}
    assert pair.sync(mode="quick", attachments=False, clock=clock).report.requests == 6
    pair.sandbox.faults.clear()
    pair.sandbox.school.receive(id_, pair.others(id_)[0], "And now it can be read.")
    assert pair.sync(mode="quick", attachments=False, clock=clock).report.new_messages == 3
    assert ledger(pair) == {}


def test_the_flags_of_a_resting_conversation_are_followed(pair: Pair) -> None:
    (id_,) = break_shows(pair, 1)
    clock = LateClock()
    for _ in range(2):
        pair.sync(mode="quick", attachments=False, check=False, clock=clock)
    for mode in ("quick", "full"):
        star = not pair.sandbox.school.owner_row(id_).starred
        pair.sandbox.school.owner_set(id_, starred=star)
        pair.sync(mode=mode, attachments=False, clock=clock)
        assert pair.one("SELECT remote_starred FROM conversations WHERE id = ?", id_) == star
    assert ledger(pair) == {str(id_): 2}


def test_after_three_failures_in_a_row_the_rest_is_left_and_not_forgotten(pair: Pair) -> None:
    ids = break_shows(pair, 12)
    clock = LateClock()
    result = pair.sync(mode="quick", attachments=False, check=False, clock=clock, jobs=1)
    report = result.report
    assert (len(report.problems), report.untried, report.complete) == (3, 9, False)
    assert sorted(ledger(pair).values()) == [0] * 9 + [1] * 3, "each is in the ledger, tried or not"
    shows = [one for one in pair.sandbox.log.api if one.path.rpartition("/")[2] in map(str, ids)]
    assert len({one.path for one in shows if one.status == 502 or one.fault}) == 3
    pair.sandbox.faults.clear()
    assert pair.sync(mode="quick", attachments=False, clock=clock).report.new_messages == 12
    assert ledger(pair) == {}


@pytest.mark.sampled
def test_what_failed_before_gets_one_request(pair: Pair) -> None:
    (id_,) = break_shows(pair, 1)
    pair.sync(mode="quick", attachments=False, check=False, clock=LateClock())
    pair.sandbox.log.clear()
    pair.sync(mode="quick", attachments=False, check=False, clock=LateClock())
    assert len([one for one in pair.sandbox.log.api if one.path.endswith(str(id_))]) == 1


def test_a_list_that_stays_broken_makes_no_sync_a_full_one(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("status", LATER_PAGE, times=None))
    clock, modes = LateClock(), []
    clock.advance(days=2)
    for hours in (0, 0.01, 0.5, 2, 5, 30):
        clock.advance(hours=hours)
        result = pair.sync(attachments=False, check=False, clock=clock)
        modes.append((result.report.mode, result.error is not None))
    tried, rested = ("full", True), ("quick", False)
    assert modes == [tried, tried, rested, tried, rested, tried]
    pair.sandbox.faults.clear()
    clock.advance(days=1.1)
    assert pair.sync(attachments=False, clock=clock).report.complete
    assert ledger(pair) == {}


def test_what_changed_below_a_broken_page_is_fetched_when_it_became_unread(pair: Pair) -> None:
    school = pair.sandbox.school
    some = [id_ for id_ in school.ids("inbox") if pair.others(id_)][:12]
    for id_ in some:
        school.owner_set(id_, workflow_state="read")
    pair.sync(mode="full", attachments=False)
    for id_ in some:
        school.receive(id_, pair.others(id_)[0], "Ten of these are on the first page.")
    pair.sandbox.faults.add(Fault("abort", LATER_PAGE, times=None))
    result = pair.sync(mode="quick", attachments=False, check=False, clock=LateClock())
    assert isinstance(result.error, ItemsFailed)
    archive = told_by_archive(pair.folder)
    assert {
        id_ for id_, told in told_by_canvas(pair.sandbox).items() if messages(told) != messages(archive[id_])
    } == set()


def test_a_list_that_somebody_accepted_is_no_failure_of_the_next_syncs(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("status", SCOPE.format("archived"), times=None))
    clock = LateClock()
    assert pair.sync(mode="quick", attachments=False, check=False, clock=clock).error is not None
    pair.update("UPDATE problems SET accepted_at = '2026-01-01T00:00:00Z'")
    report = pair.sync(mode="quick", attachments=False, clock=clock).report
    assert (report.accepted, report.complete) == (1, False)
    # The six of any sync, and one that asks after Canvas; on a slow machine it is asked once more.
    assert report.requests in (7, 8)
    pair.sandbox.faults.clear()
    assert pair.sync(mode="quick", attachments=False, clock=clock).report.complete
    assert ledger(pair) == {}


# -- Canvas as a whole -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["abort", "hang", "status", "throttle_429", "html_login"])
def test_canvas_as_a_whole_being_away_ends_with_4(pair: Pair, kind: Any) -> None:
    pair.sandbox.faults.add(Fault(kind, "", times=None, after=3))
    result = pair.sync(mode="full", attachments=False, check=False, clock=LateClock(), patience_minutes=1)
    assert result.error is not None and result.error.exit_code == 4
    assert isinstance(result.error, Unreachable) or kind == "throttle_429"
    assert ledger(pair) == {}, "Canvas being away is no item's problem"


def test_canvas_that_comes_back_within_the_patience_is_survived(pair: Pair) -> None:
    ids = break_shows(pair, 8)
    pair.sandbox.faults.clear()
    pair.sandbox.faults.add(Fault("abort", "", times=60, after=8))
    report = pair.sync(mode="quick", attachments=False, clock=LateClock()).report
    assert report.new_messages == len(ids) and report.problems == []
    assert ledger(pair) == {}


def test_a_dry_run_goes_on_past_a_broken_list(pair: Pair) -> None:
    (new,) = break_shows(pair, 1)
    pair.sandbox.faults.add(Fault("status", SCOPE.format("archived"), times=None))
    result = pair.sync(mode="quick", dry_run=True, check=False, clock=LateClock())
    assert isinstance(result.error, ItemsFailed) and "1 item failed." in str(result.error)
    assert f"fetch {new} (changed)" in result.report.actions
    assert not any("gone" in action for action in result.report.actions)
    assert ledger(pair) == {}
