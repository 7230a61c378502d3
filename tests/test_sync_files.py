"""Attachments and recordings: what counts as stored, and what each kind of failure becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from canvas_archive.canvas import CanvasClient, FileHostUnreachable, FileTooLarge, SignInNeeded
from canvas_archive.canvas.download import Download, NoRoom
from canvas_archive.errors import (
    BadRequest,
    ItemsFailed,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    ServerFailure,
    TokenRefused,
    Unanswered,
    Unreachable,
    UnsafeRedirect,
)
from canvas_archive.model import Attachment
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.sandbox.mailbox import Media
from canvas_archive.store import Archive, BlobWriter
from canvas_archive.sync.attachments import Files
from canvas_archive.sync.downloads import place
from canvas_archive.sync.file_tasks import Ending, FileTask
from tests.sync_support import Pair, bind
from tests.test_sync_faults import QuickClock

pytestmark = pytest.mark.thorough

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


@pytest.mark.sampled
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


@pytest.mark.parametrize("kind", ["html_login", "truncate"])
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


# -- one download, whatever Canvas answers ----------------------------------------------------------------


NO_SCOPE = NotPermitted("Insufficient scopes on access token.", status=401)


class OneAnswer:
    """A client that answers every download, and every question about a file, in one way."""

    base_url = "https://canvas.example.edu"

    def __init__(
        self,
        outcome: Exception | Download,
        record: Exception | str | Attachment = "/again",
        public: Exception | str | None = None,
    ) -> None:
        self.outcome, self.record, self.public = outcome, record, public or NO_SCOPE
        self.asked: list[str] = []

    def download(self, url: str, sink: BlobWriter, **_: object) -> Download:
        self.asked.append(url)
        sink.write(b"some bytes")
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def file(self, file_id: int) -> Attachment:
        if isinstance(self.record, Exception):
            raise self.record
        return self.record if isinstance(self.record, Attachment) else Attachment(file_id, url=self.record)

    def file_public_url(self, file_id: int) -> str:
        if isinstance(self.public, Exception):
            raise self.public
        return self.public

    def one_try(self) -> AbstractContextManager[None]:
        return nullcontext()

    def current_user(self) -> None:
        self.asked.append("users/self")


MISSING = NotFound("There is no such file.", status=404)
SIGN_IN = SignInNeeded("Sign in.", status=302)
REFUSED = TokenRefused("Canvas does not know this access token.")
FILE = FileTask("attachment", "7", "/files/7", "application/pdf", None)
RECORDING = FileTask("media", "7/m-1", "/media/1", "video/mp4", None)
WEB_PAGE = Download(200, "text/html; charset=utf-8", 10, 10, False)
WHOLE = Download(200, "application/pdf", 10, 10, False)
NO_END = replace(WHOLE, total=None, ended_by="close")
CHUNKED = replace(WHOLE, total=None, ended_by="chunks")
DELETED = Attachment(7, url="/files/7", extra={"workflow_state": "deleted"})
UPLOADING = Attachment(7, url="/files/7", extra={"upload_status": "pending"})
BROKEN_UPLOAD = Attachment(7, url="/files/7", extra={"upload_status": "failed"})


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("task", "client", "ending", "sentence", "asked"),
    [
        (RECORDING, OneAnswer(FileTooLarge("It is too large.", None)), Ending.TOO_LARGE, "too large", 1),
        (RECORDING, OneAnswer(MISSING), Ending.MISSING, "no such file", 1),
        (RECORDING, OneAnswer(WEB_PAGE), Ending.SIGN_IN, "came instead of the file", 1),
        (RECORDING, OneAnswer(NO_END), Ending.STORED, "", 2),
        (RECORDING, OneAnswer(CHUNKED), Ending.STORED, "", 1),
        (replace(RECORDING, url=None), OneAnswer(WHOLE), Ending.WRONG, "no address", 0),
        (FILE, OneAnswer(ServerFailure("It broke.", status=500)), Ending.HOST, "It broke.", 1),
        (FILE, OneAnswer(FileHostUnreachable("It broke.")), Ending.HOST, "It broke.", 1),
        (FILE, OneAnswer(Unanswered("Slow down.")), Ending.HOST, "Slow down.", 1),
        (FILE, OneAnswer(MalformedAnswer("A torn file.")), Ending.WRONG, "A torn file.", 2),
        (FILE, OneAnswer(NoRoom("No room.")), Ending.WRONG, "No room.", 2),
        (FILE, OneAnswer(BadRequest("Broken storage.", status=400)), Ending.WRONG, "Broken storage.", 2),
        (FILE, OneAnswer(UnsafeRedirect("Not there.")), Ending.UNSAFE, "Not there.", 2),
        (FILE, OneAnswer(MISSING, MISSING), Ending.GONE, "deleted on Canvas", 1),
        (FILE, OneAnswer(MISSING, DELETED), Ending.GONE, "deleted on Canvas", 1),
        (FILE, OneAnswer(MISSING, NO_SCOPE), Ending.MISSING, "no such file", 1),
        (FILE, OneAnswer(MISSING), Ending.MISSING, "has a record", 2),
        (FILE, OneAnswer(MISSING, UPLOADING), Ending.UPLOADING, "not arrived", 1),
        (FILE, OneAnswer(MISSING, BROKEN_UPLOAD), Ending.WRONG, "upload of the file failed", 1),
        (FILE, OneAnswer(MISSING, ""), Ending.LOCKED, "locked on Canvas", 1),
        (FILE, OneAnswer(MISSING, MalformedAnswer("Half.")), Ending.WRONG, "Half.", 1),
        (FILE, OneAnswer(MISSING, ServerFailure("Down.", status=502)), Ending.HOST, "Down.", 1),
        (FILE, OneAnswer(SIGN_IN, "/files/7"), Ending.SIGN_IN, "Sign in.", 1),
        (FILE, OneAnswer(SIGN_IN, NO_SCOPE, "/public"), Ending.SIGN_IN, "Sign in.", 2),
        (FILE, OneAnswer(REFUSED, NO_SCOPE), Ending.SIGN_IN, "does not take the token", 2),
        (FILE, OneAnswer(SIGN_IN, REFUSED, REFUSED), Ending.SIGN_IN, "Sign in.", 3),
        (replace(FILE, url=None), OneAnswer(MISSING, MISSING), Ending.GONE, "deleted on Canvas", 0),
        (replace(FILE, url=None), OneAnswer(MISSING, NO_SCOPE), Ending.WRONG, "gives no address", 0),
        (replace(FILE, url="https://["), OneAnswer(WHOLE), Ending.STORED, "", 1),
    ],
)
def test_what_becomes_of_an_answer(
    tmp_path: Path, task: FileTask, client: OneAnswer, ending: Ending, sentence: str, asked: int
) -> None:
    with Archive.create(tmp_path / "archive", base_url=client.base_url, user_id=7, name="Ada") as archive:
        client.asked.clear()
        files = Files(archive, cast("CanvasClient", client), max_bytes=None)
        result = place(archive.files_dir, task, files.fetch(task))
        assert (result.ending, len(client.asked)) == (ending, asked)
        assert sentence in (result.sentence or "")
        if result.ending.state in ("gone", "refused") or isinstance(
            client.outcome, (MalformedAnswer, Download)
        ):
            assert list(archive.files_dir.rglob("*.part")) == []  # nothing to go on from


def test_canvas_being_away_as_a_whole_ends_the_run(tmp_path: Path) -> None:
    away = Unreachable("Canvas does not answer.")
    for client in (OneAnswer(away), OneAnswer(MISSING, away), OneAnswer(SIGN_IN, NO_SCOPE, away)):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        with Archive.create(folder, base_url=client.base_url, user_id=7, name="Ada") as archive:
            with pytest.raises(Unreachable, match="does not answer"):
                Files(archive, cast("CanvasClient", client), max_bytes=None).fetch(FILE)


def test_a_token_that_canvas_refuses_as_a_whole_ends_the_run(tmp_path: Path) -> None:
    class Revoked(OneAnswer):
        def current_user(self) -> None:
            raise REFUSED

    client = Revoked(REFUSED)
    with Archive.create(tmp_path / "archive", base_url=client.base_url, user_id=7, name="Ada") as archive:
        for task, answers in ((FILE, client), (RECORDING, client), (FILE, Revoked(SIGN_IN, REFUSED))):
            with pytest.raises(TokenRefused):
                Files(archive, cast("CanvasClient", answers), max_bytes=None).fetch(task)
