"""The query language: what a text means, and which texts are refused with which words."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.search.query.dates import local_zone, zone, zone_name
from canvas_archive.search.query.language import LONGEST_QUERY, parse
from canvas_archive.search.query.tree import (
    And,
    CourseNode,
    Dated,
    Has,
    Kind,
    Node,
    Not,
    Numbered,
    Or,
    PersonNode,
    Phrase,
    Prefix,
    Sized,
    StateNode,
    Word,
)

NOW = datetime(2026, 3, 9, 14, 5, tzinfo=timezone.utc)
EXAM, QUIZ, LATE = Word("exam"), Word("quiz"), Word("late")


def read(text: str) -> Node:
    return parse(text, now=NOW, tz=timezone.utc)


def at(*date: int) -> int:
    return int(datetime(*date, tzinfo=timezone.utc).timestamp())  # type: ignore[arg-type]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", And(())),
        ("   ", And(())),
        ("exam", EXAM),
        ("exam quiz", And((EXAM, QUIZ))),
        ("exam AND quiz", And((EXAM, QUIZ))),
        ("exam OR quiz", Or((EXAM, QUIZ))),
        ("exam | quiz", Or((EXAM, QUIZ))),
        ("exam or quiz", And((EXAM, Word("or"), QUIZ))),
        ("late exam OR quiz", And((LATE, Or((EXAM, QUIZ))))),
        ("(late exam) OR quiz", Or((And((LATE, EXAM)), QUIZ))),
        ("-late", Not(LATE)),
        ("NOT late", Not(LATE)),
        ("exam -(late quiz)", And((EXAM, Not(And((LATE, QUIZ)))))),
        ("NOT -late", LATE),
        ('"final exam"', Phrase("final exam")),
        ("“final exam”", Phrase("final exam")),
        ('-"final exam"', Not(Phrase("final exam"))),
        ("photo*", Prefix("photo")),
        ("mid-term", Word("mid-term")),
        ("from:chen", PersonNode("from", "chen")),
        ('from:"Astrid  Chen"', PersonNode("from", "Astrid Chen")),
        ("-from:chen", Not(PersonNode("from", "chen"))),
        ("FROM:chen", PersonNode("from", "chen")),
        ("to:(me OR chen)", Or((PersonNode("to", "me"), PersonNode("to", "chen")))),
        ("with:7", PersonNode("with", "7")),
        ("course:bio101", CourseNode("bio101")),
        ("group:study", CourseNode("study", "group")),
        ("subject:exam", Word("exam", "subject")),
        ('subject:"final exam"', Phrase("final exam", "subject")),
        ("subject:(exam quiz)", And((Word("exam", "subject"), Word("quiz", "subject")))),
        ("subject:phot*", Prefix("phot", "subject")),
        ("filename:*.pdf", Word(".pdf", "file")),
        ("has:attachments", Has("attachment")),
        ("has:Media", Has("media")),
        ("is:starred", StateNode("starred")),
        ("in:archive", StateNode("in archived")),
        ("in:sent", StateNode("sent")),
        ("in:attachments", Has("text")),
        ("in:attachments exam", And((Has("text"), Word("exam", "attached")))),
        ("exam in:attachments -late",
         And((Has("text"), Word("exam", "attached"), Not(Word("late", "attached"))))),
        ("exam OR (quiz in:attachments)", Or((EXAM, And((Has("text"), Word("quiz", "attached")))))),
        ("subject:late in:attachments", And((Has("text"), Word("late", "subject")))),
        ("foo:bar", Word("foo:bar")),
        ("http://example.edu/a?b=1", Word("http://example.edu/a?b=1")),
        ("12:30", Word("12:30")),
        ("re:", Word("re:")),
        ("re:exam", Word("re:exam")),
        ("C:\\x", Word("C:\\x")),
        ("std::vector", Word("std::vector")),
        ("date::x", Word("date::x")),
        ("file://a", Word("file://a")),
        (":smile:", Word(":smile:")),
        ("note:x", Word("note:x")),
        ("label: x", And((Word("label:"), Word("x")))),
        ("«a\"b»", Phrase('a"b')),
        ("»final exam«", Phrase("final exam")),
        ("„final exam“", Phrase("final exam")),
        ("exam || quiz", Or((EXAM, QUIZ))),
        ("*", Word("*")),
        ("exam AND late OR quiz", And((EXAM, Or((LATE, QUIZ))))),
        ("not late", And((Word("not"), LATE))),
        ("author:chen", PersonNode("from", "chen")),
        ("recipient:me", PersonNode("to", "me")),
        ("cc:chen", PersonNode("with", "chen")),
        ("title:exam", Word("exam", "subject")),
        ("attachment:pdf", Word("pdf", "file")),
        ("class:bio101", CourseNode("bio101")),
        ("has:pdf", Kind("pdf")),
        ("type:PDF", Kind("pdf")),
        ("filetype:docx", Kind("document")),
        ("ext:.xlsx", Kind("spreadsheet")),
        ("larger:1M", Sized("larger", 1_000_000)),
        ("smaller:1.5KB", Sized("smaller", 1_500)),
        ("larger:08", Sized("larger", 8)),
        ("id:12", Numbered("id", 12)),
        ("conversation:#12", Numbered("thread", 12)),
        ("folder:inbox", StateNode("inbox")),
        ("flag:unread", StateNode("unread")),
        ("--exam", Word("--exam")),
        ("-", Word("-")),
        ("a\ud800b", Word("a?b")),
    ],
)  # fmt: skip
def test_a_text_means(text: str, tree: Node) -> None:
    assert read(text) == tree


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("on:2025", at(2025, 1, 1), at(2026, 1, 1)),
        ("on:2025-03", at(2025, 3, 1), at(2025, 4, 1)),
        ("on:2025-12", at(2025, 12, 1), at(2026, 1, 1)),
        ("on:2025-03-09", at(2025, 3, 9), at(2025, 3, 10)),
        ("on:2025/3/9", at(2025, 3, 9), at(2025, 3, 10)),
        ("on:today", at(2026, 3, 9), at(2026, 3, 10)),
        ("on:yesterday", at(2026, 3, 8), at(2026, 3, 9)),
        ("on:2025-03..2025-05", at(2025, 3, 1), at(2025, 6, 1)),
        ("on:..2024", None, at(2025, 1, 1)),
        ("on:2025..", at(2025, 1, 1), None),
        ("before:2025-03", None, at(2025, 3, 1)),
        ("after:2025-03", at(2025, 3, 1), None),
        ("after:7d", at(2026, 3, 2), None),
        ("before:2w", None, at(2026, 2, 23)),
        ("after:1y", at(2025, 3, 9), None),
        ("after:9999y", at(1970, 1, 2), None),
        ("since:2025-03", at(2025, 3, 1), None),
        ("until:2025-03", None, at(2025, 3, 1)),
        ("newer_than:7d", at(2026, 3, 2), None),
        ("older_than:1y", None, at(2025, 3, 9)),
        ("date:2025", at(2025, 1, 1), at(2026, 1, 1)),
        ("after:2025-03-09T14:30Z", at(2025, 3, 9, 14, 30), None),
        ("before:2025-03-09T14:30:05+02:00", None, at(2025, 3, 9, 12, 30, 5)),
        ("after:2025-03-09T14:30", at(2025, 3, 9, 14, 30), None),
        ("on:2025-03-09T14:00Z..2025-03-09T15:00Z", at(2025, 3, 9, 14), at(2025, 3, 9, 15)),
    ],
)
def test_a_date_means(text: str, start: int | None, end: int | None) -> None:
    assert read(text) == Dated(start, end)


def test_dates_are_of_the_zone_that_is_given() -> None:
    # Central European Summer Time began on 30 March 2025: that day has 23 hours.
    day = parse("on:2025-03-30", now=NOW, tz=ZoneInfo("Europe/Berlin"))
    assert day == Dated(at(2025, 3, 29, 23), at(2025, 3, 30, 22))
    late = datetime(2026, 3, 9, 23, 30, tzinfo=timezone.utc)
    assert parse("on:today", now=late, tz=ZoneInfo("Asia/Tokyo")) == Dated(
        at(2026, 3, 9, 15), at(2026, 3, 10, 15)
    )


def test_dates_without_a_zone_are_local() -> None:
    local = int(datetime(2025, 3, 9).astimezone().timestamp())
    assert parse("after:2025-03-09", now=NOW) == Dated(local, None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("before:someday", ("before", "someday", "2025-03-09", "7d")),
        ("on:2025-13", ("on", "2025-13")),
        ("on:2025-02-30", ("2025-02-30",)),
        ("after:0001", ("0001",)),
        ("on:2026..2025", ("2026..2025", "range")),
        ("on:..", ("..", "range")),
        ("on:2025..soon", ("2025..soon",)),
        ("has:banana", ("has", "banana", "attachment", "media", "link", "forwarded")),
        ("is:weird", ("is", "weird", "starred", "unread", "archived", "removed")),
        ("in:nowhere", ("in", "nowhere", "inbox", "sent", "attachments")),
        ("from:", ("from", "needs a value", "from:chen")),
        ("exam from: chen", ("right after the colon, such as from:chen.",)),
        ('from: "Astrid Chen"', ('such as from:"Astrid Chen".',)),
        ("exam is: unread", ("right after the colon, such as is:unread.",)),
        ("is:unraed", ("is:unraed", "Did you mean is:unread?")),
        ("in:arhcive", ("Did you mean in:archive?",)),
        ("has:atachment", ("Did you mean has:attachment?",)),
        ("subject:", ("subject",)),
        ('course:""', ("character 8", "hold nothing")),
        ("has:()", ("parenthesis at character 5 holds nothing",)),
        ('"final exam', ("quotation mark at character 1", '"final exam')),
        ("exam “late", ("quotation mark at character 6",)),
        ('5" disk', ("quotation mark at character 2", "leave it out")),
        ('""', ("character 1", "hold nothing")),
        ("()", ("parenthesis at character 1 holds nothing",)),
        ("((((exam", ("parenthesis at character 4 is not closed",)),
        ("exam (", ("parenthesis at character 6 is not closed",)),
        ("exam)", ("parenthesis at character 5 closes nothing",)),
        (")", ("character 1",)),
        ("exam OR", ("'OR' at character 6 has nothing after it",)),
        ("OR exam", ("'OR' at character 1 has nothing before it",)),
        ("AND exam", ("'AND' at character 1",)),
        ("exam AND", ("'AND' at character 6",)),
        ("exam AND OR late", ("'AND' at character 6",)),
        ("exam OR OR late", ("'OR' at character 6",)),
        ("(exam |)", ("'|' at character 7",)),
        ("NOT", ("'NOT' at character 1",)),
        ("-NOT", ("'NOT' at character 2",)),
        ("form:chen", ("'form:' at character 1", "did you mean from:?", '"form:chen"')),
        ("exam sine:2026", ("'sine:' at character 6", "since:")),
        ("label:starred", ("no labels", "is:starred", '"label:starred"')),
        ("bcc:chen", ("no blind copies", "with:")),
        ("body:x", ("words alone",)),
        ("list:x", ("course:", "group:")),
        ("rfc822msgid:x", ("id:",)),
        ("in:anywhere", ("leave it out",)),
        ("type:banana", ("type:banana", "pdf", "image")),
        ("larger:x", ("not a size", "larger:1M")),
        ("id:x", ("not an id",)),
        ("since:soon", ("since:soon", "2025-03-09")),
        ("on:2025-03-09T14:00", ("is a moment",)),
        ("after:2025-03-09T25:00", ("2025-03-09T25:00",)),
        ("filename:*", ("is every filename",)),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(text: str, named: tuple[str, ...]) -> None:
    with pytest.raises(BadInput) as raised:
        read(text)
    for part in named:
        assert part in str(raised.value)


def test_queries_are_bounded() -> None:
    read("a" * LONGEST_QUERY)
    with pytest.raises(BadInput, match="4,001 characters"):
        read("a" * (LONGEST_QUERY + 1))
    with pytest.raises(BadInput, match="more than 250 words, from character 501 on"):
        read("a " * 251)
    with pytest.raises(BadInput, match="parentheses more than 40 deep, from character 121 on"):
        read("(a " * 41)
    with pytest.raises(BadInput, match="parentheses more than 40 deep, from character 129 on"):
        read("(a " * 40 + "subject:(a")


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(BadInput, match="'Mars/Olympus' is not a time zone"):
        zone("Mars/Olympus")
    with pytest.raises(BadInput):
        zone("../../etc/passwd")
    assert zone("") is None
    assert zone("utc") is timezone.utc
    assert zone_name(zone("UTC+05:30") or timezone.utc) == "UTC+05:30"
    with pytest.raises(BadInput):
        zone("UTC+99:00")


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be set")
@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("America/New_York", "America/New_York"),
        (":Asia/Tokyo", "Asia/Tokyo"),
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("UTC", "UTC"),
        ("", "UTC"),
        ("XYZ-5:30", "UTC+05:30"),
        ("XYZ3:30", "UTC-03:30"),
    ],
)
def test_the_local_zone_has_a_name(monkeypatch: pytest.MonkeyPatch, variable: str, name: str) -> None:
    monkeypatch.setenv("TZ", variable)
    time.tzset()
    try:
        assert zone_name(local_zone()) == name
        assert zone(name) is not None
    finally:
        monkeypatch.undo()
        time.tzset()
