"""Unicode normalization in linear time, whatever the text."""

from __future__ import annotations

import re
from typing import Literal
from unicodedata import normalize

_MOST_MARKS = 32
"""Combining marks put in order at once. The longest sequence of any language has fewer than 31."""

# Every combining mark is among them; so are signs and emoji, which no cut harms.
_MARKS = re.compile(rf"[^\w\x00-\x7f]{{{_MOST_MARKS}}}")


def normalized(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """Return the text in a normalization form.

    Python sorts a run of combining marks by insertion, in quadratic time: 64 KB of them take 17 seconds.
    Here a longer run is normalized in pieces.
    """
    if text.isascii():
        return text
    pieces: list[str] = []
    done = 0
    for run in _MARKS.finditer(text):
        pieces.append(normalize(form, text[done : run.end()]))
        done = run.end()
    pieces.append(normalize(form, text[done:]))
    return "".join(pieces)
