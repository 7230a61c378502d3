"""The operators of the query language as options, for people who write ``--from chen``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.completed_values import COURSE, PERSON
from canvas_archive.cli.context import F, fail, option_group

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT = {
    "from": ("PERSON", "From this person: a part of the name, an id, or me; repeatable."),
    "to": ("PERSON", "To this person; repeatable."),
    "with": ("PERSON", "With this person, whoever wrote; repeatable."),
    "course": ("COURSE", "In this course or group; repeatable."),
    "has": ("WHAT", "With an attachment, a link, a pdf, an image …; repeatable."),
}
_TYPES = {"from": PERSON, "to": PERSON, "with": PERSON, "course": COURSE}
_DATES = {
    "after": "From this date on: 2026, 2026-03, 2026-03-09, 7d, yesterday.",
    "before": "Before this date.",
}
_STATES = {"unread": "Unread conversations.", "starred": "Starred conversations."}


def _parameter(name: str) -> str:
    return f"filter_{name}"


filter_options = option_group(
    *(
        click.option(
            f"--{name}", _parameter(name), metavar=metavar, multiple=True, help=text, type=_TYPES.get(name)
        )
        for name, (metavar, text) in _TEXT.items()
    ),
    *(
        click.option(f"--{name}", _parameter(name), metavar="DATE", help=text)
        for name, text in _DATES.items()
    ),
    *(click.option(f"--{name}", _parameter(name), is_flag=True, help=text) for name, text in _STATES.items()),
)
"""The options; ``filter_query`` takes what click passes for them."""


def filter_query(options: Mapping[str, Any]) -> str:
    """Return the query that the options stand for; empty where none is given.

    Several values of one option widen the search, different options narrow it.
    """
    parts = []
    for name in _TEXT:
        values = options[_parameter(name)]
        if values:
            written = [f"{name}:{_value(name, value)}" for value in values]
            parts.append(written[0] if len(written) == 1 else f"({' OR '.join(written)})")
    for name in _DATES:
        value = options[_parameter(name)]
        if value is not None:
            parts.append(f"{name}:{_value(name, value)}")
    parts += [f"is:{name}" for name in _STATES if options[_parameter(name)]]
    return " ".join(parts)


def _value(name: str, value: str) -> str:
    from canvas_archive.search.query.written import quoted

    if not value.strip():
        fail(f"--{name} needs a value. See: canvas-archive help query")
    return quoted(value.strip())


SORTS = {
    "relevance": "relevance", "best": "relevance", "newest": "newest", "new": "newest", "date": "newest",
    "recent": "newest", "latest": "newest", "oldest": "oldest", "old": "oldest",
}  # fmt: skip


class SortChoice(click.Choice):  # type: ignore[type-arg]
    """An order of hits, by any of its names."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the order's own name."""
        return super().convert(SORTS.get(str(value).lower(), value), param, ctx)


def tz_option(function: F) -> F:
    """Add ``--tz``."""
    return click.option(
        "--tz", metavar="ZONE", help="Time zone of the query's dates, such as Europe/Berlin. [default: local]"
    )(function)
