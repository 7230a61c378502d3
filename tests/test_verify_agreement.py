"""The formats of one export are compared: what one of them has otherwise is found."""

from __future__ import annotations

import base64
import io
import json
import logging
import shutil
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import bagit
import pyarrow
import pyarrow.parquet
import pytest

from canvas_archive.cli import run
from canvas_archive.export.formats import FORMATS
from canvas_archive.export.jsonl import encode_completion
from tests.export_support import NASTY_BODY, OWNER, ArchiveBuilder, small_archive

pytestmark = pytest.mark.sampled


def pack(archive: Path, dest: Path, *options: str, formats: tuple[str, ...] = tuple(FORMATS)) -> Path:
    chosen = [word for name in formats for word in ("-f", name)]
    words = ["-q", "export", str(dest), "--bag", *chosen, "--archive", str(archive), *options]
    assert run([*words, "--allow-incomplete"]) == 0
    return dest


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("agreement") / "archive")


@pytest.fixture(scope="module")
def original(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(archive, tmp_path_factory.mktemp("agreement") / "bag")


@pytest.fixture
def bag(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "bag"))


def remade(bag: Path) -> Path:
    """Make every manifest anew, as somebody does who hides a change."""
    logging.getLogger("bagit").setLevel(logging.CRITICAL)
    bagit.Bag(str(bag)).save(manifests=True)
    assert bagit.Bag(str(bag)).is_valid()
    return bag


@pytest.fixture
def verify(
    capsys: pytest.CaptureFixture[str],
) -> Callable[[Path], tuple[int, dict[str, tuple[str, ...]], str]]:
    def call(path: Path) -> tuple[int, dict[str, tuple[str, ...]], str]:
        capsys.readouterr()
        code = run(["verify", "--json", str(path)])
        checks = json.loads(capsys.readouterr().out)["checks"]
        bad = {check["name"]: tuple(check["items"]) for check in checks if not check["ok"]}
        (detail,) = [check["detail"] for check in checks if check["name"] == "formats"]
        return code, bad, detail

    return call


Verify = Callable[[Path], tuple[int, dict[str, tuple[str, ...]], str]]


def test_every_format_says_the_same_of_what_ever_broke_an_exporter(bag: Path, verify: Verify) -> None:
    code, bad, detail = verify(bag)
    assert (code, bad) == (0, {})
    assert detail.startswith("jsonl, csv, mbox, eml, html, rsmf, parquet, sqlite say the same of 8 messages")


@pytest.mark.parametrize(
    "options",
    [
        ("--redact",),
        ("--redact", "--redact-attachments", "unchanged"),
        ("--without-attachments",),
        ("--slice", "day"),
        ("--excel",),
        ("--after", "2026-01"),
        ("--ids", "101"),
        ("--after", "2040"),
    ],
    ids=" ".join,
)
def test_of_any_selection_and_option(
    archive: Path, tmp_path: Path, verify: Verify, options: tuple[str, ...]
) -> None:
    code, bad, _ = verify(pack(archive, tmp_path / "bag", *options))
    assert (code, bad) == (0, {})


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_alone_is_read_and_counted(archive: Path, tmp_path: Path, verify: Verify, name: str) -> None:
    code, bad, detail = verify(pack(archive, tmp_path / "bag", formats=(name,)))
    assert (code, bad) == (0, {})
    assert detail.startswith(f"{name} holds 8 messages; there is no other format")


