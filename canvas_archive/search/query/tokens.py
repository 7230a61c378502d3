"""The text of a query as tokens: words, quoted text, operators with their values, and connectors. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from canvas_archive.errors import BadInput
from canvas_archive.search.query.operators import OPERATOR, is_text, refuse_unknown

QUOTES = {'"': '"', "“": '”"„', "„": '“”"', "”": "”", "«": "»", "»": "«"}
"""The quotation marks that begin a phrase, each with those that end it."""

_PLAIN = re.compile(r"[^\s()\"“”„«»|]+")
_VALUE = re.compile(r"[^\s()\"“”„«»]+")
_CONNECTORS = {"OR": "or", "AND": "and", "NOT": "not"}
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class QueryToken:
    """A piece of a query. ``kind`` is ``(``, ``)``, ``or``, ``and``, ``not``, ``word``, ``quoted`` or
    ``operator``; ``text`` is what was typed, and for an operator its name. ``start`` counts from 0."""

    kind: str
    text: str = ""
    value: str = ""
    quoted: bool = False
    group: bool = False
    start: int = 0

    @property
    def place(self) -> str:
        """Return the token and its place as errors name it."""
        return f"'{self.text}' at character {self.start + 1}"


def tokens(text: str) -> list[QueryToken]:
    """Return the tokens of a query.

    Raises BadInput for an open quotation mark and for an operator that is not known here.
    """
    found: list[QueryToken] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character.isspace():
            at += 1
        elif text.startswith("||", at):
            found.append(QueryToken("or", "||", start=at))
            at += 2
        elif character in "()|":
            found.append(QueryToken({"|": "or"}.get(character, character), character, start=at))
            at += 1
        elif character in QUOTES:
            start = at
            value, at = _quoted(text, at)
            found.append(QueryToken("quoted", value, start=start))
        elif (
            character == "-" and at + 1 < len(text) and not (text[at + 1].isspace() or text[at + 1] in "-)|")
        ):
            found.append(QueryToken("not", "-", start=at))
            at += 1
        elif (match := OPERATOR.match(text, at)) and not is_text(text, match.end()):
            token, at = _operator(text, match)
            found.append(token)
        else:
            refuse_unknown(text, at)
            plain = _PLAIN.match(text, at)
            word = plain.group() if plain else character
            found.append(QueryToken(_CONNECTORS.get(word, "word"), word, start=at))
            at += len(word)
    return found


def _quoted(text: str, at: int) -> tuple[str, int]:
    """Return the text between quotation marks, and the place after them."""
    closing = QUOTES[text[at]]
    ends = [end for end in (text.find(mark, at + 1) for mark in closing) if end >= 0]
    if not ends:
        shown = text[at : at + _SHOWN] + ("…" if len(text) > at + _SHOWN else "")
        raise BadInput(
            f"The quotation mark at character {at + 1} ({shown}) is not closed. "
            "Close it, or leave it out: punctuation is not searched."
        )
    value = " ".join(text[at + 1 : min(ends)].split())
    if not value:
        raise BadInput(f"The quotation marks at character {at + 1} hold nothing. Write words between them.")
    return value, min(ends) + 1


def _operator(text: str, match: re.Match[str]) -> tuple[QueryToken, int]:
    name, start, at = match.group(1).lower(), match.start(), match.end()
    if at < len(text) and text[at] == "(":
        return QueryToken("operator", name, group=True, start=start), at
    if at < len(text) and text[at] in QUOTES:
        value, at = _quoted(text, at)
        return QueryToken("operator", name, value, quoted=True, start=start), at
    found = _VALUE.match(text, at)
    value, at = (found.group(), found.end()) if found else ("", at)
    return QueryToken("operator", name, value, start=start), at
