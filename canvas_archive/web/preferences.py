"""What a reader chose for the pages: the order of messages, the density, single keys. One cookie holds it.

Cookies ignore ports, so the choice holds for every archive on this machine. It says nothing of the mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

COOKIE = "canvas_archive_view"
YEAR = 365 * 24 * 3600

CHOICES: dict[str, tuple[str, ...]] = {
    "order": ("oldest", "newest"),
    "density": ("roomy", "compact"),
    "keys": ("on", "off"),
    "hits": ("messages", "conversations"),
}
"""The values of each choice. The first one holds without a cookie."""

_PAIR = re.compile(r"([a-z]{1,16})-([a-z]{1,16})")


@dataclass(frozen=True, slots=True)
class Preferences:
    """The choices of one reader."""

    order: str = "oldest"
    density: str = "roomy"
    keys: str = "on"
    hits: str = "messages"

    @property
    def cookie(self) -> str:
        """Return the choices as the cookie holds them; empty when nothing differs from the default."""
        chosen = [(name, getattr(self, name)) for name in CHOICES]
        return ".".join(f"{name}-{value}" for name, value in chosen if value != CHOICES[name][0])


def preferences_of(cookie: str) -> Preferences:
    """Read the cookie. Whatever is no known choice is ignored."""
    chosen = {}
    for match in _PAIR.finditer(cookie[:200]):
        name, value = match.groups()
        if value in CHOICES.get(name, ()):
            chosen[name] = value
    return Preferences(**chosen)
