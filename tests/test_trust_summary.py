"""The reliability section at the end of a run adds up what several processes counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trust_support import TALLY

pytestmark = pytest.mark.sampled

PROBE = "COUNT_PROBES"


@pytest.mark.parametrize("number", range(1, 5))
def test_something_that_counts(number: int) -> None:
    """Counts only when the test below asks for it."""
    if os.environ.get(PROBE):
        TALLY["probes: even" if number % 2 == 0 else "probes: odd"] += number
    assert number


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "told", "hidden"),
    [
        (["-n", "0", "-q"], ["10  probes"], ["odd"]),
        (["-n", "2", "--dist", "load", "-v"], ["10  probes", "6  even", "4  odd"], []),
    ],
)
def test_the_counts_of_all_processes_are_summed(
    repository: Path, options: list[str], told: list[str], hidden: list[str]
) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        [*command, "tests/test_trust_summary.py", "-k", "something_that_counts"],
        cwd=repository,
        env={**os.environ, PROBE: "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.partition(" reliability ")[2]
    assert all(line in summary for line in told), done.stdout
    assert not any(word in summary for word in hidden)
