"""forward: what Canvas gets, what arrives, and what cannot be forwarded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.push_support import BEN, CLEO, Mail, open_mail
from tests.sync_support import assert_equal

pytestmark = pytest.mark.thorough


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        yield opened


def newest(mail: Mail, conversation_id: int) -> dict[str, Any]:
    found: dict[str, Any] = mail.sandbox.school.truth()[conversation_id]["messages"][0]
    return found


def ids_of(mail: Mail, conversation_id: int) -> list[int]:
    statement = "SELECT id FROM messages WHERE conversation_id = ? ORDER BY created_at, id"
    return [row[0] for row in mail.sql(statement, conversation_id)]


@pytest.mark.sampled
def test_the_newest_message_goes_on_with_its_files(mail: Mail) -> None:
    subject = mail.one("SELECT subject FROM conversations WHERE id = 101")
    said = mail.run("forward", "101", str(BEN), "--body", "For you.")
    assert said.code == 0 and said.err.startswith("To Ben")
    made = int(said.out)
    carried = newest(mail, made)
    assert [one["id"] for one in carried["forwarded_messages"]] == ids_of(mail, 101)[-1:]
    assert mail.one("SELECT subject FROM conversations WHERE id = ?", made) == f"Fwd: {subject}"
    assert_equal(mail)


def test_chosen_messages_wait_in_the_outbox_and_go_with_a_push(mail: Mail, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    first, last = ids_of(mail, 101)[0], ids_of(mail, 101)[-1]
    chosen = ["--message", str(last), "--message", str(first)]
    said = mail.run(
        "forward", "101", "Ben", "Cleo", "--group", "--body", "Both of you.", "--queue", "-y",
        "--attach", str(tmp_path / "notes.txt"), "--subject", "Look", *chosen,
    )  # fmt: skip
    assert said.code == 0
    listed = mail.run("push", "-n", "--http").out
    assert f"forwarded_message_ids[]={first} forwarded_message_ids[]={last}" in listed
    assert f"Look (forwards {len({first, last})} message" in mail.run("push", "-n").out
    sent = mail.run("push", "-y")
    assert sent.code == 0, sent.err
    carried = newest(mail, mail.outbox()[0].sent_ids[0])
    assert {one["id"] for one in carried["forwarded_messages"]} == {first, last}
    assert [one["display_name"] for one in carried["attachments"]] == ["notes.txt"]
    assert_equal(mail)


def test_an_answer_lost_on_the_way_is_no_second_forward(mail: Mail) -> None:
    from canvas_archive.sandbox.faults import Fault

    mail.run("forward", "101", str(CLEO), "--body", "For you.", "--queue")
    mail.sandbox.faults.add(Fault("drop", "POST /api/v1/conversations", times=1))
    mail.run("push")
    again = mail.run("push")
    assert again.code == 0
    made = [one for one in mail.outbox() if one.state == "sent"]
    assert len(made) == 1
    told = mail.sandbox.school.truth().values()
    assert sum(one["body"] == "For you." for thread in told for one in thread["messages"]) == 1


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("999", "2"), "There is no conversation 999"),
        (("101", "2", "--message", "424242"), "has no message 424242 that Canvas can forward"),
        (("101", "Nobody Known", "--queue"), "Nobody called"),
        (("101",), "Missing argument 'WHO"),
        (("101", "2", "--subject", "x" * 256), "Canvas takes 255"),
    ],
)
def test_what_cannot_be_forwarded_is_refused(mail: Mail, args: tuple[str, ...], sentence: str) -> None:
    said = mail.run("forward", *args, "--body", "x")
    assert said.code == 2 and sentence in said.err
    assert not mail.outbox() and not mail.writes


def test_a_message_that_canvas_removed_stays(mail: Mail) -> None:
    number = ids_of(mail, 101)[-1]
    mail.update("UPDATE messages SET removed_at = '2026-01-01T00:00:00Z' WHERE id = ?", number)
    said = mail.run("forward", "101", "2", "--message", str(number), "--body", "x")
    assert said.code == 2 and not mail.writes
    mail.update("UPDATE conversations SET removed_at = '2026-01-01T00:00:00Z' WHERE id = 101")
    assert "no longer on Canvas" in mail.run("forward", "101", "2", "--body", "x").err
