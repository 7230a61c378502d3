"""Lists that move while they are being paged: nothing is lost or skipped in that same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from canvas_archive.sandbox import Sandbox
from tests.sync_support import Pair, assert_equal, bind

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]
SECOND_PAGE = r"/api/v1/conversations\?.*page=2"


def archive_above(sandbox: Sandbox) -> None:
    """Pull every later row up by one."""
    sandbox.school.owner_set(sandbox.school.ids("inbox")[4], workflow_state="archived")


def write_below(sandbox: Sandbox) -> None:
    """Let somebody write in a conversation of a page not read yet: it jumps to the top."""
    school = sandbox.school
    id_ = school.ids("inbox")[140]
    author = next(u for u in school.conversation(id_).rows if u != sandbox.user_id)
    school.receive(id_, author, "A message that arrives between two pages.")


def start_new(sandbox: Sandbox) -> None:
    """Push every later row down by one."""
    school = sandbox.school
    author = next(u for u in school.conversation(school.ids("inbox")[0]).rows if u != sandbox.user_id)
    school.start_conversation(author, [sandbox.user_id], "New", "Begun between two pages.")


@pytest.mark.parametrize("event", [archive_above, write_below, start_new])
def test_first_sync_while_the_list_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: Callable[[Sandbox], None]
) -> None:
    with Sandbox(conversations=260) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        struck = []

        def strike(number: int) -> None:
            if not struck:
                struck.append(number)
                event(sandbox)

        sandbox.faults.on_request(SECOND_PAGE, strike)
        pair.sync(mode="full", attachments=False)
        assert struck
        assert_equal(pair)


@pytest.mark.parametrize("event", [archive_above, write_below, start_new])
def test_quick_sync_with_deep_changes_while_the_list_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: Callable[[Sandbox], None]
) -> None:
    with Sandbox(conversations=320) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        pair.sync(mode="full", attachments=False)
        for id_ in [i for i in sandbox.school.ids("inbox") if pair.others(i)][:220]:
            sandbox.school.receive(id_, pair.others(id_)[0], "One of many.")
        struck = []

        def strike(number: int) -> None:
            if not struck:
                struck.append(number)
                event(sandbox)

        sandbox.faults.on_request(SECOND_PAGE, strike)
        pair.sync(mode="quick", attachments=False)
        assert struck
        assert content_of(pair) == truth_of(pair)


def content_of(pair: Pair) -> dict[int, list[int]]:
    """Return the message ids of every conversation of the archive."""
    rows = pair.sql("SELECT conversation_id, id FROM messages WHERE conversation_id IS NOT NULL ORDER BY id")
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1])
    return found


def truth_of(pair: Pair) -> dict[int, list[int]]:
    """Return the same of the sandbox."""
    return {
        id_: sorted(message["id"] for message in told["messages"])
        for id_, told in pair.sandbox.school.truth().items()
    }
