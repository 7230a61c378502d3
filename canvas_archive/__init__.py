"""A complete, searchable, offline archive of a Canvas LMS inbox.

``canvas_archive.open(folder)`` returns an archive for reading; ``docs/library.md`` has examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.lazy import exports

if TYPE_CHECKING:
    from canvas_archive.errors import ArchiveError as ArchiveError
    from canvas_archive.errors import BadInput as BadInput
    from canvas_archive.library import ReadOnlyArchive as ReadOnlyArchive
    from canvas_archive.library import open as open
    from canvas_archive.search.index.record import IndexBehind as IndexBehind
    from canvas_archive.search.index.record import IndexUnusable as IndexUnusable
else:
    __getattr__, __all__ = exports(
        __name__,
        {
            "errors": ("ArchiveError", "BadInput"),
            "library": ("ReadOnlyArchive", "open"),
            "search.index.record": ("IndexBehind", "IndexUnusable"),
        },
    )

__version__ = "0.2.0"
