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
class PersonNode:
    """Messages from, to or with people."""

    role: Role
    name: str


@dataclass(frozen=True, slots=True)
class CourseNode:
    """Messages of a course or group; ``operator`` is the one that was typed."""

    name: str
    operator: Literal["course", "group"] = "course"


@dataclass(frozen=True, slots=True)
class Has:
    """Messages that carry something: a name of ``schema.HAS``, or ``text`` for text within files."""

    what: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Messages with an attached file of a kind: a name of ``operators.KINDS``."""

    name: str


@dataclass(frozen=True, slots=True)
class Sized:
    """Messages with an attached file larger, or smaller, than so many bytes."""

    relation: Literal["larger", "smaller"]
    size: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """Messages of the conversation with this id; with ``id`` also the message that has it."""

    what: Literal["id", "thread"]
    number: int


@dataclass(frozen=True, slots=True)
class StateNode:
    """Messages in a state that the archive's tables know: a name that ``resolve.state_sets`` knows."""

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


Node: TypeAlias = (
    "Word | Phrase | Prefix | PersonNode | CourseNode | Has | Kind | Sized | Numbered | StateNode | Dated"
    " | And | Or | Not"
)
