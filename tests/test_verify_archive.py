"""verify: one altered byte anywhere, in any kind of artefact, ends with exit code 8."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.cli import run
from canvas_archive.clock import SYSTEM
from canvas_archive.export.checks import Check
from canvas_archive.export.rehash import BlobReport, check_blobs, state_path
from canvas_archive.export.verify import verify_archive
from canvas_archive.store import Archive, Ingest, connect_readonly, transaction
from canvas_archive.store.chain import extend_chain
from canvas_archive.store.receipts import Receipt, read_receipts
from tests.export_support import ArchiveBuilder, small_archive
from tests.store_support import conversation, message

pytestmark = pytest.mark.sampled


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("verify") / "archive")


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "archive"))


class Outcome:
    """What `verify --json` said."""

    def __init__(self, code: int, document: dict[str, Any]) -> None:
        self.code = code
        self.ok: bool = document["ok"]
        self.bad = {check["name"]: check["items"] for check in document["checks"] if not check["ok"]}
        self.names = [check["name"] for check in document["checks"]]
        self.details = {check["name"]: check["detail"] for check in document["checks"]}


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run(["verify", "--json", *map(str, arguments)])
        return Outcome(code, json.loads(capsys.readouterr().out))

    return call


def flip(path: Path, where: int | bytes | None = None, bit: int = 1) -> None:
    """Change one byte of a file: in the middle, at an offset, or at a piece of text."""
    data = bytearray(path.read_bytes())
    if isinstance(where, bytes):
        where = data.rindex(where)
    data[len(data) // 2 if where is None else where] ^= bit
    path.write_bytes(data)


def settle(archive: Path) -> Path:
    """Bring everything from the write-ahead log into the database file."""
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return archive / "archive.db"


def change(archive: Path, *statements: str) -> None:
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_a_sound_archive_passes(archive: Path, verify: Callable[..., Outcome]) -> None:
    outcome = verify("--archive", archive)
    assert (outcome.code, outcome.ok, outcome.bad) == (0, True, {})
    for name in (
        "database",
        "schema",
        "completeness",
        "chain",
        "contents",
        "attachments",
        "index",
        "permissions",
    ):
        assert name in outcome.names


def test_a_flipped_byte_in_a_page_header(archive: Path, verify: Callable[..., Outcome]) -> None:
    flip(settle(archive), 4096 * 6, bit=0xFF)
    outcome = verify("--archive", archive)
    assert outcome.code == 8


def test_a_flipped_byte_in_the_text_of_a_message(archive: Path, verify: Callable[..., Outcome]) -> None:
    flip(settle(archive), b"remember the milk")
    outcome = verify("--archive", archive)
    assert outcome.code == 8
    assert outcome.bad == {"contents": ["messages 1040: not what the receipts say: body"]}


def test_a_byte_that_makes_a_text_no_text(archive: Path, verify: Callable[..., Outcome]) -> None:
    flip(settle(archive), b"remember the milk", bit=0x80)
    outcome = verify("--archive", archive)
    assert outcome.code == 8
    assert outcome.bad == {"contents": ["messages 1040: not what the receipts say: body"]}


def test_a_sync_that_ends_meanwhile_is_no_tampering(
    archive: Path, verify: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_a_sync(db: sqlite3.Connection) -> Iterator[Receipt]:
        with Archive.open(archive, write=True) as opened, transaction(opened.db):
            Ingest(opened.db, SYSTEM).save_conversation(conversation(104, message(1041)), complete=False)
            assert extend_chain(opened.db) > 0
        return read_receipts(db)

    monkeypatch.setattr("canvas_archive.derive.compare.read_receipts", after_a_sync)
    outcome = verify("--archive", archive)
    assert (outcome.code, outcome.bad) == (0, {})


def confused(db: sqlite3.Connection) -> Check:
    raise TypeError("what a damaged database said")


def test_what_damage_does_to_other_checks_is_not_told(
    archive: Path, verify: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canvas_archive.export.verify.check_completeness", confused)
    with closing(sqlite3.connect(settle(archive))) as db:
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages_author'").fetchone()[0]
    flip(archive / "archive.db", (page - 1) * 4096, bit=0xFF)
    outcome = verify("--archive", archive)
    assert (outcome.code, outcome.names) == (8, ["database"])


def test_a_fault_of_this_program_is_not_hidden(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canvas_archive.export.verify.check_completeness", confused)
    assert run(["-q", "--archive", str(archive), "verify"]) == 1


def test_ctrl_c_ends_the_check_that_runs_beside(archive: Path) -> None:
    def stop(name: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = threading.enumerate()
    with pytest.raises(KeyboardInterrupt):
        list(verify_archive(archive, progress=stop))
    assert set(threading.enumerate()) <= set(before)


def test_a_flipped_byte_in_an_attachment(archive: Path, verify: Callable[..., Outcome]) -> None:
    flip(sorted((archive / "files").glob("*/*"))[0])
    outcome = verify("--archive", archive)
    assert outcome.code == 8
    assert "was altered" in outcome.bad["attachments"][0]
    assert verify("--archive", archive, "--no-files").code == 0


def test_a_missing_and_an_unknown_file(archive: Path, verify: Callable[..., Outcome]) -> None:
    blob = sorted((archive / "files").glob("*/*"))[0]
    os.replace(blob, blob.with_name("f" * 64))
    outcome = verify("--archive", archive)
    assert outcome.code == 8
    assert "is missing" in outcome.bad["attachments"][0]
    assert "f" * 64 in outcome.bad["unknown files"][0]


@pytest.mark.parametrize(("status", "known"), [("running", True), ("interrupted", True), ("ok", False)])
def test_a_file_of_a_sync_that_was_killed_waits_for_the_next(
    archive: Path, verify: Callable[..., Outcome], status: str, known: bool
) -> None:
    (archive / "files" / "ff").mkdir(mode=0o700, exist_ok=True)
    (archive / "files" / "ff" / ("f" * 64)).touch(mode=0o600)
    change(
        archive,
        f"INSERT INTO sync_runs (mode, started_at, status) VALUES ('full', '2026-03-09', '{status}')",
    )
    assert ("unknown files" not in verify("--archive", archive).bad) is known


def test_a_shortened_attachment_with_a_forged_size(archive: Path, verify: Callable[..., Outcome]) -> None:
    change(archive, "UPDATE attachments SET stored_size = 1 WHERE id = 500")
    outcome = verify("--archive", archive)
    assert "recorded are 1" in outcome.bad["attachments"][0]


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("DROP TRIGGER revisions_fixed", "schema"),
        ("CREATE TRIGGER mine AFTER INSERT ON messages BEGIN SELECT 1; END", "schema"),
        ("DROP VIEW inbox", "schema"),
        ("ALTER TABLE messages ADD COLUMN more TEXT", "schema"),
        ("UPDATE conversations SET message_count = 9 WHERE id = 100", "contents"),
        ("UPDATE conversations SET fetched_at = NULL WHERE id = 100", "completeness"),
        ("INSERT INTO message_recipients VALUES (1000, 999)", "foreign keys"),
        ("UPDATE sync_runs SET requests = 3", "chain"),
        ("UPDATE account SET base_url = 'https://elsewhere.example'", "account"),
        (
            "INSERT INTO edits (conversation_id, field, base_value, value, made_at) "
            "VALUES (100, 'starred', '1', '0', '2026-01-01T00:00:00Z')",
            "edits",
        ),
        ("INSERT INTO sync_runs (id, mode, started_at) VALUES (0, 'full', '2026-01-01T00:00:00Z')", "states"),
        ("INSERT INTO sync_runs (mode, started_at, status) VALUES ('full', '', 'ok')", "states"),
    ],
)
def test_what_does_not_fit_is_named(
    archive: Path, verify: Callable[..., Outcome], statement: str, check: str
) -> None:
    change(archive, statement)
    outcome = verify("--archive", archive)
    assert outcome.code == 8
    assert outcome.bad[check] or check == "account"


def test_a_missing_table_hides_nothing_else(archive: Path, verify: Callable[..., Outcome]) -> None:
    change(archive, "DROP TABLE edits", "UPDATE sync_runs SET requests = 3")
    outcome = verify("--archive", archive)
    assert outcome.code == 8
    assert {"schema", "edits", "chain"} <= set(outcome.bad)
    assert outcome.names[-1] == "permissions"


def test_a_table_of_ones_own_is_no_fault(archive: Path, verify: Callable[..., Outcome]) -> None:
    change(archive, "CREATE TABLE my_notes (text)", "CREATE VIEW mine AS SELECT * FROM messages")
    assert verify("--archive", archive).code == 0


def test_an_edit_with_any_client_is_no_fault(archive: Path, verify: Callable[..., Outcome]) -> None:
    change(archive, "UPDATE conversations SET starred = 1 WHERE id = 101")
    assert verify("--archive", archive).code == 0


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_open_permissions(archive: Path, verify: Callable[..., Outcome]) -> None:
    (archive / "archive.db").chmod(0o644)
    outcome = verify("--archive", archive)
    assert list(outcome.bad) == ["permissions"]


def test_a_noted_chain_head(archive: Path, verify: Callable[..., Outcome]) -> None:
    with closing(connect_readonly(archive / "archive.db")) as db:
        head = db.execute("SELECT chain FROM evidence_chain ORDER BY seq DESC").fetchone()[0]
    assert verify("--archive", archive, "--chain-head", head).code == 0
    assert "chain" in verify("--archive", archive, "--chain-head", "0" * 63 + "1").bad


def test_the_words_for_people(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--archive", str(archive), "verify"]) == 0
    assert "ok   database: SQLite finds no damage" in capsys.readouterr().out
    flip(sorted((archive / "files").glob("*/*"))[0])
    assert run(["--archive", str(archive), "verify"]) == 8
    captured = capsys.readouterr()
    assert "FAIL attachments: 1 attachments are missing or altered" in captured.out
    assert "Not verified: attachments." in captured.err


def test_where_there_is_no_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--archive", str(tmp_path / "none"), "verify"]) == 2
    assert run(["verify", str(tmp_path)]) == 2


# --- what left the archive


@pytest.fixture
def made(archive: Path, tmp_path: Path) -> Callable[..., Path]:
    def make(*arguments: str) -> Path:
        assert run(["--archive", str(archive), "-q", *arguments, str(tmp_path / "out")]) == 0
        return tmp_path / "out"

    return make


@pytest.mark.thorough
def test_every_byte_of_an_export_counts(
    made: Callable[..., Path], tmp_path: Path, verify: Callable[..., Outcome]
) -> None:
    out = made("export", "--format", "jsonl", "--format", "eml")
    assert verify(out).code == 0
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        flip(path)
        assert verify(out).code == 8, path
        flip(path)
    assert verify(out).code == 0
    (out / "more.txt").write_text("slipped in")
    assert verify(out).bad["files"] == ["more.txt: not in the manifest"]
    (out / "more.txt").unlink()
    (out / "conversations.jsonl").unlink()
    assert verify(out).bad["files"] == ["conversations.jsonl: missing"]


def test_a_single_jsonl_file_proves_itself(
    archive: Path, tmp_path: Path, verify: Callable[..., Outcome]
) -> None:
    out = tmp_path / "box.jsonl"
    assert run(["--archive", str(archive), "-q", "export", str(out)]) == 0
    assert verify(out).code == 0
    size = out.stat().st_size
    for where in range(0, size, max(1, size // 40)):
        flip(out, where)
        assert verify(out).code == 8, where
        flip(out, where)
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:-1]))
    assert "cut off" in verify(out).bad["jsonl"][0]
    out.write_bytes(b"".join(lines[1:]))
    assert verify(out).code == 8
    out.write_bytes(b"")
    assert verify(out).code == 8


@pytest.mark.thorough
def test_every_byte_of_a_backup_counts(made: Callable[..., Path], verify: Callable[..., Outcome]) -> None:
    out = made("backup")
    assert verify(out).code == 0
    kinds = set()
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        flip(path)
        outcome = verify(out)
        assert outcome.code == 8, path
        name = path.relative_to(out).as_posix()
        # Of a list that was changed, the files are named that do not match it any more.
        if name != "manifest-sha256.txt":
            assert outcome.bad == {"files": [f"{name}: changed (its SHA-256 is not the recorded one)"]}
        flip(path)
        kinds.add("archive.db" if path.suffix == ".db" else name.partition("/")[0])
    small = {"backup.json", "config.toml", "identity.key", "manifest-sha256.txt"}
    assert kinds == {"archive.db", "files", *small}
    assert verify(out).code == 0


@pytest.mark.thorough
def test_a_flipped_byte_in_any_file_of_the_index(archive: Path, verify: Callable[..., Outcome]) -> None:
    assert run(["-q", "--archive", str(archive), "index"]) == 0
    assert verify("--archive", archive).code == 0
    files = sorted(path for path in (archive / "search").rglob("*") if path.is_file())
    assert len(files) > 3
    for path in files:
        if path.stat().st_size:
            flip(path)
            outcome = verify("--archive", archive)
            assert (outcome.code, list(outcome.bad)) == (8, ["index"]), path
            flip(path)


def test_a_flipped_byte_in_the_configuration(archive: Path, verify: Callable[..., Outcome]) -> None:
    flip(archive / "config.toml", b"school")
    outcome = verify("--archive", archive)
    assert (outcome.code, list(outcome.bad)) == (8, ["account"])


# --- re-hashing that is interrupted


@pytest.fixture
def stopped(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of four files whose re-hashing was interrupted after two of them."""
    monkeypatch.setattr("canvas_archive.export.rehash._SAVE_EVERY", 1)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehash(archive, progress=stop)
    assert state_of(archive).stat().st_mode & 0o777 == 0o600
    return archive


