"""Attachments and recordings: what counts as stored, and what each kind of failure becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from canvas_archive.canvas import CanvasClient, FileTooLarge
from canvas_archive.canvas.download import Download
from canvas_archive.errors import ItemsFailed, MalformedAnswer, NotFound, ServerFailure
from canvas_archive.model import Attachment
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.sandbox.mailbox import Media
from canvas_archive.store import Archive, BlobWriter
from canvas_archive.sync.attachments import Files, FileTask
from tests.sync_support import Pair, bind
from tests.test_sync_faults import QuickClock

CONTENT = b"%PDF-1.7 midterm " + bytes(range(256)) * 300
DOWNLOAD = r"^/files/"


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """An archive that is up to date but for one new message with one attachment."""
    with Sandbox(conversations=12) as sandbox:
        bound = bind(sandbox, tmp_path / "archive", monkeypatch)
        bound.sync(mode="full")
        yield bound


def receive_file(pair: Pair, name: str = "midterm.pdf", content: bytes = CONTENT) -> int:
    """Let somebody send a file; return its id."""
    school = pair.sandbox.school
    id_ = next(i for i in school.ids("inbox") if pair.others(i))
    author = pair.others(id_)[0]
    file_id = school.add_file(author, name, content)
    school.receive(id_, author, "Please find it attached.", attachments=[file_id])
    return file_id


def state(pair: Pair, file_id: int) -> str:
    """Return an attachment's state in the archive."""
    value: str = pair.one("SELECT state FROM attachments WHERE id = ?", file_id)
    return value


def stored_bytes(pair: Pair, file_id: int) -> bytes:
    """Return the bytes the archive holds for an attachment."""
    digest = pair.one("SELECT sha256 FROM attachments WHERE id = ?", file_id)
    return (pair.folder / "files" / digest[:2] / digest).read_bytes()


def test_everything_of_the_first_sync_is_stored_by_its_hash(pair: Pair) -> None:
    rows = pair.sql("SELECT id, size, sha256, stored_size, state FROM attachments")
    assert rows and {row["state"] for row in rows} == {"stored"}
    for row in rows:
        data = stored_bytes(pair, row["id"])
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        assert len(data) == row["size"] == row["stored_size"]
    assert not list((pair.folder / "files" / ".incoming").glob("*"))
    assert pair.sandbox.leaked_tokens == []


def test_recordings_are_stored_too(pair: Pair) -> None:
    school = pair.sandbox.school
    id_ = next(i for i in school.ids("inbox") if pair.others(i))
    school.receive(id_, pair.others(id_)[0], "Listen.", media=Media("m-1", "audio", "A note"))
    report = pair.sync(mode="quick").report
    row = pair.sql("SELECT state, stored_size FROM media_comments WHERE media_id = 'm-1'")[0]
    assert row["state"] == "stored" and row["stored_size"] > 0 and report.stored == 1


def test_the_same_bytes_are_stored_once(pair: Pair) -> None:
    first, second = receive_file(pair, "a.pdf"), receive_file(pair, "../../b.pdf")
    pair.sync(mode="quick")
    digests = {
        pair.one("SELECT sha256 FROM attachments WHERE id = ?", file_id) for file_id in (first, second)
    }
    assert len(digests) == 1 and stored_bytes(pair, first) == CONTENT
    assert not list(pair.folder.parent.glob("b.pdf"))


def test_a_deleted_file_is_gone(pair: Pair) -> None:
    file_id = receive_file(pair)
    pair.sandbox.school.delete_file(file_id)
    report = pair.sync(mode="quick").report
    assert state(pair, file_id) == "gone" and report.problems == []
    assert report.gone == 1 and "attachments: 0 stored, 1 no longer on Canvas (" in report.summary()


def test_a_locked_file_is_refused_and_looked_at_again_by_a_full_sweep(pair: Pair) -> None:
    file_id = receive_file(pair)
    pair.sandbox.school.lock_file(file_id)
    report = pair.sync(mode="quick").report
    assert state(pair, file_id) == "refused"
    assert report.refused == 1 and "attachments: 0 stored, 1 refused (" in report.summary()
    pair.sandbox.school.state.files[file_id].state = "available"
    pair.sync(mode="quick")
    assert state(pair, file_id) == "refused"
    pair.sync(mode="full")
    assert state(pair, file_id) == "stored"


@pytest.mark.parametrize("kind", ["html_login", "short_body"])
def test_what_is_not_the_file_fails_and_is_tried_again(pair: Pair, kind: str) -> None:
    file_id = receive_file(pair)
    pair.sandbox.faults.add(Fault(kind, DOWNLOAD, times=None))  # type: ignore[arg-type]
    result = pair.sync(mode="quick", check=False, clock=QuickClock())
    assert isinstance(result.error, ItemsFailed)
    assert state(pair, file_id) == "failed"
    assert pair.one("SELECT count(*) FROM problems WHERE kind = 'attachment'") == 1
    pair.sandbox.faults.clear()
    pair.sync(mode="quick")
    assert stored_bytes(pair, file_id) == CONTENT
    assert pair.one("SELECT count(*) FROM problems") == 0


