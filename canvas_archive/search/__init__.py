"""Full-text search over the messages: a Whoosh index beside the archive, built from it and for it alone.

index    building and reading the index
query    the query language: text into a tree, and the tree as a sentence
answer   from the tree to the hits of a page
service  ``search`` and its relatives
functions  ``canvas_search`` and other functions for SQL

Each uses only those above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.lazy import exports

if TYPE_CHECKING:
    from canvas_archive.search.answer.facets import FacetValue as FacetValue
    from canvas_archive.search.answer.facets import Filters as Filters
    from canvas_archive.search.answer.snippet import Marking as Marking
    from canvas_archive.search.answer.snippet import Snippet as Snippet
    from canvas_archive.search.answer.snippet import marked_text as marked_text
    from canvas_archive.search.functions import SqlFunctions as SqlFunctions
    from canvas_archive.search.functions import query_archive as query_archive
    from canvas_archive.search.index.building import IndexReport as IndexReport
    from canvas_archive.search.index.building import rebuild_index as rebuild_index
    from canvas_archive.search.index.building import update_index as update_index
    from canvas_archive.search.index.checking import IndexState as IndexState
    from canvas_archive.search.index.checking import check_index as check_index
    from canvas_archive.search.index.record import IndexBehind as IndexBehind
    from canvas_archive.search.index.record import IndexUnusable as IndexUnusable
    from canvas_archive.search.index.record import pending_messages as pending_messages
    from canvas_archive.search.query.saved import SavedSearch as SavedSearch
    from canvas_archive.search.query.saved import forget_search as forget_search
    from canvas_archive.search.query.saved import save_search as save_search
    from canvas_archive.search.query.saved import saved_query as saved_query
    from canvas_archive.search.query.saved import saved_searches as saved_searches
    from canvas_archive.search.service import Freshness as Freshness
    from canvas_archive.search.service import Hit as Hit
    from canvas_archive.search.service import SearchResult as SearchResult
    from canvas_archive.search.service import check_query as check_query
    from canvas_archive.search.service import search as search
    from canvas_archive.search.service import select_conversations as select_conversations
    from canvas_archive.search.service import select_messages as select_messages
    from canvas_archive.search.service import understand as understand
    from canvas_archive.search.service import words_to_mark as words_to_mark
else:
    # A search must start at once, and needs nothing of what builds an index.
    __getattr__, __all__ = exports(
        __name__,
        {
            "answer.facets": (
                "FacetValue",
                "Filters",
            ),
            "answer.snippet": ("Marking", "Snippet", "marked_text"),
            "functions": (
                "SqlFunctions",
                "query_archive",
            ),
            "index.building": (
                "IndexReport",
                "rebuild_index",
                "update_index",
            ),
            "index.checking": (
                "IndexState",
                "check_index",
            ),
            "index.record": (
                "IndexBehind",
                "IndexUnusable",
                "pending_messages",
            ),
            "query.saved": (
                "SavedSearch",
                "forget_search",
                "save_search",
                "saved_query",
                "saved_searches",
            ),
            "service": (
                "Freshness",
                "Hit",
                "SearchResult",
                "check_query",
                "search",
                "select_conversations",
                "select_messages",
                "understand",
                "words_to_mark",
            ),
        },
    )
