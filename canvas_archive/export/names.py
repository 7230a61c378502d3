"""File names that are safe on every system, made from what other people chose."""

from __future__ import annotations

import re

from canvas_archive.unicode import FILE_NAME, filtered, normalized

LONGEST_NAME = 100
"""In bytes of UTF-8: with a folder or two before it, a path stays below Windows's 260 characters."""

_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])\Z",
    re.IGNORECASE,
)
_RUNS_IN_BROWSER = frozenset(
    {"htm", "html", "hta", "mht", "mhtml", "shtml", "svg", "svgz", "xht", "xhtml", "xml", "xsl", "xslt"}
)


def safe_name(name: str, *, fallback: str = "file") -> str:
    """Return ``name`` as one harmless path component.

    No separators, devices, control or direction characters; at most 100 bytes, the extension kept. Pure.
    """
    text = normalized("NFC", filtered(name, FILE_NAME)).strip(" ")
    # Windows drops dots and spaces at the end, Unix hides a leading dot.
    text = text.rstrip(". ")
    if text.startswith("."):
        text = "_" + text[1:]
    text = _shorten(text) or fallback
    if _DEVICE.match(text.partition(".")[0].rstrip(" ")):
        text = "_" + text
    return text


def _shorten(text: str) -> str:
    if len(text.encode("utf-8")) <= LONGEST_NAME:
        return text
    stem, dot, extension = text.rpartition(".")
    if not dot or not stem or len(extension.encode("utf-8")) > 12:
        stem, dot, extension = text, "", ""
    room = LONGEST_NAME - len((dot + extension).encode("utf-8"))
    # Cutting bytes may cut a character in two: the torn half is dropped.
    return stem.encode("utf-8")[:room].decode("utf-8", "ignore").rstrip(". ") + dot + extension


def inert_name(name: str) -> str:
    """Return a safe name that no browser runs as a page of its own when it is opened from a disk."""
    text = safe_name(name)
    return f"{text}.txt" if text.rpartition(".")[2].lower() in _RUNS_IN_BROWSER else text


def content_type(declared: str | None) -> str:
    """Return a MIME type that can stand in a header; ``application/octet-stream`` for anything odd.

    Composite types (``message/rfc822``, ``multipart/mixed``) are files here, not parts, hence octets.
    """
    text = (declared or "").partition(";")[0].strip().lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}", text):
        return "application/octet-stream"
    return "application/octet-stream" if text.startswith(("message/", "multipart/")) else text
