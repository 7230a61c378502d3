"""Text of other people's: which characters are shown where, and normalization in linear time.

A *profile* says what becomes of characters that are obeyed rather than shown. ``filtered`` applies one.

| profile       | for                       | controls      | direction and hidden marks | line breaks  |
|---------------|---------------------------|---------------|----------------------------|--------------|
| TERMINAL_TEXT | a terminal, several lines | removed       | removed                    | newlines     |
| TERMINAL_LINE | a terminal, one line      | removed       | removed                    | spaces       |
| SNIPPET       | a passage of a message    | removed       | removed                    | spaces       |
| FILE_NAME     | a file's name on a disk   | underscores   | removed                    | underscores  |
| MAIL_HEADER   | a header of an e-mail     | spaces        | as they are: evidence      | spaces       |
| SHOWN_NAME    | a file's name on a page   | U+FFFD        | U+FFFD                     | U+FFFD       |

Half of a surrogate pair, which no encoding can write, is replaced in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, TypeAlias
from unicodedata import category, normalize

_MOST_MARKS = 32
"""Combining marks put in order at once. The longest sequence of any language has fewer than 31."""

# Every combining mark is among them; so are signs and emoji, which no cut harms.
_MARKS = rf"[^\w\x00-\x7f]{{{_MOST_MARKS}}}"


Profile: TypeAlias = "tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]"
"""What becomes of characters: patterns (compiled when first used) and their replacements, applied in turn."""

_CONTROLS = "\x00-\x1f\x7f-\x9f"
_HIDDEN = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
"""What changes the direction of the text after it ("annexe[U+202E]fdp.exe" looks like "annexeexe.pdf"), the
byte order mark, and the marks of annotations between the lines."""

_TORN = "\ud800-\udfff"
_SEPARATORS = "\u2028\u2029"

_ESCAPED_IN_JSON = f"[\x7f-\x9f{_HIDDEN}{_SEPARATORS}{_TORN}]"
"""What JSON may hold as it is, and no terminal or file should: to be written as an escape."""

TERMINAL_TEXT: Profile = (
    (f"\r\n|[\r{_SEPARATORS}]", "\n"),
    (f"[{_TORN}]", "\ufffd"),
    (f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_HIDDEN}]", ""),
)
TERMINAL_LINE: Profile = (*TERMINAL_TEXT, ("\n", " "))
SNIPPET: Profile = (*TERMINAL_TEXT, (r"\s+", " "))
MAIL_HEADER: Profile = ((f"[{_CONTROLS}{_SEPARATORS}{_TORN}]+", " "),)
FILE_NAME: Profile = (
    (f"[{_HIDDEN}]", ""),
    # A percent sign before two digits is among them because BagIt's manifests, like addresses, decode it.
    (rf'[{_CONTROLS}/\\:*?"<>|{_TORN}{_SEPARATORS}]|%(?=[0-9A-Fa-f]{{2}})', "_"),
)
_NEVER_SHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # controls, formats, half pairs, lines, paragraphs
SHOWN_NAME: Profile = (
    (
        r"[^\w\x20-\x7e]",
        lambda found: "\ufffd" if category(found[0]) in _NEVER_SHOWN else found[0],
    ),
)


def filtered(text: str, profile: Profile) -> str:
    """Return the text with nothing in it that the profile does not let through."""
    for pattern, replacement in profile:
        text = re.sub(pattern, replacement, text)
    return text


def json_text(document: object, *, escaped: bool = False, lines: bool = True) -> str:
    """Return a document as JSON that is as harmless on a terminal as it is for a parser.

    It is indented, or on one line without ``lines``.

    JSON itself escapes the C0 controls; what else a terminal obeys, or no encoding can write, is escaped
    here, so that every parser reads the very same text. ``escaped``: everything but ASCII is.
    """
    import json  # here: the text of --help needs none

    text = json.dumps(document, ensure_ascii=escaped, indent=2 if lines else None)
    return re.sub(_ESCAPED_IN_JSON, lambda found: f"\\u{ord(found[0]):04x}", text)


def normalized(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """Return the text in a normalization form.

    Python sorts a run of combining marks by insertion, in quadratic time: 64 KB of them take 17 seconds.
    Here a longer run is normalized in pieces.
    """
    if text.isascii():
        return text
    pieces: list[str] = []
    done = 0
    for run in re.finditer(_MARKS, text):
        pieces.append(normalize(form, text[done : run.end()]))
        done = run.end()
    pieces.append(normalize(form, text[done:]))
    return "".join(pieces)
