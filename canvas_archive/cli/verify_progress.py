"""What a terminal shows while an archive is verified."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from canvas_archive.cli.context import Settings, console


@contextlib.contextmanager
def watcher(settings: Settings) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what hears of each check: a spinner with a count on a terminal, else nothing."""
    if not settings.show_progress:
        yield lambda name, done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bars:
        task = bars.add_task("Opening", total=None)
        yield lambda name, done, total: bars.update(
            task, description=name, completed=done, total=total or None
        )
