"""docs/compliance.md is walked from its first command to its last, by an administrator, on a sandbox."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from canvas_archive.cli import main
from canvas_archive.sandbox import Sandbox
from tests.docs_support import REPOSITORY, blocks, command_lines
from tests.signing_support import Authority, allow, authority_served, make_key

pytestmark = [pytest.mark.uncounted, pytest.mark.thorough]

PAGE = REPOSITORY / "docs" / "compliance.md"
LINES = [
    line
    for block in blocks(PAGE)
    if block.language == "sh"
    for line in block.text.splitlines()
    if not line.startswith("export ")
]


def _run(arguments: list[str]) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
        code = main.run(arguments)
    return code, out.getvalue() + err.getvalue()


def test_the_whole_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told: dict[str, str] = {}
    (tmp_path / "authority").mkdir()
    authority = Authority.make(tmp_path / "authority")
    key = make_key(tmp_path, "id_ed25519")
    allow(tmp_path, key).rename("allowed_signers")
    authority.certificate.rename("authority.pem")
    with Sandbox(conversations=50) as sandbox, authority_served(authority) as stamps:
        replaced = {"~/.ssh/id_ed25519": str(key), "https://tsa.example.org/tsr": stamps}
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.admin_token)
        _write_custodians(sandbox)
        before = sandbox.school.ids("unread")
        for line in LINES:
            if line.startswith("python -m "):
                done = subprocess.run(
                    [sys.executable, *line.split()[1:]], capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stderr
                continue
            if line.startswith(("ssh-keygen ", "openssl ")):
                done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
                continue
            (call,) = command_lines(line)
            call = [replaced.get(word, word) for word in call]
            head = re.search(r"head ([0-9a-f]{64})", told.get("verify", ""))
            call = [head[1] if word == "HEAD" and head else word for word in call]
            call = [sandbox.url if word.startswith("https://") else word for word in call]
            if call == ["sync", "--full", "--archive", "cases/1047"] and "sync" in told:
                _let_things_happen(sandbox)
            code, text = _run(call)
            assert code == 0, f"{line}\n{text}"
            told[" ".join(word for word in call[:2] if not word.startswith("-"))] = text
            told[call[0]] = text
        assert sandbox.school.ids("unread") == before
    _the_results_are_what_the_page_says(told)


def _write_custodians(sandbox: Sandbox) -> None:
    people = [one for one in sandbox.school.state.people if one != sandbox.school.admin_id]
    with Path("CUSTODIANS.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["user_id"], [sandbox.user_id], *([one] for one in people[1:3])])


def _let_things_happen(sandbox: Sandbox) -> None:
    """The custodian deletes a conversation, and somebody gets another name, between two syncs."""
    school = sandbox.school
    school.owner_delete(next(one for one in school.ids("inbox") if one not in school.ids("unread")))
    somebody = next(one for one in school.state.people if one not in (sandbox.user_id, school.admin_id))
    school.rename(somebody, "Somebody Else")


def _the_results_are_what_the_page_says(told: dict[str, str]) -> None:
    # How many records there are depends on what happened: the page names no number.
    assert not re.search(r"\d+ records", PAGE.read_text(encoding="utf-8"))
    assert told["list"].strip(), "what was deleted on Canvas is kept"
    assert '""removed_at""' in told["sql"]
    custody = json.loads(Path("evidence/data/custody.json").read_text(encoding="utf-8"))
    assert custody["custodian"]["id"] == 1047
    assert custody["custodian"]["collected_by"] != 1047
    assert custody["selection"] == {"after": "2025-09-01T00:00:00Z", "zone": "UTC"}
    assert len(custody["sync_runs"]) == 2
    bag = Path("evidence/bag-info.txt").read_text(encoding="utf-8")
    assert "Custodian-Id: 1047" in bag
    for name in ("gaps.csv", "eml", "rsmf", "attachments"):
        assert (Path("evidence/data") / name).exists(), name
    assert not Path("redacted/data/attachments").exists()
    assert "Somebody Else" in Path("key.csv").read_text(encoding="utf-8")
    assert "Somebody Else" not in Path("redacted/data/conversations.jsonl").read_text(encoding="utf-8")
    assert len(list(Path("handover").glob("*/bag-info.txt"))) == 3


def test_every_line_of_the_page_is_run() -> None:
    assert len(LINES) >= 18
    assert all(
        re.match(r"canvas-archive |python -m bagit |ssh-keygen -Y verify |openssl ts -verify ", line)
        for line in LINES
    )
