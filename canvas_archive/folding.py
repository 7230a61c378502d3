"""How a character folds: without case, accents and compatibility forms. For search and redaction."""

from __future__ import annotations

import re
import unicodedata

# Letters that Unicode does not decompose but people leave out on their keyboards.
SPECIAL = {
    "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "ŧ": "t", "ŋ": "n", "æ": "ae", "œ": "oe",
    "−": "-", "þ": "th",
    "’": "'", "‘": "'", "ʼ": "'", "ʻ": "'", "´": "'", "`": "'", "＇": "'", "′": "'", "\x00": " ",
}  # fmt: skip

# Marks that are dropped: accents, vowel points of Hebrew and Arabic, joiners, variation selectors,
# soft hyphens and skin tones. Vowel signs of Indic scripts are letters and stay.
DROPPED = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0711\u0730-\u074a\u07a6-\u07b0\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"
    "\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)


class FoldTable(dict[int, str]):
    """What each character folds to, worked out when it is first met (for ``str.translate``)."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = unicodedata.normalize("NFKC", character).casefold()
        folded = "".join(SPECIAL.get(part, part) for part in unicodedata.normalize("NFD", folded))
        folded = unicodedata.normalize("NFC", DROPPED.sub("", folded))
        folded = "".join(
            str(unicodedata.digit(part)) if unicodedata.category(part) == "Nd" else part for part in folded
        )
        if len(self) < 20_000:
            self[code] = folded
        return folded


FOLD = FoldTable()
