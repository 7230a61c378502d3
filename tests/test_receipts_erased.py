"""A receipt can be erased: salt and text are destroyed, the chain stays valid, and a tombstone is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run
from canvas_archive.store import Archive
from canvas_archive.store.chain import chain_head
from tests.receipt_support import copy_of, erase, small_archive, unguarded
from tests.sync_support import Pair

HELD = ["the search index", "the journal", "a backup of 2026-04-01"]


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with small_archive(tmp_path_factory.mktemp("erased") / "archive") as pair:
        yield pair


@pytest.fixture
def pair(synced: Pair, tmp_path: Path) -> Pair:
    return copy_of(synced, tmp_path / "copy")


def verified(pair: Pair, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of ``verify``, and its checks by name."""
    capsys.readouterr()
    code = run(["--archive", str(pair.folder), "verify", "--no-files", "--json", *options])
    return code, {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_the_chain_is_valid_without_salt_and_text(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    with Archive.open(pair.folder) as archive:
        head = chain_head(archive.db).chain
    with unguarded(pair.folder) as db:
        numbers = erase(db, 103, HELD)
        left = db.execute("SELECT count(*) FROM messages WHERE conversation_id = 103").fetchone()[0]
    assert left == 0 and numbers
    code, checks = verified(pair, capsys, "--chain-head", head)
    assert code == 0, [check for check in checks.values() if not check["ok"]]
    assert f"{len(numbers)} of them were erased on purpose" in checks["contents"]["detail"]
    assert checks["contents"]["items"] == [
        f"receipt {number}: erased 2026-05-01T00:00:00Z; its text was also in: {', '.join(HELD)}"
        for number in numbers
    ]


def test_what_still_holds_an_erased_text_is_named(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    with unguarded(pair.folder) as db:
        revisions = {
            row[0] for row in db.execute("SELECT revision FROM revisions WHERE id IN ('100', '1003')")
        }
        erase(db, 100, HELD, keep=("revisions",))
    code, checks = verified(pair, capsys)
    assert (code, checks["chain"]["ok"]) == (8, True)
    named = [item for item in checks["contents"]["items"] if item.startswith("revisions ")]
    assert revisions and {int(item.split()[1].rstrip(":")) for item in named} >= revisions
    assert all("no receipt explains the row" in item for item in named)


def test_rows_of_an_erased_receipt_are_not_explained(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    with unguarded(pair.folder) as db:
        kept = db.execute("SELECT * FROM messages WHERE id = 1000").fetchone()
        erase(db, 100, HELD)
        db.execute(f"INSERT INTO messages VALUES ({', '.join('?' * len(kept))})", kept)
    code, checks = verified(pair, capsys)
    assert code == 8
    assert "messages 1000: no receipt explains the row" in checks["contents"]["items"]


def test_a_text_that_was_destroyed_without_a_tombstone_is_named(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    with unguarded(pair.folder) as db:
        (number,) = erase(db, 103, HELD)
        db.execute("DELETE FROM erased WHERE receipt_id = ?", (number,))
    code, checks = verified(pair, capsys)
    assert (code, checks["chain"]["ok"]) == (8, False)


def test_a_tombstone_with_another_commitment_is_named(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    with unguarded(pair.folder) as db:
        erase(db, 103, HELD)
        db.execute("UPDATE erased SET commitment = printf('%064d', 7)")
    assert verified(pair, capsys)[1]["chain"]["ok"] is False


def test_the_text_is_nowhere_in_the_database_file(pair: Pair) -> None:
    body = b"Are you there?"
    with unguarded(pair.folder) as db:
        erase(db, 103, HELD)
    pair.update("VACUUM")
    assert body not in (pair.folder / "archive.db").read_bytes()
