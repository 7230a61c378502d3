"""``-v`` and ``-vv``: what is asked of Canvas."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.terminal import one_line

if TYPE_CHECKING:
    from canvas_archive.cli.context import Settings

_REQUEST = re.compile(r"(?P<method>[A-Z]+) (?P<where>\S+) -> ")
_ID_IN_PATH = re.compile(r"(?<=/)\d+(?=/|$)")


class _Requests(logging.Handler):
    """Counts the requests of the client, and with ``every`` writes each to standard error."""

    def __init__(self, *, every: bool) -> None:
        super().__init__(logging.DEBUG)
        self.counts: Counter[str] = Counter()
        self._every = every

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line of the client's log. It holds no token and no signed address."""
        line = record.getMessage()
        found = _REQUEST.match(line)
        if found is not None:
            path = found["where"].partition("?")[0].removeprefix("/api/v1")
            elsewhere = "/".join(path.split("/")[:3]) if path.startswith("http") else ""
            self.counts[f"{found['method']} {elsewhere or _ID_IN_PATH.sub(':id', path)}"] += 1
        if self._every:
            click.echo(one_line(line), err=True)


@contextmanager
def requests_shown(settings: Settings) -> Iterator[None]:
    """Write what the block asks of Canvas: its requests with ``-vv``, then how many there were of each."""
    logger = logging.getLogger("canvas_archive.canvas")
    handler, level = _Requests(every=settings.verbosity > 1), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        for name, number in sorted(handler.counts.items(), key=lambda one: (-one[1], one[0])):
            click.echo(one_line(f"Asked of Canvas: {number:,} x {name}"), err=True)
