"""The process that reads attached files: what it reads, what it may do, and what becomes of bad files."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.search.index import extraction, extractors
from canvas_archive.search.index.extraction import Reader, ReaderUnavailable, Unreadable, reader_environment
from canvas_archive.search.index.extractors import (
    ANSWER,
    KINDS,
    NO_LIBRARY,
    READY,
    REQUEST,
    TEXT,
    UNREADABLE,
    answer,
    decode,
    html_text,
    plain_text,
    serve,
    word_text,
)
from tests.search_support import docx, pdf

pytestmark = pytest.mark.sampled

ONE_MEGABYTE = 1 << 20
ENDED = "cannot be read as a document (it ended the program that reads it)"


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as shared:
        yield shared


def no_text(reader: Reader, kind: str, data: bytes) -> str:
    """Return why a file has no text."""
    with pytest.raises(Unreadable) as raised:
        reader.read(kind, data)
    return str(raised.value)


# What is read


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("naïve".encode(), "naïve"),
        (b"\xef\xbb\xbfmark", "mark"),
        ("Ünïcode".encode("utf-16"), "Ünïcode"),
        (b"\xfe\xff" + "big".encode("utf-16-be"), "big"),
        ("Zoë’s".encode("cp1252"), "Zoë’s"),
        ("cut ë".encode()[:-1], "cut "),
    ],
)
def test_encodings_are_recognised(data: bytes, text: str) -> None:
    assert decode(data) == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b"<title>Title</title><style>p{}</style><script>1</script><p>One<p>Two", "Title One Two"),
        (b"mid<b>term</b> of <td>a<td>b", "midterm of a b"),
        (b"<template>no</template><svg><style>no</style><text>yes</text></svg>", "yes"),
        ("<meta charset='shift_jis'><p>\u65e5\u672c".encode("shift_jis"), "\u65e5\u672c"),
        (b"<meta charset=iso-8859-1>\x93caf\xe9\x94 ", "\u201ccaf\xe9\u201d"),
        (b"<meta charset=nonsense>caf\xe9 ", "caf\xe9"),
        (b"<meta charset=undefined>caf\xe9 ", "caf\xe9"),
        (b"<meta charset=zlib_codec>x", "x"),
        (b"<meta charset=utf-16>caf\xc3\xa9 ", "caf\xe9"),
        ("<p>b\u00fccher".encode("utf-16"), "b\u00fccher"),
        (b"&lt;b&gt; &amp;nosuch; &eacute;&#0;", "<b> &nosuch; \xe9"),
        (b"a\0b", "a b"),
    ],
)
def test_pages_are_read_as_their_reader_sees_them(page: bytes, text: str) -> None:
    assert " ".join(html_text(page).replace("\ufffd", "").split()) == text


def test_word_documents_are_read_without_their_markup() -> None:
    pytest.importorskip("docx")
    assert word_text(docx("The guild \u00eb")).split() == ["The", "guild", "\u00eb", "celltext"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [("plain", b"word " * 200_000), ("html", b"<p>word " * 200_000)],
)
def test_no_more_is_read_than_is_kept(kind: str, data: bytes) -> None:
    status, text = answer(kind, data)
    assert (status, len(text)) == (TEXT, extractors.LARGEST_TEXT)
    assert len(plain_text(data)) <= extractors.LARGEST_TEXT


def test_a_long_pdf_is_read_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pypdf")
    monkeypatch.setattr(extractors, "LARGEST_TEXT", 7)
    assert extractors.pdf_text(pdf("osmosis", pages=3)) == "osmosis"


SHAPES = {
    "<a ": b"<a " * (ONE_MEGABYTE // 3),
    "<![": b"<![" * (ONE_MEGABYTE // 3), "<!": b"<!" * (ONE_MEGABYTE // 2),
    "<!--": b"<!--" * (ONE_MEGABYTE // 4), "&": b"&" * ONE_MEGABYTE, "<": b"<" * ONE_MEGABYTE,
    "nested tables": b"<table><tr><td>" * (ONE_MEGABYTE // 15), "nested divs": b"<div>" * (ONE_MEGABYTE // 5),
    "bold": b"<b><i><p>" * (ONE_MEGABYTE // 9), "nothing": bytes(ONE_MEGABYTE),
    "attributes": b"<p " + b" ".join(b"a%d=1" % at for at in range(ONE_MEGABYTE // 9)) + b">x",
    "attributes of the body": b"".join(b"<body a%d=1>" % at for at in range(ONE_MEGABYTE // 14)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_no_page_is_too_much(reader: Reader, shape: str) -> None:
    """A megabyte each; the old parser took hours for some of them."""
    reason = ""
    try:
        reader.read("html", SHAPES[shape])
    except Unreadable as error:
        reason = str(error)
    assert reason in ("", "holds no text")


# What the process may do


def test_one_process_reads_many_files(reader: Reader) -> None:
    assert reader.read("plain", b"one") == "one"
    first = reader._process
    assert no_text(reader, "docx", b"PK") == "cannot be read as a document (BadZipFile)"
    assert reader.read("html", b"<p>two") == "two"
    assert reader._process is first


def test_it_starts_with_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CANVAS_API_TOKEN", "HTTPS_PROXY", "PYTHONPATH", "HOME"):
        monkeypatch.setenv(name, "secret")
    assert not {"CANVAS_API_TOKEN", "HTTPS_PROXY", "PYTHONPATH", "HOME"} & set(reader_environment())
    environ = Path("/proc/self/environ")
    if not environ.exists():
        pytest.skip("no /proc here")
    with Reader() as reader:
        assert reader.read("plain", b"x") == "x"
        assert reader._process is not None
        assert b"secret" not in Path(f"/proc/{reader._process.pid}/environ").read_bytes()


CONFINED = """
import sys; sys.path += sys.argv[1:]
from canvas_archive.search.index import extractors
extractors.confine()
try:
    {attempt}
