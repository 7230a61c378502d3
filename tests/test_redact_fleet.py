"""Ten custodians' redacted exports, joined by everything in them, name nobody."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner

from canvas_archive.cli.main import cli
from canvas_archive.clock import iso
from canvas_archive.export.formats import FORMATS
from canvas_archive.store import Archive, transaction
from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet
from tests.export_support import tree
from tests.web_support import NOW, OWNER, Maker

NAMES = (
    "Renée Quizzlewort", "Bjørn Vandersloot", "Łukasz Brânzaru", "Jørgen Quackenbush", "Zoë Wierzbicka",
    "Håkon Featherstone", "Đorđe Xanthopoulos", "Priya Ramanujan", "Seán MacGillicuddy", "Yusuf Büyükçelik",
)  # fmt: skip
MEMBERS = {510_010 + number: name for number, name in enumerate(NAMES)}
PLAIN = (
    "quizzlewort", "vandersloot", "branzaru", "quackenbush", "wierzbicka", "featherstone", "xanthopoulos",
    "ramanujan", "macgillicuddy", "buyukcelik",
)  # fmt: skip


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ten") / "matter"
    record = Fleet(root)
    record.open_at("https://school.example")
    for custodian, name in MEMBERS.items():
        with Archive.create(
            root / str(custodian), base_url="https://school.example", user_id=9000, name=name,
            as_user_id=custodian,
        ) as archive, transaction(archive.db):  # fmt: skip
            make = Maker(archive.db, archive.folder)
            make.person(OWNER, "Somebody Unnamed")
            for number, other in MEMBERS.items():
                make.person(number, other)
            # The same message in ten mailboxes: what joins them is its id, its time and its text.
            words = [
                (number, NOW, f"From {other}: ask {plain}, see /users/{number} and r_{plain}.pdf")
                for (number, other), plain in zip(MEMBERS.items(), PLAIN, strict=True)
            ]
            make.conversation(700_001, f"For {NAMES[0]}", list(MEMBERS), words)
        record.record(CustodianOutcome(custodian, str(custodian), name, "ok", succeeded_at=iso(NOW)))
    return root


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file and its bytes, and what is inside those that hold others; names of files, too."""
    for name, data in tree(folder).items():
        yield name, name.encode() + b"\n" + data
        if name.endswith(".eml"):
            mail = message_from_bytes(data, policy=default)
            yield f"{name}!headers", "\n".join(map(str, mail.values())).encode()
            for part in mail.walk():
                yield f"{name}!part", part.get_payload(decode=True) or b""
        for block in re.findall(rb"(?:[A-Za-z0-9+/=]{40,76}\r?\n)+[A-Za-z0-9+/=]*", data):
            if b"UEsDB" in block[:8]:
                with zipfile.ZipFile(BytesIO(base64.b64decode(block + b"====", validate=False))) as inner:
                    for entry in inner.namelist():
                        yield f"{name}!{entry}", inner.read(entry)


def test_a_fleet_of_ten_names_nobody(fleet: Path, tmp_path: Path) -> None:
    out, key = tmp_path / "out", tmp_path / "matter.key"
    formats = [word for name in FORMATS for word in ("-f", name)]
    words = [
        "fleet",
        "export",
        str(out),
        "--root",
        str(fleet),
        *formats,
        "--bag",
        "--redact",
        "--allow-incomplete",
    ]
    result = CliRunner().invoke(cli, [*words, "--redact-key", str(key)])
    assert result.exit_code == 0, result.output
    assert key.stat().st_mode & 0o777 == 0o600
    assert any("!rsmf_manifest.json" in name for name, _ in contents(out))
    for name, data in contents(out):
        lowered = re.sub(rb"\b[0-9a-f]{64,128}\b", b"", data.lower())  # a hash holds any digits
        for leak in (*PLAIN, *MEMBERS, *NAMES, "700001"):
            assert str(leak).lower().encode() not in lowered, (name, leak)
    exports = sorted(out.glob("*/data/conversations.jsonl"))
    assert len(exports) == 10
    threads = [json.loads(path.read_text("utf-8").splitlines()[0]) for path in exports]
    columns: dict[str, set[str]] = {}
    for thread in threads:
        for row in (thread, *thread["messages"]):
            for column, value in row.items():
                columns.setdefault(column, set()).add(json.dumps(value, ensure_ascii=False).lower())
    assert {"id", "author_id", "recipient_ids", "body"} <= columns.keys()
    for column, values in columns.items():
        for leak in (*PLAIN, *MEMBERS, *NAMES):
            assert not any(str(leak).lower() in value for value in values), (column, leak)
    # One key: the messages are the same in all ten, and so are their authors.
    assert len({json.dumps([thread["id"], thread["messages"]]) for thread in threads}) == 1
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE joined (person INTEGER, name TEXT)")
        db.executemany(
            "INSERT INTO joined VALUES (?, ?)",
            [(m["author_id"], m["author"]) for thread in threads for m in thread["messages"]],
        )
        names = db.execute("SELECT DISTINCT person, name FROM joined").fetchall()
    assert len(names) == 10 and all(name.startswith("Person ") for _, name in names)
    assert not {person for person, _ in names} & set(MEMBERS)


def test_without_a_key_no_two_runs_can_be_joined(fleet: Path, tmp_path: Path) -> None:
    seen = set()
    for run in ("one", "two"):
        words = ["fleet", "export", str(tmp_path / run), "--root", str(fleet), "-f", "jsonl", "--redact"]
        words.append("--allow-incomplete")
        assert CliRunner().invoke(cli, words).exit_code == 0
        path = next((tmp_path / run).glob("*/conversations.jsonl"))
        seen.add(json.loads(path.read_text("utf-8").splitlines()[0])["id"])
    assert len(seen) == 2
