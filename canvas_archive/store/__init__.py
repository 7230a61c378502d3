"""The archive on the disk: its folder, its SQLite database, and everything that reads or writes them.

This package knows nothing of HTTP; what it stores are the plain values of ``canvas_archive.model``.
"""

from __future__ import annotations

from canvas_archive.store.blobs import BlobWriter, blob_path
from canvas_archive.store.config import Config
from canvas_archive.store.connection import connect_readonly, refresh_statistics, transaction
from canvas_archive.store.folder import Account, Archive
from canvas_archive.store.ingest import Ingest, Saved

__all__ = [
    "Account",
    "Archive",
    "BlobWriter",
    "Config",
    "Ingest",
    "Saved",
    "blob_path",
    "connect_readonly",
    "refresh_statistics",
    "transaction",
]
