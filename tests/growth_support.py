"""Texts that strangers may send, and every place where one meets our code.

Run as a program it puts texts to places in a process that ends itself: ``python -m tests.growth_support SIZE
SECONDS PLACE…`` prints the name of each place that came to its end with every text. A text for which one
needs more processor time ends the process.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from canvas_archive.errors import ArchiveError
from tests.pattern_support import bounded

NOW = datetime(2026, 3, 9, tzinfo=timezone.utc)

COMMON = (
    "a", "1", " ", "\n", "@", "<", '"', "\\", "é", "\u0301", "\u4e2d", "\x1b", "\u202e",
    "a@", "a@b.", "a.", "a ", "a'", "&#1", "&amp;", '"a",', "\r\n>From ", "<a ", "=?", "https://a.example/",
)  # fmt: skip
"""Units of texts. What is long in one of them is long for whoever takes it apart at another."""

Place = Callable[[str], object]


def repeated(unit: str, size: int, before: str = "", after: str = "") -> str:
    """Return a text of about ``size`` characters."""
    return before + unit * max(1, (size - len(before) - len(after)) // len(unit)) + after


@cache
def redactor() -> Any:
    """Return a redactor of people whose names all begin alike, and are found in one another."""
    from canvas_archive.export.records import PersonRecord
    from canvas_archive.export.redact import Redactor

    people = [PersonRecord(n, f"Maria Person{n}", f"Maria a Person{n}") for n in range(2, 2002)]
    people += [PersonRecord(9001, "a " * 500 + "b", "x"), PersonRecord(9002, "\u4e2d" * 500 + "\u4e8c", "y")]
    return Redactor(b"k" * 32, 1, people)


def _marking() -> Any:
    from canvas_archive.search.answer.snippet import Marking

    return Marking({"a": 1.0}, (((0, frozenset({"a"})), (1, frozenset({"a"}))),))


def _places() -> dict[str, tuple[Place, tuple[Callable[[int], str], ...]]]:
    """Return each place with the texts that are worst for it, by their size."""
    from canvas_archive import typed_text, unicode
    from canvas_archive.canvas import answers, links, waiting
    from canvas_archive.canvas.body import decode_json
    from canvas_archive.cli import show, terminal
    from canvas_archive.export import mime, names, redact, site_pages
    from canvas_archive.sandbox import sanitising
    from canvas_archive.search.answer import snippet
    from canvas_archive.search.index import analysis
    from canvas_archive.search.query import dates, language
    from canvas_archive.store import cells, rows, threads
    from canvas_archive.sync import sent_messages
    from canvas_archive.web import files, guarded_csv, login, render
    from canvas_archive.web.forms import _urlencoded

    nobody = threads.ThreadPerson(2, "Chen", None, None)
    nobodys = threads.Thread(1, None, None, None, "read", False, True, True, 1, None, None, (nobody,), ())

    def of(unit: str, before: str = "", after: str = "") -> Callable[[int], str]:
        return lambda size: repeated(unit, size, before, after)

    def marks(size: int) -> str:
        return "a" + "\u0315" * (size // 2) + "\u0316" * (size // 2)

    return {
        "Link header": (
            lambda text: list(links.parse_links(text)),
            (
                of(";a= ", "<http://x/>", '"'),
                of(";a", "<http://x/>", '"'),
                of(" ;", "<x>"),
                of("<x>;rel=next,"),
                of("\\", '<x>;rel="'),
                of('\\"', '<x>;rel="'),
                of(" ", "<x>", "y"),
                of("<"),
                of(';rel="next', "<x>"),
                of(" ", '<x>;rel="', '"'),
            ),
        ),
        "Retry-After header": (lambda text: waiting.retry_after(text, NOW), (of("1"), of(", "), of("Mon "))),
        "error answer": (
            lambda text: answers.messages_of({"errors": {text: [text, {"message": text}]}}),
            (of("\x1b"),),
        ),
        "JSON": (
            lambda text: decode_json(text.encode("utf-8", "replace")),
            (of("["), of('{"a":'), of("1"), of("\\ud800", '"', '"')),
        ),
        "Unicode normalization": (lambda text: analysis.composed(text), (marks, of("\u0315"))),
        "table cell": (cells.cell, (of(" "), of("\ufeff"), of("\x9b"))),
        "context code": (rows.context_parts, (of("a_"), of("_"))),
        "redaction": (
            lambda text: redactor().text(text),
            (
                of("a@"),
                of("Maria "),
                of("a "),
                of("\u4e2d"),
                of("&amp;"),
                of("%C3%A9"),
                of("aA"),
                of("[at] "),
                of("x at a dot "),
                of("user_id=5 "),
                of("e\u0301"),
            ),
        ),
        "pseudonyms of one name": (
            lambda text: redact.Redactor(b"k" * 32, 1, [redact.PersonRecord(2, text, "x")]).text(text),
            (lambda size: repeated("a ", size // 4), lambda size: repeated("\u4e2d", size // 4)),
        ),
        "page of a conversation": (
            render.body,
            (of("https://"), of(")", "https://"), of("https://a.example/))))"), of("> "), of("a@b.c")),
        ),
        "initials": (render.initials, (of("dr "), of(" "))),
        "name of a download": (files.disposition, (of("\u202e"),)),
        "cookies": (login.readable_cookies, (of("\\", 'a="', '"'), of('\\"', 'a="', '"'), of(" ", "a", "b"))),
        "form": (lambda text: _urlencoded(text.encode("utf-8", "replace")), (of("a&"), of("%"), of(";"))),
        "CSV of the tables": (
            lambda text: guarded_csv.CellGuard().feed(text.encode("utf-8", "replace"), last=True),
            (of('""', '"', '"\r\n'), of(","), of('a"', "", ","), of("\n", '"', '"\r\n')),
        ),
        "site, a body": (site_pages.linked, (of("."), of(".", "https://a"), of("https://a."), of("http://"))),
        "file name": (names.safe_name, (marks, of("."), of("%4"), of(" "))),
        "content type": (names.content_type, (of("a"), of("a", "a/"), of("a/"))),
        "header field": (
            lambda text: mime.header("Subject", text),
            (of("a"), of("a "), of("=?"), of("é"), of("a;")),
        ),
        "name before an address": (mime.display_name, (of("a"), of("a "), of("é"))),
        "text of a mail": (
            mime.encode_text,
            (of("From "), of("\n>From "), of("é\nFrom "), of(">"), of("\n>"), of("\r"), of("=")),
        ),
        "index": (
            analysis.analysed,
            (marks, of("a'"), of("'"), of("\u4e2d"), of("a++"), of("1.1"), of("$ ")),
        ),
        "snippet": (
            lambda text: snippet.make_snippet(text, _marking()),
            (marks, of("a "), of("a'"), of("a-")),
        ),
        "query": (
            lambda text: language.parse(text, now=NOW),
            (
                of("("),
                of("a "),
                of("-"),
                of('"'),
                of("from:"),
                of("NOT "),
                of("a OR "),
                of("a:"),
                of("form:a "),
            ),
        ),
        "query of 4,000 characters": (
            lambda text: language.parse(text[:4000], now=NOW),
            (of("("), of("-("), of("a "), of("NOT "), of("OR "), of("from:("), of('"')),
        ),
        "date of a query": (
            lambda text: dates.date_range("on", text, now=NOW, tz=timezone.utc),
            (of("1"), of("..")),
        ),
        "body that was sent": (
            lambda text: sent_messages.same_body(text, "other"),
            (of("<"), of("&#1"), of("1", "&#"), of("&"), of("<a>")),
        ),
        "evidence of texts": (
            typed_text.evidence_in,
            (of("<"), of("<a"), of("<a "), of("<a>"), of("&"), of("&a"), of("&#1", "<a>")),
        ),
        "preview": (typed_text.decoded_preview, (of("&amp;"), of("&a"), of("&", after="..."))),
        "sanitised body": (
            sanitising.sanitised,
            (of("<script"), of("<script>"), of("<script "), of("</script"), of("<script></script>")),
        ),
        "terminal, text": (terminal.printable, (of("\x1b"), of("\r\n"), of("\u202e"))),
        "terminal, line": (lambda text: terminal.fit(terminal.one_line(text), 50), (of("\u0301"),)),
        "terminal, JSON": (lambda text: unicode.json_text({"a": text}), (of("\x9b"), of("\\"))),
        "terminal, message": (
            lambda text: show._Letter(nobodys, 1, Path(), 80).message(
                threads.ThreadMessage(1, nobody, "2026-03-09T14:05:00Z", text, False, None), ""
            ),
            (of("a"), of("a "), of("\n"), of("-")),
        ),
    }


PLACES = _places()


def texts(name: str, size: int, *, own: bool) -> Iterator[str]:
    """Yield the texts that are worst for a place, or those that are long for any."""
    if own:
        yield from (make(size) for make in PLACES[name][1])
    else:
        yield from (repeated(unit, size) for unit in COMMON)


def put(name: str, text: str) -> None:
    """Put a text to a place. It may refuse it by a sentence."""
    with suppress(ArchiveError, ValueError):
        PLACES[name][0](text)


def main(size: str, seconds: str, own: str, *names: str) -> None:
    """Put texts to places."""
    for name in names:
        for text in texts(name, int(size), own=own == "own"):
            with bounded(float(seconds)):
                put(name, text)
        print(json.dumps(name), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    main(*sys.argv[1:])
