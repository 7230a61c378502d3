"""Redaction: nobody but the custodian can be found in what leaves, in any format."""

from __future__ import annotations

import base64
import csv
import io
import json
import quopri
import re
from pathlib import Path

import duckdb
import pytest

from canvas_archive.cli import run
from canvas_archive.errors import BadInput
from canvas_archive.export.formats import FORMATS
from canvas_archive.export.pseudonyms import load_key
from canvas_archive.export.records import PersonRecord
from canvas_archive.export.redact import ADDRESS, SOMEONE, Redactor
from tests.export_support import OWNER, ArchiveBuilder, tree

KEY = bytes(range(32))
PEOPLE = (
    PersonRecord(OWNER, "Olivia Owner", "Olivia Owner"),
    PersonRecord(11, "Zoë Kowalska", "Zoë Maria Kowalska"),
    PersonRecord(12, "Mark Freeman", "Mark Freeman"),
    PersonRecord(13, "Zoe Petrov", "Zoe Petrov"),
    PersonRecord(14, "王小明", "王小明"),
    PersonRecord(15, "Anna-Lena O’Brien", "Anna-Lena O’Brien"),
)


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(KEY, OWNER, PEOPLE)


def test_pseudonyms_are_stable_and_apart(redactor: Redactor) -> None:
    again = Redactor(KEY, OWNER, PEOPLE)
    assert [redactor.name(n) for n in range(11, 16)] == [again.name(n) for n in range(11, 16)]
    assert len({redactor.id(n) for n in range(10_000)}) == 10_000
    assert all(0 < redactor.id(n) < 2**53 for n in range(11, 16))
    assert redactor.name(11) != Redactor(bytes(32), OWNER, PEOPLE).name(11)
    assert redactor.person(PEOPLE[0]) == PEOPLE[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dear Zoë Maria Kowalska,", "Dear {11},"),
        ("zoë kowalska and ZOE KOWALSKA", "{11} and {11}"),
        ("Kowalska, Zoë", "{11}"),
        ("Ms Kowalska's essay", "Ms {11}'s essay"),
        ("Zoe_Kowalska_essay.pdf", "{11}_essay.pdf"),
        ("zoekowalska.pdf", "{11}.pdf"),
        ("Hi zoe!", "Hi " + SOMEONE + "!"),
        ("Mark said: mark the date", "{12} said: mark the date"),
        ("mark freeman", "{12}"),
        ("Olivia Owner and Olivia", "Olivia Owner and Olivia"),
        ("我认识王小明吗", "我认识{14}吗"),
        ("Anna-Lena O’Brien; Anna Lena", "{15}; {15}"),
        ("write to zoe.k@mail.example.org", f"write to {ADDRESS}"),
        ("https://x.example/users/11/files", "https://x.example/users/{#11}/files"),
        ("nothing to see", "nothing to see"),
        ("", ""),
    ],
)
def test_names_in_text(redactor: Redactor, text: str, expected: str) -> None:
    for number in (11, 12, 13, 14, 15):
        expected = expected.replace(f"{{{number}}}", redactor.name(number))
        expected = expected.replace(f"{{#{number}}}", str(redactor.id(number)))
    assert redactor.text(text) == expected
    assert redactor.text(None) is None


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "redaction.key"
    key = load_key(path)
    assert load_key(path) == key and len(key) == 32
    assert (tmp_path / "redaction.key").stat().st_mode & 0o777 == 0o600
    for broken in ("", "zz", "00"):
        path.write_text(broken)
        with pytest.raises(BadInput, match="is no key"):
            load_key(path)
    with pytest.raises(BadInput, match="cannot be written"):
        load_key(tmp_path / "none" / "key")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    with ArchiveBuilder(folder) as make:
        make.person(987001, "Zoë Kowalska", "Zoë Maria Kowalska")
        make.person(987002, "Quentin Vandersloot")
        make.db.execute("UPDATE users SET pronouns = 'xe/xem', avatar_url = '/987001.png' WHERE id > 7")
        make.course(5, "Tutorial with Vandersloot")
        make.conversation(
            1, "Kowalska's essay", people=(OWNER, 987001, 987002), course=5, private=False, count=2,
            authored="2026-01-01T00:00:00Z",
        )  # fmt: skip
        make.db.execute(
            "UPDATE conversations SET audience = '[987001, 987002]', extra = '{\"note\": \"Kowalska\"}'"
        )
        make.message(1, 1, 987001, "I am Zoë, q.vandersloot@x.example knows.", to=(OWNER, 987001, 987002))
        make.message(2, 1, OWNER, "Thanks Quentin Vandersloot", to=(OWNER, 987001, 987002))
        make.attachment(9, 1, "kowalska_final.pdf", b"%PDF Kowalska wrote this")
        make.message(3, None, 987002, "forwarded by Kowalska", to=(987001,))
        make.forward(2, 3)
        make.db.execute(
            "INSERT INTO problems (kind, item_id, error, attempts, first_at, last_at) "
            "VALUES ('conversation', '5', 'Quentin Vandersloot left', 1, '2026', '2026')"
        )
        make.sync_run()
    return folder


