"""The small language the sample's dialogues are written in, and its reading.

A script is a head and turns::

    ## extension-ps
    as: student             who the owner is in the course: student, ta, any; none = no course at all
    courses: CS 240         only in these (default: every course that fits ``as``)
    when: 3-14              weeks of the term (default 1-15); ``any`` also between terms
    cast: T ME              who takes part; P Q R S are students, A an assistant, O=902 a fixed person
    context: group          a project group of the course (P Q R S are its members) instead of the course
    extra: 2-5              that many more students of the course take part
    subject: Extension on {task}?
    --- ME
    Dear {T}, ...
    --- T > ME +3h
    [[Of course.|Yes, no problem.]] ...
    @file pdf Notes.pdf :: Title|A paragraph|Another one
    @media audio A short voice note
    --- added Q by P

``{slot}`` is filled from the scene, ``[[a|b]]`` picks one, ``> X Y`` addresses some, ``+3h`` waits.
A landmark adds ``id:``, ``flags:``, ``raw: yes`` (nothing is filled in) and a date to each turn
(``@ 2026-11-09 17:40``, with seconds if wanted); ``=NAME`` takes the body or subject from a table, and
``@forward KEY 2`` forwards that script's second message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import TypeVar

T = TypeVar("T")

Fill = Callable[[str], str]


class Dice:
    """Choices that come out the same on every Python version.

    Only ``Random.random()`` is promised to be stable between versions, so everything is made of it.
    """

    __slots__ = ("_random",)

    def __init__(self, seed: str) -> None:
        self._random = Random(seed).random  # noqa: S311 - a sample needs repeatability, not secrecy

    def chance(self, probability: float) -> bool:
        """Return True with that probability."""
        return self._random() < probability

    def below(self, limit: int) -> int:
        """Return an integer from 0 up to, not including, ``limit``."""
        return int(self._random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both included."""
        return low + int(self._random() * (high - low + 1))

    def fraction(self) -> float:
        """Return a float from 0 to 1."""
        return self._random()

    def pick(self, items: tuple[T, ...] | list[T]) -> T:
        """Return one of the items."""
        return items[int(self._random() * len(items))]

    def sample(self, items: tuple[T, ...] | list[T], count: int) -> list[T]:
        """Return ``count`` different items (all of them if there are fewer) in random order."""
        pool = list(items)
        for i in range(min(count, len(pool))):
            j = i + int(self._random() * (len(pool) - i))
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]


# ----------------------------------------------------------------- templates

_MARK = re.compile(r"\[\[|\]\]|\||\{[A-Za-z_][\w+]*\}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place to be filled from the scene."""

    name: str


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Alternatives, one of which is taken."""

    options: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A text with slots and choices, taken apart once and filled many times."""

    parts: tuple[str | Placeholder | Alternatives, ...]

    def text(self, fill: Fill, dice: Dice) -> str:
        """Return the text with every slot filled and every choice made."""
        out: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, Placeholder):
                out.append(fill(part.name))
            else:
                out.append(dice.pick(part.options).text(fill, dice))
        return "".join(out)

    def slots(self) -> set[str]:
        """Return the names of all slots in here."""
        found: set[str] = set()
        for part in self.parts:
            if isinstance(part, Placeholder):
                found.add(part.name)
            elif isinstance(part, Alternatives):
                for option in part.options:
                    found |= option.slots()
        return found


def compile_template(text: str) -> Template:
    """Take a text apart. Raises ValueError for brackets that do not match."""
    done: list[list[str | Placeholder | Alternatives]] = [[]]
    options: list[list[Template]] = []
    position = 0
    for mark in _MARK.finditer(text):
        sign = mark.group()
        if sign == "|" and not options:
            continue
        if mark.start() > position:
            done[-1].append(text[position : mark.start()])
        position = mark.end()
        if sign == "[[":
            options.append([])
            done.append([])
        elif sign == "|":
            options[-1].append(Template(tuple(done[-1])))
            done[-1] = []
        elif sign == "]]":
            if not options:
                raise ValueError(f"]] without [[ in {text!r}")
            options[-1].append(Template(tuple(done.pop())))
            done[-1].append(Alternatives(tuple(options.pop())))
        else:
            done[-1].append(Placeholder(sign[1:-1]))
    if options:
        raise ValueError(f"[[ without ]] in {text!r}")
    if position < len(text):
        done[-1].append(text[position:])
    return Template(tuple(done[0]))


def literal(text: str) -> Template:
    """Return a template that is just this text."""
    return Template((text,))


