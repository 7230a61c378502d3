"""Where ``metadata.yml`` is, which describes the tables, views and queries of an archive for Datasette."""

from __future__ import annotations

from pathlib import Path

KEYED_AS = "archive"
"""The name of the database in ``metadata.yml``."""

_PACKAGE = Path(__file__).resolve().parent.parent


def metadata_path() -> Path:
    """Return where ``metadata.yml`` is: inside an installed package, beside it in a source tree."""
    for folder in (_PACKAGE / "web", _PACKAGE.parent):
        if (folder / "metadata.yml").is_file():
            return folder / "metadata.yml"
    raise FileNotFoundError("metadata.yml is missing from this installation")
