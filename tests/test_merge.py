"""Each row of the conflict table, and that no other outcome exists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_archive.sync.merge import (
    AlreadySo,
    Ask,
    PendingEdit,
    Send,
    TargetGone,
    Yield,
    decide,
)

STATES = ("read", "unread", "archived")


def edit(base: str, value: str, field: str = "workflow_state") -> PendingEdit:
    return PendingEdit(7, 1, field, base, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wish", "remote", "new_message", "policy", "expected"),
    [
        (edit("read", "unread"), "read", False, "local", Send),
        (edit("read", "unread"), "unread", False, "local", AlreadySo),
        (edit("read", "unread"), "archived", False, "local", Send),
        (edit("read", "unread"), "archived", False, "remote", Yield),
        (edit("read", "unread"), "archived", False, "ask", Ask),
        (edit("read", "archived"), "unread", True, "local", Yield),
        (edit("read", "archived"), "read", True, "local", Yield),
        (edit("read", "archived"), "read", False, "local", Send),
        (edit("read", "archived"), "archived", True, "local", AlreadySo),
        (edit("read", "archived"), None, False, "local", TargetGone),
        (edit("0", "1", "starred"), "0", True, "local", Send),
    ],
)
def test_conflict_table(
    wish: PendingEdit, remote: str | None, new_message: bool, policy: str, expected: type
) -> None:
    assert isinstance(decide(wish, remote, new_message=new_message, policy=policy), expected)  # type: ignore[arg-type]


def test_a_wish_that_wins_a_conflict_says_so() -> None:
    decision = decide(edit("read", "unread"), "archived", new_message=False, policy="local")
    assert isinstance(decision, Send)
    assert decision.detail == "conflict: Canvas had archived; the local wish won"


@given(
    base=st.sampled_from(STATES),
    value=st.sampled_from(STATES),
    remote=st.sampled_from((*STATES, None)),
    new_message=st.booleans(),
    policy=st.sampled_from(("local", "remote", "ask")),
)
def test_nothing_is_sent_that_changes_nothing(
    base: str, value: str, remote: str | None, new_message: bool, policy: str
) -> None:
    decision = decide(edit(base, value), remote, new_message=new_message, policy=policy)  # type: ignore[arg-type]
    if isinstance(decision, Send):
        assert remote is not None and remote != value
        assert not (value == "archived" and new_message)
    if isinstance(decision, (Ask, Yield)):
        assert remote != value