LEAKS = (
    b"kowalska",
    b"vandersloot",
    b"quentin",
    "zoë".encode(),
    b"987001",
    b"987002",
    b"xe/xem",
    b"x.example",
    b"s3cr3t",
)


@pytest.mark.thorough
@pytest.mark.parametrize("bag", [False, True])
def test_no_format_names_anybody_else(archive: Path, tmp_path: Path, bag: bool) -> None:

    wanted = [argument for name in FORMATS for argument in ("--format", name)]
    out = tmp_path / "out"
    more = ["--bag"] if bag else []
    arguments = [
        "-q",
        "--archive",
        str(archive),
        "export",
        "--allow-incomplete",
        str(out),
        "--redact",
        "--with",
        "Kowalska",
    ]
    assert run([*arguments, *wanted, *more]) == 0
    content = tree(out)
    for table in ("messages", "conversations", "attachments", "people"):
        found = f"{out}/{'data/' if bag else ''}parquet/{table}/**/*.parquet"
        with duckdb.connect() as db:
            content[table] = repr(db.execute("SELECT * FROM read_parquet(?)", [found]).fetchall()).encode()
    names = "\n".join(content).encode()
    for name, data in [*content.items(), ("the file names", names)]:
        decoded = data + quopri.decodestring(data)
        decoded += b"".join(
            base64.b64decode(block + b"=" * (-len(block) % 4))
            for block in re.findall(rb"[A-Za-z0-9+/]{24,}", data.replace(b"\r\n", b"").replace(b"\n", b""))
            if len(block) % 4 != 1
        )
        for leak in LEAKS:
            assert leak not in decoded.lower(), (name, leak)
    assert any(b"Olivia Owner" in data for data in content.values())


def test_the_key_table_is_written_only_on_request(archive: Path, tmp_path: Path) -> None:
    base = ["-q", "--archive", str(archive), "export", "--allow-incomplete", "--redact", "--format", "jsonl"]
    assert run([*base, str(tmp_path / "one")]) == 0
    assert run([*base, str(tmp_path / "two"), "--redact-names", str(tmp_path / "key.csv")]) == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert (tmp_path / "key.csv").stat().st_mode & 0o777 == 0o600
    table = {
        row["user_id"]: row for row in csv.DictReader(io.StringIO((tmp_path / "key.csv").read_text("utf-8")))
    }
    assert set(table) == {"987001", "987002"}
    line = json.loads((tmp_path / "one" / "conversations.jsonl").read_text("utf-8").splitlines()[0])
    assert [person["name"] for person in line["participants"][1:]] == [
        table["987001"]["pseudonym"], table["987002"]["pseudonym"],
    ]  # fmt: skip
    assert run([*base, str(tmp_path / "three"), "--redact-names", str(tmp_path / "key.csv")]) == 2
    assert run([*base, str(tmp_path / "three"), "--redact-names", str(tmp_path / "three" / "key.csv")]) == 2
    assert not (tmp_path / "three").exists()


def test_bytes_of_attachments_need_to_be_asked_for(archive: Path, tmp_path: Path) -> None:
    base = ["-q", "--archive", str(archive), "export", "--allow-incomplete", "--redact", "--format", "jsonl"]
    assert run([*base, str(tmp_path / "one")]) == 0
    assert not (tmp_path / "one" / "attachments").exists()
    assert run([*base, str(tmp_path / "two"), "--redact-attachments", "unchanged"]) == 0
    assert (tmp_path / "two" / "attachments").exists()
    assert run([*base, str(tmp_path / "three"), "--with-attachments"]) == 2
    assert not (tmp_path / "three").exists()
