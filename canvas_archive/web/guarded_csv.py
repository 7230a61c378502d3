"""Datasette's CSV, as it streams, with every cell guarded as in exports (``store.cells``).

Datasette has no hook for what it writes as CSV. Its rows are read back here one by one: memory holds one row.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

from canvas_archive.store.cells import cell

_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^,\r\n]*))(,|\r\n|\r|\n|\Z)')
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?\Z", re.IGNORECASE)
"""What the text of a cell is when its value was a number. Such a text is no formula either."""


class CellGuard:
    """Takes the bytes of a CSV document piece by piece and returns them with guarded cells."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held: list[str] = []
        self._quoted = False

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Return the rows that are complete now, all that is left after the ``last`` piece."""
        text = self._decoder.decode(data, last)
        self._held.append(text)
        self._quoted ^= text.count('"') % 2 == 1  # a quote inside a text is written twice
        if not last and (self._quoted or not text.endswith("\n")):
            return b""
        whole, self._held = "".join(self._held), []
        written = io.StringIO(newline="")
        csv.writer(written).writerows(map(_guarded, row) for row in _rows(whole))
        return written.getvalue().encode("utf-8")


def _rows(text: str) -> Iterator[list[str]]:
    row: list[str] = []
    for field in _FIELD.finditer(text):
        if not row and field.start() == len(text):
            return
        quoted, plain, end = field.groups()
        row.append(plain if quoted is None else quoted.replace('""', '"'))
        if end != ",":
            yield row
            row = []


def _guarded(text: str) -> str:
    return text if _NUMBER.match(text) else cell(text)


def without_trace(query: bytes) -> bytes:
    """Return a query string without ``_trace``: it has CSV written into a page, which no cell survives."""
    pairs = query.split(b"&")
    return b"&".join(
        pair for pair in pairs if unquote_plus(pair.partition(b"=")[0].decode("latin-1")) != "_trace"
    )
