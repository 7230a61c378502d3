"""The ``Link`` header: where the next page is, and whether it may be asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx

from canvas_archive.canvas.address import Origin, origin_of
from canvas_archive.errors import MalformedAnswer, UnsafeRedirect

LONGEST_HEADER = 64 * 1024
"""Characters of a ``Link`` header that are read. The links of a page of Canvas have a few hundred."""

_TARGET = re.compile(r"\s*<([^>]*)>")
# No two parts of it match the same character, so there is one way to match a parameter.
_PARAMETER = re.compile(
    r'\s*;\s*([^\s"=;,]+)(?:\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s";,]*)))?', re.DOTALL
)
_END = re.compile(r"\s*(?:,|\Z)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ALL_IDS = "include_all_conversation_ids"


def parse_links(header: str) -> Iterator[tuple[str, str]]:
    """Yield (relation, target) of a ``Link`` header, relations in lower case; stop at nonsense."""
    position = 0
    while target := _TARGET.match(header, position):
        relations: str | None = None
        position = target.end()
        while parameter := _PARAMETER.match(header, position):
            position = parameter.end()
            name, quoted, plain = parameter.groups()
            if relations is None and name.lower() == "rel":  # what a second one says does not count
                relations = plain or "" if quoted is None else _ESCAPED.sub(r"\1", quoted)
        end = _END.match(header, position)
        if end is None:
            return
        for relation in (relations or "").lower().split():
            yield relation, target[1].strip()
        position = end.end()


def next_page(
    header: str | None, current: httpx.URL, home: Origin, as_user_id: int | None
) -> httpx.URL | None:
    """Return the URL of the next page, or ``None`` on the last one.

    The link must stay on the configured scheme, host and port: the token goes with it. The masquerading
    parameter is added when Canvas left it out. The parameter for all ids is for the first page, and dropped.
    Raises UnsafeRedirect, or MalformedAnswer for a link that is no address and a header that is too long.
    """
    if header is not None and len(header) > LONGEST_HEADER:
        raise MalformedAnswer(f"Canvas sent a Link header of more than {LONGEST_HEADER:,} characters.")
    target = next((target for name, target in parse_links(header or "") if name == "next"), None)
    if target is None:
        return None
    try:
        url = current.join(target)
        origin = origin_of(url)
    except (httpx.InvalidURL, ValueError):
        raise MalformedAnswer("Canvas named a next page that is not a web address.") from None
    if origin != home or url.userinfo:
        raise UnsafeRedirect(
            f"Canvas named a next page at {origin}, which is not {home}. The token was not sent there."
        )
    url = url.copy_with(fragment=None)
    if _ALL_IDS in url.params:
        url = url.copy_remove_param(_ALL_IDS)
    if as_user_id is not None and url.params.get_list("as_user_id") != [str(as_user_id)]:
        url = url.copy_set_param("as_user_id", str(as_user_id))
    return url


class PageTrail:
    """The pages already read of one list, so that a loop is noticed."""

    EMPTY_PAGES = 100

    def __init__(self, first: httpx.URL) -> None:
        self._seen = {str(first)}
        self._empty = 0

    def follow(self, following: httpx.URL, rows: int) -> None:
        """Note that ``following`` is next after a page of that many rows.

        Short and even empty pages are normal, a hundred empty ones in a row are not. Raises
        MalformedAnswer for a link that was followed before, or for empty pages without end.
        """
        self._empty = 0 if rows else self._empty + 1
        if str(following) in self._seen:
            raise MalformedAnswer(
                f"The pages of a list lead back to one already read: {shown_url(following)}"
            )
        if self._empty >= self.EMPTY_PAGES:
            raise MalformedAnswer(
                f"{self._empty} empty pages in a row, and one more at {shown_url(following)}"
            )
        self._seen.add(str(following))


_SECRET = re.compile(r"token|verifier|sig|key|secret|credential|policy|jwt", re.IGNORECASE)


def shown_url(url: httpx.URL) -> str:
    """Return path and query for messages and logs, with anything that could open a door left out."""
    pairs = [(name, "..." if _SECRET.search(name) else value) for name, value in url.params.multi_items()]
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return f"{url.path}?{query}" if query else url.path
