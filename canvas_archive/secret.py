"""Text that is not to be shown: a token on its way from where it is kept to the header it is sent in."""

from __future__ import annotations

import codecs
import re
from typing import SupportsIndex

_BEFORE = re.compile(
    r"(?:export\s+|set\s+)?CANVAS_API_TOKEN\s*=\s*|(?:authorization\s*:\s*)?bearer(?:\s+|:\s*)", re.I
)
"""What people copy along with a token."""

_AROUND = "\ufeff\u200b\u200e\u2060\xa0 \t\r\n\v\f"
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
_TOKENS = re.compile(r"\d+~\w{8,}|[A-Za-z0-9_+=-]{32,}")


class Secret(str):
    """A string whose ``repr`` is hidden, so that no traceback, debugger or log shows it among the values.

    ``str()`` and formatting still give the text: it has to be sent somewhere in the end.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __getitem__(self, key: SupportsIndex | slice) -> Secret:
        # What shortens long values before it shows them gets no plain piece of it either.
        return Secret(super().__getitem__(key))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not to be pickled or copied into a file")


def token_text(given: str | bytes) -> Secret:
    """Return the token of a variable, or of a file's or program's bytes: their first line that is not blank.

    A byte order mark, UTF-16, quotes, and a ``Bearer`` or ``CANVAS_API_TOKEN=`` before it are dropped.
    """
    line = _first_line(given) if isinstance(given, bytes) else given.strip(_AROUND)
    for _ in range(3):  # quotes around the whole, or around what follows the prefix
        if len(line) > 1 and line[0] in _QUOTES and line[-1] in _QUOTES:
            line = line[1:-1].strip(_AROUND)
        line = _BEFORE.sub("", line, count=1) if _BEFORE.match(line) else line
    return Secret(line)


def _first_line(data: bytes) -> str:
    lines = (line.strip(_AROUND) for line in _decoded(data).splitlines())
    return next((line for line in lines if line), "")


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if b"\0" in data:  # Windows' programs write UTF-16 without saying so
        return data.decode("utf-16-be" if data.startswith(b"\0") else "utf-16-le", "replace")
    return data.decode("utf-8-sig", "replace")


def is_token_text(text: str) -> bool:
    """Return whether a text can be a token: it must fit the header it is sent in."""
    return bool(text) and text.isascii() and text.isprintable() and not set(text) & set(" \"'")


def without_tokens(text: str) -> str:
    """Return a text with everything that may be a token replaced by ``…``."""
    return _TOKENS.sub("…", text)
