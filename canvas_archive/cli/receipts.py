"""``show --receipt``: what Canvas said, as the archive received it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import Settings, fail, print_json
from canvas_archive.cli.paging import show_lines
from canvas_archive.cli.terminal import local_time, one_line
from canvas_archive.cli.values import CONVERSATION_ID, known_conversation
from canvas_archive.errors import VerificationFailed
from canvas_archive.unicode import json_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from canvas_archive.model import Json, JsonObject
    from canvas_archive.store.receipt_reading import ReceiptLine
    from canvas_archive.store.receipts import Receipt

_NAMED = re.compile(r"(?P<what>message|conversation):#?(?P<id>[0-9]{1,18})", re.IGNORECASE)
_COVERED = {
    "matches": "matches the evidence chain",
    "waiting": "not in the evidence chain yet; the next sync adds it",
    "altered": "DOES NOT MATCH THE EVIDENCE CHAIN: run 'canvas-archive verify'",
}


def show_receipt(settings: Settings, text: str, *, as_json: bool) -> None:
    """Write the receipt that a text names, or list those of a conversation.

    Raises BadInput when there is none, VerificationFailed for one that cannot be read.
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.receipt_reading import require_receipts

    with Archive.open(settings.folder) as archive:
        require_receipts(archive.db)
        named = _NAMED.fullmatch(text.strip())
        if named is not None and named["what"].lower() == "message":
            _show_message(settings, archive.db, int(named["id"]), as_json=as_json)
        elif named is not None:
            _show_conversation(settings, archive.db, int(named["id"]), as_json=as_json)
        elif text.strip().isdecimal() and len(text.strip()) < 19:
            _show_number(settings, archive.db, int(text), as_json=as_json)
        else:
            number = CONVERSATION_ID.convert(text, None, click.get_current_context(silent=True))
            _list(settings, archive.db, known_conversation(archive.db, number), as_json=as_json)


def _show_number(settings: Settings, db: sqlite3.Connection, number: int, *, as_json: bool) -> None:
    from canvas_archive.store.receipts import read_receipt

    receipt = read_receipt(db, number)
    if receipt is None:
        last = db.execute("SELECT coalesce(max(id), 0) FROM receipts").fetchone()[0]
        fail(
            f"There is no receipt {number} in this archive; the last one is {last}. "
            "Those of a conversation: canvas-archive show --receipt '#ID'"
        )
    _show(settings, db, receipt, None, as_json=as_json)


def _show_message(settings: Settings, db: sqlite3.Connection, number: int, *, as_json: bool) -> None:
    from canvas_archive.store.receipt_reading import WITHOUT_RECEIPT, said_of_message

    found = said_of_message(db, number)
    if found is None:
        if db.execute("SELECT 1 FROM messages WHERE id = ?", (number,)).fetchone() is None:
            fail(f"There is no message {number} in this archive.")
        fail(f"No receipt holds message {number}. {WITHOUT_RECEIPT}")
    _show(settings, db, found[0], found[1], as_json=as_json)


def _show_conversation(settings: Settings, db: sqlite3.Connection, number: int, *, as_json: bool) -> None:
    from canvas_archive.store.receipt_reading import WITHOUT_RECEIPT, newest_answer

    receipt = newest_answer(db, known_conversation(db, number))
    if receipt is None:
        fail(f"No receipt holds conversation {number} with its messages. {WITHOUT_RECEIPT}")
    _show(settings, db, receipt, None, as_json=as_json)


def _list(settings: Settings, db: sqlite3.Connection, number: int, *, as_json: bool) -> None:
    from dataclasses import asdict

    from canvas_archive.store.receipt_reading import WITHOUT_RECEIPT, receipt_lines

    lines = receipt_lines(db, number)
    if as_json:
        print_json({"receipts": [asdict(line) for line in lines], "total": len(lines)})
    elif lines:
        show_lines(settings, _table(lines), ["To read one: canvas-archive show --receipt NUMBER"])
    else:
        settings.note(f"There is no receipt about conversation {number}. {WITHOUT_RECEIPT}")


def _table(lines: Sequence[ReceiptLine]) -> list[str]:
    return [
        f"{line.id:>9}  {local_time(line.at):<16}  {one_line(line.source):<9}  {_status(line.status):>3}  "
        f"{one_line(line.address)}{'  (erased)' if line.erased else ''}"
        for line in lines
    ]


def _status(status: int | None) -> str:
    return "-" if status is None else str(status)


def _show(
    settings: Settings, db: sqlite3.Connection, receipt: Receipt, message: JsonObject | None, *, as_json: bool
) -> None:
    """Write a receipt; of a ``message`` in it, that alone."""
    document = _document(db, receipt, message)
    if as_json:
        print_json(document)
    else:
        lines = _head(receipt, document)
        if receipt.kind not in ("erased", "unreadable"):
            lines += ["", *json_text(document["answer"]).splitlines()]
        show_lines(settings, lines)
    if receipt.kind == "unreadable":
        raise VerificationFailed(
            f"Receipt {receipt.id} cannot be read: {one_line(str(receipt.payload))}. "
            "Run 'canvas-archive verify', then restore a backup."
        )


def _document(db: sqlite3.Connection, receipt: Receipt, message: JsonObject | None) -> JsonObject:
    from canvas_archive.store.receipt_reading import (
        LEFT_OUT,
        commitment_of,
        keyless,
        tombstone_of,
        without_keys,
    )

    tombstone = tombstone_of(db, receipt.id) if receipt.kind == "erased" else None
    commitment = commitment_of(db, receipt.id)
    answer: Json = without_keys(receipt) if message is None else keyless(message)
    return {
        "id": receipt.id,
        "kind": receipt.kind,
        "key": receipt.key,
        "address": receipt.address,
        "at": receipt.at,
        "status": receipt.status,
        "run_id": receipt.run_id,
        "source": receipt.source,
        "texts": receipt.texts,
        "commitment": commitment.hash,
        "evidence_chain": commitment.covered,
        "erased_at": None if tombstone is None else tombstone.at,
        "held_in": [] if tombstone is None else [*tombstone.held_in],
        "left_out": [*LEFT_OUT],
        "answer": None if receipt.kind in ("erased", "unreadable") else answer,
    }


def _head(receipt: Receipt, document: JsonObject) -> list[str]:
    """Return what is known of a receipt beside what Canvas said, a line each."""
    from canvas_archive.store.receipt_reading import KINDS

    about = KINDS.get(receipt.kind, receipt.kind)
    decoded = receipt.texts != "raw"
    left_out: Json = document["left_out"]
    fields = {
        "Receipt": f"{receipt.id}: {about}",
        "Address": receipt.address,
        "Received": f"{local_time(receipt.at)} ({receipt.at})",
        "Status": _status(receipt.status),
        "Run": "none" if receipt.run_id is None else str(receipt.run_id),
        "Source": receipt.source,
        "Bodies": "sent with entities, stored decoded" if decoded else "stored as they were sent",
        "Commitment": f"{document['commitment']} ({_COVERED[str(document['evidence_chain'])]})",
    }
    if receipt.kind == "erased":
        held_in: Json = document["held_in"]
        fields["Erased"] = f"{local_time(str(document['erased_at'] or '')) or 'at an unknown time'}"
        names = ", ".join(map(str, held_in)) if isinstance(held_in, list) else ""
        fields["Also held in"] = names or "nothing that was recorded"
    elif isinstance(left_out, list):
        fields["Left out"] = ", ".join(map(str, left_out))
    return [f"{name + ':':<13} {one_line(value)}" for name, value in fields.items()]