def rehash(archive: Path, **more: Any) -> BlobReport:
    with closing(connect_readonly(archive / "archive.db")) as db:
        return check_blobs(archive / "files", db, jobs=2, state_file=state_of(archive), **more)


def state_of(archive: Path) -> Path:
    found = state_path(archive)
    assert found is not None and not found.is_relative_to(archive)
    return found


def blobs(archive: Path) -> list[Path]:
    return sorted((archive / "files").glob("*/*"))


def test_rehashing_resumes_where_it_stopped(stopped: Path) -> None:
    report = rehash(stopped, resume=True)
    assert (report.skipped, report.checked, report.bad) == (2, 2, [])
    assert not state_of(stopped).exists()
    whole = rehash(stopped, resume=True)
    assert (whole.skipped, whole.checked) == (0, 4)


def contents(archive: Path) -> dict[Path, bytes]:
    """Return every file but the two that SQLite makes for whoever reads."""
    files = (path for path in archive.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if not path.name.endswith(("-wal", "-shm"))}


def test_verifying_writes_nothing_into_the_archive(
    archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = contents(archive)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehash(archive, progress=stop)
    monkeypatch.setenv("XDG_STATE_HOME", "not/a/whole/path")
    assert state_path(archive) is None and run(["-q", "verify", "--archive", str(archive)]) == 0
    assert contents(archive) == before


def test_a_file_that_came_between_is_read(stopped: Path) -> None:
    """Also where it stands among those that were read."""
    first = blobs(stopped)[0].name
    data = b"new"
    sha256 = next(
        one for number in range(9999) if (one := hashlib.sha256(data + b"%d" % number).hexdigest()) < first
    )
    number = next(n for n in range(9999) if hashlib.sha256(data + b"%d" % n).hexdigest() == sha256)
    place = stopped / "files" / sha256[:2] / sha256
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(data + b"%d" % number)
    size = place.stat().st_size
    change(
        stopped,
        "INSERT INTO attachments (id, state, sha256, stored_size) "
        f"VALUES (9999, 'stored', '{sha256}', {size})",
    )
    report = rehash(stopped, resume=True)
    assert (report.skipped, report.checked, report.bad) == (1, 4, [])


def test_without_resume_everything_is_read(stopped: Path) -> None:
    assert rehash(stopped).checked == 4


def test_what_was_touched_since_is_read_again(stopped: Path) -> None:
    first = blobs(stopped)[0]
    times = first.stat()
    flip(first)
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))  # as somebody does who hides it
    report = rehash(stopped, resume=True)
    assert (report.skipped, report.checked) == (1, 3)
    assert first.name in report.bad[0]


