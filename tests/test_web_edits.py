"""Stars, archiving and read marks from the pages: the same journalled edits as from anywhere else."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.errors import ArchiveError, ArchiveLocked, BadInput, ItemsFailed
from canvas_archive.store.writing import brief_write
from canvas_archive.web import server, streams, syncing, tokens, writing
from canvas_archive.web.pages.changes import safe_next, wanted
from canvas_archive.web.streams import ProgressStream, is_running
from canvas_archive.web.undo import MOST_NOTICES, notice_of, remember
from tests.web_support import SteadyClock, Visitor, change, column, make_archive, open_visitor

pytestmark = pytest.mark.thorough


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "archive")


@pytest.fixture
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


JSON = {"accept": "application/json"}


def journal(folder: Path) -> list[str]:
    return column(
        folder,
        "SELECT format('%d %s %s %s %s', conversation_id, field, value, origin, state) FROM edits",
    )


@pytest.mark.sampled
def test_a_star_is_an_edit_and_leads_back(visitor: Visitor, folder: Path) -> None:
    answer = visitor.post("/mail/edit", {"do": "star:700001", "next": "/mail/people/2?before=2026~5"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/mail/people/2?before=2026~5&done=")
    assert journal(folder) == ["700001 starred 1 web pending"]
    page = visitor.get(answer.headers["location"]).text
    assert "1 conversation starred." in page and ">Undo</button>" in page
    assert 'title="1 change waiting to be sent to Canvas">1</b>' in page


def test_many_at_once_and_undone_together(visitor: Visitor, folder: Path) -> None:
    ids = column(folder, "SELECT id FROM inbox WHERE workflow_state = 'unread' LIMIT 4")
    before = column(folder, "SELECT workflow_state FROM conversations ORDER BY id")
    answer = visitor.post(
        "/mail/edit", {"do": "archive", "id": [str(ident) for ident in ids]}, headers=JSON
    ).json()
    assert answer["ok"] and sorted(answer["changed"]) == sorted(ids)
    assert answer["message"] == "4 conversations archived."
    marks = ",".join(map(str, ids))
    assert column(folder, f"SELECT DISTINCT workflow_state FROM conversations WHERE id IN ({marks})") == [
        "archived"
    ]
    undone = visitor.post("/mail/undo", {"undo": answer["undo"]}, headers=JSON).json()
    assert undone["message"] == "Undone."
    assert column(folder, "SELECT workflow_state FROM conversations ORDER BY id") == before
    assert column(folder, "SELECT DISTINCT state FROM edits") == ["discarded"]
    again = visitor.post("/mail/undo", {"undo": answer["undo"]}, headers=JSON)
    assert again.status_code == 400 and "already undone" in again.json()["message"]


def test_undo_leaves_alone_what_changed_since(visitor: Visitor, folder: Path) -> None:
    answer = visitor.post("/mail/edit", {"do": "archive:700001"}, headers=JSON).json()
    visitor.post("/mail/edit", {"do": "unread:700001"})
    undone = visitor.post("/mail/undo", {"undo": answer["undo"]}, headers=JSON).json()
    assert "changed again" in undone["message"]
    assert column(folder, "SELECT workflow_state FROM conversations WHERE id = 700001") == ["unread"]


def test_marking_read_leaves_archived_ones_archived(visitor: Visitor, folder: Path) -> None:
    (archived,) = column(folder, "SELECT id FROM conversations WHERE workflow_state = 'archived' LIMIT 1")
    answer = visitor.post("/mail/edit", {"do": "read", "id": [str(archived)]}, headers=JSON).json()
    assert answer["changed"] == [] and "Nothing to change" in answer["message"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"do": "explode:700001"}, "not known"),
        ({"do": "star"}, "Tick at least one"),
        ({"do": "star", "id": "abc"}, "Tick at least one"),
        ({"do": "star:5"}, "no conversation 5"),
        ({"do": "archive:800008"}, "no longer on Canvas"),
        ({"do": "unsubscribe:700002"}, "private conversation"),
        ({}, "not known"),
    ],
)
def test_what_cannot_be_done_is_said(
    visitor: Visitor, folder: Path, fields: dict[str, str], sentence: str
) -> None:
    answer = visitor.post("/mail/edit", fields, headers=JSON)
    assert answer.status_code == 400
    assert sentence in answer.json()["message"]
    assert sentence in visitor.post("/mail/edit", fields).text
    assert journal(folder) == []


def test_all_or_none(visitor: Visitor, folder: Path) -> None:
    answer = visitor.post("/mail/edit", {"do": "star", "id": ["700001", "700002", "5"]}, headers=JSON)
    assert answer.status_code == 400
    assert journal(folder) == []


def test_too_many_at_once_is_refused() -> None:
    with pytest.raises(BadInput, match="At most 500"):
        wanted("star", [str(number) for number in range(501)])
    assert wanted("star", ["1", "1", "2"]) == ("star", [1, 2])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/mail/c/7?in=starred", "/mail/c/7?in=starred"),
        ("/mail?before=2026-11-01T00:00:00Z~7&done=abc", "/mail?before=2026-11-01T00:00:00Z~7"),
        ("/mail?done=abc&before=2", "/mail?before=2"),
        ("https://evil.example/mail", "/mail"),
        ("//evil.example", "/mail"),
        ("/mail//evil.example", "/mail"),
        ("/mailbox", "/mail"),
        ("/mail\r\nX: 1", "/mail"),
        ("", "/mail"),
        ("/-/logout", "/mail"),
    ],
)
def test_a_form_leads_nowhere_else(target: str, expected: str) -> None:
    assert safe_next(target) == expected


def test_an_endless_form_is_refused(visitor: Visitor, folder: Path) -> None:
    assert visitor.post("/mail/edit", {"do": "star:700001", "x": "y" * 800_000}).status_code == 400
    many = {f"f{number}": "1" for number in range(3000)}
    assert visitor.post("/mail/edit", {"do": "star:700001", **many}).status_code == 400
    assert journal(folder) == []


def test_writing_waits_for_a_sync_and_then_gives_up_calmly(folder: Path) -> None:
    holder = sqlite3.connect(folder / "archive.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(ArchiveLocked, match="Nothing was changed"):
            with brief_write(folder / "archive.db", patience=0.05):
                pass
        release = threading.Timer(0.2, lambda: holder.execute("COMMIT"))
        release.start()
        applied = writing.apply(folder / "archive.db", "star", [700001])
        assert [change.after for change in applied.changes] == ["1"]
        release.join()
    finally:
        holder.close()


def test_a_locked_archive_is_said_on_the_page(
    visitor: Visitor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = sqlite3.connect(folder / "archive.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(writing, "PATIENCE", 0.05)
    try:
        answer = visitor.post("/mail/edit", {"do": "star:700001"})
    finally:
        holder.close()
    assert answer.status_code == 400
    assert "being written to right now" in answer.text


def test_old_notices_are_forgotten() -> None:
    class Anyone:
        pass

    keeper = Anyone()
    first = remember(keeper, "first")
    for number in range(MOST_NOTICES):
        remember(keeper, str(number))
    assert notice_of(keeper, first.key) is None


def test_changes_are_listed_and_discarded(visitor: Visitor, folder: Path) -> None:
    for do in ("star:700001", "archive:700002", "unread:700004"):
        visitor.post("/mail/edit", {"do": do})
    page = visitor.get("/mail/edits").text
    assert "no star → a star, made here" in page
    assert "unread, in the inbox → archived" in page
    assert "canvas-archive push" in page and "Push now" not in page  # no token here
    edit = column(folder, "SELECT id FROM edits WHERE conversation_id = 700002")[0]
    one = f"{edit}:unread>archived"
    answer = visitor.post("/mail/edits/discard", {"edit": one})
    assert answer.status_code == 303
    assert column(folder, "SELECT workflow_state FROM conversations WHERE id = 700002") == ["unread"]
    page = visitor.get("/mail/edits").text
    visitor.post("/mail/edit", {"do": "archive:700003"})  # after the page was made: it stays
    shown = re.findall(r'type="hidden" name="edit" value="([^"]+)"', page.replace("&gt;", ">"))
    said = visitor.post("/mail/edits/discard", {"edit": shown}, headers=JSON).json()["message"]
    assert said == "2 changes discarded."
    assert column(folder, "SELECT conversation_id FROM pending_edits") == [700003]
    assert (
        visitor.post("/mail/edits/discard", {"edit": one}, headers=JSON)
        .json()["message"]
        .startswith("That change")
    )
    assert visitor.post("/mail/edits/discard", {"edit": "x"}).status_code == 400


def test_conflicts_are_shown_with_the_conversation(visitor: Visitor, folder: Path) -> None:
    visitor.post("/mail/edit", {"do": "archive:700002"})
    with sqlite3.connect(folder / "archive.db") as db:
        db.execute(
            "UPDATE edits SET state = 'conflict', settled_at = made_at, detail = 'a new message arrived'"
        )
    db.close()
    page = visitor.get("/mail/edits").text
    assert "Needs a look" in page and "a new message arrived" in page
    assert "Conflict: you wanted “archived”" in visitor.get("/mail/c/700002").text


def test_a_search_is_kept_and_forgotten(visitor: Visitor, folder: Path) -> None:
    answer = visitor.post(
        "/mail/search/save", {"name": "Proofs & <more>", "query": 'proof course:"Data Structures"'}
    )
    assert answer.status_code == 303
    assert "Proofs &amp; &lt;more&gt;" in visitor.get("/mail/search").text
    assert visitor.post("/mail/search/save", {"name": "", "query": "x"}).status_code == 400
    assert visitor.post("/mail/search/save", {"name": "x", "query": "after:never"}).status_code == 400
    assert visitor.post("/mail/search/save", {"forget": "Proofs & <more>"}).status_code == 303
    assert column(folder, "SELECT count(*) FROM saved_searches") == [0]
    assert visitor.post("/mail/search/save", {"forget": "nothing"}).status_code == 400


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A sync and a push that show ``lines``, and raise those that are exceptions."""
    service = types.SimpleNamespace(lines=["Pulling…", "12 <conversations>", "3 new, 1 changed"])

    def sync_now(folder: Path, show: Callable[[str], None]) -> None:
        for line in service.lines:
            if isinstance(line, Exception):
                raise line
            show(line)

    monkeypatch.setattr(syncing, "sync_now", sync_now)
    monkeypatch.setattr(syncing, "push_work", lambda edits, messages: sync_now)
    monkeypatch.setattr(tokens, "token_available", lambda datasette, folder: True)
    return service


