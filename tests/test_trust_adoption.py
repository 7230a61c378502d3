"""Whose an archive is cannot be forged, and what came with it grants nothing before it was agreed to."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from canvas_archive.cli import adopt as adopting
from canvas_archive.cli.main import run
from canvas_archive.errors import NotAdopted
from canvas_archive.export.backup import backup
from canvas_archive.export.restore import restore
from canvas_archive.store import Archive
from canvas_archive.store.adoption import state_file
from canvas_archive.store.config import Config, config_without, powers, read_config, shortened, write_config
from canvas_archive.web import server
from tests.hostile_support import on_terminal
from tests.trust_support import TALLY
from tests.web_support import Visitor, make_archive

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("adoption") / "template")


@pytest.fixture
def own(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of this person's own."""
    folder = tmp_path / "archive"
    shutil.copytree(template, folder)
    monkeypatch.setenv("CANVAS_ARCHIVE", str(folder))
    return folder


@pytest.fixture
def foreign(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same on the machine of somebody who never saw it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody"))
    return own


def configure(folder: Path, **options: object) -> None:
    path = folder / "config.toml"
    write_config(path, replace(read_config(path), **options))  # type: ignore[arg-type]


@pytest.mark.thorough
def test_what_a_bag_tells_is_not_enough_to_forge_an_archive(own: Path, tmp_path: Path) -> None:
    """Its custody names the Canvas, the collector and the time of the first run: all of the account row."""
    assert on_terminal("export", tmp_path / "bag", "--format", "jsonl", "--bag").code in (0, 5)
    identity = (own / "identity.key").read_text().strip()
    for path in (tmp_path / "bag").rglob("*"):
        assert path.is_dir() or identity.encode() not in path.read_bytes(), path
    with Archive.open(own) as archive:
        account = archive.account
    forged = tmp_path / "forged"
    Archive.create(
        forged,
        base_url=account.base_url,
        user_id=account.user_id,
        name=account.name,
        as_user_id=account.as_user_id,
        remembered=False,
    ).close()
    with closing(sqlite3.connect(forged / "archive.db")) as db:
        db.execute("UPDATE account SET created_at = ?", (account.created_at,))
        db.commit()
    for made in (None, "", "0" * 64, f"{identity[:-1]}{'0' if identity[-1] != '0' else '1'}", "x" * 70_000):
        if made is not None:
            (forged / "identity.key").write_text(made)
        for arguments in (["sync"], ["push"], ["index"], ["search", "x"]):
            shown = on_terminal("--archive", forged, *arguments)
            assert shown.code == 9 and "adopt" in shown.text, shown.text
        TALLY["hostile inputs: forged archives"] += 1


@pytest.mark.thorough
def test_a_backup_keeps_the_secret_and_an_export_does_not(own: Path, tmp_path: Path) -> None:
    backup(own, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored")
    assert (tmp_path / "restored" / "identity.key").read_bytes() == (own / "identity.key").read_bytes()
    Archive.open(tmp_path / "restored", write=True).close()


def test_a_backup_of_a_version_before_has_no_secret_and_is_adopted_once(own: Path, tmp_path: Path) -> None:
    (own / "identity.key").rename(tmp_path / "aside")
    backup(own, tmp_path / "backup")
    shown = on_terminal("restore", tmp_path / "backup", tmp_path / "restored")
    assert shown.code == 0 and "canvas-archive adopt" in shown.text
    with pytest.raises(NotAdopted):
        Archive.open(tmp_path / "restored", write=True)
    assert on_terminal("--archive", tmp_path / "restored", "adopt", "-y").code == 0
    Archive.open(tmp_path / "restored", write=True).close()


# -- settings that grant something ---------------------------------------------------------------------------


def hears(folder: Path, host: str) -> int:
    """Return how the pages of an archive answer a request for a host name."""
    visitor = Visitor(server.build(folder, host="127.0.0.1", port=8001, login=False))
    try:
        return visitor.get("/mail", headers={"Host": host}).status_code
    finally:
        visitor.close()


@pytest.mark.thorough
def test_a_host_counts_once_it_is_agreed_to(foreign: Path, caplog: pytest.LogCaptureFixture) -> None:
    configure(foreign, allowed_hosts=("evil.example", "mail.example"))
    assert hears(foreign, "evil.example") == 421
    assert "2 of the hosts" in caplog.text and "canvas-archive adopt" in caplog.text
    assert on_terminal("adopt", "-y").code == 0
    assert hears(foreign, "evil.example") == hears(foreign, "mail.example") == 200
    configure(foreign, allowed_hosts=("mail.example", "another.example"))
    assert hears(foreign, "another.example") == 421 and hears(foreign, "mail.example") == 200


def test_plain_datasette_takes_no_host_from_an_archive(foreign: Path) -> None:
    from datasette.app import Datasette

    configure(foreign, allowed_hosts=("evil.example",))
    visitor = Visitor(Datasette([str(foreign / "archive.db")]))
    try:
        assert visitor.get("/archive.json", headers={"Host": "evil.example"}).status_code == 421
    finally:
        visitor.close()


def test_an_own_archive_asks_about_new_settings_too(own: Path) -> None:
    configure(own, allowed_hosts=("mail.example",), token_command="pass canvas")
    assert hears(own, "mail.example") == 421
    shown = on_terminal("sync")
    assert shown.code == 9 and "pass canvas" in shown.text
    shown = on_terminal("adopt", "-y")
    assert "runs 'pass canvas'" in shown.text and "'mail.example'" in shown.text
    assert "yours already" in shown.text
    assert hears(own, "mail.example") == 200
    assert "pass canvas" not in on_terminal("adopt", "-y").text


def test_each_setting_is_asked_for_by_itself(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(foreign, allowed_hosts=("a.example", "b.example"), token_command="pass canvas")
    monkeypatch.setattr(adopting, "can_ask", lambda: True)
    monkeypatch.setattr("canvas_archive.cli.consent.can_ask", lambda: True)
    shown = on_terminal("adopt", text="y\ny\nn\ny\n")
    assert shown.code == 0, shown.text
    assert shown.text.count("[y/N]") == 4
    with Archive.open(foreign) as archive:
        assert archive.adopted
        config = archive.config
    assert (config.token_command, config.allowed_hosts) == ("pass canvas", ("b.example",))
    shown = on_terminal("adopt", text="n\n")
    assert shown.text.count("[y/N]") == 1 and "Does not count" in shown.text


def test_a_no_adopts_nothing(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(foreign, token_command="pass canvas")
    monkeypatch.setattr(adopting, "can_ask", lambda: True)
    monkeypatch.setattr("canvas_archive.cli.consent.can_ask", lambda: True)
    before = {path: path.read_bytes() for path in foreign.iterdir() if path.is_file()}
    assert on_terminal("adopt", text="n\n").code == 130
    assert not state_file().exists()
    assert {path: path.read_bytes() for path in before if path.name != "lock"} == {
        path: data for path, data in before.items() if path.name != "lock"
    }


HIDDEN = (
    f"true{' ' * 3000}; rm -rf everything",
    f"{' ' * 500}pass{' ' * 2500}; rm -rf everything",
    f"pass \x1b[2J\x1b]0;x\x07\u202e{'x' * 400}\n; rm -rf everything",
    f"{'a' * 10_000}\u2066; rm -rf everything",
)


@pytest.mark.parametrize("command", HIDDEN)
@pytest.mark.parametrize("number", [0, 1])
def test_the_end_of_a_long_command_is_seen(foreign: Path, command: str, number: int) -> None:
    configure(foreign, token_command=command)
    shown = on_terminal("adopt", *(["-y"] if number else []))
    assert shown.code == (0 if number else 2)
    line = next(line for line in shown.text.splitlines() if "token_command" in line)
    assert "rm -rf everything" in line and len(line) < 600
    assert "\x1b" not in shown.text and "\u202e" not in shown.text and "\u2066" not in shown.text
    TALLY["hostile inputs: settings of an archive"] += 1


def test_json_names_what_was_agreed_to(foreign: Path) -> None:
    configure(foreign, allowed_hosts=("a.example",), token_command="pass canvas")
    shown = on_terminal("adopt", "-y", "--json")
    assert json.loads(shown.text)["agreements"] == [
        {"name": "token_command", "value": "pass canvas", "agreed": True},
        {"name": "allowed_hosts", "value": "a.example", "agreed": True},
    ]


def test_every_option_that_grants_something_is_known() -> None:
    """A new option must decide: harmless, or marked with what it grants."""
    harmless = {"base_url", "as_user_id", "attachments", "max_attachment_bytes", "jobs", "patience_minutes"}
    config = Config(
        "https://a.example", token_command="x", allowed_hosts=("a", "b"), allowed_file_hosts=("c",),
        sign_key="k", timestamp_url="https://t.example",
    )  # fmt: skip
    granting = {power.name for power in powers(config)}
    assert granting == {"token_command", "allowed_hosts", "allowed_file_hosts", "sign_key", "timestamp_url"}
    assert harmless | granting == set(Config.__dataclass_fields__)
    assert config_without(config, powers(config)) == Config("https://a.example")
    assert config_without(config, powers(config)[1:2]).allowed_hosts == ("b",)
    assert config_without(config, []) == config


def test_a_short_text_is_shown_whole() -> None:
    assert shortened("pass show 'canvas'") == "\"pass show 'canvas'\""
    assert shortened("a" * 140) == repr("a" * 140)
    assert shortened("a" * 141) == f"{'a' * 60!r} … {'a' * 60!r} (141 characters in all; see config.toml)"


# -- the demonstration ---------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_demonstration_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run(["-q", "demo", "--no-serve", "--conversations", "2"]) == 0
    assert not state_file().parent.exists()
    named = tmp_path / "named"
    assert run(["-q", "demo", "--no-serve", "--conversations", "2", "--archive", str(named)]) == 0
    Archive.open(named, write=True).close()