# ----------------------------------------------------------------- scripts


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A file to attach: its kind, name and contents; ``optional`` ones come half of the time."""

    kind: str
    name: Template
    contents: Template
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ScriptMessage:
    """One message of a script. ``to`` is empty for everyone; ``added`` makes it Canvas's own line."""

    author: str
    body: Template
    to: tuple[str, ...] = ()
    gap: timedelta | None = None
    at: datetime | None = None
    added: str = ""
    files: tuple[ScriptFile, ...] = ()
    media: tuple[str, str] | None = None
    forwards: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """A dialogue that can be played by different people in different courses."""

    key: str
    turns: tuple[ScriptMessage, ...]
    subjects: tuple[Template, ...] = ()
    roles: str = "any"
    courses: tuple[str, ...] = ()
    weeks: tuple[int, int] = (1, 15)
    cast: tuple[str, ...] = ()
    fixed: Mapping[str, int] = field(default_factory=dict)
    context: str = "course"
    extra: tuple[int, int] = (0, 0)
    flags: tuple[str, ...] = ()
    id: int = 0

    def slots(self) -> set[str]:
        """Return the names of all slots in its subjects, bodies and files."""
        templates = list(self.subjects)
        for turn in self.turns:
            templates.append(turn.body)
            for enclosure in turn.files:
                templates += (enclosure.name, enclosure.contents)
        return {slot for template in templates for slot in template.slots()}


_TURN = re.compile(
    r"^--- (?:added (?P<added>\w+) by )?(?P<author>\w+)(?: > (?P<to>[\w ]+?))?(?: \+(?P<gap>\d+[smhd]))?"
    r"(?: =(?P<body>\w+))?(?: @ (?P<at>\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?))?$"
)
_FILE = re.compile(r"^@file(?P<optional>\?)? (?P<kind>\w+) (?P<name>.+?) :: (?P<contents>.+)$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ANY_TIME = (-99, 99)


def parse_scripts(text: str, bodies: Mapping[str, str] | None = None) -> tuple[Script, ...]:
    """Read every script of a text; ``bodies`` is the table for ``=NAME``.

    Raises ValueError naming the script for anything that does not follow the language.
    """
    return tuple(_parse(block, bodies or {}) for block in re.split(r"(?m)^## ", text)[1:])


def _parse(block: str, bodies: Mapping[str, str]) -> Script:
    head, *turn_blocks = re.split(r"(?m)^(?=--- )", block)
    key, *head_lines = head.strip().splitlines()
    values: dict[str, str] = {}
    subjects: list[str] = []
    for line in head_lines:
        name, _, value = line.partition(":")
        if name == "subject":
            subjects.append(value.strip())
        elif name in ("as", "courses", "when", "cast", "context", "extra", "flags", "id", "raw"):
            values[name] = value.strip()
        else:
            raise ValueError(f"script {key}: unknown head line {line!r}")
    compiled = literal if "raw" in values else compile_template
    cast = values.get("cast", "ME").split()
    return Script(
        key=key,
        turns=tuple(_turn(key, turn, bodies, compiled) for turn in turn_blocks),
        subjects=tuple(
            literal(bodies[subject[1:]]) if subject.startswith("=") else compiled(subject)
            for subject in subjects
        ),
        roles=values.get("as", "any"),
        courses=tuple(c.strip() for c in values.get("courses", "").split(",") if c.strip()),
        weeks=_ANY_TIME if values.get("when") == "any" else _span(values.get("when", "1-15")),
        cast=tuple(member.partition("=")[0] for member in cast),
        fixed={m.partition("=")[0]: int(m.partition("=")[2]) for m in cast if "=" in m},
        context=values.get("context", "course"),
        extra=_span(values.get("extra", "0-0")),
        flags=tuple(values.get("flags", "").split()),
        id=int(values.get("id", "0")),
    )


def _span(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def _turn(
    key: str, block: str, bodies: Mapping[str, str], compiled: Callable[[str], Template]
) -> ScriptMessage:
    first, _, rest = block.partition("\n")
    match = _TURN.match(first)
    if match is None:
        raise ValueError(f"script {key}: cannot read the turn {first!r}")
    lines: list[str] = []
    files: list[ScriptFile] = []
    media: tuple[str, str] | None = None
    forwards: list[tuple[str, int]] = []
    for line in rest.strip("\n").split("\n"):
        enclosure = _FILE.match(line)
        if enclosure is not None:
            files.append(
                ScriptFile(
                    kind=enclosure["kind"],
                    name=compiled(enclosure["name"]),
                    contents=compiled(enclosure["contents"]),
                    optional=bool(enclosure["optional"]),
                )
            )
        elif line.startswith("@media "):
            kind, name = line.split(" ", 2)[1:]
            media = (kind, name)
        elif line.startswith("@forward "):
            target, number = line.split(" ")[1:]
            forwards.append((target, int(number) - 1))
        elif line.startswith(("@file", "@media", "@forward")):
            raise ValueError(f"script {key}: cannot read the line {line!r}")
        else:
            lines.append(line)
    body = bodies[match["body"]] if match["body"] else "\n".join(lines).strip("\n")
    gap, at = match["gap"], match["at"]
    return ScriptMessage(
        author=match["author"],
        body=literal(body) if match["body"] else compiled(body),
        to=tuple((match["to"] or "").split()),
        gap=timedelta(**{_UNITS[gap[-1]]: int(gap[:-1])}) if gap else None,
        at=_moment(at) if at else None,
        added=match["added"] or "",
        files=tuple(files),
        media=media,
        forwards=tuple(forwards),
    )


def _moment(text: str) -> datetime:
    form = "%Y-%m-%d %H:%M:%S" if text.count(":") == 2 else "%Y-%m-%d %H:%M"
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
