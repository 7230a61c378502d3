"""The archive on the disk: its folder, its SQLite database, and everything that reads or writes them.

This package knows nothing of HTTP; what it stores are the plain values of ``canvas_archive.model``.
Its parts are imported when they are first asked for: a command that reads pays nothing for writing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.lazy import exports

if TYPE_CHECKING:
    from canvas_archive.store.account import Account as Account
    from canvas_archive.store.blobs import BlobWriter as BlobWriter
    from canvas_archive.store.blobs import blob_path as blob_path
    from canvas_archive.store.config import Config as Config
    from canvas_archive.store.connection import connect_readonly as connect_readonly
    from canvas_archive.store.connection import refresh_statistics as refresh_statistics
    from canvas_archive.store.connection import transaction as transaction
    from canvas_archive.store.folder import Archive as Archive
    from canvas_archive.store.ingest import Ingest as Ingest
    from canvas_archive.store.ingest import SaveResult as SaveResult
else:
    __getattr__, __all__ = exports(
        __name__,
        {
            "account": ("Account",),
            "blobs": ("BlobWriter", "blob_path"),
            "config": ("Config",),
            "connection": ("connect_readonly", "refresh_statistics", "transaction"),
            "folder": ("Archive",),
            "ingest": ("Ingest", "SaveResult"),
        },
    )
