"""What a sync decides: pure functions over what Canvas listed and what the archive holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.canvas import ConversationPage, Malformed
from canvas_archive.clock import SYSTEM
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.store import Archive
from canvas_archive.store.summaries import StoredSummary, fingerprint
from canvas_archive.sync import listing, plan, service
from canvas_archive.sync.ledger import Ledger
from canvas_archive.sync.plan import Fetch, Membership, UpdateFlags
from canvas_archive.sync.report import Report
from tests.store_support import conversation, create, message
from tests.sync_support import Pair, assert_equal, bind
from tests.test_sync_faults import LIST, QuickClock

pytestmark = pytest.mark.sampled

ROW = replace(conversation(1, message(100)), messages=None)
STORED = fingerprint(ROW)


def summary(**changes: Any) -> StoredSummary:
    """Return what the archive knows of ``ROW`` when nothing has changed."""
    same = StoredSummary(ROW.workflow_state, ROW.starred, ROW.subscribed, removed=False, fetched=True)
    return same._replace(**changes)


@pytest.mark.parametrize(
    ("known", "stored", "action"),
    [
        (None, None, Fetch(1, "new")),
        (summary(removed=True), STORED, Fetch(1, "reappeared")),
        (summary(fetched=False), STORED, Fetch(1, "unfinished")),
        (summary(), STORED + 1, Fetch(1, "changed")),
        (summary(), None, Fetch(1, "changed")),
        (summary(), STORED, None),
        (summary(starred=not ROW.starred), STORED, UpdateFlags(1, starred=ROW.starred)),
        (summary(subscribed=not ROW.subscribed), STORED, UpdateFlags(1, subscribed=ROW.subscribed)),
        (
            summary(workflow_state="archived", starred=not ROW.starred),
            STORED,
            UpdateFlags(1, starred=ROW.starred, workflow_state=ROW.workflow_state),
        ),
    ],
    # A fingerprint is another number in every process, which all must agree on what the tests are called.
    ids=["new", "reappeared", "unfinished", "changed", "unknown", "same", "star", "bell", "state"],
)
def test_a_list_row(known: StoredSummary | None, stored: int | None, action: plan.Action | None) -> None:
    assert plan.judge_row(ROW, known, stored) == action


def test_ids_that_the_lists_name_and_the_archive_lacks() -> None:
    known = {
        2: summary(),
        3: summary(removed=True),
        4: summary(fetched=False),
        9: summary(),
    }
    assert list(plan.fetches_from_ids([4, 3, 2, 1], known)) == [
        Fetch(1, "new"),
        Fetch(3, "reappeared"),
        Fetch(4, "unfinished"),
    ]
    assert plan.removal_candidates(known, {1, 2}) == [9], "what was never fetched cannot be missed"


@pytest.mark.parametrize(
    ("lists", "stored", "action"),
    [
        ({"inbox"}, {"workflow_state": "unread"}, UpdateFlags(1, workflow_state="read")),
        ({"inbox", "unread"}, {"workflow_state": "read"}, UpdateFlags(1, workflow_state="unread")),
        ({"archived"}, {"workflow_state": "read"}, UpdateFlags(1, workflow_state="archived")),
        ({"inbox", "unread", "archived"}, {"workflow_state": "archived"}, None),
        ({"sent"}, {"workflow_state": "unread"}, None),
        ({"sent"}, {"starred": True}, UpdateFlags(1, starred=False)),
        ({"inbox", "starred"}, {"workflow_state": "read"}, UpdateFlags(1, starred=True)),
        (set(), {"starred": True, "workflow_state": "unread"}, None),
        ({"archived"}, {"removed": True}, None),
    ],
)
def test_flags_told_by_membership(
    lists: set[str], stored: dict[str, Any], action: UpdateFlags | None
) -> None:
    known = {1: summary(**{"starred": False, "workflow_state": "read", **stored})}
    members = Membership(
        **{
            scope: (1,) if scope in lists else ()
            for scope in ("inbox", "unread", "archived", "sent", "starred")
        }
    )
    assert list(plan.flags_from_membership(known, members)) == ([] if action is None else [action])
    assert list(plan.flags_from_membership(known, members, skip={1})) == []


def test_rows_that_slipped_between_pages() -> None:
    assert plan.slipped([5, 4, 3, 2, 1], 3, {5, 3}) == [4]
    assert plan.slipped([5, 4, 3, 2, 1], None, {5, 3}) == [4, 2, 1]


@pytest.mark.parametrize(("missing", "present", "held_up"), [(4, 4, False), (5, 10, False), (6, 11, True)])
def test_the_guard(missing: int, present: int, held_up: bool) -> None:
    assert plan.is_mass_removal(missing, present) is held_up


# -- where a quick sync stops paging ------------------------------------------------------------------------


def page(*rows: Any, malformed: tuple[Malformed, ...] = ()) -> ConversationPage:
    return ConversationPage(conversations=rows, all_ids=None, malformed=malformed)


def test_a_page_holds_something_new_when_one_of_its_rows_does(tmp_path: Path) -> None:
    with create(tmp_path / "mail") as archive:
        ledger = Ledger(archive.db, SYSTEM, Report("full"))
        for _ in range(2):
            ledger.record_conversation(2, "broken")
            ledger.record_conversation(3, "broken")
        known, resting = {1: summary()}, Ledger(archive.db, SYSTEM, Report("full"))
    other, unreadable = replace(ROW, id=2), Malformed(3, "has no subject")

    def nothing_new(content: ConversationPage, ledger: Ledger = ledger, stored: int = STORED) -> bool:
        return listing.holds_nothing_new(content, known, {1: stored}, ledger)

    assert nothing_new(page(ROW))
    assert nothing_new(page(replace(ROW, starred=not ROW.starred)))
    assert not nothing_new(page(ROW, other))
    assert not nothing_new(page(ROW), stored=STORED + 1)
    assert not nothing_new(page(ROW, malformed=(unreadable,)))
    assert nothing_new(page(ROW, malformed=(unreadable,)), resting)
    assert not nothing_new(page(ROW, malformed=(replace(unreadable, id=None),)), resting)
    assert not nothing_new(page(ROW, other), resting), "its row at the last try is not known"


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    with Sandbox(conversations=30) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        pair.sync(mode="full", attachments=False)
        yield pair


@pytest.mark.thorough
def test_what_is_being_fetched_counts_as_new_even_when_it_is_stored_by_now(pair: Pair) -> None:
    import threading

    from canvas_archive.store.summaries import stored_summaries

    with Archive.open(pair.folder, write=True) as archive, service.open_client(archive) as client:
        wanted: set[int] = set()
        reader = listing.ListReader(
            client,
            archive.db_path,
            "quick",
            Ledger(archive.db, SYSTEM, Report("quick")),
            stored_summaries(archive.db),
            wanted,
            False,
            lambda page: None,
            threading.Event(),
        )
        with closing(client.conversations("inbox", per_page=5)) as pages:  # type: ignore[type-var]
            content = next(pages)
        assert reader.holds_nothing_new(content)
        wanted.add(content.conversations[-1].id)
        assert not reader.holds_nothing_new(content)


# -- what a run does without --------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_token_that_may_not_list_courses_syncs_all_the_same(pair: Pair) -> None:
    fault = Fault("refuse", r"^/api/v1/courses", status=403, times=None)
    pair.sandbox.faults.add(fault)
    result = pair.sync(mode="full", attachments=False, clock=QuickClock())
    assert fault.struck and result.report.complete and not result.report.problems
    assert_equal(pair)


@pytest.mark.thorough
def test_a_list_that_cannot_be_read_again_is_a_problem_until_it_can(pair: Pair) -> None:
    refused = Fault("status", LIST + ".*scope=archived", status=400, after=1, times=None)
    pair.sandbox.faults.add(refused)
    result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock())
    assert refused.struck
    assert [(problem.kind, problem.id) for problem in result.report.problems] == [
        ("list", "archived/recheck")
    ]
    assert not result.report.complete and result.error is not None and result.error.exit_code == 5
    assert pair.one("SELECT kind FROM problems") == "list"
    pair.sandbox.faults.clear()
    again = pair.sync(mode="full", attachments=False, clock=QuickClock())
    assert again.report.complete
    assert pair.one("SELECT count(*) FROM problems") == 0
