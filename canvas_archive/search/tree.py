"""What a query asks for: a tree of conditions. Pure values; ``language`` reads them from text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Field: TypeAlias = Literal["text", "subject", "file", "attached"]
Role: TypeAlias = Literal["from", "to", "with"]


@dataclass(frozen=True, slots=True)
class Word:
    """A word in any of its forms."""

    text: str
    field: Field = "text"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words side by side, exactly as written."""

    text: str
    field: Field = "text"


@dataclass(frozen=True, slots=True)
class Prefix:
    """Words that begin so."""

    text: str
    field: Field = "text"


@dataclass(frozen=True, slots=True)
class Person:
    """Messages from, to or with people; ``exact`` when the name was quoted."""

    role: Role
    name: str


@dataclass(frozen=True, slots=True)
class Course:
    """Messages of a course or group."""

    name: str


@dataclass(frozen=True, slots=True)
class Has:
    """Messages that carry something: a name of ``schema.HAS``, or ``text`` for text within files."""

    what: str


@dataclass(frozen=True, slots=True)
class State:
    """Messages in a state that the archive's tables tell: a key of ``STATES``."""

    name: str


@dataclass(frozen=True, slots=True)
class Dated:
    """Messages written at or after ``start`` and before ``end`` (seconds since 1970; ``None``: open)."""

    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class And:
    """All of these. Without parts: every message."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """All messages but these."""

    part: Node


Node: TypeAlias = "Word | Phrase | Prefix | Person | Course | Has | State | Dated | And | Or | Not"

EVERYTHING = And(())
NOTHING = Or(())


def leaves(node: Node) -> list[Word | Phrase | Prefix]:
    """Return the words, phrases and prefixes that a match contains, in the order of the query."""
    if isinstance(node, (Word, Phrase, Prefix)):
        return [node]
    if isinstance(node, (And, Or)):
        return [leaf for part in node.parts for leaf in leaves(part)]
    return []
