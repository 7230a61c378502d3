"""The same messages and questions for tantivy, where it is installed: a library in Rust, for information.

Like FTS5 it returns 20 ids, by rank or by date. It has no facet counts over such fields and no snippets here.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_HEAP = 256_000_000
_TEXTS = ("subject", "author", "body")
_DOCS = "SELECT id, subject, author, body, author_id, written FROM docs"


def installed() -> bool:
    """Return whether there is a tantivy to ask."""
    return find_spec("tantivy") is not None


class Tantivy:
    """An index of the rows that FTS5 has; ``seconds`` is how long it took, on one thread."""

    def __init__(self, fts: sqlite3.Connection, folder: Path) -> None:
        import tantivy

        self._tantivy = tantivy
        folder.mkdir()
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("id", stored=True)
        for name in _TEXTS:
            builder.add_text_field(name, tokenizer_name="en_stem")
        builder.add_integer_field("author_id", indexed=True)
        builder.add_integer_field("written", indexed=True, fast=True)
        self._index = tantivy.Index(builder.build(), path=str(folder))
        rows = fts.execute(_DOCS).fetchall()
        began = time.perf_counter()
        writer = self._index.writer(_HEAP, 1)
        for number, subject, author, body, author_id, written in rows:
            writer.add_document(
                tantivy.Document(
                    id=number,
                    subject=subject or "",
                    author=author,
                    body=body,
                    author_id=author_id,
                    written=written,
                )
            )
        writer.commit()
        writer.wait_merging_threads()
        self.seconds = time.perf_counter() - began
        self._index.reload()
        self._searcher = self._index.searcher()

    def call(
        self, kind: str, query: Any, bounds: Callable[[int], tuple[int, int]]
    ) -> Callable[[], object] | None:
        """Return the search for a query of a class of ``search.py``; ``None`` for what tantivy lacks."""
        if kind == "page with facets":
            return None
        if kind == "from, word, year":
            author, _, word, year = query
            start, end = bounds(year)
            return self._asked(
                f"{word} AND author_id:{author} AND written:[{start} TO {end - 1}]", dated=True
            )
        if kind == "three words":
            return self._asked(" AND ".join(query))
        if kind == "prefix":
            return self._beginning(query)
        return self._asked(f'"{query}"' if kind == "phrase" else query)

    def _asked(self, text: str, *, dated: bool = False) -> Callable[[], object]:
        def search() -> object:
            parsed = self._index.parse_query(text, list(_TEXTS))
            if dated:
                return self._ids(self._searcher.search(parsed, 20, order_by_field="written"))
            return self._ids(self._searcher.search(parsed, 20))

        return search

    def _beginning(self, letters: str) -> Callable[[], object]:
        queries, occur = self._tantivy.Query, self._tantivy.Occur

        def search() -> object:
            sides = [
                (occur.Should, queries.regex_query(self._index.schema, name, f"{letters}.*"))
                for name in _TEXTS
            ]
            return self._ids(self._searcher.search(queries.boolean_query(sides), 20))

        return search

    def _ids(self, found: Any) -> list[int]:
        return [self._searcher.doc(address)["id"][0] for _, address in found.hits]
