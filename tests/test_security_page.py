"""SECURITY.md promises nothing without a test, and is part of what is released."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_promise_names_a_test_that_exists(repository: Path) -> None:
    text = (repository / "SECURITY.md").read_text("utf-8")
    promised = text.partition("## What is promised")[2].partition("## What is not promised")[0]
    promises = re.findall(r"^- .*?(?=^- |^\*\*|\Z)", promised, re.MULTILINE | re.DOTALL)
    assert len(promises) > 15
    for promise in promises:
        named = re.findall(r"`(tests/\w+\.py)`", promise)
        assert named, promise
        for name in named:
            assert (repository / name).is_file(), name


def test_it_is_in_the_source_distribution(repository: Path) -> None:
    assert '"SECURITY.md"' in (repository / "pyproject.toml").read_text("utf-8")
