"""Texts that people wrote as cells of a CSV file.

Text that a spreadsheet would take for a formula gets an apostrophe before it; control characters become
their visible pictures (U+2400 and following), because spreadsheets and CSV readers trip over them.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")


def cell(text: str | None) -> str:
    """Return text that a spreadsheet shows as it is. Pure.

    Leading blanks count too: some spreadsheets trim before they look for a formula.
    """
    if not text:
        return ""
    text = visible(text)
    return "'" + text if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def visible(text: str) -> str:
    """Return text with control characters as their pictures, and no half of a surrogate pair."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub(_picture, text))


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    return "\u2421" if code == 0x7F else chr(0x2400 + code)
