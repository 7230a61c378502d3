"""Hostile texts through every export: files stay inside, nothing is run, opened, sent or calculated."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import mailbox
import os
import re
import sqlite3
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import bagit
import pytest

from canvas_archive.export.formats import FORMATS
from canvas_archive.export.mime import display_name, header, parameter
from canvas_archive.export.names import content_type, inert_name, safe_name
from canvas_archive.store.cells import cell, visible
from canvas_archive.store.config import Config, read_config, write_config
from canvas_archive.web.files import disposition
from tests.hostile_support import (
    FIRST_MESSAGE,
    FIRST_THREAD,
    OWNER_NAME,
    Hostile,
    hostile_archive,
    on_terminal,
)
from tests.hostile_texts import ALL, CONFIGURATIONS, HEADERS, MARKUP, OUTSIDE, OWNED, PATHS, QUERIES
from tests.markup_support import assert_own_markup

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]
MESSAGES = 3 * len(ALL)
TEXT_OF = {FIRST_MESSAGE + 3 * number: text for number, text in enumerate(ALL)}
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE
)
_FORBIDDEN = re.compile(
    '[\x00-\x1f\x7f-\x9f/\\\\:*?"<>|\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\u2028\u2029\ufeff]'
)
_FORMULA = tuple("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with hostile_archive(tmp_path_factory.mktemp("content") / "archive") as made:
        yield made


@pytest.fixture(scope="module")
def exported(hostile: Hostile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything in every format, in a bag, beside which nothing else may appear."""
    place = tmp_path_factory.mktemp("exported")
    wanted = [word for name in FORMATS for word in ("-f", name)]
    shown = on_terminal("--archive", hostile.folder, "export", place / "out", *wanted, "--bag")
    assert shown.code == 0, shown.text
    assert os.listdir(place) == ["out"]
    return place / "out"


def stored(folder: Path) -> set[str]:
    """Return the hashes of all files an archive holds."""
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        statement = "SELECT sha256 FROM {} WHERE state = 'stored'"
        return {
            row[0] for name in ("attachments", "media_comments") for row in db.execute(statement.format(name))
        }


def assert_harmless_name(name: str) -> None:
    """One component of a path that every system takes for what it is."""
    assert name not in ("", ".", "..") and not _FORBIDDEN.search(name), name
    assert not name.endswith((".", " ")) and not _DEVICE.fullmatch(name), name
    assert len(name.encode()) <= 255 and not name.startswith("."), name


# -- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ALL)
def test_any_text_makes_a_harmless_file_name(text: str) -> None:
    for name in (safe_name(text), inert_name(text), safe_name(f"1-{text}"), safe_name(text * 3)):
        assert_harmless_name(name)
        assert len(name.encode()) <= 110
        assert (Path("/export") / name).parent == Path("/export")


@pytest.mark.parametrize("text", ALL)
def test_any_text_is_a_download_s_name_and_nothing_else(text: str) -> None:
    value = disposition(text)
    assert value.isascii() and value.isprintable()
    assert re.fullmatch(
        r"attachment; filename=\"[A-Za-z0-9 ._()+-]+\"; filename\*=UTF-8''[\w.~%-]+", value
    ), value
    parsed = email.message_from_string(f"Content-Disposition: {value}\n\n", policy=email.policy.default)
    assert isinstance(parsed, EmailMessage) and len(parsed) == 1
    assert "/" not in (parsed.get_filename() or "x/") and "\\" not in (parsed.get_filename() or "")


@pytest.mark.thorough
def test_paths_of_an_export_stay_inside_and_collide_nowhere(hostile: Hostile, exported: Path) -> None:
    seen: set[str] = set()
    for folder, folders, files in os.walk(exported):
        for name in (*folders, *files):
            path = Path(folder) / name
            assert not path.is_symlink()
            for part in path.relative_to(exported).parts:
                assert_harmless_name(part)
            folded = unicodedata.normalize("NFC", str(path)).casefold()
            assert folded not in seen, path
            seen.add(folded)
    copies = [path for path in (exported / "data" / "attachments").rglob("*") if path.is_file()]
    assert len(copies) == len(stored(hostile.folder)) > 2 * len(ALL) - 5
    assert not any(path.suffix.lower() in (".html", ".htm", ".svg", ".hta") for path in copies)
    bagit.Bag(str(exported)).validate(processes=1)


