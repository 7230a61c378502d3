"""Full-text search over the messages: a Whoosh index beside the archive, built from it and for it alone.

tree, language, dates  the query language: text into a tree
operators, tokens      the names of operators and their values; the text in pieces
written, understood    a tree as a query again, and as a sentence
analysis, stemming     text into terms, the same for indexing and queries
documents, attachments what is indexed of a message and of the files it carries
extraction, extractors the process that reads these files: who asks it, and what runs in it
segments, postings     writing and reading Whoosh's files
docset                 sets of documents as bytes of one number
record, contents       which index counts, and which segments it consists of
building, merging      update and rebuild it, on two cores (``shard``)
checking               whether it is sound
planning, matching     a tree into matchers, a set of documents at a time
phrases                words side by side
scoring, ranking       what documents score, and the order of hits
snippet                the passage that shows why
facets                 counts beside the hits
suggest, spelling      "did you mean"
explain                why nothing was found
opened                 the indexes kept open between searches
service                ``search`` and its relatives
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.lazy import exports

if TYPE_CHECKING:
    from canvas_archive.search.building import IndexReport, rebuild_index, update_index
    from canvas_archive.search.checking import IndexState, check_index
    from canvas_archive.search.facets import FacetValue, Filters
    from canvas_archive.search.record import IndexUnusable, pending_messages
    from canvas_archive.search.saved import (
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
    from canvas_archive.search.snippet import Snippet

# Where each name lives: imported when it is asked for, because a search must start at once and needs
# nothing of what builds an index.
_HOMES = {
    "building": ("IndexReport", "rebuild_index", "update_index"),
    "checking": ("IndexState", "check_index"),
    "facets": ("FacetValue", "Filters"),
    "record": ("IndexUnusable", "pending_messages"),
    "saved": ("SavedSearch", "forget_search", "save_search", "saved_query", "saved_searches"),
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
    "snippet": ("Snippet",),
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
