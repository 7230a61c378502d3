"""State of one Datasette. One process can have several, so no state of a server is a global variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class PerDatasette(Generic[T]):
    """Decorator: call the function once for each Datasette, and return the same value from then on.

    The value is an attribute of the Datasette, and is freed with it.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = f"_{make.__module__}.{make.__name__}"
        self.__doc__ = make.__doc__

    def __call__(self, datasette: Any) -> T:
        """Return the value of this Datasette."""
        attributes = vars(datasette)
        if self._name not in attributes:
            attributes.setdefault(self._name, self._make(datasette))  # atomic: all threads get one value
        return cast("T", attributes[self._name])

    def install(self, datasette: Any, value: T) -> None:
        """Set the value of this Datasette."""
        vars(datasette)[self._name] = value
