"""One search in many archives: in this process, or from some number of archives on in a few at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_archive.children import secrets_hidden
from canvas_archive.errors import ArchiveError, MachineTrouble
from canvas_archive.machine import as_archive_error, concerns_every_archive
from canvas_archive.store.folder import DB_NAME, SEARCH_NAME

if TYPE_CHECKING:
    from canvas_archive.search import SearchResult
    from canvas_archive.search.query.resolve import AbsentNames
    from canvas_archive.search.service import Sort

FEW = 150
"""As many archives are searched sooner than another process starts."""

_PORTION = 16
_MOST_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every archive, as ``search`` takes it."""

    text: str
    limit: int
    sort: Sort
    tz: str | None


@dataclass(slots=True)
class Answer:
    """What one archive answers, the names that it does not know, and why it could not answer.

    An error is its sentence: not every error can be sent from one process to another.
    """

    result: SearchResult | None = None
    absent: AbsentNames = field(default_factory=set)
    error: str | None = None
    everywhere: bool = False

    def raise_error(self) -> None:
        """Raise the error of an archive that could not answer."""
        if self.error is None:
            return
        if not self.everywhere:
            raise ArchiveError(self.error)
        trouble = MachineTrouble(self.error)
        trouble.everywhere = True
        raise trouble


def answers(folders: Sequence[Path], question: Question) -> Iterator[Answer]:
    """Yield the answer of each archive, in their order."""
    given = 0
    if len(folders) > FEW and (processes := min(os.cpu_count() or 1, _MOST_PROCESSES)) > 1:
        with suppress(BrokenProcessPool, OSError):  # then this process does the rest
            for answer in _in_processes(folders, question, processes):
                given += 1
                yield answer
    for folder in islice(folders, given, None):
        yield _answer(folder, question)


def _in_processes(folders: Sequence[Path], question: Question, processes: int) -> Iterator[Answer]:
    portions = [folders[start : start + _PORTION] for start in range(0, len(folders), _PORTION)]
    with secrets_hidden():
        pool = ProcessPoolExecutor(
            processes, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
        )
        try:
            yield from chain.from_iterable(pool.map(_portion, portions, [question] * len(portions)))
        finally:
            pool.shutdown(cancel_futures=True)


def _portion(folders: Sequence[Path], question: Question) -> list[Answer]:
    return [_answer(folder, question) for folder in folders]


def _answer(folder: Path, question: Question) -> Answer:
    from canvas_archive.search import search

    answer = Answer()
    try:
        answer.result = search(
            folder / DB_NAME, folder / SEARCH_NAME, question.text, limit=question.limit, sort=question.sort,
            tz=question.tz, absent=answer.absent,
        )  # fmt: skip
    except Exception as error:  # whatever it is, the others can be searched
        known = as_archive_error(error)
        answer.error, answer.everywhere = str(known), concerns_every_archive(known)
    return answer
