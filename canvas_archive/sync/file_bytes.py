"""Whether what arrived is the file: decided from its length, its type and its first bytes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from canvas_archive.canvas import Download

_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_ERRORS = frozenset({"application/json", "application/xml", "text/xml", "text/plain"})
"""Types that servers use for error messages."""

_PAGE = re.compile(
    rb"\s{0,99}(?:<!--[^>]{0,300}>\s{0,9})?<(?:!doctype\s{1,9}html|html[\s>]|head[\s>])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What arrived: the ``file``, a web ``page``, something ``wrong``; ``again``: one try cannot decide.

    ``sentence`` says what is wrong, or, for a file, what is odd about it.
    """

    kind: Literal["file", "page", "wrong", "again"]
    sentence: str | None = None


def judge(
    size: int | None, content_type: str | None, answer: Download, came: int, head: bytes, earlier: int | None
) -> Verdict:
    """Return what arrived, given what Canvas says of the file (``size`` in bytes and ``content_type``).

    ``came`` is how many bytes arrived, ``head`` the first of them; ``earlier`` is how many came when the file
    was downloaded before in this try. A whole file of another size than Canvas says is the file all the same:
    Canvas's record is wrong more often than storage cuts a file and states the shorter length.
    """
    if size == came:
        return Verdict("file")
    if came == 0:
        return Verdict("wrong", "nothing came")
    arrived, declared = _plain(answer.content_type), _plain(content_type)
    if arrived in _PAGES or _PAGE.match(head):
        # A login page is never the attachment.
        if declared not in _PAGES or not answer.attached:
            return Verdict("page", "a web page (a login page?) came instead of the file")
    elif arrived in _ERRORS and arrived != declared and not answer.attached and size is not None:
        return Verdict("wrong", f"{arrived} came instead of the file")
    if size is None:
        proven = answer.ended_by != "close"
    else:
        proven = answer.ended_by == "length" and not answer.resumed
    if not proven and earlier is None:
        return Verdict("again")
    stated = "" if size is None else f", Canvas says it has {size:,}"
    if not proven and (earlier != came or (size is not None and answer.ended_by == "close")):
        return Verdict("wrong", f"{came:,} bytes came{stated}")
    return Verdict("file", None if size is None else f"the whole file has {came:,} bytes{stated}")


def _plain(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()