ODD_TEXTS = (
    NASTY_BODY,
    "From the start\n>From and on\n--=_canvas-1-0\n\n--=_canvas-1-0--\n",
    "'=1+1",
    "\ufeffmarked",
    "C1 \x85 \x9f, a picture \u2400, the sign \ufffd",
    "=?utf-8?q?not_a_header?=",
    "</div></article><article data-message='9'>&amp;&#65;",
    "line\u2028separator \x1c\x1d and\x0bmore",
    "\n\n   ",
    "é" * 3000,
    "x" * 70_000,
    '"quoted", <a@b.example>; (comment)',
)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_odd_texts_are_the_same_text_everywhere(tmp_path: Path, verify: Verify, text: str) -> None:
    with ArchiveBuilder(tmp_path / "archive") as make:
        make.person(1, text[:300], text[:300])
        make.conversation(10, text[:300])
        make.message(11, 10, 1, text)
        make.message(12, 10, OWNER, "see below")
        make.message(900, None, 1, text, to=())
        make.forward(12, 900)
        make.attachment(13, 11, text[:60], b"bytes")
    code, bad, _ = verify(pack(tmp_path / "archive", tmp_path / "bag"))
    assert (code, bad) == (0, {})


def replace(bag: Path, pattern: str, old: bytes, new: bytes) -> None:
    """Change a text in the one file that has it."""
    (path,) = [path for path in (bag / "data").glob(pattern) if old in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(old, new, 1))


def in_jsonl(bag: Path) -> None:
    path = bag / "data" / "conversations.jsonl"
    lines = path.read_text("utf-8").replace("On Friday.", "On Monday.").splitlines(keepends=True)
    last = json.loads(lines[-1])
    del last["record_sha256"]
    last["sha256"] = sha256("".join(lines[:-1]).encode("utf-8")).hexdigest()
    path.write_bytes("".join(lines[:-1]).encode("utf-8") + encode_completion(last))


def in_rsmf(bag: Path) -> None:
    path = bag / "data" / "rsmf" / "64" / "conversation-100.rsmf"
    head, _, rest = path.read_bytes().partition(b'filename="rsmf.zip"\r\n\r\n')
    packed, _, tail = rest.partition(b"\r\n--=_")
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed))) as old, zipfile.ZipFile(made, "w") as new:
        for one in old.infolist():
            new.writestr(one, old.read(one).replace(b"On Friday.", b"On Monday."))
    head = head.replace(b"On Friday.", b"On Monday.")
    path.write_bytes(
        head
        + b'filename="rsmf.zip"\r\n\r\n'
        + base64.encodebytes(made.getvalue()).replace(b"\n", b"\r\n")
        + b"\r\n--=_"
        + tail
    )


def in_parquet(bag: Path) -> None:
    for path in (bag / "data" / "parquet" / "messages").rglob("*.parquet"):
        table = pyarrow.parquet.ParquetFile(path).read()
        bodies = [body.replace("On Friday.", "On Monday.") for body in table["body"].to_pylist()]
        at = table.schema.get_field_index("body")
        table = table.set_column(at, table.schema.field("body"), pyarrow.array(bodies))
        pyarrow.parquet.write_table(table, path)


def in_sqlite(bag: Path) -> None:
    with closing(sqlite3.connect(bag / "data" / "mailbox.db")) as db, db:
        db.execute("UPDATE messages SET body = replace(body, 'On Friday.', 'On Monday.')")


