"""How a sync ends when more than one item is in trouble, and what it tells a page that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.errors import ItemsFailed, TokenRefused
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.sync.jobs import BROKEN_IN_A_ROW
from canvas_archive.sync.pull import Pull
from canvas_archive.sync.report import Report
from tests.sync_support import Pair, assert_equal, bind
from tests.test_sync_faults import SHOW, QuickClock

pytestmark = pytest.mark.thorough


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    with Sandbox(conversations=30) as sandbox:
        yield bind(sandbox, tmp_path / "archive", monkeypatch)


def test_when_one_conversation_after_another_fails_the_rest_is_left_to_the_next_run(pair: Pair) -> None:
    pair.sandbox.faults.add(Fault("status", SHOW, status=500, times=None))
    result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock(), jobs=1)
    assert isinstance(result.error, ItemsFailed)
    assert len(result.report.problems) == BROKEN_IN_A_ROW, "the others are not even asked for"
    assert result.report.untried == 30 - BROKEN_IN_A_ROW and not result.report.complete
    assert f"and {result.report.untried} more were not tried" in str(result.error)
    pair.sandbox.faults.clear()
    pair.sync(mode="quick", attachments=False, clock=QuickClock())
    assert_equal(pair)
    assert pair.one("SELECT count(*) FROM problems") == 0


@pytest.mark.sampled
def test_one_conversation_that_fails_among_others_costs_no_other(pair: Pair) -> None:
    id_ = pair.sandbox.school.ids("inbox")[3]
    pair.sandbox.faults.add(Fault("status", rf"^/api/v1/conversations/{id_}\b", status=500, times=None))
    result = pair.sync(mode="full", attachments=False, check=False, clock=QuickClock())
    assert result.error is not None and result.error.exit_code == 5
    assert [(problem.kind, problem.id) for problem in result.report.problems] == [("conversation", str(id_))]


GONE = Fault("status", r"^/files/", status=404, times=None)
"""Every address of a file has expired: Canvas is asked for another one."""


@pytest.mark.parametrize("kind", ["html_login", "status", "invalid_json"])
def test_an_address_that_cannot_be_had_fails_one_file_and_no_run(pair: Pair, kind: Any) -> None:
    pair.sync(mode="full", attachments=False)
    (first,) = pair.sql("SELECT id FROM attachments WHERE state = 'pending' ORDER BY id LIMIT 1")[0]
    pair.sandbox.faults.add(replace(GONE, match=rf"^/files/{first}/"))
    asked = Fault(kind, rf"^/api/v1/files/{first}\b", times=None)
    pair.sandbox.faults.add(asked)
    result = pair.sync(mode="quick", check=False, clock=QuickClock())
    assert asked.struck and isinstance(result.error, ItemsFailed)
    assert [(problem.kind, problem.id) for problem in result.report.problems] == [("attachment", str(first))]
    assert pair.one("SELECT count(*) FROM attachments WHERE state = 'pending'") == 0
    pair.sandbox.faults.clear()
    pair.sync(mode="quick", clock=QuickClock())
    assert pair.one("SELECT state FROM attachments WHERE id = ?", first) == "stored"


def test_a_canvas_that_gives_no_address_at_all_is_not_asked_for_every_one(pair: Pair) -> None:
    pair.sync(mode="full", attachments=False)
    pair.sandbox.faults.add(replace(GONE))
    pair.sandbox.faults.add(Fault("status", r"^/api/v1/files/", status=500, times=None))
    result = pair.sync(mode="quick", check=False, clock=QuickClock(), jobs=1)
    assert isinstance(result.error, ItemsFailed) and result.report.failed == 3
    assert pair.one("SELECT count(*) FROM attachments WHERE state = 'pending'") > 0


def test_a_token_revoked_during_the_downloads_ends_the_run(pair: Pair) -> None:
    pair.sync(mode="full", attachments=False)
    pair.sandbox.faults.add(replace(GONE))
    pair.sandbox.faults.add(Fault("revoke_token", r"^/api/v1/files/", times=1))
    result = pair.sync(mode="quick", check=False, clock=QuickClock())
    assert isinstance(result.error, TokenRefused) and result.error.exit_code == 3
    assert pair.one("SELECT status FROM sync_runs ORDER BY id DESC") == "failed"


def test_a_defect_is_not_taken_for_the_machines_trouble(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Pull) -> Report:
        raise OSError("something nobody has thought of")

    monkeypatch.setattr(Pull, "run", run)
    with pytest.raises(OSError, match="nobody has thought of"):
        pair.sync(mode="full")
    assert pair.one("SELECT status FROM sync_runs ORDER BY id DESC") == "failed", "and the run has ended"
