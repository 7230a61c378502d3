"""The archive on the disk: its folder, its SQLite database, and everything that reads or writes them.

This package knows nothing of HTTP; what it stores are the plain values of ``canvas_archive.model``.
Its parts are imported when they are first asked for: a command that reads pays nothing for writing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canvas_archive.store.account import Account
    from canvas_archive.store.blobs import BlobWriter, blob_path
    from canvas_archive.store.config import Config
    from canvas_archive.store.connection import connect_readonly, refresh_statistics, transaction
    from canvas_archive.store.folder import Archive
    from canvas_archive.store.ingest import Ingest, SaveResult
else:
    # Out of the type checker's sight, which would take any name for one that is here.
    from importlib import import_module

    _HOMES = {
        "Account": "account",
        "Archive": "folder",
        "BlobWriter": "blobs",
        "Config": "config",
        "Ingest": "ingest",
        "SaveResult": "ingest",
        "blob_path": "blobs",
        "connect_readonly": "connection",
        "refresh_statistics": "connection",
        "transaction": "connection",
    }

    def __getattr__(name: str) -> object:
        """Import the part that has the name."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found


__all__ = [
    "Account",
    "Archive",
    "BlobWriter",
    "Config",
    "Ingest",
    "SaveResult",
    "blob_path",
    "connect_readonly",
    "refresh_statistics",
    "transaction",
]
