"""What is imported when little is asked: a command that starts slowly is one that nobody likes to call."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from canvas_archive.store import Archive

pytestmark = pytest.mark.sampled

HEAVY = {
    "asyncio", "canvasapi", "datasette", "email", "filelock", "httpcore", "httpx", "jinja2", "keyring",
    "logging", "multiprocessing", "pyarrow", "rich", "sqlite_utils", "starlette", "uvicorn", "whoosh",
}  # fmt: skip
NOT_FOR_HELP = HEAVY | {"json", "pathlib", "sqlite3", "tomllib", "tomli", "platformdirs", "tempfile"}
HELP = {"cli", "clock", "errors", "lazy", "unicode"}
"""The parts of the package that ``--help`` may import."""

WRITING = {f"canvas_archive.store.{name}" for name in ("blobs", "ingest", "ingest_messages", "revisions")}

_TOLD = "import sys; before = set(sys.modules)\n"
_TELL = "print(*sorted(set(sys.modules) - before), sep='\\n', file=sys.stderr)\n"


def imported(*arguments: str) -> set[str]:
    """Return the modules that a command imports in a new process, beyond those of the interpreter."""
    code = (
        f"{_TOLD}from canvas_archive.cli import run\ncode = run({list(arguments)!r})\n{_TELL}sys.exit(code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return set(run.stderr.splitlines())


def parts(modules: set[str]) -> set[str]:
    """Return the parts of our package among them: ``store``, ``cli`` …"""
    ours = {name.split(".")[1] for name in modules if name.startswith("canvas_archive.")}
    return ours - {"__main__"}


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    Archive.create(folder, base_url="https://canvas.example.edu", user_id=1, name="Owner").close()
    return folder


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_the_command_line_and_nothing_else(arguments: list[str]) -> None:
    modules = imported(*arguments)
    assert parts(modules) <= HELP
    assert not packages(modules) & NOT_FOR_HELP


def test_status_imports_what_reads_and_nothing_that_writes_or_asks(archive: Path) -> None:
    modules = imported("--archive", str(archive), "status")
    assert parts(modules) <= HELP | {"places", "secret", "store", "token_store"}
    assert not modules & WRITING
    assert "canvas_archive.model" not in modules
    assert not packages(modules) & HEAVY


@pytest.mark.parametrize("arguments", [["list"], ["edits"], ["sql", "SELECT 1"]])
def test_what_only_reads_the_database_loads_no_client_no_index_and_no_server(
    archive: Path, arguments: list[str]
) -> None:
    assert not packages(imported("--archive", str(archive), *arguments)) & (HEAVY - {"rich", "logging"})


def test_a_sync_loads_no_server_and_no_index() -> None:
    assert not packages(imported("sync", "--help")) & HEAVY


@pytest.mark.parametrize("name", ["sandbox", "search", "store"])
def test_the_public_names_of_a_package_are_imported_on_first_use(name: str) -> None:
    package = importlib.import_module(f"canvas_archive.{name}")
    for public in package.__all__:
        vars(package).pop(public, None)
        assert getattr(package, public).__name__ == public
        assert public in vars(package), "the second use costs nothing"
    with pytest.raises(AttributeError, match=rf"'canvas_archive\.{name}' has no attribute 'Nothing'"):
        package.Nothing  # noqa: B018


@pytest.mark.thorough
def test_the_client_brings_no_console_along_and_leaves_httpx_whole() -> None:
    code = (
        f"{_TOLD}import canvas_archive.canvas, httpx\nassert httpx.Client and callable(httpx.main)\n{_TELL}"
        "import httpx._main\nassert httpx._main.main"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    loaded = set(run.stderr.split())
    assert "httpx" in loaded
    assert not packages(loaded) & {"rich", "pygments", "click"}
