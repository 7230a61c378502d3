"""What becomes of every character there is, profile by profile."""

from __future__ import annotations

import re
from itertools import groupby
from unicodedata import category

import pytest

from canvas_archive import unicode
from canvas_archive.cli.terminal import one_line, printable
from canvas_archive.export.mime import header
from canvas_archive.export.names import safe_name
from canvas_archive.search.answer.snippet import Snippet
from canvas_archive.unicode import Profile, filtered, json_text
from canvas_archive.web.render import file_name

HIDDEN = ["61c", "200e-200f", "202a-202e", "2066-2069", "feff", "fff9-fffb"]
ON_A_TERMINAL = {
    "removed": ["0-8", "b-c", "e-1f", "7f-9f", *HIDDEN],
    "U+FFFD": ["d800-dfff"],
}
EXPECTED: dict[str, dict[str, list[str]]] = {
    "TERMINAL_TEXT": {**ON_A_TERMINAL, "newline": ["d", "2028-2029"]},
    "TERMINAL_LINE": {**ON_A_TERMINAL, "space": ["a", "d", "2028-2029"]},
    "SNIPPET": {
        **ON_A_TERMINAL,
        "space": ["9-a", "d", "a0", "1680", "2000-200a", "2028-2029", "202f", "205f", "3000"],
    },
    "FILE_NAME": {
        "removed": HIDDEN,
        "underscore": [
            *("0-1f", "22", "2a", "2f", "3a", "3c", "3e-3f", "5c", "7c", "7f-9f"),
            *("2028-2029", "d800-dfff"),
        ],
    },
    "MAIL_HEADER": {"space": ["0-1f", "7f-9f", "2028-2029", "d800-dfff"]},
}
CODES = [code for code in (*range(0x20000), *range(0xE0000, 0xE0200), 0x2FFFF, 0x10FFFF) if code != ord("q")]
"""All that is assigned but ideographs; in the planes between there is nothing yet."""

FATES = {"": "removed", " ": "space", "\n": "newline", "_": "underscore", "\ufffd": "U+FFFD"}


def fates(profile: Profile) -> dict[str, list[int]]:
    """Return what becomes of each character that does not stay as it is, alone between two letters."""
    pieces = filtered("q".join(map(chr, CODES)), profile).split("q")
    found: dict[str, list[int]] = {}
    for code, piece in zip(CODES, pieces, strict=True):
        if piece != chr(code):
            found.setdefault(FATES[piece], []).append(code)
    return found


def ranges(codes: list[int]) -> list[str]:
    groups = [
        [code for _, code in group] for _, group in groupby(enumerate(codes), lambda pair: pair[1] - pair[0])
    ]
    return [f"{one[0]:x}" if len(one) == 1 else f"{one[0]:x}-{one[-1]:x}" for one in groups]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_character(name: str) -> None:
    found = {fate: ranges(codes) for fate, codes in fates(getattr(unicode, name)).items()}
    assert found == EXPECTED[name]


def test_every_character_of_a_name_on_a_page() -> None:
    """By category: a newer Python knows more characters."""
    hidden = [code for code in CODES if category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert fates(unicode.SHOWN_NAME) == {"U+FFFD": hidden}


HOSTILE = "a\r\nb\rc\x1b[31m\u202egpj.exe\u2028d\ud800\ufff9"


def test_each_place_uses_its_profile() -> None:
    assert printable(HOSTILE) == "a\nb\nc[31mgpj.exe\nd\ufffd"
    assert one_line(HOSTILE) == "a b c[31mgpj.exe d\ufffd"
    assert Snippet(((HOSTILE, True),)).plain == "a b c[31mgpj.exe d\ufffd"
    assert safe_name(HOSTILE) == "a__b_c_[31mgpj.exe_d_"
    assert file_name(HOSTILE) == "a\ufffd\ufffdb\ufffdc\ufffd[31m\ufffdgpj.exe\ufffdd\ufffd\ufffd"
    assert header("Subject", "a\r\nBcc: b\u2028c") == "Subject: a Bcc: b c\n"
    escaped = re.findall(r"\\u(?!d800)\w{4}", json_text(HOSTILE))
    assert escaped == ["\\u001b", "\\u202e", "\\u2028", "\\ufff9"]


def test_a_hidden_mark_does_not_protect_an_escape_in_a_file_name() -> None:
    """Marks go first: what they stood between is looked at afterwards, and composed."""
    assert safe_name("a%\u200e2Fb") == "a_2Fb"
    assert safe_name("e\u200e\u0301.txt") == "\u00e9.txt"
