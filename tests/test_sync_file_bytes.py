"""Whether what arrived is the file: length, type and first bytes, in every combination that matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canvas_archive.canvas import Download
from canvas_archive.store.threads import recording_name
from canvas_archive.sync.file_bytes import judge

WHOLE = Download(200, "application/pdf", 10, 10, False)
CHUNKED = replace(WHOLE, total=None, ended_by="chunks")
OPEN = replace(WHOLE, total=None, ended_by="close")
HTML = replace(WHOLE, content_type="text/html; charset=utf-8")
PDF, LOGIN = b"%PDF-1.7 ...", b"\n<!DOCTYPE html><html><title>Log in"


@pytest.mark.parametrize(
    ("size", "declared", "answer", "came", "head", "earlier", "kind"),
    [
        (10, "application/pdf", WHOLE, 10, PDF, None, "file"),
        (10, "application/pdf", HTML, 10, LOGIN, None, "file"),
        (0, "text/plain", WHOLE, 0, b"", None, "file"),
        (10, "application/pdf", WHOLE, 0, b"", None, "wrong"),
        (None, "video/mp4", WHOLE, 0, b"", None, "wrong"),
        (11, "application/pdf", WHOLE, 10, PDF, None, "file"),
        (9, None, WHOLE, 10, PDF, None, "file"),
        (11, "application/pdf", replace(WHOLE, resumed=True), 10, PDF, None, "again"),
        (11, "application/pdf", CHUNKED, 10, PDF, None, "again"),
        (11, "application/pdf", CHUNKED, 10, PDF, 10, "file"),
        (11, "application/pdf", CHUNKED, 10, PDF, 9, "wrong"),
        (11, "application/pdf", OPEN, 10, PDF, None, "again"),
        (11, "application/pdf", OPEN, 10, PDF, 10, "wrong"),
        (10, "application/pdf", OPEN, 10, PDF, None, "file"),
        (None, "video/mp4", CHUNKED, 10, b"ftyp", None, "file"),
        (None, "video/mp4", OPEN, 10, b"ftyp", None, "again"),
        (None, "video/mp4", OPEN, 10, b"ftyp", 10, "file"),
        (None, "video/mp4", OPEN, 10, b"ftyp", 9, "wrong"),
        (11, "application/pdf", HTML, 10, LOGIN, None, "page"),
        (11, "application/pdf", WHOLE, 10, LOGIN, None, "page"),
        (
            11,
            "application/pdf",
            replace(WHOLE, content_type="application/octet-stream"),
            10,
            LOGIN,
            10,
            "page",
        ),
        (11, "text/html", HTML, 10, LOGIN, None, "page"),
        (None, "text/html", HTML, 10, LOGIN, None, "page"),
        (11, "text/html", replace(HTML, attached=True), 10, LOGIN, None, "file"),
        (11, "application/pdf", replace(WHOLE, content_type="application/json"), 10, b"{}", None, "wrong"),
        (
            11,
            "application/pdf",
            replace(WHOLE, content_type="application/xml"),
            10,
            b"<Error>",
            None,
            "wrong",
        ),
        (11, "application/json", replace(WHOLE, content_type="application/json"), 10, b"{}", None, "file"),
        (11, "text/csv", replace(WHOLE, content_type="text/plain", attached=True), 10, b"a,b", None, "file"),
    ],
)
def test_what_arrived(
    size: int | None,
    declared: str | None,
    answer: Download,
    came: int,
    head: bytes,
    earlier: int | None,
    kind: str,
) -> None:
    verdict = judge(size, declared, answer, came, head, earlier)
    assert verdict.kind == kind
    assert (verdict.sentence is not None) == (
        kind in ("page", "wrong") or (kind == "file" and size not in (None, came))
    )


@pytest.mark.parametrize(
    ("name", "media_type", "content_type", "wanted"),
    [
        ("x.m4a", "audio", "audio/mp4", "x.m4a"),
        ("X.M4A", "audio", None, "X.M4A"),
        ("note.mp3", "audio", "audio/mp4", "note.mp3"),
        ("x.mp4", "audio", None, "x.mp4"),
        ("Lecture 3.5", "video", None, "Lecture 3.5.mp4"),
        ("A note", "audio", None, "A note.m4a"),
        ("mp4", None, "video/mp4", "mp4.mp4"),
        ("film", None, "video/mp4", "film.mp4"),
        ("m-1", None, None, "m-1.m4a"),
    ],
)
def test_a_recording_has_one_ending(
    name: str, media_type: str | None, content_type: str | None, wanted: str
) -> None:
    assert recording_name(name, media_type, content_type) == wanted
