"""The address under which a reverse proxy shows the server: ``serve --public-url https://host/prefix``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from canvas_archive.errors import BadInput

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
EXAMPLE = "https://archive.example.edu/inbox"


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """A public address in its parts. ``origin`` is as browsers send it, ``prefix`` is empty or ``/inbox``."""

    origin: str
    host: str
    prefix: str

    @property
    def url(self) -> str:
        """Return the address without a slash at its end."""
        return self.origin + self.prefix


def public_address(text: str) -> PublicAddress:
    """Read a public address. Raises BadInput for one that a browser could not open, or with more in it."""
    wrong = BadInput(f"--public-url takes an address such as {EXAMPLE}, not {text!r}.")
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    prefix = parts.path.rstrip("/")
    usual = {"https": 443, "http": 80}
    if parts.scheme not in usual or not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise wrong
    if not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
        raise wrong
    if not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:.]+", host):
        raise wrong
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != usual[parts.scheme]:
        shown += f":{port}"
    return PublicAddress(f"{parts.scheme}://{shown}", host, prefix)
