"""Full-text search over the messages: a Whoosh index beside the archive, built from it and for it alone.

index    building and reading the index
query    the query language: text into a tree, and the tree as a sentence
answer   from the tree to the hits of a page
service  ``search`` and its relatives

Each uses only those above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.lazy import exports

if TYPE_CHECKING:
    from canvas_archive.search.answer.facets import FacetValue, Filters
    from canvas_archive.search.answer.snippet import Snippet
    from canvas_archive.search.index.building import IndexReport, rebuild_index, update_index
    from canvas_archive.search.index.checking import IndexState, check_index
    from canvas_archive.search.index.record import IndexUnusable, pending_messages
    from canvas_archive.search.query.saved import (
        SavedSearch,
        forget_search,
        save_search,
        saved_query,
        saved_searches,
    )
    from canvas_archive.search.service import (
        Freshness,
        Hit,
        SearchResult,
        check_query,
        search,
        select_conversations,
        select_messages,
        understand,
    )

# Where each name lives: imported when it is asked for, because a search must start at once and needs
# nothing of what builds an index.
_HOMES = {
    "index.building": ("IndexReport", "rebuild_index", "update_index"),
    "index.checking": ("IndexState", "check_index"),
    "answer.facets": ("FacetValue", "Filters"),
    "index.record": ("IndexUnusable", "pending_messages"),
    "query.saved": ("SavedSearch", "forget_search", "save_search", "saved_query", "saved_searches"),
    "service": (
        "Freshness",
        "Hit",
        "SearchResult",
        "check_query",
        "search",
        "select_conversations",
        "select_messages",
        "understand",
    ),
    "answer.snippet": ("Snippet",),
}
__getattr__, _ = exports(__name__, _HOMES)

__all__ = [
    "FacetValue",
    "Filters",
    "Freshness",
    "Hit",
    "IndexReport",
    "IndexState",
    "IndexUnusable",
    "SavedSearch",
    "SearchResult",
    "Snippet",
    "check_index",
    "check_query",
    "forget_search",
    "pending_messages",
    "rebuild_index",
    "save_search",
    "saved_query",
    "saved_searches",
    "search",
    "select_conversations",
    "select_messages",
    "understand",
    "update_index",
]
