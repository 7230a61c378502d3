"""Commands within sentences: they name the archive that the command line named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from canvas_archive.cli.registry import COMMANDS

_WITHOUT = {"completion", "demo", "fleet", "help", "sandbox", "version"}
"""Commands that need no archive, or make one of their own."""

_CALL = re.compile(
    rf"canvas-archive (?:{'|'.join(re.escape(name) for name in COMMANDS if name not in _WITHOUT)})\b(?!-)"
    r"(?: (?:read|unread|discard|retry|accept|set)\b)?(?! --archive)"
)


def with_archive(text: str, folder: Path) -> str:
    """Return a text in which every command that it names has ``--archive``."""
    named = f" --archive {shlex.quote(str(folder))}"
    return _CALL.sub(lambda found: found[0] + named, text)
