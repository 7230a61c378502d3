"""Many edits at once: batches of at most 500, their progress, and every row read back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_archive.canvas import CanvasClient
from canvas_archive.errors import ApiError, BadRequest, NotFound, NotPermitted, Unreachable
from canvas_archive.sync import batches
from canvas_archive.sync.calls import BATCH, EVENTS, SINGLES, BatchCall, SingleCall, plan_calls
from canvas_archive.sync.merge import PendingEdit
from canvas_archive.sync.push import REFUSED_IN_A_ROW
from tests.push_support import BEN, Mail, big_mailbox, open_mail
from tests.test_push_crash import Killed, kill_after

pytestmark = pytest.mark.thorough

MANY = range(1001, 1031)


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch, big_mailbox(30)) as opened:
        yield opened


def archive_many(mail: Mail) -> None:
    mail.update("UPDATE conversations SET workflow_state = 'archived' WHERE id BETWEEN 1001 AND 1030")


def kinds(mail: Mail) -> Counter[tuple[str, str]]:
    return Counter((one.method, one.path.removeprefix("/api/v1")) for one in mail.sandbox.log)


@pytest.mark.sampled
def test_one_batch_for_many(mail: Mail) -> None:
    archive_many(mail)
    ran = mail.run("push", "--json")
    assert (ran.code, ran.json["counts"]["edits"]["pushed"]) == (0, 30)
    assert all(mail.state(id_) == "archived" for id_ in MANY)
    assert [(method, path, params["event"]) for method, path, params in mail.writes] == [
        ("PUT", "/conversations", "archive")
    ]
    seen = kinds(mail)
    assert sum(seen.values()) <= 12  # who am I, the rows before, the batch, its progress, the rows after
    mail.settled()


def test_each_event_is_a_batch_and_subscriptions_go_one_by_one(mail: Mail) -> None:
    archive_many(mail)
    mail.update("UPDATE conversations SET starred = 1 WHERE id BETWEEN 1001 AND 1005")
    mail.set(101, subscribed=0)
    assert mail.run("push").code == 0
    assert Counter((path, params.get("event")) for _, path, params in mail.writes) == {
        ("/conversations/101", None): 1,
        ("/conversations", "archive"): 1,
        ("/conversations", "star"): 1,
    }
    assert mail.state(101, "subscribed") is False
    assert all(mail.state(id_, "starred") for id_ in range(1001, 1006))
    mail.settled()


def test_unarchiving_in_a_batch_is_marking_as_read(mail: Mail) -> None:
    for id_ in MANY:
        mail.sandbox.school.owner_set(id_, workflow_state="archived")
    mail.sync(mode="full", attachments=False)
    mail.forget_requests()
    mail.update("UPDATE conversations SET workflow_state = 'read' WHERE id BETWEEN 1001 AND 1030")
    assert mail.run("push").code == 0
    assert [params["event"] for _, _, params in mail.writes] == ["mark_as_read"]
    assert all(mail.state(id_) == "read" for id_ in MANY)


def test_a_completed_batch_may_have_failed_for_some(mail: Mail) -> None:
    archive_many(mail)
    gone, moved = 1007, 1011

    def interfere(number: int) -> None:
        mail.sandbox.school.delete_for_all(gone)
        mail.sandbox.school.receive(moved, BEN, "News, just now")

    # Both happen after the rows were read and archived, before they are read back.
    mail.sandbox.faults.on_request(r"/progress/\d+$", lambda number: number == 2 and interfere(number))
    report = mail.push()
    assert (report.pushed, report.gone, report.pending) == (28, 1, 1)
    assert [problem.id for problem in report.problems] == [str(moved)]
    assert "still says unread" in report.problems[0].error
    report = mail.push()
    assert (report.conflicts, report.pending) == (1, 0)  # the message wins
    assert mail.state(moved) == mail.column(moved) == "unread"
    mail.settled()


BATCH_PUT = r"/conversations$"
PROGRESS = r"/progress/\d+$"
IN_TRANSIT: list[tuple[str, str, dict[str, Any]]] = [
    *(("status", where, {"status": code}) for where in (BATCH_PUT, PROGRESS) for code in (500, 502, 503)),
    *(
        (kind, where, {})
        for where in (BATCH_PUT, PROGRESS)
        for kind in ("invalid_json", "html_login", "abort")
    ),
    *((kind, BATCH_PUT, {"performed": True}) for kind in ("status", "html_login", "reset", "truncate")),
]


@pytest.mark.sampled
@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
@pytest.mark.parametrize(("kind", "where", "more"), IN_TRANSIT)
def test_a_batch_that_fails_in_transit_is_repeated_or_read_back(
    mail: Mail, kind: Any, where: str, more: dict[str, Any], times: int | None
) -> None:
    archive_many(mail)
    fault = {"method": "PUT" if where == BATCH_PUT else "GET", "times": times, **more}
    mail.sandbox.faults.add(kind, where, **fault)
    report = mail.push()
    assert (report.pushed, report.pending, report.problems) == (30, 0, [])
    assert all(mail.state(id_) == "archived" for id_ in MANY)
    mail.settled()


REFUSALS = (BadRequest, NotPermitted, NotFound)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_batch_goes_one_by_one_and_one_bad_item_fails_alone(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, refusal: type[ApiError]
) -> None:
    archive_many(mail)

    def refuse(*_: Any) -> NoReturn:
        raise refusal("Not these.", status=422)

    monkeypatch.setattr(CanvasClient, "batch_update", refuse)
    mail.sandbox.faults.add("status", r"/conversations/1007$", method="PUT", status=403, times=None)
    report = mail.push()
    assert (report.pushed, report.pending) == (29, 1)
    assert [problem.id for problem in report.problems] == ["1007"]
    mail.sandbox.faults.clear()
    assert mail.push().pushed == 1
    mail.settled()


def test_where_everything_is_refused_not_everything_is_tried(mail: Mail) -> None:
    archive_many(mail)
    mail.sandbox.faults.add("status", r"/conversations", method="PUT", status=403, times=None)
    report = mail.push()
    assert len(report.problems) == report.pending == 30
    assert len({path for _, path, _ in mail.writes}) == 1 + REFUSED_IN_A_ROW
    mail.sandbox.faults.clear()
    assert mail.push().pushed == 30
    mail.settled()


def test_a_message_that_comes_while_a_batch_fails_wins(mail: Mail) -> None:
    archive_many(mail)
    mail.sandbox.faults.add("status", BATCH_PUT, method="PUT", status=403, times=None)
    mail.sandbox.faults.on_request(
        BATCH_PUT, lambda number: mail.sandbox.school.receive(1005, BEN, "News, just now")
    )
    report = mail.push()
    assert (report.pushed, report.conflicts, report.problems) == (29, 1, [])
    assert mail.state(1005) == mail.column(1005) == "unread"
    mail.settled()


def test_canvas_out_of_reach_during_a_batch_leaves_everything_pending(mail: Mail) -> None:
    archive_many(mail)
    mail.sandbox.faults.on_request(
        BATCH_PUT, lambda number: mail.sandbox.faults.add("reset", r"/conversations", times=None)
    )
    with pytest.raises(Unreachable):
        mail.push()
    mail.sandbox.faults.clear()
    assert mail.push().pushed == 30
    mail.settled()


def test_a_row_that_cannot_be_read_back_stays_pending_until_it_can(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_many(mail)
    batch_update, conversation = CanvasClient.batch_update, CanvasClient.conversation

    def unreadable(self: CanvasClient, id_: int, **more: Any) -> Any:
        if id_ == 1001:
            raise BadRequest("This one cannot be shown.", status=400)
        return conversation(self, id_, **more)

    def then_unreadable(self: CanvasClient, *args: Any) -> Any:
        monkeypatch.setattr(CanvasClient, "conversations", lambda *_, **__: iter(()))
        monkeypatch.setattr(CanvasClient, "conversation", unreadable)
        return batch_update(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(CanvasClient, "batch_update", then_unreadable)
        report = mail.push()
    assert (report.pushed, report.pending) == (29, 1)
    assert [(one.id, one.error) for one in report.problems] == [("1001", "This one cannot be shown.")]
    monkeypatch.setattr(CanvasClient, "conversation", conversation)
    assert mail.push().already == 1
    mail.settled()


def test_progress_is_polled_with_growing_pauses(mail: Mail) -> None:
    archive_many(mail)
    mail.sandbox.school.jobs.steps = 6
    assert mail.push().pushed == 30
    pauses = [pause for pause in mail.clock.sleeps if pause in batches.POLL_SECONDS]
    assert pauses[:4] == [0.2, 0.5, 1.0, 2.0]
    mail.settled()


def test_a_batch_that_never_ends_is_not_waited_for_for_ever(mail: Mail) -> None:
    archive_many(mail)
    mail.sandbox.school.jobs.paused = True
    began = mail.clock.monotonic()
    report = mail.push()
    assert mail.clock.monotonic() - began > batches.POLL_LIMIT_SECONDS
    assert report.pending == 30 and "is not finished" in report.problems[0].error
    mail.sandbox.school.jobs.paused = False
    mail.sandbox.school.finish_jobs()
    writes = len(mail.writes)
    assert mail.push().already == 30
    assert len(mail.writes) == writes
    mail.settled()


def test_progress_that_cannot_be_read_is_no_failure_if_the_rows_are_right(mail: Mail) -> None:
    archive_many(mail)
    mail.sandbox.faults.on_request(r"/progress/\d+$", lambda number: mail.sandbox.school.finish_jobs())
    mail.sandbox.faults.add("invalid_json", r"/progress/\d+$", times=None)
    report = mail.push()
    assert (report.pushed, report.problems) == (30, [])


@pytest.mark.parametrize("method", ["batch_update", "progress"])
def test_killed_in_the_middle_of_a_batch(mail: Mail, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    archive_many(mail)
    mail.sandbox.school.jobs.steps = 4
    with monkeypatch.context() as patch:
        kill_after(patch, CanvasClient, method)
        with pytest.raises(Killed):
            mail.push()
    mail.sandbox.school.finish_jobs()
    assert mail.one("SELECT count(*) FROM pending_edits") == 30
    report = mail.push()
    assert (report.already, report.pending) == (30, 0)
    assert len(mail.writes) == 1
    mail.settled()


def test_killed_while_the_batch_is_half_done(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Canvas has done meanwhile is not asked for again; the rest is."""
    archive_many(mail)
    mail.sandbox.school.jobs.steps = 2
    with monkeypatch.context() as patch:
        kill_after(patch, CanvasClient, "progress")
        with pytest.raises(Killed):
            mail.push()
    mail.sandbox.school.jobs.progresses.clear()  # the worker died, too
    done = sum(mail.state(id_) == "archived" for id_ in MANY)
    assert 0 < done < 30
    report = mail.push()
    assert (report.already, report.pushed) == (done, 30 - done)
    mail.settled()


