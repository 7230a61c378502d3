"""Rows on a terminal while something takes long: what is done now, how far it is, how long it may still take.

Imports rich, which takes a while: ``cli.progress`` imports this only where rows are shown.
"""

from __future__ import annotations

import io
import math
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.progress import GetTimeCallable, Progress, TaskID
from rich.text import Text

from canvas_archive.cli.time_left import Pace

_LEAST_BAR, _MOST_BAR = 8, 30
_USUAL_NAME = 14
"""Cells for a name beside a bar, so that bars below each other begin together."""

_USUAL_LEFT = len("00:00 left")


def row_text(
    what: str, done: int, total: int, *, left: float | None, elapsed: float, width: int, plain: bool = False
) -> str:
    """Return one row of at most ``width`` cells. Pure.

    ``left`` and ``elapsed`` are seconds; without a total there is no bar, and ``elapsed`` shows that it goes
    on. A narrow terminal gets no bar, and a name cut short. ``plain``: in ASCII.
    """
    count = f"{done:,}/{total:,}" if total else f"{done:,}" if done else ""
    time = (f"{_clock(left)} left" if left else "") if total else _clock(elapsed)
    end = "  ".join(filter(None, (count, time)))
    name = _fitted(what, width - cell_len(end) - 2)
    # There is always room for the time left, so that the bar is the same before it is known.
    ending = len(count) + 2 + max(len(time), _USUAL_LEFT)
    room = width - max(cell_len(name), _USUAL_NAME) - ending - 4
    if not total or room < _LEAST_BAR:
        return f"{name}  {end}"[:width]
    bar = min(room, _MOST_BAR)
    filled = bar * min(done, total) // total
    full, rest = ("#", ".") if plain else ("━", "─")
    padded = set_cell_size(name, max(cell_len(name), _USUAL_NAME))
    return f"{padded}  {full * filled}{rest * (bar - filled)}  {end}"[:width]


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _fitted(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else ""


class _Rows(Progress):
    """Rich's live display, with rows of our own."""

    def __init__(
        self,
        console: Console,
        waiting: Callable[[], str],
        left: Callable[[TaskID], float | None],
        get_time: GetTimeCallable | None,
    ) -> None:
        self._on = console  # the first rows are asked for before rich has put it into place
        self._waiting = waiting
        self._left = left
        # Rich's own redirection names no encoding, which lets click write past it, into the rows.
        super().__init__(
            console=console, transient=True, get_time=get_time, redirect_stdout=False, redirect_stderr=False
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield a row for each task, then what is waited for."""
        options = self._on.options
        lines = [
            row_text(
                task.description,
                int(task.completed),
                int(task.total or 0),
                left=self._left(task.id),
                elapsed=task.elapsed or 0.0,
                width=options.max_width - 1,
                plain=options.ascii_only,
            )
            for task in self.tasks
        ]
        for line in (*lines, *filter(None, [self._waiting()])):
            yield Text(line, no_wrap=True, overflow="ellipsis")


class _Above(io.TextIOBase):
    """A stream of the terminal whose lines appear above the rows."""

    def __init__(self, console: Console, stream: TextIO) -> None:
        self._console = console
        self._stream = stream
        self._begun = ""

    @property
    def rich_proxied_file(self) -> TextIO:
        """The terminal's own stream, which rich asks for by this name to write to."""
        return self._stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As that of the terminal."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """As those of the terminal."""
        return self._stream.errors

    def isatty(self) -> bool:
        """It is one, or there would be no rows."""
        return True

    def fileno(self) -> int:
        """That of the terminal, for programs that are started meanwhile."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write the lines that are whole; the rest waits for its end."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._console.print(Text.from_ansi(line), soft_wrap=True)
        return len(text)

    def end(self) -> TextIO:
        """Write what is left; return the terminal's own stream."""
        if self._begun:
            self._stream.write(self._begun)
        return self._stream


class ProgressDisplay:
    """Shows rows from the first one on until its ``with`` ends, and leaves nothing of them behind.

    Until there is something to show the terminal is left alone: a program may be asking for a password there.
    """

    def __init__(self, console: Console, get_time: GetTimeCallable | None = None) -> None:
        self._tasks: dict[int, tuple[TaskID, str]] = {}
        self._beginning = threading.Lock()
        self._streams: tuple[_Above, ...] = ()
        self._until = -math.inf
        self._reason = ""
        self._paces: dict[TaskID, tuple[Pace, int]] = {}
        self._whole: Callable[[], float | None] | None = None
        self._rows = _Rows(console, self._waiting, self._left, get_time)

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._streams:
            self._rows.stop()
            sys.stdout, sys.stderr = (stream.end() for stream in self._streams)
            self._streams = ()

    @property
    def clock(self) -> GetTimeCallable:
        """Return the clock of the rows, in seconds."""
        return self._rows.get_time

    def step(self, what: str, done: int = 0, total: int = 0, *, row: int = 0) -> None:
        """Say what is done now, in a row of its number. Something new begins with a new estimate."""
        self._begin()
        # Rich cannot make a known total unknown again: 0 stands for that all along.
        task, named = self._tasks.get(row, (None, ""))
        # Not rich's own estimate: it begins anew whenever the total grows.
        if task is None:
            task = self._rows.add_task(what, completed=done, total=total)
        elif named != what:
            self._rows.reset(task, description=what, completed=done, total=total)
        else:
            self._rows.update(task, completed=done, total=total)
        self._tasks[row] = task, what
        pace = self._paces[task][0] if named == what else Pace(self._rows.get_time)
        pace.note(done)
        self._paces[task] = pace, total - done

    def estimate(self, whole: Callable[[], float | None]) -> None:
        """Let the first row show what ``whole`` says of all the work, and no other row a time."""
        self._whole = whole

    def _left(self, task: TaskID) -> float | None:
        if self._whole is not None:
            return self._whole() if task == self._tasks.get(0, (None, ""))[0] else None
        pace, left = self._paces.get(task, (None, 0))
        return pace.seconds(left) if pace is not None and left > 0 else None

    def drop(self, row: int) -> None:
        """Take a row away, if it is there."""
        task, _ = self._tasks.pop(row, (None, ""))
        if task is not None:
            self._rows.remove_task(task)

    def wait(self, seconds: float, reason: str) -> None:
        """Say for that many seconds that something is waited for; from any thread."""
        self._until = self._rows.get_time() + seconds
        self._reason = reason
        self._begin()

    def _begin(self) -> None:
        with self._beginning:
            if not self._streams:
                self._rows.start()
                self._streams = tuple(
                    _Above(self._rows.console, stream) for stream in (sys.stdout, sys.stderr)
                )
                sys.stdout, sys.stderr = self._streams

    def _waiting(self) -> str:
        left = self._until - self._rows.get_time() if self._reason else 0.0
        return f"Waiting {math.ceil(left)} s: {self._reason}" if left > 0 else ""
