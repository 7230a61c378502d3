"""A process that answers every line of its input with one line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks.children import Failed
from tests.benchmarks.figures import ROOT

LONGEST_END_SECONDS = 20


class Talker:
    """The process, while it runs; made by ``talking``."""

    def __init__(self, module: str, process: subprocess.Popen[str]) -> None:
        self._module = module
        self._process = process

    def hear(self) -> dict[str, Any]:
        """Return its next answer. Raises Failed when it ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self._module} ended with {self._process.wait(LONGEST_END_SECONDS)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, order: str) -> dict[str, Any]:
        """Send one line and return the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; how, hear() tells
        return self.hear()


@contextmanager
def talking(module: str, *arguments: str, **environment: str) -> Iterator[Talker]:
    """Run a module until the block is left: the end of its input is the sign to end."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Talker(module, process)
    finally:
        try:
            process.communicate(timeout=LONGEST_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
