"""Where the web addresses in a text are: one rule for the exported site and the web pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Marks that turn the direction of writing, and the punctuation of Chinese and Japanese, end an address.
_ENDING = "\\s<>\"'`\u201c\u201d\u3001\u3002\u300a-\u3011\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
_DIRECTIONS = "\u202a-\u202e\u2066-\u2069\u200e\u200f"
ADDRESS = rf"https?://[^{_ENDING}{_DIRECTIONS}]{{1,2000}}"
_ADDRESS = re.compile(ADDRESS)
_OPENING = {")": "(", "]": "[", "}": "{"}


def trimmed(address: str) -> str:
    """Return an address without the punctuation of the sentence; brackets that it opens itself stay."""
    unopened = {close: address.count(close) - address.count(open_) for close, open_ in _OPENING.items()}
    end = len(address)
    while end and address[end - 1] in ".,;:!?*_~'\")]}>":
        last = address[end - 1]
        if last in unopened:
            if unopened[last] <= 0:
                break
            unopened[last] -= 1
        end -= 1
    return address[:end]


def web_addresses(text: str) -> Iterator[tuple[int, str]]:
    """Yield where each web address starts, and the address."""
    for match in _ADDRESS.finditer(text):
        address = trimmed(match[0])
        if not address.endswith("//"):
            yield match.start(), address