def test_what_is_gone_since_is_missed(stopped: Path) -> None:
    blobs(stopped)[1].unlink()
    report = rehash(stopped, resume=True)
    assert "is missing" in report.bad[0]


def test_a_record_changed_since_is_compared(stopped: Path) -> None:
    first = blobs(stopped)[0]
    change(stopped, f"UPDATE attachments SET stored_size = 1 WHERE sha256 = '{first.name}'")
    assert "recorded are 1" in rehash(stopped, resume=True).bad[0]


def test_what_was_wrong_is_read_again(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canvas_archive.export.rehash._SAVE_BYTES", 1)
    first = blobs(archive)[0]
    flip(first)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    for _ in range(2):  # interrupted twice, it is still known
        with pytest.raises(KeyboardInterrupt):
            rehash(archive, progress=stop, resume=True)
    assert "was altered" in rehash(archive, progress=lambda done, total: None, resume=True).bad[0]
    with pytest.raises(KeyboardInterrupt):
        rehash(archive, progress=stop)
    flip(first)  # mended
    assert rehash(archive, resume=True).bad == []


@pytest.mark.parametrize("where", [0, 12, 20, 40, 60, -3])
def test_a_damaged_record_of_a_run_is_not_trusted(stopped: Path, where: int) -> None:
    flip(state_of(stopped), where)
    assert rehash(stopped, resume=True).checked == 4


@pytest.mark.parametrize(
    "text", ["", "{}", "null", "[]", '{"blocks": [["f"]], "bad": []}', '{"blocks": [], "bad": 3}']
)
def test_a_record_of_a_run_that_makes_no_sense(stopped: Path, text: str) -> None:
    digest = hashlib.sha256(text.encode()).hexdigest()
    state_of(stopped).write_text(f"{text}\n{digest}")
    assert rehash(stopped, resume=True).checked == 4


VERIFY_UNTIL = """
import sys
from canvas_archive.cli import run
from canvas_archive.export import rehash

read = rehash.hash_file

def read_until(path, **options):
    if path.name == sys.argv[1]:
        print("here", flush=True)
        sys.stdin.read()
    return read(path, **options)

rehash.hash_file = read_until
run(["-q", "verify", "--archive", sys.argv[2]])
"""


@pytest.mark.thorough
def test_a_verification_killed_midway_is_taken_up(tmp_path: Path, verify: Callable[..., Outcome]) -> None:
    archive = tmp_path / "archive"
    with ArchiveBuilder(archive) as make:
        make.person(1, "Ann")
        make.conversation(1, count=1)
        make.message(1, 1, 1, "many files")
        for number in range(1200):
            make.attachment(number + 1, 1, f"{number}.txt", b"file %d" % number, position=number)
    files = blobs(archive)
    with subprocess.Popen(
        [sys.executable, "-c", VERIFY_UNTIL, files[800].name, str(archive)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline().strip() == b"here"
        running.kill()
    left = state_of(archive).read_bytes()
    outcome = verify("--archive", archive, "--resume")
    assert outcome.code == 0
    # It had saved its place after 500 files, and nothing but the rest was read.
    assert outcome.details["attachments"] == "700 files match their SHA-256 (500 more in an earlier run)"
    state_of(archive).write_bytes(left)
    flip(files[1000], 0)
    flip(files[10], 0)
    outcome = verify("--archive", archive, "--resume")
    assert outcome.code == 8
    named = [files[number].name for number in (10, 1000)]
    assert [name in item for name, item in zip(named, outcome.bad["attachments"], strict=True)] == [
        True,
        True,
    ]


def test_a_download_under_way_is_no_unknown_file(archive: Path, verify: Callable[..., Outcome]) -> None:
    (archive / "files" / ".incoming").mkdir(mode=0o700)
    (archive / "files" / ".incoming" / "77.part").write_bytes(b"half")
    assert verify("--archive", archive).code == 0
