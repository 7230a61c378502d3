"""What programs that this one starts see of its environment: everything but its secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

SECRET_VARIABLES = frozenset({"CANVAS_API_TOKEN"})
"""Variables that hold a secret. No child process starts with one of them."""


def child_environment() -> dict[str, str]:
    """Return this process's environment without its secrets, for ``subprocess``."""
    return {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}


@contextmanager
def secrets_hidden() -> Iterator[None]:
    """Take the secrets out of ``os.environ`` during the block: for a library that starts a program itself."""
    hidden = {name: os.environ.pop(name) for name in SECRET_VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
