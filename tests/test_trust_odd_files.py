"""Links, FIFOs, sockets and devices in an archive, a backup or a bag: every command ends, and says so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from canvas_archive.cli.main import run
from canvas_archive.export.manifest import hash_file, read_manifest
from canvas_archive.export.pseudonyms import KEY_NAME, load_key
from tests.export_support import swept
from tests.hostile_support import on_terminal
from tests.trust_support import TALLY
from tests.web_support import make_archive

pytestmark = [
    pytest.mark.uncounted,
    pytest.mark.skipif(os.name != "posix", reason="Windows has no FIFOs"),
    pytest.mark.sampled,
]

REFUSES = {2, 5, 8, 9}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive, a backup of it and a bag."""
    folder = tmp_path_factory.mktemp("odd")
    archive = swept(make_archive(folder / "archive"))
    load_key(archive / KEY_NAME)
    bag = ["export", folder / "bag", "--format", "jsonl", "--bag", "--allow-incomplete"]
    for words in (["backup", folder / "backup"], bag):
        assert run(["--archive", str(archive), *map(str, words)]) == 0
    return folder


@pytest.mark.thorough
def test_every_command_ends_whatever_stands_in_the_place_of_a_file(templates: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.odd_commands", str(templates)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) > 250
    for template, name, odd, arguments, code, said in outcomes:
        tried = (template, name, odd, arguments, code, said)
        assert code in {0, *REFUSES}, tried
        assert "Unexpected" not in said and "Traceback" not in said, tried
        if code == 9 and "adopt" not in said:
            assert Path(name).name in said, tried
            assert any(kind in said for kind in ("link", "FIFO", "socket", "folder")), tried
    TALLY["hostile inputs: links, FIFOs and devices for files"] += len(outcomes)


@pytest.fixture
def endless_bag(templates: Path, tmp_path: Path) -> Path:
    """A bag with a listed payload file that takes hours to read."""
    bag = tmp_path / "endless"
    shutil.copytree(templates / "bag", bag)
    with (bag / "data" / "conversations.jsonl").open("r+b") as payload:
        payload.truncate(1 << 42)
    return bag


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_verification_ends_when_it_is_asked_to(endless_bag: Path, number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", VERIFY, str(endless_bag)], stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "reading\n"
        running.send_signal(number)
        try:
            assert "Interrupted" in running.communicate(timeout=60)[1]
        finally:
            running.kill()
    assert running.returncode == 130


VERIFY = """
import sys
from canvas_archive.cli.main import run
from canvas_archive.export import manifest

real, begun = manifest.open_regular, []

def opened(path, **options):
    if path.name == "conversations.jsonl" and not begun:
        begun.append(path)
        print("reading", file=sys.stderr, flush=True)
    return real(path, **options)

manifest.open_regular = opened
sys.exit(run(["verify", sys.argv[1]]))
"""


def test_hashing_stops_between_two_pieces(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * (3 << 20))
    stop = threading.Event()
    assert len(hash_file(tmp_path / "file", stop=stop)[0]) == 64
    stop.set()
    with pytest.raises(InterruptedError):
        hash_file(tmp_path / "file", stop=stop)


def test_a_manifest_without_lines_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "manifest-sha256.txt").open("wb") as manifest:
        manifest.truncate(1 << 40)
    with pytest.raises(ValueError, match="line 1 of manifest-sha256"):
        list(read_manifest(tmp_path / "manifest-sha256.txt"))


def test_a_link_that_the_user_names_is_followed(templates: Path, tmp_path: Path) -> None:
    for name in ("archive", "backup", "bag"):
        (tmp_path / name).symlink_to(templates / name)
    (tmp_path / "one.jsonl").symlink_to(templates / "bag" / "data" / "conversations.jsonl")
    for path in ("bag", "backup", "one.jsonl"):
        assert on_terminal("verify", tmp_path / path).code == 0, path
    assert on_terminal("--archive", tmp_path / "archive", "list").code == 0
    assert on_terminal("--archive", tmp_path / "archive", "backup", tmp_path / "backup").code == 0
    assert on_terminal("restore", tmp_path / "backup", tmp_path / "new").code == 0


def test_nothing_is_deleted_or_made_through_a_link_in_a_backup(templates: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.partial").write_bytes(b"precious")
    for place in ("files", "files/ab", "backup.unfinished"):
        shutil.copytree(templates / "backup", tmp_path / "backup")
        path = tmp_path / "backup" / place
        shutil.rmtree(path, ignore_errors=True)
        path.symlink_to(outside if "files" in place else outside / "made")
        shown = on_terminal("--archive", templates / "archive", "backup", tmp_path / "backup")
        assert shown.code in (0, 9), shown.text
        assert [entry.name for entry in outside.iterdir()] == ["precious.partial"], place
        shutil.rmtree(tmp_path / "backup")