# -- the plan: pure ---------------------------------------------------------------------------------------

WISHES = [("starred", "0"), ("starred", "1"), ("subscribed", "0"), ("subscribed", "1")]
WISHES += [("workflow_state", state) for state in ("read", "unread", "archived")]


@st.composite
def wishes(draw: st.DrawFn) -> list[PendingEdit]:
    pairs = draw(
        st.lists(
            st.tuples(st.integers(1, 1200), st.sampled_from(WISHES)),
            unique_by=lambda pair: (pair[0], pair[1][0]),
            max_size=60,
        )
    )
    return [PendingEdit(number, id_, field, "", value) for number, (id_, (field, value)) in enumerate(pairs)]  # type: ignore[arg-type]


@given(wishes())
def test_every_wish_is_in_exactly_one_request(pending: list[PendingEdit]) -> None:
    calls = plan_calls(pending)
    assert sorted(edit.id for call in calls for edit in call.edits) == [edit.id for edit in pending]
    conversations = {edit.conversation_id for edit in pending}
    for call in calls:
        if isinstance(call, BatchCall):
            assert len(conversations) > SINGLES
            assert len(call.edits) <= BATCH
            assert {EVENTS[edit.field, edit.value] for edit in call.edits} == {call.event}
        else:
            assert {edit.conversation_id for edit in call.edits} == {call.conversation_id}
    singles = [call.conversation_id for call in calls if isinstance(call, SingleCall)]
    assert len(singles) == len(set(singles))


@pytest.mark.parametrize(("count", "sizes"), [(500, [500]), (501, [500, 1]), (1200, [500, 500, 200])])
def test_batches_are_cut_at_the_limit(count: int, sizes: list[int]) -> None:
    calls = plan_calls(PendingEdit(n, n, "starred", "0", "1") for n in range(count))
    assert [len(call.edits) for call in calls] == sizes


def test_more_than_a_batch_over_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_mail(tmp_path / "archive", monkeypatch, big_mailbox(520)) as mail:
        mail.update("UPDATE conversations SET workflow_state = 'archived' WHERE id > 1000")
        assert mail.push().pushed == 520
        assert [len(params["conversation_ids"]) for _, _, params in mail.writes] == [500, 20]
        mail.settled()