@pytest.mark.thorough
def test_a_bag_s_information_has_no_line_that_somebody_else_wrote(exported: Path) -> None:
    for line in (exported / "bag-info.txt").read_text("utf-8").splitlines():
        assert re.match(r"[A-Z][A-Za-z-]+: |[ \t]", line), line
        assert not line.startswith(("Bcc", "FORGED"))
    assert "Bcc" not in bagit.Bag(str(exported)).info


# -- tables and data ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_json_lines_hold_the_texts_letter_for_letter(exported: Path) -> None:
    lines = (exported / "data" / "conversations.jsonl").read_bytes().split(b"\n")
    told = [json.loads(line) for line in lines if line]
    bodies = {m["id"]: m["body"] for line in told if line["type"] == "conversation" for m in line["messages"]}
    assert {number: bodies[number] for number in TEXT_OF} == TEXT_OF
    with closing(sqlite3.connect(exported / "data" / "mailbox.db")) as db:
        bodies = dict(db.execute("SELECT id, body FROM messages"))
    assert {number: bodies[number] for number in TEXT_OF} == TEXT_OF


@pytest.mark.thorough
def test_no_cell_of_a_table_is_a_formula(hostile: Hostile, exported: Path) -> None:
    for name in ("messages.csv", "gaps.csv"):
        with (exported / "data" / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert {len(row) for row in rows} == {len(rows[0])}
        for row in rows:
            for value in row:
                assert not value.startswith(_FORMULA) and not value.lstrip().startswith(_FORMULA), value
                assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", value)
        if name == "messages.csv":
            assert len(rows) == 1 + MESSAGES
            column = rows[0].index("body")
            by_id = {int(row[0]): row[column] for row in rows[1:]}
            for number, text in TEXT_OF.items():
                assert by_id[number].removeprefix("'") == visible(text).removeprefix("'")
    shown = on_terminal("--archive", hostile.folder, "sql", "--csv", "SELECT name FROM users")
    assert shown.code == 0


@pytest.mark.parametrize("text", ALL)
def test_a_cell_begins_with_no_formula(text: str) -> None:
    assert not cell(text).lstrip().startswith(_FORMULA)


@pytest.mark.thorough
def test_parquet_and_sqlite_hold_the_texts_letter_for_letter(exported: Path) -> None:
    import duckdb

    pattern = str(exported / "data" / "parquet" / "messages" / "**" / "*.parquet")
    rows = duckdb.execute(
        "SELECT message_id, body FROM read_parquet(?, hive_partitioning = false)", [pattern]
    ).fetchall()
    bodies = dict(rows)
    assert {number: bodies[number] for number in TEXT_OF} == TEXT_OF


# -- mail -----------------------------------------------------------------------------------------------

_HEADERS = frozenset(
    [
        "message-id",
        "date",
        "from",
        "to",
        "subject",
        "in-reply-to",
        "references",
        "mime-version",
        "content-type",
        "content-disposition",
        "content-transfer-encoding",
        "status",
        "x-status",
        "x-canvas-conversation-id",
        "x-canvas-message-id",
        "x-canvas-context",
        "x-canvas-context-name",
        "x-canvas-state",
        "x-canvas-folders",
        "x-canvas-starred",
        "x-canvas-private",
        "x-canvas-generated",
        "x-canvas-removed-at",
        "x-canvas-missing-attachment",
        "x-canvas-unreadable-date",
        "x-rsmf-version",
        "x-rsmf-generator",
        "x-rsmf-begindate",
        "x-rsmf-enddate",
        "x-rsmf-eventcount",
        "x-rsmf-participants",
        "x-rsmf-attachmentcount",
        "x-rsmf-eventcollectionid",
        "x-rsmf-custodian",
        "x-rsmf-application",
    ]
)


def assert_own_mail(raw: bytes) -> EmailMessage:
    """Parse a message as a mail program does: our headers alone, our addresses alone, no defects."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    head = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    for part in message.walk():
        assert not part.defects, part.defects
        assert {name.lower() for name in part.keys()} <= _HEADERS, part.items()  # noqa: SIM118 (no dict)
        if (name := part.get_filename()) is not None:
            assert_harmless_name(name)
    for line in head.split(b"\n"):
        assert len(line) < 999 and line.isascii()
    for name in ("from", "to"):
        for address in message[name].addresses if message[name] else ():
            assert address.domain.endswith(".invalid") and address.username.startswith("user."), address
    return message


@pytest.mark.thorough
def test_no_text_becomes_a_header_or_a_message_of_its_own(exported: Path) -> None:
    files = sorted((exported / "data" / "eml").rglob("*.eml"))
    assert len(files) == MESSAGES
    bodies: dict[int, str] = {}
    alone: set[bytes] = set()
    for path in files:
        raw = path.read_bytes()
        message = assert_own_mail(raw)
        part = message.get_body(("plain",))
        assert part is not None
        bodies[int(message["x-canvas-message-id"])] = part.get_content()
        alone.add(raw.replace(b"\r\n", b"\n").rstrip(b"\n"))
    for number, text in TEXT_OF.items():
        wanted = text.replace("\r\n", "\n")
        assert bodies[number].replace("\r\n", "\n").rstrip("\n") == wanted.rstrip("\n"), text
    assert in_the_mbox(exported / "data" / "messages.mbox") == alone


def in_the_mbox(path: Path) -> set[bytes]:
    """Return the messages a mail program finds in it, without the lines that only a mailbox has."""
    box = mailbox.mbox(str(path), create=False)
    try:
        assert len(box) == MESSAGES
        found = set()
        for key in box.iterkeys():
            head, between, body = box.get_bytes(key).partition(b"\n\n")
            head = re.sub(rb"^(?:Status: R?O|X-Status: F)(?:\n|\Z)", b"", head, flags=re.M)
            found.add((head.rstrip(b"\n") + between + body).rstrip(b"\n"))
        return found
    finally:
        box.close()


@pytest.mark.parametrize("text", [*HEADERS, OWNER_NAME])
def test_a_header_stays_one_header(text: str) -> None:
    for made in (
        header("Subject", text),
        f"From: {display_name(text)} <user.1@a.invalid>\n",
        f"Content-Type: text/plain{parameter('name', safe_name(text))}\n",
    ):
        assert made.isascii() and made.endswith("\n")
        parsed = email.message_from_string(f"{made}\nbody", policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        assert len(parsed) == 1 and parsed.get_payload() == "body", made
    assert content_type(text) in ("application/octet-stream",)


@pytest.mark.thorough
def test_review_platforms_get_safe_names_and_valid_json(exported: Path) -> None:
    files = sorted((exported / "data" / "rsmf").rglob("*.rsmf"))
    assert len(files) == len(ALL)
    for path in files:
        message = assert_own_mail(path.read_bytes())
        attached = [part for part in message.iter_attachments() if part.get_filename() == "rsmf.zip"]
        with zipfile.ZipFile(io.BytesIO(attached[0].get_payload(decode=True))) as zipped:  # type: ignore[arg-type]
            names = zipped.namelist()
            assert len({name.casefold() for name in names}) == len(names)
            for name in names:
                assert_harmless_name(name)
            manifest = json.loads(zipped.read("rsmf_manifest.json"))
            for event in manifest["events"]:
                for file in event.get("attachments", ()):
                    assert file["id"] in names
                    assert_harmless_name(file["display"])


# -- the static site ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_the_site_holds_no_markup_but_its_own(exported: Path) -> None:
    pages = sorted((exported / "data" / "html").rglob("*.html"))
    assert len(pages) > 2 * len(ALL)
    for path in pages:
        assert_own_markup(path.read_text("utf-8"))
    for path in (exported / "data" / "html" / "search").glob("*.js"):
        text = path.read_text("ascii")
        assert text.startswith("canvasArchive.put(") and "</script" not in text and "<!--" not in text
        json.loads("[" + text.removeprefix("canvasArchive.put(").removesuffix(");\n") + "]")


@pytest.mark.thorough
@pytest.mark.browser
def test_a_browser_runs_and_fetches_nothing_of_theirs(exported: Path, chromium: Any) -> None:
    site = exported / "data" / "html"
    wanted = [ALL.index(text) for text in MARKUP]
    paths = [
        "index.html",
        "people.html",
        "search.html?q=onerror",
        "search.html?q=<img src=x onerror=alert(1)>",
    ]
    for number in wanted:
        thread, person = FIRST_THREAD + number, 1000 + number
        paths += [f"threads/{thread % 256:02x}/{thread}.html", f"people/{person % 256:02x}/{person}.html"]
    complaints: list[str] = []
    with closing(chromium.new_context()) as context:
        page = context.new_page()
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss())[1])
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((site.as_uri(), "data:")) else complaints.append(request.url)
            ),
        )
        for path in paths:
            page.goto(f"{site.as_uri()}/{path}")
            assert page.evaluate(f"window.{OWNED}") is None, path
        page.goto(f"{site.as_uri()}/search.html?q=onerror")
        page.wait_for_selector("#results li")
        assert page.evaluate(f"window.{OWNED}") is None
    assert complaints == []


# -- configuration, queries, backups --------------------------------------------------------------------


@pytest.mark.parametrize("text", [*CONFIGURATIONS, *HEADERS, *PATHS[:12]])
def test_an_option_cannot_become_another(text: str, tmp_path: Path) -> None:
    config = Config(base_url="https://a.example", token_command=text, allowed_hosts=(text, "b.example"))
    write_config(tmp_path / "config.toml", config)
    assert read_config(tmp_path / "config.toml") == config


@pytest.mark.thorough
def test_every_text_can_be_searched_for_and_saved(hostile: Hostile) -> None:
    for number, text in enumerate((*QUERIES, *ALL[::6])):
        shown = on_terminal(
            "--archive", hostile.folder, "search", "--save", f"saved {number}", "--", text, "-q"
        )
        assert shown.code in (0, 2), (text, shown.text)
    shown = on_terminal("--archive", hostile.folder, "search", "--list-saved", "--json")
    saved = json.loads(shown.text)["saved_searches"]
    assert len(saved) > 20
    for one in saved:
        again = on_terminal("--archive", hostile.folder, "search", "--saved", one["name"], "-q")
        assert again.code == 0, (one, again.text)


@pytest.mark.thorough
def test_the_archive_and_its_backup_name_files_by_their_hash_alone(hostile: Hostile, tmp_path: Path) -> None:
    shown = on_terminal("--archive", hostile.folder, "backup", tmp_path / "copy")
    assert shown.code == 0, shown.text
    for root in (hostile.folder, tmp_path / "copy"):
        names = [
            path.relative_to(root / "files").as_posix()
            for path in (root / "files").rglob("*")
            if path.is_file() and path.suffix != ".part"
        ]
        assert {name[3:] for name in names} == stored(hostile.folder)
        assert all(re.fullmatch(r"([0-9a-f]{2})/\1[0-9a-f]{62}", name) for name in names)
    assert os.listdir(tmp_path) == ["copy"]
    shown = on_terminal("--archive", hostile.folder, "verify")
    assert shown.code == 0, shown.text


@pytest.mark.thorough
def test_a_redacted_export_of_them_is_made_too(hostile: Hostile, tmp_path: Path) -> None:
    wanted = [word for name in FORMATS for word in ("-f", name)]
    shown = on_terminal("--archive", hostile.folder, "export", tmp_path / "out", *wanted, "--redact", "--bag")
    assert shown.code == 0, shown.text
    bagit.Bag(str(tmp_path / "out")).validate(processes=1)
    assert on_terminal("verify", tmp_path / "out").code == 0
    for path in (tmp_path / "out" / "data" / "html").rglob("*.html"):
        assert_own_markup(path.read_text("utf-8"))


@pytest.mark.thorough
def test_the_canaries_are_in_the_mailbox(hostile: Hostile) -> None:
    shown = on_terminal(
        "--archive",
        hostile.folder,
        "sql",
        "--json",
        f"SELECT count(*) AS n FROM messages WHERE body LIKE '%{OWNED}%'",
    )
    assert json.loads(shown.text)[0]["n"] > 2 * 40
    assert any(OUTSIDE in text for text in MARKUP)