@pytest.mark.sampled
def test_sync_now_tells_line_by_line(visitor: Visitor, service: Any) -> None:
    assert "Sync now" in visitor.get("/mail/status").text
    answer = visitor.post("/mail/status/sync", {}, headers={"accept": "text/plain"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.splitlines() == ["Pulling…", "12 <conversations>", "3 new, 1 changed", "Done."]


def test_sync_now_without_script_is_a_page(visitor: Visitor, service: Any) -> None:
    answer = visitor.post("/mail/status/sync", {}, headers={"accept": "text/html"})
    assert "12 &lt;conversations&gt;\n" in answer.text and answer.text.rstrip().endswith("</html>")
    assert answer.text.index("Pulling…") > answer.text.index('class="progress"')


def test_push_now_from_the_changes(visitor: Visitor, service: Any) -> None:
    visitor.post("/mail/edit", {"do": "star:700001"})
    assert "Send 1 change</button>" in visitor.get("/mail/edits").text
    form = {"edit": "1:0>1"}
    assert visitor.post("/mail/status/push", form, headers={"accept": "text/plain"}).text.endswith("Done.\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ArchiveLocked("A sync is running already."), "Error: A sync is running already."),
        (
            RuntimeError("token abc"),
            "Error: an unexpected RuntimeError. Run canvas-archive sync in a terminal to see more.",
        ),
        (ItemsFailed("3 items\nfailed."), "Error: 3 items failed."),
    ],
)
def test_a_failed_sync_ends_with_its_reason(
    visitor: Visitor, service: Any, error: Any, sentence: str
) -> None:
    service.lines = ["Pulling…", error]
    text = visitor.post("/mail/status/sync", {}, headers={"accept": "text/plain"}).text
    assert text.splitlines() == ["Pulling…", sentence]
    service.lines = ["again"]  # the failure has let go of the lock
    assert "Done." in visitor.post("/mail/status/sync", {}, headers={"accept": "text/plain"}).text


def test_only_one_runs_at_a_time(visitor: Visitor, service: Any) -> None:
    from canvas_archive.web.streams import ProgressStream

    stream = ProgressStream(visitor.datasette, lambda show: None)
    answer = visitor.post("/mail/status/sync", {})
    assert answer.status_code == 400 and "running already" in answer.text
    assert "A sync is running." in visitor.get("/mail/status").text

    async def send(message: dict[str, Any]) -> None:
        pass

    visitor.run(stream.asgi_send(send))
    assert "A sync is running." not in visitor.get("/mail/status").text


def test_without_a_token_there_is_no_button(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "token_source", lambda *account, **options: None)
    assert "Sync now" not in visitor.get("/mail/status").text
    answer = visitor.post("/mail/status/sync", {})
    assert answer.status_code == 400 and "no access token" in answer.text


def test_a_token_is_looked_for_again_after_a_while(
    visitor: Visitor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteadyClock()
    monkeypatch.setattr(tokens, "time", clock)
    for found, seconds, answer in ((None, 0, False), ("keyring", 29, False), ("keyring", 1, True)):
        monkeypatch.setattr(tokens, "token_source", lambda *account, found=found, **options: found)
        clock.seconds += seconds
        assert tokens.token_available(visitor.datasette, folder) is answer
    other = types.SimpleNamespace()
    monkeypatch.setattr(tokens, "token_source", lambda *account, **options: None)
    assert not tokens.token_available(other, folder), "each server has answers of its own"
    (folder / "config.toml").unlink()
    clock.seconds += 30
    assert not tokens.token_available(visitor.datasette, folder)


def test_what_canvas_took_back_is_said(visitor: Visitor, folder: Path) -> None:
    change(
        folder,
        "INSERT INTO edits (conversation_id, field, base_value, value, made_at, state, settled_at)"
        " VALUES (700001, 'starred', '0', '1', '2026-11-20T00:00:00Z', 'reverted', '2026-11-21T00:00:00Z')",
    )
    assert "Canvas took back “a star” after it was sent." in visitor.get("/mail/c/700001").text
    assert "taken back by Canvas" in visitor.get("/mail/edits").text


def test_a_sync_that_still_runs_has_no_duration(visitor: Visitor, folder: Path) -> None:
    change(
        folder,
        "INSERT INTO sync_runs (mode, started_at, status, requests, counts)"
        " VALUES ('quick', '2026-11-23T09:00:00Z', 'running', 7, '{}')",
    )
    text = visitor.get("/mail/status").text
    assert "Quick sync<small>7 requests, 0 B</small>" in text


@pytest.mark.parametrize(
    ("message", "error", "sentence"),
    [
        ("attempt to write a readonly database", ArchiveError, "may not be written to by this user"),
        ("no such table: nope", sqlite3.OperationalError, "no such table"),
    ],
)
def test_an_archive_that_may_not_be_written(
    folder: Path, message: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence), brief_write(folder / "archive.db"):
        raise sqlite3.OperationalError(message)


def test_work_outlives_a_server_that_ended(folder: Path) -> None:
    datasette = server.build(folder, host="127.0.0.1", port=8001, login=False)
    go_on, done = threading.Event(), threading.Event()

    def work(show: Callable[[str], None]) -> None:
        show("begun")
        go_on.wait(10)
        show("nobody reads this")
        done.set()

    sent: list[bytes] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))
        if b"begun" in sent[-1]:
            raise ConnectionError("the reader has gone")

    async def answer() -> None:
        await ProgressStream(datasette, work).asgi_send(send)

    with pytest.raises(ConnectionError):
        asyncio.run(answer())  # its loop is closed now
    assert is_running(datasette)
    go_on.set()
    assert done.wait(10)
    lock = streams.running_lock(datasette)
    assert lock.acquire(timeout=10)  # the work came to its end
    lock.release()
    for database in datasette.databases.values():
        database.close()
    datasette.executor.shutdown()
