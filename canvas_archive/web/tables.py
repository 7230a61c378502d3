"""Datasette's own pages of an archive: descriptions, queries, labels, and links back to the mail pages.

``metadata.yml`` is keyed by the file stem ``archive``; the hook re-keys it, so that a database of any
name has its descriptions and queries, with or without ``-m metadata.yml``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from datasette.utils import parse_metadata

from canvas_archive.store.descriptions import KEYED_AS, metadata_path
from canvas_archive.web.gate import archives, is_archive, mail_path
from canvas_archive.web.hooks import hook
from canvas_archive.web.render import asset

THREADS = frozenset({"conversations", "threads", "inbox", "sent"})
"""Tables and views whose ``id`` is a conversation's."""


@dataclass(frozen=True, slots=True)
class _Described:
    """What ``metadata.yml`` says: all of it, what of its tables is asked for alone, and its keys."""

    whole: dict[str, Any]
    tables: dict[str, Any]
    keys: frozenset[str]


@functools.cache
def _metadata() -> _Described:
    parsed: dict[str, Any] = parse_metadata(metadata_path().read_text(encoding="utf-8"))
    keys: set[str] = set(parsed)
    for database in parsed["databases"].values():
        keys |= set(database)
        for table in database["tables"].values():
            keys |= set(table)
    sizes = {
        name: {"facet_size": table["facet_size"]}
        for name, table in parsed["databases"][KEYED_AS]["tables"].items()
        if "facet_size" in table
    }
    return _Described(parsed, {"databases": {KEYED_AS: {"tables": sizes}}}, frozenset(keys))


def _own(value: Any) -> Any:
    """Copy what Datasette merges into: dictionaries, at every depth. Lists and texts are only read."""
    return {key: _own(inner) for key, inner in value.items()} if isinstance(value, dict) else value


@hook
def get_metadata(datasette: Any, key: str | None, table: str | None) -> dict[str, Any]:
    """Describe every attached archive under its own name. Local ``-m`` metadata outranks this.

    Datasette asks hundreds of times per page and merges into what it is given, so each answer is a copy,
    and there is nothing for keys that are not in it. ``tables`` is asked once for every table it may show,
    to see whether one has an ``allow`` of its own (ours have none), and for the number of facet values.
    """
    found = archives(datasette)
    described = _metadata()
    if not found or (key is not None and key not in described.keys):
        return {}
    source = described.tables if key == "tables" and table is None else described.whole
    answer: dict[str, Any] = {name: _own(value) for name, value in source.items() if name != "databases"}
    answer["databases"] = {archive.name: _own(source["databases"][KEYED_AS]) for archive in found}
    if len(found) < sum(1 for name in datasette.databases if not name.startswith("_")):
        answer.pop("title", None)
        answer.pop("description", None)
    return answer


@hook
def menu_links(datasette: Any) -> list[dict[str, str]] | None:
    """Lead from any page of Datasette's to the mail."""
    if not archives(datasette):
        return None
    path = datasette.urls.path
    links = [{"href": path("/mail"), "label": "Mail"}]
    if len(archives(datasette)) == 1:
        links += [
            {"href": path("/mail/search"), "label": "Search mail"},
            {"href": path("/mail/status"), "label": "Sync and status"},
        ]
    return links


@hook
def table_actions(datasette: Any, database: str, table: str) -> list[dict[str, str]] | None:
    """Offer to read a table of mail as mail."""
    if not is_archive(datasette, database) or table not in THREADS | {"messages"}:
        return None
    tail = "/mail/sent" if table == "sent" else "/mail"
    return [{"href": mail_path(datasette, database, tail), "label": "Read as mail"}]


@hook
def extra_css_urls(datasette: Any) -> list[str]:
    """Give Datasette's pages the paper and type of the mail pages."""
    return [asset("tables.css")] if archives(datasette) else []
