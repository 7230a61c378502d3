"""The command line as a person meets it: from nothing to a page, and one clear sentence for every error."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from click.testing import CliRunner

from canvas_archive.cli import cli
from canvas_archive.cli.registry import COMMANDS
from canvas_archive.sandbox import Sandbox
from tests.sync_support import told_by_archive, told_by_canvas

pytestmark = pytest.mark.thorough


def canvas_archive(
    *arguments: object, environment: dict[str, str] | None = None, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "canvas_archive", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        input=text or "",
        env={**os.environ, **(environment or {})},
    )


def assert_sentence(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One or two sentences on standard error, nothing on standard output, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3
    for word in words:
        assert word in done.stderr


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=40) as running:
        yield running


@pytest.fixture
def given(sandbox: Sandbox) -> dict[str, str]:
    """The environment of somebody who has a token."""
    return {"CANVAS_API_URL": sandbox.url, "CANVAS_API_TOKEN": sandbox.token}


@pytest.fixture(scope="module")
def archive(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive made by the commands themselves."""
    folder = tmp_path_factory.mktemp("cli") / "archive"
    environment = {"CANVAS_API_URL": sandbox.url, "CANVAS_API_TOKEN": sandbox.token}
    made = canvas_archive("init", sandbox.url, "--archive", folder, environment=environment)
    assert made.returncode == 0, made.stderr
    synced = canvas_archive("--archive", folder, "sync", environment=environment)
    assert synced.returncode == 0, synced.stderr
    return folder


# -- the main way --------------------------------------------------------------------------------