EDITED: dict[str, Callable[[Path], None]] = {
    "jsonl": in_jsonl,
    "csv": lambda bag: replace(bag, "messages.csv", b"On Friday.", b"On Monday."),
    "mbox": lambda bag: replace(bag, "messages.mbox", b"On Friday.", b"On Monday."),
    "eml": lambda bag: replace(bag, "eml/*/*/*", b"On Friday.", b"On Monday."),
    "html": lambda bag: replace(bag, "html/threads/*/*", b"On Friday.", b"On Monday."),
    "rsmf": in_rsmf,
    "parquet": in_parquet,
    "sqlite": in_sqlite,
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_body_that_was_edited_in_one_format(bag: Path, verify: Verify, name: str) -> None:
    EDITED[name](bag)
    code, bad, _ = verify(remade(bag))
    assert (code, list(bad)) == (8, ["formats"])
    (item,) = bad["formats"]
    said, _, groups = item.partition(" is not the same in ")
    assert said == "message 1001: the body"
    assert set(groups.split(" and ")) == {name, ", ".join(one for one in FORMATS if one != name)}


@pytest.mark.parametrize(
    ("pattern", "old", "new", "what"),
    [
        ("eml/*/*/*-1001.eml", b"<user.7@", b"<user.1@", "author id"),
        ("eml/*/*/*-1001.eml", b"02 Feb 2026", b"03 Feb 2026", "time"),
        ("eml/*/*/*-1001.eml", b"Subject: Lab report", b"Subject: Lab result", "subject"),
        ("eml/*/*/*-1001.eml", b"Conversation-Id: 100", b"Conversation-Id: 104", "conversation"),
        ("eml/*/*/*-1002.eml", b"\r\nJVBERi0", b"\r\nJVBERi1", "files"),
        ("eml/*/*/*-1020.eml", b"the forwarded one", b"the forwarded two", "forwarded"),
        ("eml/*/*/*-1020.eml", b"and one inside it", b"and two inside it", "forwarded"),
        ("html/threads/64/100.html", b"Ann Beatrix Author</bdi></span>", b"Ann Other</bdi></span>", "author"),
        ("html/threads/64/100.html", b'datetime="2026-02-02', b'datetime="2025-02-02', "time"),
        ("html/threads/66/102.html", b"the forwarded one", b"the forwarded two", "forwarded"),
        ("messages.csv", b"2025-12-31T23:59:59Z,1,", b"2025-12-31T23:59:59Z,3,", "author id"),
    ],
)  # fmt: skip
def test_anything_else_that_was_edited(
    bag: Path, verify: Verify, pattern: str, old: bytes, new: bytes, what: str
) -> None:
    replace(bag, pattern, old, new)
    code, bad, _ = verify(remade(bag))
    assert (code, list(bad)) == (8, ["formats"])
    assert any(f"the {what} is not the same in" in item for item in bad["formats"]), bad


def test_a_message_that_was_taken_out_put_in_or_doubled(bag: Path, verify: Verify) -> None:
    (one,) = (bag / "data" / "eml").glob("*/*/*-1001.eml")
    text = one.read_bytes()
    one.unlink()
    everything = ", ".join(name for name in FORMATS if name != "eml")
    assert verify(remade(bag))[1]["formats"] == (f"message 1001: in {everything}, not in eml",)
    one.write_bytes(text)
    one.with_name(one.name.replace("1001", "2001")).write_bytes(
        text.replace(b"msg.1001@", b"msg.2001@").replace(b"Message-Id: 1001", b"Message-Id: 2001")
    )
    assert "message 2001: in eml, not in jsonl" in verify(remade(bag))[1]["formats"][0]
    one.with_name(one.name.replace("1001", "2001")).write_bytes(text)
    assert "holds message 1001" in verify(remade(bag))[1]["formats"][0]


def test_the_copy_of_an_attachment_that_was_replaced(bag: Path, verify: Verify) -> None:
    (path,) = (bag / "data" / "attachments").rglob("report.pdf")
    path.write_bytes(b"%PDF-1.4 another report")
    (item,) = verify(remade(bag))[1]["formats"]
    assert item.startswith("data/attachments/") and item.endswith("not the content that its name says")


def test_a_count_that_was_edited(bag: Path, verify: Verify) -> None:
    path = bag / "data" / "export.json"
    path.write_text(path.read_text("utf-8").replace('"messages": 8', '"messages": 9'), "utf-8")
    assert verify(remade(bag))[1]["formats"] == ("export.json counts 9 messages; there are 8",)


def deep(bag: Path) -> None:
    (path,) = (bag / "data" / "eml").glob("*/*/*-1001.eml")
    head = path.read_bytes().partition(b"MIME-Version")[0]
    mail = b""
    for number in range(60):
        edge = b"=_canvas-%d-0" % number
        mail += head + b'Content-Type: multipart/mixed; boundary="' + edge + b'"\r\n\r\n--' + edge
        mail += b"\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\nx\r\n--" + edge
        mail += b"\r\nContent-Type: message/rfc822\r\n\r\n"
    path.write_bytes(mail)


def change(pattern: str, data: bytes) -> Callable[[Path], object]:
    """Return what writes other content into the first of these files of a bag."""
    return lambda bag: min((bag / "data").glob(pattern)).write_bytes(data)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n"


def in_database(bag: Path, *statements: str) -> None:
    with closing(sqlite3.connect(bag / "data" / "mailbox.db")) as db, db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            db.execute(f"DROP VIEW {name}")
        for statement in statements:
            db.execute(statement)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a line without an end": change("messages.mbox", b"From x" + b"y" * 200_000),
    "no mbox": change("messages.mbox", b"hello\n"),
    "an mbox of separators": change("messages.mbox", b"From a\n" * 9),
    "mails in mails": deep,
    "no zip": change("rsmf/*/*.rsmf", b"Subject: x\r\n\r\n"),
    "no csv": change("messages.csv", b"\xff\xfe\0\0"),
    "a csv without columns": change("messages.csv", b"a,b\r\n1,2\r\n"),
    "no page": change("html/threads/*/*.html", b"<article>"),
    "an id of any length": change("html/threads/*/*.html", b"<article data-message=" + b"9" * 30 + b">"),
    "no table": change("parquet/messages/*/*.parquet", b"PAR1"),
    "no database": change("mailbox.db", b"hello"),
    "no tables": lambda bag: in_database(bag, "DROP TABLE users"),
    "a view for a table": lambda bag: in_database(
        bag, "ALTER TABLE messages RENAME TO old", f"CREATE VIEW messages AS {ENDLESS}"
    ),
    "a table without a key": lambda bag: in_database(
        bag, "DROP TABLE message_recipients", "CREATE TABLE message_recipients (message_id, user_id)"
    ),
    "forwards without end": lambda bag: in_database(
        bag,
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO messages "
        "SELECT 9000 + i, NULL, 7, '', '', 0, NULL, '', '{}' FROM n",
        "INSERT INTO forwarded_messages SELECT a.id, b.id, b.id FROM messages a, messages b "
        "WHERE a.id > 9000 AND b.id > a.id",
        "INSERT INTO forwarded_messages VALUES (1001, 9001, 0)",
    ),
    "a page of another name": lambda bag: (bag / "data" / "html" / "threads" / "x.html").write_bytes(b""),
    "another file among the mails": lambda bag: (bag / "data" / "eml" / "x.pdf").write_bytes(b""),
    "deep json": change("conversations.jsonl", b"[" * 100_000),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_cannot_be_read_is_named_and_ends(bag: Path, verify: Verify, how: str) -> None:
    HOSTILE[how](bag)
    code, bad, _ = verify(remade(bag))
    assert code == 8
    assert any("cannot be read" in item for item in bad["formats"]), bad


def test_a_zip_that_unpacks_to_more_is_not_unpacked(bag: Path, verify: Verify) -> None:
    path = bag / "data" / "rsmf" / "64" / "conversation-100.rsmf"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("rsmf_manifest.json", b" " * 10_000_000)
    head, _, rest = path.read_bytes().partition(b'filename="rsmf.zip"\r\n\r\n')
    tail = rest.partition(b"\r\n--=_")[2]
    packed = base64.encodebytes(made.getvalue())
    path.write_bytes(head + b'filename="rsmf.zip"\r\n\r\n' + packed + b"\r\n--=_" + tail)
    assert "packed, as this program does not write them" in verify(remade(bag))[1]["formats"][0]


def test_without_pyarrow_parquet_is_not_looked_into_and_that_is_said(
    bag: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, detail = verify(bag)
    assert code == 0
    assert detail.startswith("jsonl, csv, mbox, eml, html, rsmf, sqlite say the same of 8 messages")
    assert detail.endswith("Not looked into: parquet (pyarrow is not installed).")