def test_one_login_page_only_costs_a_fresh_address(pair: Pair) -> None:
    file_id = receive_file(pair)
    pair.sandbox.faults.add(Fault("html_login", DOWNLOAD, times=1))
    pair.sync(mode="quick", clock=QuickClock())
    assert stored_bytes(pair, file_id) == CONTENT


def test_an_expired_address_is_asked_for_again(pair: Pair) -> None:
    file_id = receive_file(pair)
    pair.sandbox.faults.add(Fault("expire_links", DOWNLOAD, times=1, after=1))
    pair.sync(mode="quick", clock=QuickClock())
    assert stored_bytes(pair, file_id) == CONTENT
    assert [e for e in pair.sandbox.log.api if e.path == f"/api/v1/files/{file_id}"]


def test_a_broken_download_goes_on_where_it_broke(pair: Pair) -> None:
    file_id = receive_file(pair, content=CONTENT * 20)
    pair.sandbox.faults.add(Fault("truncate", DOWNLOAD, times=1))
    pair.sync(mode="quick", clock=QuickClock())
    assert stored_bytes(pair, file_id) == CONTENT * 20


def test_a_file_over_the_limit_is_refused_without_downloading(pair: Pair) -> None:
    file_id = receive_file(pair, content=CONTENT * 20)
    pair.sandbox.log.clear()
    pair.sync(mode="quick", max_attachment_bytes=100_000)
    assert state(pair, file_id) == "refused"
    assert "over the limit" in pair.one("SELECT error FROM attachments WHERE id = ?", file_id)
    assert not [entry for entry in pair.sandbox.log if entry.path.startswith("/files/")]
    pair.sync(mode="full")
    assert state(pair, file_id) == "stored"


def test_without_attachments_they_stay_pending(pair: Pair) -> None:
    file_id = receive_file(pair)
    report = pair.sync(mode="quick", attachments=False).report
    assert state(pair, file_id) == "pending" and report.pending == 1
    pair.sync(mode="quick")
    assert state(pair, file_id) == "stored"


def test_a_file_host_that_is_away_is_given_up_and_the_rest_stays_pending(pair: Pair) -> None:
    files = [receive_file(pair, f"{number}.pdf", CONTENT + bytes([number])) for number in range(30)]
    pair.sandbox.faults.add(Fault("abort", "", origin="files", times=None))
    result = pair.sync(mode="quick", check=False, clock=QuickClock())
    assert isinstance(result.error, ItemsFailed)
    states = [state(pair, file_id) for file_id in files]
    assert set(states) == {"failed", "pending"} and states.count("failed") < 20
    pair.sandbox.faults.clear()
    pair.sync(mode="quick")
    assert {state(pair, file_id) for file_id in files} == {"stored"}


# -- one download, whatever Canvas answers ----------------------------------------------------------------


class OneAnswer:
    """A client that answers every download, and every question for a file's address, in one way."""

    base_url = "https://canvas.example.edu"

    def __init__(self, outcome: Exception | Download, address: Exception | str = "/again") -> None:
        self.outcome, self.address = outcome, address
        self.asked: list[str] = []

    def download(self, url: str, sink: BlobWriter, **_: object) -> Download:
        self.asked.append(url)
        sink.write(b"some bytes")
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def file(self, file_id: int) -> Attachment:
        if isinstance(self.address, Exception):
            raise self.address
        return Attachment(file_id, url=self.address)


MISSING = NotFound("There is no such file.", status=404)
FILE = FileTask("attachment", "7", "/files/7", "application/pdf", None)
RECORDING = FileTask("media", "7/m-1", "/media/1", "video/mp4", None)
WEB_PAGE = Download(200, "text/html; charset=utf-8", 10, 10, False)


@pytest.mark.parametrize(
    ("task", "client", "state", "error", "asked"),
    [
        (RECORDING, OneAnswer(FileTooLarge("It is too large.", None)), "refused", "It is too large.", 1),
        (RECORDING, OneAnswer(MISSING), "gone", "deleted on Canvas", 1),
        (RECORDING, OneAnswer(WEB_PAGE), "failed", "came instead of the file", 1),
        (FILE, OneAnswer(ServerFailure("It broke.", status=500)), "failed", "It broke.", 2),
        (FILE, OneAnswer(MalformedAnswer("A torn file.")), "failed", "A torn file.", 2),
        (FILE, OneAnswer(MISSING, MISSING), "gone", "deleted on Canvas", 1),
        (FILE, OneAnswer(MISSING, ""), "refused", "locked on Canvas", 1),
        (replace(FILE, url=None), OneAnswer(MISSING, MISSING), "failed", "gives no address", 0),
        (replace(FILE, size=11), OneAnswer(WEB_PAGE), "failed", "came instead of the file", 2),
    ],
)
def test_what_becomes_of_an_answer(
    tmp_path: Path, task: FileTask, client: OneAnswer, state: str, error: str, asked: int
) -> None:
    with Archive.create(tmp_path / "archive", base_url=client.base_url, user_id=7, name="Ada") as archive:
        result = Files(archive, cast("CanvasClient", client), max_bytes=None).fetch(task)
        assert (result.state, len(client.asked)) == (state, asked)
        assert error in (result.error or "")
        if isinstance(client.outcome, (MalformedAnswer, Download)):
            assert list(archive.files_dir.rglob("*.part")) == []  # nothing to go on from
