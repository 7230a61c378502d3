"""The columns of ``list`` at any width: a wide terminal shows more of each conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from canvas_archive.cli.terminal import fit, local_time, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from canvas_archive.store.reading import ConversationLine

HEADS = ("id", "time", "state", "people", "course", "subject", "messages")
"""The columns of a pipe and of CSV."""

SORTED_BY = {"sent": "sent", "removed": "removed", "starred": "latest", "all": "latest"}
"""The heading of the date that a folder is sorted by; ``received`` in the others."""

MARKS = {"●": "unread", "★": "starred", "✎": "change not sent yet"}
_WITH_COURSE, _WITH_PREVIEW, _WITH_TIME, _WITH_YEAR = 110, 150, 72, 50


def state_of(line: ConversationLine) -> str:
    """Return the state of a conversation in words."""
    words = [
        line.workflow_state,
        *(["starred"] if line.starred else []),
        *(["edited"] if line.edited else []),
    ]
    return ",".join(words)


def whole_row(line: ConversationLine) -> tuple[object, ...]:
    """Return the cells of a pipe and of CSV."""
    return (
        line.id, line.sorted_at, state_of(line), line.people, line.context_name, line.subject,
        line.message_count,
    )  # fmt: skip


def _marks(line: ConversationLine) -> str:
    unread, starred, edited = MARKS
    shown = (
        (unread, line.workflow_state == "unread"),
        (starred, line.starred),
        (edited, line.edited),
    )
    return "".join(mark if present else " " for mark, present in shown)


def legend(lines: Sequence[ConversationLine]) -> str:
    """Return what the marks of these lines mean; empty where there are none."""
    used = set("".join(map(_marks, lines)))
    return "  ".join(f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in used)


def table(lines: Sequence[ConversationLine], folder: str, width: int, *, colour: bool) -> Iterator[str]:
    """Yield the heading and the lines of a terminal; none is wider than ``width`` cells."""
    ids = max(2, *(len(str(line.id)) for line in lines)) if lines else 2
    shown = slice(0, 16) if width >= _WITH_TIME else slice(0, 10) if width >= _WITH_YEAR else slice(5, 10)
    times = shown.stop - shown.start
    rest = max(16, width - ids - times - len(MARKS) - 4 * len("  "))
    people = min(28, max(8, rest // 3))
    course = 20 if width >= _WITH_COURSE else 0
    subject = rest - people - (course + 2 if course else 0)
    preview = subject - 52 if width >= _WITH_PREVIEW else 0
    subject -= preview + 2 if preview else 0
    head = [fit("id", ids), fit(SORTED_BY.get(folder, "received"), times), "   ", fit("people", people)]
    head += ([fit("course", course)] if course else []) + [fit("subject", subject)]
    head += [fit("text", preview)] if preview else []
    title = "  ".join(head).rstrip()
    yield click.style(title, underline=True) if colour else title
    for line in lines:
        cells = [
            f"{line.id:>{ids}}",
            fit(local_time(line.sorted_at)[shown], times),
            _marks(line),
            fit(one_line(line.people or "(only you)"), people),
        ]
        if course:
            cells.append(fit(one_line(line.context_name or ""), course))
        cells.append(_subject(line, subject))
        if preview:
            cells.append(fit(" ".join(one_line(line.preview or "").split()), preview))
        yield _coloured(cells, line) if colour else "  ".join(cells).rstrip()


def _subject(line: ConversationLine, width: int) -> str:
    count = f" ({line.message_count})" if line.message_count > 1 else ""
    text = one_line(line.subject or "(no subject)")
    room = width - len(count)
    return fit(fit(text, room).rstrip() + count, width) if room > 4 else fit(text, width)


def _coloured(cells: list[str], line: ConversationLine) -> str:
    """Return a line with its id dim, its marks coloured and, unread, its text bold."""
    number, when, marks, *texts = cells
    colours = {"●": "blue", "★": "magenta", "✎": "red"}
    marked = "".join(click.style(mark, fg=colours[mark]) if mark in colours else mark for mark in marks)
    text = "  ".join(texts).rstrip()
    bold = click.style(text, bold=True) if line.workflow_state == "unread" else text
    return "  ".join((click.style(number, fg="cyan"), when, marked, bold))
