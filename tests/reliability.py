"""The reliability section at the end of a run: what was made to go wrong, and how often.

It counts kill points, faults, hostile inputs, random histories and fuzz inputs, and adds up what the
processes of a parallel run counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.trust_support import TALLY


@pytest.fixture(scope="session", autouse=True)
def _count_faults_of_the_sandbox() -> Iterator[None]:
    """Count every fault that hits a request of a sandbox in this process.

    A patch, because tests make their sandboxes in a hundred places. A counter in each sandbox would have to
    be collected in as many, and one for all of them would be global state in the program.
    """
    from canvas_archive.sandbox.faults import Fault

    strikes = Fault.strikes

    def counting(self: Fault, *args: Any) -> bool:
        struck = strikes(self, *args)
        TALLY[f"faults: {self.kind} on the network"] += struck
        return struck

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fault, "strikes", counting)
        yield


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of one of several processes to the one that started them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["tally"] = dict(TALLY)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take the counts of a process that ended."""
    TALLY.update(getattr(node, "workeroutput", {}).get("tally", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts: a line for each kind, and with ``-v`` or ``-m torture`` what they are made of."""
    tally = +TALLY
    if not tally:
        return
    terminalreporter.section("reliability")
    whole = config.get_verbosity() > 0 or "torture" in config.option.markexpr
    groups = Counter[str]()
    for name, count in tally.items():
        groups[name.partition(":")[0]] += count
    for group in sorted(groups):
        terminalreporter.write_line(f"{groups[group]:>9,}  {group}")
        if whole:
            for line in lines_of(tally, group):
                terminalreporter.write_line(line)


def lines_of(tally: Counter[str], group: str) -> Iterator[str]:
    """Yield the counts of one group as lines."""
    for name, count in sorted(tally.items()):
        of, _, what = name.partition(": ")
        if of == group:
            yield f"{'':9}{count:>9,}  {what}"