def test_demo_pulls_everything_field_by_field(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    done = canvas_archive("demo", "--no-serve", "--archive", folder, "--conversations", 60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("60 conversations: 60 new")
    with Sandbox(conversations=60) as same:
        told = told_by_canvas(same)
    archive = told_by_archive(folder)
    assert sorted(archive) == sorted(told)
    for id_ in told:
        for field in told[id_].keys() - {"messages"}:
            assert archive[id_][field] == told[id_][field]
        assert [m["body"] for m in archive[id_]["messages"]] == [m["body"] for m in told[id_]["messages"]]


def test_demo_json_is_one_document(tmp_path: Path) -> None:
    done = canvas_archive("demo", "--no-serve", "--json", "--conversations", 40, "--archive", tmp_path / "a")
    document = json.loads(done.stdout)
    assert document["counts"]["conversations"]["total"] == 40
    assert document["mode"] == "full" and document["problems"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_demo_serves_what_it_pulled_until_interrupted(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "canvas_archive", "demo", "--conversations", "40"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with httpx.Client(follow_redirects=True) as browser:
            signed_in = browser.get(address)
            inbox = browser.get(signed_in.url.join("/mail"))
            assert inbox.status_code == 200 and "Midterm review session" in inbox.text
            assert browser.get(inbox.url.join("/mail/c/700001")).status_code == 200
        assert httpx.get(inbox.url).status_code in (401, 403)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sampled
def test_init_needs_only_the_environment_and_keeps_no_token(
    sandbox: Sandbox, given: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    done = canvas_archive("init", "--archive", folder, "--json", environment=given)
    assert json.loads(done.stdout) == {
        "archive": str(folder),
        "base_url": sandbox.url,
        "user_id": sandbox.user_id,
        "name": "Jules Marchetti",
    }
    for path in folder.rglob("*"):
        if path.is_file():
            assert sandbox.token.encode() not in path.read_bytes()


def test_reading_commands_work_offline(archive: Path) -> None:
    listed = json.loads(canvas_archive("list", "--archive", archive, "--json", "--limit", 3).stdout)
    assert len(listed["conversations"]) == 3 and listed["next"]
    rest = canvas_archive("list", "--archive", archive, "--json", "--cursor", listed["next"])
    assert listed["conversations"][0]["id"] not in {c["id"] for c in json.loads(rest.stdout)["conversations"]}
    id_ = listed["conversations"][0]["id"]
    shown = canvas_archive("show", id_, "--archive", archive)
    assert shown.returncode == 0 and str(id_) in shown.stdout
    status = json.loads(canvas_archive("status", "--archive", archive, "--json").stdout)
    assert status["counts"]["conversations"]["total"] == 40 and status["problems"] == []
    found = json.loads(canvas_archive("search", "midterm from:chen", "--archive", archive, "--json").stdout)
    assert found["total"] == len(found["hits"]) > 0
    assert {hit["author"]["name"] for hit in found["hits"]} == {"Astrid Chen"}
    rows = canvas_archive("sql", "SELECT count(*) AS n FROM inbox", "--archive", archive, "--json")
    assert json.loads(rows.stdout)[0]["n"] > 0


def test_the_archive_option_is_taken_before_and_after_and_from_the_environment(archive: Path) -> None:
    after = canvas_archive("status", "--archive", archive)
    before = canvas_archive("--archive", archive, "status")
    named = canvas_archive("status", environment={"CANVAS_ARCHIVE": str(archive)})
    outranked = canvas_archive("--archive", archive, "status", environment={"CANVAS_ARCHIVE": "/nowhere"})
    assert after.stdout == before.stdout == named.stdout == outranked.stdout != ""


def test_sync_json_has_the_documented_shape(archive: Path, given: dict[str, str]) -> None:
    document = json.loads(canvas_archive("sync", "--archive", archive, "--json", environment=given).stdout)
    assert document["mode"] == "quick" and document["requests"] == 6
    counts = document["counts"]
    assert set(counts["conversations"]) >= {"new", "changed", "removed", "total"}
    assert set(counts["attachments"]) == {
        "stored",
        "failed",
        "gone",
        "refused",
        "pending",
        "untried",
    }
    assert set(counts["edits"]) >= {"pending", "pushed", "conflicts"}
    assert set(counts["index"]) == {"added"} and set(counts["messages"]) == {"new"}


def test_sql_reads_only(archive: Path) -> None:
    assert_sentence(canvas_archive("sql", "DELETE FROM edits", "--archive", archive), 2, "Only reading")
    assert_sentence(canvas_archive("sql", "SELECT * FROM letters", "--archive", archive), 2, "no such table")
    csv = canvas_archive("sql", "SELECT 1 AS a, 'x,y' AS b", "--csv", "--archive", archive)
    assert csv.stdout == 'a,b\n1,"x,y"\n'


def test_doctor_finds_a_healthy_archive(archive: Path, given: dict[str, str]) -> None:
    done = canvas_archive("doctor", "--archive", archive, "--json", environment=given)
    findings = {f["name"]: f["state"] for f in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0
    assert findings["token"] == findings["Canvas"] == findings["clock"] == findings["permissions"] == "ok"


def test_doctor_names_loose_permissions_and_a_missing_token(archive: Path, tmp_path: Path) -> None:
    (archive / "config.toml").chmod(0o644)
    try:
        done = canvas_archive("doctor", "--archive", archive)
    finally:
        (archive / "config.toml").chmod(0o600)
    assert done.returncode == 3
    assert "others may read config.toml" in done.stdout and "CANVAS_API_TOKEN" in done.stdout


# -- errors --------------------------------------------------------------------------------------


def test_a_wrong_token(given: dict[str, str], tmp_path: Path) -> None:
    done = canvas_archive(
        "init", "--archive", tmp_path / "a", environment={**given, "CANVAS_API_TOKEN": "no"}
    )
    assert_sentence(done, 3, "token", "New Access Token")
    assert not (tmp_path / "a").exists()


def test_no_token(archive: Path, given: dict[str, str]) -> None:
    assert_sentence(canvas_archive("sync", "--archive", archive), 3, "CANVAS_API_TOKEN")


def test_a_token_of_another_host_is_not_used(archive: Path, given: dict[str, str]) -> None:
    other = {**given, "CANVAS_API_URL": "https://elsewhere.example"}
    assert_sentence(canvas_archive("sync", "--archive", archive, environment=other), 3, "no access token")


def test_an_unreachable_host(tmp_path: Path) -> None:
    given = {"CANVAS_API_TOKEN": "x"}
    done = canvas_archive("init", "http://127.0.0.1:9", "--archive", tmp_path / "a", environment=given)
    assert_sentence(done, 4, "127.0.0.1:9", "cannot be reached")


def test_something_that_is_not_canvas(tmp_path: Path) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<html><title>Welcome</title></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        done = canvas_archive("init", url, "--archive", tmp_path / "a", environment={"CANVAS_API_TOKEN": "x"})
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
    assert_sentence(done, 4, "not as a Canvas API")


def test_a_plain_http_host_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    given = {"CANVAS_API_TOKEN": "x"}
    done = canvas_archive("init", "http://school.example", "--archive", tmp_path / "a", environment=given)
    assert_sentence(done, 2, "https")


def test_a_file_instead_of_a_folder(given: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    assert_sentence(canvas_archive("init", "--archive", path, environment=given), 2, "is a file")
    assert_sentence(canvas_archive("status", "--archive", path), 2, "is a file")
    assert path.read_text() == "mine"


def test_a_foreign_folder(given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    assert_sentence(canvas_archive("init", "--archive", tmp_path, environment=given), 9, "not empty")


def test_a_second_owner(archive: Path, sandbox: Sandbox, given: dict[str, str]) -> None:
    again = canvas_archive("init", "--archive", archive, environment=given)
    assert_sentence(again, 9, "already an archive", "Jules Marchetti")
    other = {**given, "CANVAS_API_TOKEN": sandbox.admin_token}
    assert_sentence(canvas_archive("sync", "--archive", archive, environment=other), 9, "belongs to")


def test_no_archive_there(tmp_path: Path) -> None:
    for command in ("status", "list", "sync", "doctor"):
        done = canvas_archive(command, "--archive", tmp_path / "none")
        assert done.returncode == 2 and "canvas-archive init --archive " in done.stdout + done.stderr


def test_a_newer_archive_is_refused(tmp_path: Path, given: dict[str, str]) -> None:
    canvas_archive("init", "--archive", tmp_path / "a", environment=given)
    db = sqlite3.connect(tmp_path / "a" / "archive.db")
    db.execute("PRAGMA user_version = 999")
    db.close()
    assert_sentence(canvas_archive("status", "--archive", tmp_path / "a"), 9, "newer")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("init",), ("CANVAS_API_URL",)),
        (("init", "https://school.example"), ("CANVAS_API_TOKEN",)),
        (("serach", "x"), ("Did you mean 'search'",)),
        (("sync", "--full", "--quick"), ("exclude each other",)),
        (("list", "--folder", "trash"), ("inbox, unread, starred",)),
        (("list", "--cursor", "yesterday"), ("yesterday",)),
        (("list", "--before", "tuesday"), ("tuesday",)),
        (("show", "abc"), ("abc",)),
        (("sync", "--nonsense"), ("--nonsense",)),
    ],
)
def test_wrong_usage_is_exit_2_and_names_what_is_wrong(
    arguments: tuple[str, ...], words: tuple[str, ...], archive: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" if arguments[0] == "init" else archive
    done = canvas_archive("--archive", folder, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    for word in words:
        assert word in done.stderr


def test_a_reader_that_goes_away_is_no_error(archive: Path) -> None:
    command = f'"{sys.executable}" -m canvas_archive list --archive "{archive}" --limit 40 | head -1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "" and done.stdout.count("\n") == 1


@pytest.mark.sampled
@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_of_the_list_exists_and_helps(name: str) -> None:
    done = CliRunner().invoke(cli, [name, "--help"], prog_name="canvas-archive")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"Usage: canvas-archive {name} ")


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from canvas_archive.cli import run; run(['--help']);"
        "heavy = {'httpx', 'datasette', 'whoosh', 'sqlite_utils', 'rich', 'starlette', 'keyring'};"
        "heavy &= set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_new_token_is_checked_before_it_is_kept(archive: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    assert_sentence(canvas_archive("token", "--archive", archive), 2, "standard input")
    assert_sentence(canvas_archive("token", "--archive", archive, text="wrong\n"), 3, "New Access Token")
    other = canvas_archive("token", "--archive", archive, text=sandbox.admin_token + "\n")
    assert_sentence(other, 9, "belongs to")
    nowhere = canvas_archive("token", "--archive", archive, text=sandbox.token + "\n")
    assert_sentence(nowhere, 3, "no system keyring")
    (tmp_path / "folder_keyring.py").write_text(
        "import pathlib\nfrom keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n"
        "    priority = 1\n"
        "    place = pathlib.Path(__file__).with_name('kept')\n"
        "    def get_password(self, service, username):\n"
        "        return self.place.read_text() if self.place.exists() else None\n"
        "    def set_password(self, service, username, password):\n"
        "        self.place.write_text(password)\n"
        "    def delete_password(self, service, username):\n"
        "        self.place.unlink()\n"
    )
    environment = {"PYTHON_KEYRING_BACKEND": "folder_keyring.Keyring", "PYTHONPATH": str(tmp_path)}
    kept = canvas_archive("token", "--archive", archive, text=sandbox.token + "\n", environment=environment)
    assert kept.returncode == 0, kept.stderr
    assert sandbox.token not in kept.stdout + kept.stderr
    assert (tmp_path / "kept").read_text() == sandbox.token
    synced = canvas_archive("sync", "--archive", archive, environment=environment)
    assert synced.returncode == 0, synced.stderr
