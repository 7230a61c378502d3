"""config.toml: read with one complaint about everything, written in one step, never with a token."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.store.config import Config, read_config, write_config


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    config = Config(
        "https://x.edu",
        as_user_id=5,
        token_command='pass "canvas"',
        attachments=False,
        max_attachment_bytes=1000,
        jobs=3,
        patience_minutes=0.5,
        allowed_hosts=("files.x.edu",),
    )
    write_config(path, config)
    assert read_config(path) == config
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or os.name != "posix"
    write_config(path, Config("https://y.edu"))
    assert path.read_text() == 'base_url = "https://y.edu"\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.toml"]


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('job = 3\njobs = "many"\nattachments = 1\npatience_minutes = -1\nallowed_hosts = [1]\n')
    with pytest.raises(BadInput) as caught:
        read_config(path)
    sentence = str(caught.value)
    assert "no option job (did you mean jobs?)" in sentence
    assert "jobs must be a number from 1 to 64, not 'many'" in sentence
    for part in ("attachments must be true", "patience_minutes", "allowed_hosts", "base_url is missing"):
        assert part in sentence


@pytest.mark.parametrize("key", ["token", "canvas_token", "api_key", "Password"])
def test_a_token_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'base_url = "https://x.edu"\n{key} = "7~secretsecret"\n')
    with pytest.raises(BadInput, match="a token does not belong here") as caught:
        read_config(path)
    assert "secretsecret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"base_url = ", b"\xff\xfe"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read"):
        read_config(tmp_path / "config.toml")


@pytest.mark.parametrize("line", ["jobs = true", "as_user_id = 0", 'token_command = " "', "jobs = 65"])
def test_values_out_of_range_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "config.toml").write_text(f'base_url = "https://x.edu"\n{line}\n')
    with pytest.raises(BadInput, match=line.split()[0]):
        read_config(tmp_path / "config.toml")
