"""Text that is not to be shown: a token on its way from where it is kept to the header it is sent in."""

from __future__ import annotations

from typing import SupportsIndex


class Secret(str):
    """A string whose ``repr`` is hidden, so that no traceback, debugger or log shows it among the values.

    ``str()`` and formatting still give the text: it has to be sent somewhere in the end.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __getitem__(self, key: SupportsIndex | slice) -> Secret:
        # What shortens long values before it shows them gets no plain piece of it either.
        return Secret(super().__getitem__(key))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not to be pickled or copied into a file")
