"""The pages that show what Canvas said: harmless, without keys, and reached from each message."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.receipt_support import copy_of, erase, small_archive, unguarded
from tests.sync_support import Pair
from tests.web_support import Visitor, open_visitor

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with small_archive(tmp_path_factory.mktemp("web-receipts") / "archive") as pair:
        yield pair


@pytest.fixture(scope="module")
def visitor(synced: Pair) -> Iterator[Visitor]:
    visitor = open_visitor(synced.folder)
    yield visitor
    visitor.close()


def test_each_message_leads_to_what_canvas_said_of_it(visitor: Visitor, synced: Pair) -> None:
    page = visitor.get("/mail/c/100").text
    links = re.findall(r'<a class="said" href="([^"]+)">', page)
    assert links[:2] == ["/mail/c/100/receipts?m=1000", "/mail/c/100/receipts?m=1001"]
    number = synced.one("SELECT max(id) FROM messages WHERE conversation_id = 100")
    answer = visitor.get(f"/mail/c/100/receipts?m={number}")
    assert answer.status_code == 200
    assert (
        "script-src" in answer.headers["content-security-policy"]
        or "default-src" in answer.headers["content-security-policy"]
    )
    text = html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", answer.text, re.DOTALL)[1])  # type: ignore[index]
    assert f'"id": "{number}"' in text and '"id": "1000"' not in text
    assert "\x1b" not in answer.text and "<thing>" not in answer.text
    assert "It matches the evidence chain" in answer.text


def test_every_receipt_has_a_page_without_keys(visitor: Visitor, synced: Pair) -> None:
    listed = visitor.get("/mail/c/100/receipts").text
    assert set(re.findall(r'href="/mail/receipts/(\d+)"', listed)) == {
        str(row[0]) for row in synced.sql("SELECT id FROM receipts WHERE key IN (100, 501)")
    }
    for (number,) in synced.sql("SELECT id FROM receipts"):
        answer = visitor.get(f"/mail/receipts/{number}")
        assert answer.status_code == 200
        assert "verifier" not in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/mail/receipts/9999", 404),
        ("/mail/c/9999/receipts", 404),
        ("/mail/c/100/receipts?m=9999", 200),
        ("/mail/c/100/receipts?m=<b>", 200),
    ],
)
def test_what_is_not_there_is_said(visitor: Visitor, path: str, status: int) -> None:
    answer = visitor.get(path)
    assert answer.status_code == status
    assert "m=<b>" not in answer.text
    assert ("No receipt holds this message. An older version may have" in answer.text) is ("m=9" in path)


def test_an_erased_and_a_damaged_receipt_are_said_to_be(synced: Pair, tmp_path: Path) -> None:
    pair = copy_of(synced, tmp_path / "copy")
    with unguarded(pair.folder) as db:
        (erased,) = erase(db, 103, ["a backup"])
        (damaged,) = db.execute("SELECT max(id) FROM receipts WHERE kind = 'thread' AND key = 101").fetchone()
        db.execute("UPDATE receipts SET payload = x'00ff' WHERE id = ?", (damaged,))
    visitor = open_visitor(pair.folder)
    try:
        assert "also in: a backup" in visitor.get(f"/mail/receipts/{erased}").text
        page = visitor.get(f"/mail/receipts/{damaged}").text
        assert "cannot be read" in page and "does not match the evidence chain" in page
    finally:
        visitor.close()
