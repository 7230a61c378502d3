"""docs/receipts.md: its example is derived, its table of kinds is the program's, its commands run."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.cli import run
from canvas_archive.derive.fold import derive
from canvas_archive.store.receipt_reading import KEYS, KINDS
from canvas_archive.store.receipts import Receipt
from canvas_archive.store.revisions import VOLATILE
from tests.docs_support import REPOSITORY, blocks
from tests.receipt_support import small_archive

PAGE = REPOSITORY / "docs" / "receipts.md"
TEXT = PAGE.read_text("utf-8")


def test_the_rows_of_the_example_follow_from_its_receipt() -> None:
    (answer,) = (json.loads(block.text) for block in blocks(PAGE) if block.language == "json")
    address = "GET /api/v1/conversations/17"
    receipt = Receipt(1, None, "api", "thread", 17, address, "2026-03-02T11:00:00Z", 200, "entities", answer)
    db, faults = derive([receipt])
    rows = re.findall(r"^\| `(SELECT [^`]+)` \| (.+) \|$", TEXT, re.MULTILINE)
    assert faults == [] and len(rows) == 4
    with closing(db):
        for query, answered in rows:
            cells = [str(cell) for row in db.execute(query) for cell in row]
            assert ", ".join(cells) == answered


def test_every_kind_is_in_the_table() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", TEXT, re.MULTILINE)
    assert dict(rows) == KINDS


def test_what_is_left_out_and_not_compared_is_named() -> None:
    assert all(f"`{key}`" in TEXT for key in (*KEYS, *VOLATILE))


def test_the_commands_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small_archive(tmp_path / "archive") as pair:
        number = pair.one("SELECT max(id) FROM receipts WHERE kind = 'thread' AND key = 100")
    named = {"'#700122'": "#100", "66": str(number), "message:1104836310": "message:1000"}
    lines = [line for block in blocks(PAGE) if block.language == "sh" for line in block.text.splitlines()]
    assert len(lines) == 4
    for line in lines:
        what = line.rpartition(" ")[2]
        words = ["--archive", str(pair.folder), "show", "--receipt", named.get(what, "conversation:100")]
        assert run(words) == 0
        assert f"{number}" in capsys.readouterr().out
