"""Pages and their Link header."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from canvas_archive.sandbox.answers import not_found
from canvas_archive.sandbox.params import Pairs, Params

DEFAULT_PER_PAGE = 10
MAX_PER_PAGE = 100
MAX_LINK_BYTES = 6 * 1024
_ORDER = ("current", "next", "prev", "first", "last")
_PRIORITY = ("next", "last", "prev", "current", "first")
_LEFT_OUT = ("page", "per_page", "access_token", "api_key")


@dataclass(frozen=True, slots=True)
class PageParams:
    """Which part of a list is asked for."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """Return the position of the first item."""
        return (self.number - 1) * self.size


def per_page(params: Params) -> int:
    """Return the wanted page size: 10 unless given, never outside 1 to 100."""
    if "per_page" not in params:
        return DEFAULT_PER_PAGE
    match = re.match(r"\s*([+-]?\d{1,12})", params.text("per_page") or "")
    return max(1, min(int(match[1]) if match else 0, MAX_PER_PAGE))


def page_of(params: Params) -> PageParams:
    """Return the wanted page; one that is not a positive number is a 404."""
    if params.blank("page"):
        return PageParams(1, per_page(params))
    text = params.text("page") or ""
    if not re.fullmatch(r"\d{1,12}", text) or int(text) < 1:
        raise not_found()
    return PageParams(int(text), per_page(params))


def link_header(collection: str, query: Pairs, page: PageParams, total: int) -> str:
    """Return the Link header of a counted list."""
    last = max(-(-total // page.size), 1)
    targets: dict[str, int | str] = {"current": page.number, "first": 1, "last": last}
    if page.number < last:
        targets["next"] = page.number + 1
    if page.number > 1:
        targets["prev"] = page.number - 1
    return _join(collection, query, page.size, targets)


def bookmark_header(collection: str, query: Pairs, size: int, current: str, following: str | None) -> str:
    """Return the Link header of a list without a count: no ``last``, opaque page names."""
    targets: dict[str, int | str] = {"current": current, "first": "first"}
    if following is not None:
        targets["next"] = following
    return _join(collection, query, size, targets)


def bookmark(offset: int) -> str:
    """Return the opaque name of the page that starts at an offset."""
    return "bookmark:" + base64.urlsafe_b64encode(f"[{offset}]".encode()).decode().rstrip("=")


def bookmark_offset(name: str | None) -> int:
    """Return the offset of a page name; unknown names are a 404."""
    if not name or name in ("first", "1"):
        return 0
    try:
        encoded = name.removeprefix("bookmark:")
        text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        return int(text.strip("[]"))
    except ValueError:
        raise not_found() from None


def _join(collection: str, query: Pairs, size: int, targets: dict[str, int | str]) -> str:
    kept = [(name, value) for name, value in query if name not in _LEFT_OUT]
    links = {
        rel: f'<{_url(collection, [*kept, ("page", str(target)), ("per_page", str(size))])}>; rel="{rel}"'
        for rel, target in targets.items()
    }
    room = MAX_LINK_BYTES
    chosen = set()
    for rel in _PRIORITY:
        if rel in links and len(links[rel]) + 1 <= room:
            room -= len(links[rel]) + 1
            chosen.add(rel)
    return ",".join(links[rel] for rel in _ORDER if rel in chosen)


def _url(collection: str, pairs: Iterable[tuple[str, str]]) -> str:
    return f"{collection}?{urlencode(list(pairs), quote_via=quote)}"
