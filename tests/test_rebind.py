"""``rebind``: the same mailbox under a new address or a new user id, and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.export.checks import check_evidence
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from canvas_archive.store.config import read_config
from canvas_archive.sync.rebinding import Comparison
from tests.sandbox_support import BEN, DEE, small_mailbox
from tests.sync_support import Pair, bind
from tests.terminal_support import on_screen
from tests.ux_support import Said, say


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """An archive that was synced, and whose Canvas is about to move."""
    with Sandbox(small_mailbox()) as sandbox:
        bound = bind(sandbox, tmp_path / "archive", monkeypatch)
        sandbox.school.start_conversation(BEN, [sandbox.user_id], "R&D", "R&D < 5")
        bound.sync()
        sandbox.log.clear()
        monkeypatch.setenv("CANVAS_ARCHIVE", str(bound.folder))
        monkeypatch.delenv("CANVAS_API_URL")
        yield bound


def moved(pair: Pair) -> str:
    """Return the new address of the same Canvas."""
    return pair.sandbox.url.replace("127.0.0.1", "localhost")


def account(pair: Pair) -> tuple[object, ...]:
    return tuple(pair.sql("SELECT base_url, user_id, name, as_user_id FROM account")[0])


def refused(pair: Pair, *arguments: str, code: int = 9) -> Said:
    """Run a rebind that must change nothing."""
    files = [(pair.folder / name).read_bytes() for name in ("config.toml", "identity.key")]
    before = account(pair)
    said = say(["rebind", *arguments])
    assert said.code == code, said
    assert account(pair) == before and pair.one("SELECT count(*) FROM acts") == 0
    assert files == [(pair.folder / name).read_bytes() for name in ("config.toml", "identity.key")]
    return said


def test_the_same_mailbox_at_a_new_address(pair: Pair) -> None:
    said = say(["rebind", moved(pair), "-y", "--json"])
    assert said.code == 0, said
    compared = json.loads(said.out)["counts"]
    assert compared["stored"] == compared["listed"] == compared["fetched"] and compared["messages"] > 3
    assert pair.sandbox.log.writes == []
    assert account(pair)[0] == read_config(pair.folder / "config.toml").base_url == moved(pair)
    act = pair.sql("SELECT command, state, parameters, answer FROM acts")[0]
    assert (act["command"], act["state"]) == ("rebind", "done")
    assert json.loads(act["parameters"])["from"]["base_url"] == pair.sandbox.url
    assert act["answer"] == Comparison(**compared).sentence()
    with Archive.open(pair.folder) as archive:
        assert archive.adopted and check_evidence(archive.db, None).ok
    assert say(["sync", "--no-index"]).code == 0
    again = say(["rebind", moved(pair), "-y"])
    assert again.code == 0 and pair.one("SELECT count(*) FROM acts") == 1


def test_the_settings_that_were_agreed_to_still_count(pair: Pair) -> None:
    config = pair.folder / "config.toml"
    config.write_text(config.read_text() + 'allowed_hosts = ["mail.example"]\n')
    assert say(["adopt", "-y"]).code == 0
    assert say(["rebind", moved(pair), "-y"]).code == 0
    with Archive.open(pair.folder) as archive:
        assert archive.config.allowed_hosts == ("mail.example",)


def test_it_works_whichever_way_the_bodies_are_sent(pair: Pair) -> None:
    pair.sandbox.school.texts = "raw"
    assert say(["rebind", moved(pair), "-y"]).code == 0


def test_another_mailbox_is_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=30) as other:  # other ids
        monkeypatch.setenv("CANVAS_API_TOKEN", other.token)
        said = refused(pair, other.url, "--new-user", str(other.user_id), "-y")
        assert "not the same mailbox: only 0 of the" in said.err
        assert f"add --new-user {other.user_id}" in refused(pair, other.url, "-y").err
        assert "not for user 99" in refused(pair, other.url, "--new-user", "99", "-y").err
    mailbox = small_mailbox()
    for thread in mailbox.threads.values():
        for message in thread.messages:
            message.body += "!"
    with Sandbox(mailbox) as other:  # the same ids, people and subjects, other messages
        monkeypatch.setenv("CANVAS_API_TOKEN", other.token)
        assert "is another one there" in refused(pair, other.url, "-y").err


def test_another_subject_is_another_mailbox(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = small_mailbox()
    for thread in mailbox.threads.values():
        thread.subject = "Another"
    with Sandbox(mailbox) as other:
        monkeypatch.setenv("CANVAS_API_TOKEN", other.token)
        assert "is another one there" in refused(pair, other.url, "-y").err


def test_an_archive_without_messages_cannot_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(small_mailbox()) as sandbox:
        empty = bind(sandbox, tmp_path / "archive", monkeypatch)
        monkeypatch.setenv("CANVAS_ARCHIVE", str(empty.folder))
        assert "holds no conversation" in refused(empty, sandbox.url, "-y").err


def test_a_new_user_id_after_accounts_were_merged(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    # What Canvas does to a merged account: every row belongs to the other user id.
    mailbox = small_mailbox()
    mailbox.owner_id = DEE
    for thread in mailbox.threads.values():
        thread.participant_ids = [DEE if one == pair.owner else one for one in thread.participant_ids]
        for message in thread.messages:
            message.to_ids = [DEE if one == pair.owner else one for one in message.to_ids]
            message.author_id = DEE if message.author_id == pair.owner else message.author_id
    with Sandbox(mailbox) as merged:
        monkeypatch.setenv("CANVAS_API_TOKEN", merged.token)
        said = say(["rebind", merged.url, "--new-user", str(DEE), "-y"])
        assert said.code == 0, said
        assert "sync --refetch" in said.err
        assert account(pair)[:2] == (merged.url, DEE)


def test_a_custodians_mailbox_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(small_mailbox()) as sandbox:
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.admin_token)
        monkeypatch.setenv("CANVAS_ARCHIVE", str(tmp_path / "archive"))
        assert say(["init", sandbox.url, "--as-user", str(BEN)]).code == 0
        assert say(["sync", "--no-index"]).code == 0
        custodian = Pair(sandbox, tmp_path / "archive")
        assert say(["rebind", moved(custodian), "-y"]).code == 0
        assert account(custodian) == (moved(custodian), sandbox.school.admin_id, "Ben Okri", BEN)


def test_without_a_token_or_a_yes_nothing_is_done(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no terminal to ask on" in refused(pair, moved(pair), code=2).err
    monkeypatch.delenv("CANVAS_API_TOKEN")
    assert "set CANVAS_API_TOKEN" in refused(pair, moved(pair), code=2).err
    assert "not encrypted" in refused(pair, "http://school.example", code=2).err


def test_the_token_is_asked_for(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANVAS_API_TOKEN")
    code, written = on_screen(("rebind", moved(pair)), typed=f"{pair.sandbox.token}\ny\n")
    assert code == 0 and "Bind the archive of" in written and "The token was not saved" in written, written


def test_an_address_edited_by_hand_is_named(pair: Pair) -> None:
    config = pair.folder / "config.toml"
    config.write_text(config.read_text().replace("127.0.0.1", "localhost"))
    said = say(["sync"])
    assert said.code == 9 and f"canvas-archive rebind {moved(pair)}" in said.err
    assert say(["rebind", moved(pair), "-y"]).code == 0
    assert say(["sync", "--no-index"]).code == 0
