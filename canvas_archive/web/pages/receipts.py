"""``/mail/c/ID/receipts`` and ``/mail/receipts/NUMBER``: what Canvas said, as the archive received it."""

from __future__ import annotations

import sqlite3
from typing import Any

from datasette import NotFound

from canvas_archive.model import Json
from canvas_archive.store.receipt_reading import (
    KINDS,
    LEFT_OUT,
    WITHOUT_RECEIPT,
    commitment_of,
    keyless,
    receipt_lines,
    require_receipts,
    said_of_message,
    tombstone_of,
    without_keys,
)
from canvas_archive.store.receipts import Receipt, read_receipt
from canvas_archive.unicode import json_text
from canvas_archive.web.frame import Frame
from canvas_archive.web.page_request import Context, PageRequest, view

_LONGEST = 1_000_000
"""How many characters of an answer a page shows."""

_COVERED = {
    "matches": "matches the evidence chain",
    "waiting": "not in the evidence chain yet",
    "altered": "does not match the evidence chain",
}
_PAGE: Context = {
    "title": "What Canvas said",
    "conversation": None,
    "message": None,
    "without": "",
    "lines": [],
    "kinds": KINDS,
}
_KNOWN = "SELECT 1 FROM conversations WHERE id = ?"


@view(table="receipts")
async def listed(page_request: PageRequest) -> Any:
    """Answer with the receipts of a conversation, and above them what Canvas said of one message."""
    ident = int(page_request.request.url_vars["id"])
    text = page_request.argument("m", 18)
    message = int(text) if text.isascii() and text.isdecimal() else None

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        require_receipts(connection)
        if connection.execute(_KNOWN, (ident,)).fetchone() is None:
            raise NotFound(f"There is no conversation {ident} in this archive.")
        found = None if message is None else said_of_message(connection, message)
        shown = None if found is None else _shown(connection, found[0], keyless(found[1]))
        return {
            **_PAGE,
            "about": f"of message {message}" if found else f"of conversation {ident}",
            "conversation": ident,
            "message": message if found else None,
            "without": WITHOUT_RECEIPT if message is not None and found is None else "",
            "shown": shown,
            "lines": receipt_lines(connection, ident),
        }

    return await page_request.page("mail/receipts.html", build)


@view(table="receipts")
async def one(page_request: PageRequest) -> Any:
    """Answer with one receipt."""
    ident = int(page_request.request.url_vars["id"])

    def build(connection: sqlite3.Connection, frame: Frame) -> Context:
        require_receipts(connection)
        receipt = read_receipt(connection, ident)
        if receipt is None:
            raise NotFound(f"There is no receipt {ident} in this archive.")
        shown = _shown(connection, receipt, without_keys(receipt))
        return {**_PAGE, "about": f"in receipt {ident}", "shown": shown}

    return await page_request.page("mail/receipts.html", build)


def _shown(connection: sqlite3.Connection, receipt: Receipt, answer: Json) -> Context:
    """Return what a page says of a receipt."""
    commitment = commitment_of(connection, receipt.id)
    text = "" if receipt.kind in ("erased", "unreadable") else json_text(answer)
    return {
        "receipt": receipt,
        "kind": KINDS.get(receipt.kind, receipt.kind),
        "commitment": commitment.hash,
        "covered": _COVERED[commitment.covered],
        "tombstone": tombstone_of(connection, receipt.id) if receipt.kind == "erased" else None,
        "left_out": ", ".join(LEFT_OUT),
        "text": text if len(text) <= _LONGEST else "",
        "too_long": len(text) > _LONGEST,
    }
