"""Datasette's ``hookimpl``, with types: the decorated function keeps its type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from datasette import hookimpl

F = TypeVar("F", bound=Callable[..., Any])


def hook(function: F) -> F:
    """Mark an implementation of the hook of the same name."""
    return cast("F", hookimpl(function))


def hook_first(function: F) -> F:
    """Mark an implementation that is asked before the others."""
    return cast("F", hookimpl(tryfirst=True)(function))


def hook_last(function: F) -> F:
    """Mark an implementation that is asked after the others."""
    return cast("F", hookimpl(trylast=True)(function))
