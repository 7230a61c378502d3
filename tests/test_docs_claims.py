"""Sentences of the documentation that were wrong once: each is compared with what is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from canvas_archive.cli.topics import TOPICS
from canvas_archive.clock import SYSTEM
from canvas_archive.search.query.language import parse
from canvas_archive.store.folders import FOLDERS
from canvas_archive.sync.arrivals import MOST_TOGETHER
from tests.docs_support import REPOSITORY
from tests.push_support import Mail, open_mail

pytestmark = pytest.mark.sampled

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def written(pattern: str) -> list[str]:
    """Return where a claim is made: in the program and in every page but the changelog."""
    pages = (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("docs/*.1"))
    modules = (REPOSITORY / "canvas_archive").rglob("*.py")
    return [
        place.name
        for place in (*pages, *modules)
        if place.name != "CHANGELOG.md" and re.search(pattern, place.read_text(encoding="utf-8"))
    ]


def test_how_many_conversations_share_a_transaction() -> None:
    assert f"{MOST_TOGETHER} at most, share\none transaction" in README


@pytest.mark.parametrize(
    "claim",
    [
        "Every conversation is one transaction",
        "A sync never\\s+changes",
        "pip install -U",  # nothing is released
        "[Ll]atest release",
        "described in the README",
        "On any machine",
        "Many\\s+schools",
        "program is compiled",
    ],
)
def test_what_is_not_so_is_not_said(claim: str) -> None:
    assert written(claim) == []


def test_only_tested_systems_are_named() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'"Operating System :: (.*?)"', text) == ["POSIX :: Linux"]


def test_every_folder_that_the_search_knows_is_documented() -> None:
    for folder in FOLDERS:
        parse(f"in:{folder}", now=SYSTEM.now())
        assert f"in:{folder}" in TOPICS["query"].text


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mail:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        return opened


@pytest.mark.parametrize("head", ["abc", "788ad3d8…", "f" * 63, "f" * 65, "g" * 64, ""])
def test_a_shortened_or_mistyped_head_is_told_as_that(mail: Mail, head: str) -> None:
    ran = mail.run("verify", "--no-files", "--chain-head", head)
    assert ran.code == 2 and "64 characters" in ran.err and "tampered" not in ran.out + ran.err


def test_a_head_of_another_archive_is_no_accusation(mail: Mail) -> None:
    ran = mail.run("verify", "--no-files", "--chain-head", "f" * 64)
    assert ran.code == 8 and "tampered" not in ran.out
    assert "this head is not in the chain of this archive: either" in ran.out and "f" * 64 in ran.out
    head = re.findall(r"head ([0-9a-f]{64})", ran.out)[0]
    assert mail.run("verify", "--no-files", "--chain-head", f" {head.upper()} ").code == 0


def test_the_status_of_an_archive_made_elsewhere_says_so(
    mail: Mail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mail.run("status", "--json").json["adopted"] is True
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    ran = mail.run("status")
    assert ran.code == 0 and "canvas-archive adopt" in ran.out
    assert "up to date" not in ran.out and "canvas-archive sync" not in ran.out
    assert mail.run("status", "--json").json["adopted"] is False


def test_a_demo_archive_without_its_canvas_says_why(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANVAS_API_TOKEN")
    ran = mail.run("push", "-n")
    assert ran.code == 3 and "its Canvas is gone" in ran.err
