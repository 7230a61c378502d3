"""Imports on first use: a command pays only for the modules that it runs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def load(target: str) -> Any:
    """Import and return ``"package.module:attribute"``."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def exports(package: str, names: dict[str, tuple[str, ...]]) -> tuple[Callable[[str], Any], list[str]]:
    """Return ``__getattr__`` and ``__all__`` of a package that imports its public names on first use.

    ``names`` has the modules of the package, each with its public names.
    """
    targets = {name: f"{package}.{module}:{name}" for module, public in names.items() for name in public}

    def import_name(name: str) -> Any:
        if name not in targets:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = load(targets[name])
        setattr(sys.modules[package], name, value)
        return value

    return import_name, sorted(targets)
