"""A text as its letters: folded, and with entities and percent signs decoded.

``&eacute;``, ``%C3%A9``, ``e`` with an accent after it, and ``É`` are all ``e``. Each letter knows where in
the text it comes from. Everything takes time in proportion to the text.
"""

from __future__ import annotations

import html
import re
from array import array
from dataclasses import dataclass
from unicodedata import normalize

from canvas_archive.folding import FOLD

_CODED = re.compile(
    r"&(?:amp;)*(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,31}[0-9]{0,2});?"
    r"|(?:%(?:25){0,8}[0-9A-Fa-f]{2})+|(?:=[C-F][0-9A-F](?:=[89AB][0-9A-F]){1,3})+|\\u[0-9a-fA-F]{4}|[^\x00-\x7f]+"
)
_BYTE = re.compile(r"(?:%(?:25){0,8}|=)([0-9A-Fa-f]{2})")
_AMPERSANDS = re.compile(r"&(?:amp;)+")
# What only steers the direction of a text is dropped in addition to what folding drops.
_STEERING = frozenset("\u061c\u180e\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UTF8_LENGTH = ((0xF0, 4), (0xE0, 3), (0xC0, 2))


@dataclass(frozen=True, slots=True)
class Letters:
    """Folded letters, and where each starts and ends in the text they come from (``None``: the same)."""

    text: str
    starts: array[int] | None = None
    ends: array[int] | None = None

    def start(self, at: int) -> int:
        """Return where the letter begins in the original."""
        return at if self.starts is None else self.starts[at]

    def end(self, at: int) -> int:
        """Return where the letter before ``at`` ends in the original."""
        return at if self.ends is None else self.ends[at - 1] if at else 0


def folded(text: str) -> str:
    """Return the text's letters alone, accents and case dropped, each decomposed."""
    return text.lower() if text.isascii() else "".join(map(_folded_letter, text))


def _folded_letter(letter: str) -> str:
    return "" if letter in _STEERING else normalize("NFD", FOLD[ord(letter)])


def letters(text: str) -> Letters:
    """Return the letters of a text with their places."""
    if text.isascii() and _CODED.search(text) is None:
        return Letters(text.lower())
    pieces: list[str] = []
    starts, ends = array("q"), array("q")

    def copy(start: int, end: int) -> None:
        pieces.append(text[start:end].lower())
        starts.extend(range(start, end))
        ends.extend(range(start + 1, end + 1))

    def put(piece: str, start: int, end: int) -> None:
        for letter in piece:
            plain = _folded_letter(letter)
            pieces.append(plain)
            starts.extend([start] * len(plain))
            ends.extend([end] * len(plain))

    done = 0
    for match in _CODED.finditer(text):
        start, end = match.span()
        copy(done, start)
        done = end
        if text[start] == "\\":
            put(chr(int(match[0][2:], 16)), start, end)
        elif text[start] in "%=":
            for piece, low, high in _from_bytes(match[0]):
                put(piece, start + low, start + high)
        elif text[start] == "&":
            coded = _AMPERSANDS.sub("&", match[0])
            decoded = html.unescape(coded)
            if decoded == coded:
                copy(start, end)
            else:
                put(decoded, start, end)
        else:
            for at in range(start, end):
                put(text[at], at, at + 1)
    copy(done, len(text))
    return Letters("".join(pieces), starts, ends)


def _from_bytes(coded: str) -> list[tuple[str, int, int]]:
    """Return what percent-encoded bytes are as text, each character with its place."""
    found = list(_BYTE.finditer(coded))
    values = bytes(int(one[1], 16) for one in found)
    pieces: list[tuple[str, int, int]] = []
    at = 0
    while at < len(values):
        length = next((size for lead, size in _UTF8_LENGTH if values[at] >= lead), 1)
        try:
            piece = values[at : at + length].decode("utf-8")
        except UnicodeDecodeError:
            length, piece = 1, chr(values[at])  # Latin-1
        pieces.append((piece, found[at].start(), found[at + length - 1].end()))
        at += length
    return pieces
