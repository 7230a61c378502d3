"""Names, courses and operators that a shell completes from the archive, for options and for queries.

SQLite alone is asked, and never more than a screen of rows. A word is offered, not a whole name: shells put
no quotation marks around what has a space.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import click

from canvas_archive.cli.terminal import one_line
from canvas_archive.cli.values import rows_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

_PEOPLE = """
SELECT coalesce(full_name, name), coalesce(full_name, name) FROM users
WHERE ' ' || replace(coalesce(full_name, name), '-', ' ') LIKE '% ' || ?1 || '%' ESCAPE '\\' LIMIT ?2
"""
_COURSES = """
SELECT code, name FROM contexts
WHERE code LIKE ?1 || '%' ESCAPE '\\' OR ' ' || name LIKE '% ' || ?1 || '%' ESCAPE '\\' ORDER BY name LIMIT ?2
"""
_PERSON_OPERATORS = frozenset({"from", "to", "with"})
_COURSE_OPERATORS = frozenset({"course", "group"})
_WORD = re.compile(r"[\w.'’]+")

Kind = Literal["person", "course"]


def _offered(ctx: click.Context, kind: Kind, begun: str) -> Iterator[tuple[str, str]]:
    """Yield the words that begin so, each with the name that it is from."""
    pattern = re.sub(r"([%_\\])", r"\\\1", begun)
    seen = set()
    for value, name in rows_for(ctx, _PEOPLE if kind == "person" else _COURSES, pattern):
        words = [str(value)] if kind == "course" and str(value).startswith(begun) else []
        # What was typed stays as it was typed: zsh drops what differs by a capital letter.
        words += [begun + word[len(begun) :] for word in _WORD.findall(str(name)) if _begins(word, begun)]
        for word in words[:1]:
            if word not in seen and word == one_line(word):
                seen.add(word)
                yield word, one_line(str(name))


def _begins(word: str, begun: str) -> bool:
    return word[: len(begun)].casefold() == begun.casefold()


class Named(click.types.StringParamType):
    """A part of the name of a person, or of a course or its code."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the words of the names that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word, help=name) for word, name in _offered(ctx, self._kind, incomplete)]


class QueryWord(click.types.StringParamType):
    """A word of a query: an operator, or an operator with its value."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer operators, and behind a colon their values."""
        from click.shell_completion import CompletionItem

        from canvas_archive.search.query.operators import OPERATORS

        operator, colon, begun = incomplete.rpartition(":")
        before = ctx.params.get(param.name or "") or ()
        if not colon and before and before[-1] == ":":  # bash takes a colon for a word of its own
            operator, begun = before[-2] if len(before) > 1 else "", incomplete
        elif not colon:
            return [
                CompletionItem(f"{one}:") for one in OPERATORS if incomplete and one.startswith(incomplete)
            ]
        name = operator.lstrip("-").lower()
        head = f"{operator}:" if colon else ""
        return [CompletionItem(head + word, help=about) for word, about in _values(ctx, name, begun)]


def _values(ctx: click.Context, operator: str, begun: str) -> Iterator[tuple[str, str]]:
    from canvas_archive.search.index.schema import HAS
    from canvas_archive.search.query.operators import IN, IS

    if operator in _PERSON_OPERATORS:
        yield from _offered(ctx, "person", begun)
    elif operator in _COURSE_OPERATORS:
        yield from _offered(ctx, "course", begun)
    else:
        words: dict[str, tuple[str, ...]] = {"in": tuple(IN), "is": tuple(IS), "has": tuple(HAS)}
        known = words.get(operator, ())
        yield from ((word, "") for word in known if word.startswith(begun))


PERSON = Named("person")
COURSE = Named("course")
QUERY_WORD = QueryWord()