except BaseException as error:
    print(type(error).__name__)
else:
    print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="not every system has every limit")
@pytest.mark.parametrize(
    ("attempt", "ended"),
    [
        ("pass", "done"),
        ("bytearray(1 << 31)", "MemoryError"),
        ("open({file!r}, 'w').write('x' * 100_000)", "OSError"),
        ("[open('/dev/null') for _ in range(100)]", "OSError"),
        ("import socket; socket.create_connection(('127.0.0.1', {port}), 1)", "OSError"),
    ],
)
def test_what_it_may_not_do(tmp_path: Path, attempt: str, ended: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        attempt = attempt.format(file=str(tmp_path / "new"), port=server.getsockname()[1])
        if "socket" in attempt and not network_can_be_left():
            pytest.skip("this machine lets no process leave its network")
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-c", CONFINED.format(attempt=attempt), *extraction._places()],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    assert run.stdout.strip() == ended


def network_can_be_left() -> bool:
    """Return whether a process of this user may have a network of its own."""
    code = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x50000000) != 0)"
    return subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


# What becomes of files that end it


def instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the process read files with other code: ``data`` are the bytes of a file."""
    monkeypatch.setattr(
        extraction, "_CHILD",
        "import sys; sys.path += sys.argv[1:]\n"
        "import os, time, signal\n"
        "from canvas_archive.search.index import extractors as e\n"
        "def odd(data):\n"
        f"    {code}\n"
        "    return data.decode()\n"
        "e._READERS['plain'] = odd\n"
        "e.main()",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("if data == b'bad': os._exit(0)", ENDED),
        ("if data == b'bad': os.kill(os.getpid(), 9)", ENDED),
        ("if data == b'bad': raise RecursionError", "cannot be read as a document (RecursionError)"),
        ("if data == b'bad': raise MemoryError", "takes too much memory to read"),
        ("if data == b'bad': os.write(3, b'x' * 100)", ENDED),
    ],
)  # fmt: skip
def test_a_file_that_ends_the_process_costs_nothing_but_its_own_text(
    monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    instead(monkeypatch, code.replace("os.write(3", "os.write(answers"))
    monkeypatch.setattr(
        extraction, "_CHILD", extraction._CHILD.replace(
            "e.main()", "dup = os.dup\ndef noted(fd):\n    global answers\n    answers = dup(fd)\n"
            "    return answers\nos.dup = noted\ne.main()"
        ),
    )  # fmt: skip
    with Reader() as reader:
        assert reader.read("plain", b"good") == "good"
        assert no_text(reader, "plain", b"bad") == reason
        assert reader.read("plain", b"good") == "good"


@pytest.mark.skipif(os.name != "posix", reason="processor time is bounded on POSIX alone")
def test_processor_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "os.kill(os.getpid(), signal.SIGXCPU)")
    with Reader() as reader:
        assert no_text(reader, "plain", b"x") == "took longer than 20 seconds of the processor"


def test_the_limit_of_processor_time_moves_with_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, limit: limits.append((which, limit)))
    monkeypatch.setattr(extractors.time, "process_time", lambda: 7.5)
    serve(io.BytesIO(REQUEST.pack(0, 1) + b"x"), io.BytesIO())
    ((which, (soft, _)),) = limits
    assert (which, soft) == (resource.RLIMIT_CPU, 28)


def test_wall_time_is_bounded_and_the_process_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "if data == b'bad': time.sleep(60)")
    with Reader() as reader:
        assert reader.read("plain", b"good") == "good"
        hung = reader._process
        reader._patience = 0.05
        assert no_text(reader, "plain", b"bad") == "took longer than 0.05 seconds"
        assert hung is not None
        assert hung.poll() == (-signal.SIGKILL if os.name == "posix" else 1)
        reader._patience = 30.0
        assert reader.read("plain", b"good") == "good"


def test_an_endless_answer_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "return 'x' * 10_000_000")
    with Reader() as reader:
        assert no_text(reader, "plain", b"x") == ENDED


def test_a_bomb_in_a_word_document_is_read_to_the_limit(reader: Reader) -> None:
    bomb = io.BytesIO()
    paragraph = (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
        "<w:p><w:r><w:t>"
    )
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", paragraph + "a" * 20_000_000)
    assert reader.read("docx", bomb.getvalue()) == "a" * extractors.LARGEST_TEXT


def test_a_library_that_cannot_be_loaded_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lxml", None)
    assert answer("html", b"<p>x")[0] == NO_LIBRARY
    instead(monkeypatch, "import nosuchlibrary")
    with Reader() as reader, pytest.raises(ReaderUnavailable):
        reader.read("plain", b"x")


@pytest.mark.parametrize("code", ["raise SystemExit", "import sys; sys.stdout.buffer.write(b'x' * 5)"])
def test_a_process_that_does_not_start_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(extraction, "_CHILD", code)
    with Reader() as reader, pytest.raises(ReaderUnavailable, match="The process that reads files"):
        reader.read("plain", b"x")


# The protocol, in this process


@pytest.mark.thorough
def test_requests_are_answered_until_there_are_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractors, "_bound_processor_time", lambda: None)
    requests = b"".join(
        REQUEST.pack(KINDS.index(kind), len(data)) + data
        for kind, data in (("plain", b"one"), ("docx", b"no"), ("html", b"<p>two"))
    )
    answers = io.BytesIO()
    serve(io.BytesIO(requests), answers)
    answers.seek(0)
    found = []
    while head := answers.read(ANSWER.size):
        status, size = ANSWER.unpack(head)
        found.append((status, answers.read(size)))
    assert found == [(READY, b""), (TEXT, b"one"), (UNREADABLE, b"BadZipFile"), (TEXT, b" two")]
