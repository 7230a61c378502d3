"""Texts that people wrote as cells of a table: CSV files, and lines that tabs separate.

Text that a spreadsheet would take for a formula gets an apostrophe before it. Control characters become
their visible pictures (U+2400 and following), because spreadsheets and CSV readers trip over them and a
terminal obeys them. C1 controls and halves of surrogate pairs have no pictures: they become U+FFFD.
"""

from __future__ import annotations

import math
import re

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Some spreadsheets trim blanks, and what has no width, before they look for a formula. The signs count in
# their full-width and small forms, too.
_FORMULA = re.compile(
    "[\t\r\n]|[\\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*"
    "[=+\\-@|%\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]"
)


def cell(text: str | None) -> str:
    """Return text that a spreadsheet shows as it is. Pure."""
    if not text:
        return ""
    if text.isprintable() and text[0].isalnum():  # as nearly every one is
        return text
    text = visible(text)
    return "'" + text if _FORMULA.match(text) else text


def cell_of(value: object) -> object:
    """Return a value of a database as a cell: a number stays a number, a text is ``cell``. Pure."""
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return cell(value.hex() if isinstance(value, bytes) else str(value))


def visible(text: str) -> str:
    """Return text with control characters as their pictures, and no half of a surrogate pair."""
    return _CONTROL.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
