"""E-mail addresses in a text of plain letters, also those spelt ``name (at) example dot org``.

The search begins at each ``@`` and goes both ways: a pattern that begins with what may be before it
would try every letter of every word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_LOCAL = re.compile(r"[\w.+-]+")  # the part of an address before its @
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_SPELT_LOCAL = re.compile(r"\s{0,2}[\w.+-]{1,64}")
_SPELT_DOMAIN = re.compile(
    r"\s{0,2}[\w-]{1,63}(?:(?:\s{0,2}[\[({<]\s?dot\s?[\])}>]\s{0,2}|\sdot\s|\s?\.)[\w-]{1,63}){1,5}"
)
_SIGN = re.compile(r"@|[\[({<]\s?at\s?[\])}>]|(?<=\w)\sat\s(?=[\w-]{1,63}\sdot\s)")


def written_addresses(text: str, is_name: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of every address.

    ``look at example dot com`` is one only where the word before is a name, or looks like no word.
    """
    done = 0
    for sign in _SIGN.finditer(text):
        start, end = sign.span()
        if start < done:
            continue
        if sign[0] == "@":
            before = _LOCAL.match(text[max(done, start - 320) : start][::-1])
            domain = _DOMAIN.match(text, end) if before else None
        else:
            before = _SPELT_LOCAL.match(text[max(done, start - 66) : start][::-1])
            domain = _SPELT_DOMAIN.match(text, end) if before else None
            if before and sign[0][0].isspace():
                local = before[0][::-1].strip()
                if local.isalpha() and not is_name(local):
                    continue
        if before and domain:
            yield start - len(before[0].rstrip()), domain.end()
            done = domain.end()
