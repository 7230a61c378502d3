"""``verify --remote`` and ``--remote-contents``: what Canvas says otherwise, hides or does not have."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.canvas import CanvasClient, Token, parse
from canvas_archive.canvas.conversations_api import ConversationsApi
from canvas_archive.cli import run
from canvas_archive.clock import SYSTEM
from canvas_archive.errors import MalformedAnswer
from canvas_archive.export.remote_contents import verify_remote_contents
from canvas_archive.model import Conversation
from canvas_archive.sandbox import Fault, Sandbox
from canvas_archive.store import Archive, Ingest, transaction
from canvas_archive.store.chain import extend_chain
from canvas_archive.store.receipts import read_receipts
from tests.receipt_support import copy_of, small_archive
from tests.sandbox_support import ADA, small_mailbox
from tests.sync_support import Pair

pytestmark = pytest.mark.sampled

SHOW = r"^/api/v1/conversations/\d+"


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with small_archive(tmp_path_factory.mktemp("remote") / "archive") as pair:
        yield pair


@pytest.fixture
def pair(synced: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Return a copy to forge in, with the token in the environment."""
    monkeypatch.setenv("CANVAS_API_URL", synced.sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", synced.sandbox.token)
    return copy_of(synced, tmp_path / "copy")


def compared(
    pair: Pair, capsys: pytest.CaptureFixture[str], option: str = "--remote-contents"
) -> tuple[int, dict[str, Any]]:
    """Return the exit code of ``verify``, and its checks by name."""
    capsys.readouterr()
    code = run(["--archive", str(pair.folder), "verify", "--no-files", option, "--json"])
    return code, {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def forge(pair: Pair, conversation: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Add a receipt that Canvas never sent, with this package, and all that follows from it."""
    with Archive.open(pair.folder, write=True) as archive, transaction(archive.db):
        *_, said = (
            one for one in read_receipts(archive.db) if (one.kind, one.key) == ("thread", conversation)
        )
        answer: Any = copy.deepcopy(said.payload)
        change(answer)
        Ingest(archive.db, SYSTEM).save_conversation(parse.conversation(answer))
        extend_chain(archive.db)


def _message(answer: dict[str, Any], number: int) -> dict[str, Any]:
    return next(one for one in answer["messages"] if int(one["id"]) == number)


def _body(answer: dict[str, Any]) -> None:
    _message(answer, 1001)["body"] = "I never wrote this."


def _author(answer: dict[str, Any]) -> None:
    _message(answer, 1001)["author_id"] = "4"


def _recipient(answer: dict[str, Any]) -> None:
    _message(answer, 1001)["participating_user_ids"].append("3")


def _file(answer: dict[str, Any]) -> None:
    file = copy.deepcopy(_message(answer, 1000)["attachments"][0])
    _message(answer, 1001)["attachments"].append({**file, "id": "777"})


def _invented(answer: dict[str, Any]) -> None:
    answer["messages"].append({**_message(answer, 1001), "id": "1099", "body": "And this."})


def _missing(answer: dict[str, Any]) -> None:
    answer["messages"].remove(_message(answer, 1001))


def _name(answer: dict[str, Any]) -> None:
    answer["participants"][0]["full_name"] = "Somebody Else"


def _mark(answer: dict[str, Any]) -> None:
    answer["workflow_state"] = "archived"


FORGERIES = [
    (_body, "conversation 100, message 1001: Canvas says otherwise: body"),
    (_author, "conversation 100, message 1001: Canvas says otherwise: author_id"),
    (_recipient, "conversation 100, message 1001, recipient 3: here, not on Canvas"),
    (_file, "conversation 100, message 1001, file 777: here, not on Canvas"),
    (_invented, "conversation 100, message 1099: here, not on Canvas"),
    (_missing, "conversation 100, message 1001: on Canvas, and marked as removed in the archive"),
    (_name, "Canvas says otherwise: full_name"),
    (_mark, "conversation 100: Canvas says otherwise: remote_workflow_state"),
]


@pytest.mark.parametrize(("change", "sentence"), FORGERIES, ids=[one[0].__name__[1:] for one in FORGERIES])
def test_a_forgery_made_with_this_package_is_met_by_canvas_alone(
    pair: Pair,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    sentence: str,
) -> None:
    forge(pair, 100, change)
    code, checks = compared(pair, capsys)
    bad = [name for name, check in checks.items() if not check["ok"]]
    assert (code, bad) == (8, ["remote contents"]), "its own records agree with each other"
    assert any(sentence in item for item in checks["remote contents"]["items"]), checks["remote contents"]


def test_an_archive_that_was_just_synced_says_what_canvas_says(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    code, checks = compared(pair, capsys)
    assert code == 0, checks
    assert checks["remote contents"]["detail"] == "6 conversations say what Canvas says"


def test_a_forged_removal_is_met_by_both(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    with Archive.open(pair.folder, write=True) as archive, transaction(archive.db):
        Ingest(archive.db, SYSTEM).mark_removed(101)
        extend_chain(archive.db)
    item = "conversation 101: on Canvas, and marked as removed in the archive"
    code, checks = compared(pair, capsys)
    assert (code, checks["remote contents"]["items"]) == (8, [item])
    code, checks = compared(pair, capsys, "--remote")
    assert (code, checks["remote: conversations"]["items"]) == (8, [item])


def test_what_canvas_does_not_have_is_said(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    def elsewhere(answer: dict[str, Any]) -> None:
        answer["id"] = "999"
        answer["messages"] = [{**_message(answer, 1001), "id": "9990"}]

    forge(pair, 100, elsewhere)
    code, checks = compared(pair, capsys)
    assert (code, checks["remote contents"]["items"]) == (8, ["conversation 999: here, not on Canvas"])
    with Archive.open(pair.folder, write=True) as archive, transaction(archive.db):
        Ingest(archive.db, SYSTEM).mark_removed(999)
    code, checks = compared(pair, capsys)
    assert code == 0, "nothing on Canvas contradicts what is gone"
    assert "1 that Canvas does not have any more cannot be compared" in checks["remote contents"]["detail"]


def test_a_change_on_canvas_is_named_until_the_next_sync(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_archive(tmp_path / "archive") as pair:
        monkeypatch.setenv("CANVAS_API_URL", pair.sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", pair.sandbox.token)
        pair.sandbox.school.receive(103, 3, "R&D <b> again")
        code, checks = compared(pair, capsys)
        items = checks["remote contents"]["items"]
        assert code == 8
        assert any(
            item.startswith("conversation 103, message ") and "on Canvas, not here" in item for item in items
        )
        assert not any("conversation 100" in item for item in items)
        pair.sync(mode="full")
        assert compared(pair, capsys)[0] == 0, "bodies are compared as people typed them"


def test_ctrl_c_ends_it_and_leaves_nothing(
    pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    whole = ConversationsApi.conversation

    def interrupted(self: ConversationsApi, number: int, **options: Any) -> Conversation:
        asked.append(number)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return whole(self, number, **options)

    monkeypatch.setattr(ConversationsApi, "conversation", interrupted)
    before = {path: path.stat().st_mtime_ns for path in pair.folder.rglob("*.db")}
    assert run(["--archive", str(pair.folder), "verify", "--no-files", "--remote-contents"]) == 130
    assert len(asked) == 3
    assert {path: path.stat().st_mtime_ns for path in pair.folder.rglob("*.db")} == before


def test_it_asks_once_for_each_conversation_and_marks_nothing(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(pair.sandbox.log)
    assert compared(pair, capsys)[0] == 0
    asked = pair.sandbox.log[before:]
    shows = [one for one in asked if "/conversations/" in one.path]
    assert len({one.path for one in shows}) == len(shows) == 6
    assert all(one.method == "GET" and ("auto_mark_as_read", "false") in one.query for one in shows)


def test_a_canvas_that_turns_requests_away_is_asked_again(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = pair.sandbox.faults.add(Fault("throttle_429", SHOW, times=2, retry_after=0))
    code, checks = compared(pair, capsys)
    pair.sandbox.faults.clear()
    assert (code, fault.struck) == (0, 2), checks["remote contents"]


def test_an_answer_that_makes_no_sense_is_named_and_the_others_are_compared(
    pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ConversationsApi.conversation

    def broken(self: ConversationsApi, number: int, **options: Any) -> Conversation:
        if number == 101:
            raise MalformedAnswer("It is not JSON.")
        return whole(self, number, **options)

    monkeypatch.setattr(ConversationsApi, "conversation", broken)
    forge(pair, 102, _name)
    code, checks = compared(pair, capsys)
    assert code == 8
    first, *others = checks["remote contents"]["items"]
    assert first == "conversation 101: Canvas's answer cannot be read (It is not JSON.)"
    assert len(others) == 1 and others[0].endswith(": Canvas says otherwise: full_name")


def test_an_administrator_is_told_what_canvas_may_hide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(mailbox=small_mailbox()) as sandbox:
        school = sandbox.school
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.admin_token)
        Archive.create(
            tmp_path / "a", base_url=sandbox.url, user_id=school.admin_id, name="Admin", as_user_id=ADA
        ).close()
        pair = Pair(sandbox, tmp_path / "a")
        pair.sync(mode="full")
        code, checks = compared(pair, capsys, "--remote")
        assert code == 0
        assert "how many is unknown" in checks["remote: hidden"]["detail"]
        assert checks["remote: hidden"]["items"] == []
        school.move_to_foreign_account(105)  # it is unread
        _, checks = compared(pair, capsys, "--remote")
        (item,) = checks["remote: hidden"]["items"]
        assert "it hides some, or miscounts" in item


def test_the_check_of_contents_is_one_check_for_callers_in_python(pair: Pair) -> None:
    token = Token(pair.sandbox.token)
    with Archive.open(pair.folder) as archive, CanvasClient(pair.sandbox.url, token) as client:
        sound = verify_remote_contents(archive.db, client)
    forge(pair, 100, _body)
    with Archive.open(pair.folder) as archive, CanvasClient(pair.sandbox.url, token) as client:
        forged = verify_remote_contents(archive.db, client)
    assert (sound.name, sound.ok, forged.ok) == ("remote contents", True, False)
