"""Whether this server can ask Canvas: "Sync now" and the sending button are shown only with a token."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from canvas_archive.credentials import token_source
from canvas_archive.errors import ArchiveError
from canvas_archive.store import Archive
from canvas_archive.web.per_datasette import PerDatasette

ASK_AGAIN_SECONDS = 30.0


@PerDatasette
def _answers(datasette: Any) -> dict[Path, tuple[float, bool]]:
    """Return the cached answers by folder, each with its time: a keyring can be slow."""
    return {}


def token_available(datasette: Any, folder: Path) -> bool:
    """Return whether there is a token for this archive. No command is run to find out."""
    answers, now = _answers(datasette), time.monotonic()
    if folder not in answers or now - answers[folder][0] >= ASK_AGAIN_SECONDS:
        answers[folder] = (now, _has_token(folder))
    return answers[folder][1]


def _has_token(folder: Path) -> bool:
    try:
        with Archive.open(folder) as archive:
            account, command = archive.account, archive.config.token_command
            source = token_source(account.base_url, token_command=command, user_id=account.user_id)
    except ArchiveError:
        return False  # a bare database without its folder: readable, but bound to no Canvas
    return source is not None
