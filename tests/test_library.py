"""``import canvas_archive``: reading archives from Python. The examples of docs/library.md run here."""

from __future__ import annotations

import contextlib
import doctest
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import canvas_archive
from canvas_archive.errors import GuardRefused, NoArchive
from canvas_archive.search import search
from tests.docs_support import REPOSITORY
from tests.web_support import change, make_archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("library") / "archive")


def contents(folder: Path) -> dict[str, bytes]:
    paths = [
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_examples_of_its_page(folder: Path) -> None:
    page = REPOSITORY / "docs" / "library.md"
    found = doctest.testfile(
        str(page),
        module_relative=False,
        globs={"folder": folder},
        optionflags=doctest.IGNORE_EXCEPTION_DETAIL,
    )
    assert found.attempted > 10 and found.failed == 0


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_its_tables_in(folder: Path, name: str) -> None:
    pytest.importorskip(name)
    page = (REPOSITORY / "docs" / "library.md").read_text("utf-8")
    parts = [part.split("```")[0] for part in page.split("```python\n")]
    (example,) = [part for part in parts if part.startswith(f"import {name}")]
    known = {"canvas_archive": canvas_archive, "folder": folder}
    exec(compile(example, "library.md", "exec"), known)
    with closing(known["connection"]) as connection:  # type: ignore[type-var]
        count = connection.execute("SELECT count(*) FROM messages").fetchone()[0]  # type: ignore[attr-defined]
    frame = known["frame"]
    assert len(frame) == count  # type: ignore[arg-type]
    assert "int64" in str(frame["conversation_id"].dtype).lower()  # type: ignore[index]


def test_it_is_imported_at_once() -> None:
    code = (
        "import sys, canvas_archive; print(len([name for name in sys.modules if 'canvas_archive' in name]))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(shown.stdout) <= 2
    with pytest.raises(AttributeError):
        canvas_archive.nothing  # type: ignore[attr-defined]  # noqa: B018
    for name in canvas_archive.__all__:
        assert getattr(canvas_archive, name).__name__ == name


def test_what_it_says_is_what_the_archive_says(folder: Path) -> None:
    with canvas_archive.open(str(folder)) as archive, closing(sqlite3.connect(folder / "archive.db")) as db:
        ids = [row["id"] for row in archive.conversations()]
        wanted = [row[0] for row in db.execute("SELECT id FROM threads ORDER BY latest_at DESC, id DESC")]
        assert ids == wanted
        everything = [row["id"] for row in archive.messages()]
        of_each = [row["id"] for number in sorted(ids) for row in archive.messages(number)]
        assert everything == of_each and len(everything) > 20
        assert list(archive.messages(12345678)) == []
        assert archive.folder == folder
        hits = archive.search("the", limit=3, threads=True).hits
        assert hits == search(folder / "archive.db", folder / "search", "the", limit=3, threads=True).hits


WRITES = (
    "UPDATE conversations SET starred = 1", "DELETE FROM messages", "CREATE TABLE mine (x)",
    "PRAGMA journal_mode = DELETE", "PRAGMA query_only = OFF", "VACUUM INTO '{}'", "ATTACH '{}' AS other",
    "SELECT load_extension('{}')",
)  # fmt: skip


@pytest.mark.parametrize("statement", WRITES)
def test_nothing_can_be_written(folder: Path, tmp_path: Path, statement: str) -> None:
    before = contents(folder)
    archive = canvas_archive.open(folder)
    sql = statement.format(tmp_path / "made")
    with pytest.raises(canvas_archive.BadInput):
        list(archive.sql(sql))
    with closing(archive.connect()) as connection, pytest.raises(sqlite3.Error):
        connection.execute(sql)
    assert contents(folder) == before and not (tmp_path / "made").exists()


def test_the_connection_stays_read_only(folder: Path) -> None:
    with closing(canvas_archive.open(folder).connect()) as connection:
        connection.set_authorizer(None)
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA query_only = OFF")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("UPDATE conversations SET starred = 1")


def test_an_older_archive_is_not_upgraded(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "archive")
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        db.execute("PRAGMA user_version = 1")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = contents(folder)
    with pytest.raises(GuardRefused, match="canvas-archive status"):
        canvas_archive.open(folder)
    assert contents(folder) == before


def test_a_folder_without_an_archive(tmp_path: Path) -> None:
    with pytest.raises(NoArchive):
        canvas_archive.open(tmp_path)
    with pytest.raises(canvas_archive.ArchiveError):
        canvas_archive.open(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"


def test_an_archive_of_somebody_else(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody"))
    change(copy, "DROP VIEW inbox")
    change(copy, f"CREATE VIEW inbox AS {ENDLESS}")
    before = contents(copy)
    archive = canvas_archive.open(copy)
    assert list(archive.messages()) == list(canvas_archive.open(folder).messages())
    with pytest.raises(canvas_archive.IndexUnusable, match="adopt"):
        archive.search("the")
    with pytest.raises(canvas_archive.IndexUnusable, match="adopt"):
        list(archive.sql("SELECT canvas_search('the')"))
    with pytest.raises(canvas_archive.BadInput, match="stopped after"):
        list(archive.sql("SELECT * FROM inbox", timeout=0.05))
    assert contents(copy) == before


def test_threads_share_one(folder: Path) -> None:
    archive = canvas_archive.open(folder)
    counts: list[int] = []
    workers = [
        threading.Thread(target=lambda: counts.append(sum(1 for _ in archive.sql("SELECT id FROM messages"))))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(counts) == 4 and len(set(counts)) == 1
