"""config.toml: read with one complaint about everything, written in one step, never with a token."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.store.config import (
    OPTIONS,
    Config,
    change_config,
    check_config,
    read_config,
    tomllib,
    write_config,
)


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


# -- each complaint says where and what to write -----------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            'jobs = "8"',
            r"config\.toml: line 3: jobs must be a number from 1 to 64, not '8': write jobs = 4\.",
        ),
        ("attachments = 1", r"line 3: attachments must be true or false, not 1: write attachments = false"),
        ('allowed_hosts = "x.edu"', r"write allowed_hosts = \[\"archive\.example\.edu\"\]"),
        ("[sync]\njobs = 3", r"line 3: there is no section \[sync\]: write the options without sections"),
        ("jbos = 3", r"line 3: there is no option jbos \(did you mean jobs\?\)"),
        ("jobs = nan", r"line 3: jobs must be"),
        ("jobs: 3", r"at line 3, .*Write NAME = VALUE.*help config"),
        ('sign_key = "C:\\keys\\id"', r"at line 3, .*single quotation marks: sign_key = 'C:\\keys"),
        ('token = "7~secretsecret"', r"line 3: token: .*then run: canvas-archive login"),
        ('"a key" = 1', r"line 3: there is no option a key"),
        ("[[jobs]]\nx = 1", r"line 3: jobs must be"),
        ("patience_minutes = inf", r"patience_minutes must be a number of minutes"),
    ],
)
def test_each_complaint_names_its_line_and_what_to_write(tmp_path: Path, lines: str, sentence: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'# mine\nbase_url = "https://x.edu"\n{lines}\n')
    with pytest.raises(BadInput, match=sentence) as caught:
        read_config(path)
    assert "secretsecret" not in str(caught.value) and len(str(caught.value)) < 600
    assert "canvas-archive help config" in str(caught.value)


def test_a_byte_order_mark_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes('\ufeffbase_url = "https://x.edu"\r\njobs = 2\r\n'.encode())
    assert read_config(tmp_path / "config.toml") == Config("https://x.edu", jobs=2)


def test_every_example_is_a_value_that_fits() -> None:
    document = tomllib.loads("\n".join(f"{name} = {option.example}" for name, option in OPTIONS.items()))
    assert not check_config(document) and set(document) == set(OPTIONS)


@pytest.mark.parametrize(
    "before", ['token_command = "a"', "token_command = '''\na\n'''", "", "'token_command' = 'a'"]
)
def test_an_option_is_changed_and_the_rest_stays(tmp_path: Path, before: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'# mine\nbase_url = "https://x.edu"\n{before}\njobs = 2 # few\n')
    assert change_config(path, token_command='pass "b"') == read_config(path)
    assert read_config(path) == Config("https://x.edu", token_command='pass "b"', jobs=2)
    assert ("# few" in path.read_text()) == ("'''" not in before and "'token" not in before)
    change_config(path, token_command=None)
    assert read_config(path) == Config("https://x.edu", jobs=2)
