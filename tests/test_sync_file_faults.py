"""What files and their hosts may do: it costs these files alone, and a bounded time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from canvas_archive.canvas import CanvasClient, FileHostUnreachable, download, waiting
from canvas_archive.canvas.address import Origin
from canvas_archive.canvas.waiting import ITEM_SECONDS
from canvas_archive.errors import ItemsFailed, ServerFailure
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.sandbox.mailbox import Media
from canvas_archive.store import Archive
from canvas_archive.store.connection import connect_readonly
from canvas_archive.sync import file_hosts
from canvas_archive.sync.attachments import Files
from canvas_archive.sync.file_hosts import LOST_SECONDS
from canvas_archive.sync.file_tasks import Ending, FileTask
from tests.client_support import FakeClock
from tests.sync_support import Pair, bind
from tests.test_sync_faults import QuickClock
from tests.test_sync_files import CONTENT, receive_file, state, stored_bytes

pytestmark = pytest.mark.thorough


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """An archive that is up to date."""
    with Sandbox(conversations=6) as sandbox:
        bound = bind(sandbox, tmp_path / "archive", monkeypatch)
        bound.sync(mode="full")
        yield bound


def later(**span: float) -> QuickClock:
    """Return a clock that is ahead of the machine's."""
    clock = QuickClock()
    clock.slept = timedelta(**span).total_seconds()
    return clock


def sentence(pair: Pair, file_id: int) -> str:
    return str(pair.one("SELECT error FROM attachments WHERE id = ?", file_id))


FAULTS = [
    (Fault("reset"), "failed"),
    (Fault("abort"), "failed"),
    (Fault("truncate"), "failed"),
    (Fault("hang"), "failed"),
    (Fault("slow", delay=0.2, chunks=100), "failed"),
    (Fault("status", status=500), "failed"),
    (Fault("status", status=502), "failed"),
    (Fault("status", status=408), "failed"),
    (Fault("status", status=400), "failed"),
    (Fault("status", status=418), "failed"),
    (Fault("status", status=401), "stored"),  # the public address helps
    (Fault("status", status=403), "stored"),
    (Fault("status", status=404), "pending"),
    (Fault("html_login"), "stored"),
    (Fault("gzip_bomb", size=200_000), "failed"),
    (Fault("foreign_redirect", url="http://files.example/x"), "refused"),
    (Fault("foreign_redirect", url="https://10.0.0.1/x"), "refused"),
    (Fault("foreign_redirect", url="https://["), "refused"),
    (Fault("throttle_429", retry_after=900), "failed"),
]


def test_whatever_a_file_does_costs_that_file_alone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_hosts, "FAILURES", 1000)  # there are more such files than a host is allowed
    monkeypatch.setattr(file_hosts, "LOST_SECONDS", 1e9)
    monkeypatch.setattr(waiting, "SILENCE_SECONDS", 1.5)
    monkeypatch.setattr(waiting, "SLOWEST_BYTES", 10_000_000)
    monkeypatch.setitem(CanvasClient.__init__.__kwdefaults__, "timeout", 1.5)
    files, good = [], receive_file(pair, "good.pdf", b"good")
    for number, (fault, _) in enumerate(FAULTS):
        files.append(receive_file(pair, f"{number}.pdf", CONTENT + bytes([number])))
        pair.sandbox.faults.add(
            Fault(
                **{
                    **_fields(fault),
                    "match": rf"^/files/{files[-1]}/",
                    "times": None,
                    "origin": _where(fault),
                }
            )
        )
    looping = receive_file(pair, "loop.pdf", b"loop")
    pair.sandbox.faults.add(
        "foreign_redirect",
        f"^/files/{looping}/",
        url=f"{pair.sandbox.url}/files/{looping}/download",
        times=None,
    )
    result = pair.sync(mode="quick", check=False, clock=QuickClock())
    assert isinstance(result.error, ItemsFailed) and result.report.complete
    expected = {file_id: wanted for file_id, (_, wanted) in zip(files, FAULTS, strict=True)}
    assert {file_id: state(pair, file_id) for file_id in files} == expected
    lost = {str(file_id) for file_id in (*files, looping) if state(pair, file_id) != "stored"}
    assert state(pair, looping) == "refused" and state(pair, good) == "stored"
    assert {p.id for p in result.report.problems} == lost
    assert pair.one("SELECT status FROM sync_runs ORDER BY id DESC") == "partial"
    parts = list((pair.folder / "files" / ".incoming").iterdir())
    assert all(part.stat().st_size for part in parts)
    pair.sandbox.faults.clear()
    pair.sync(mode="quick")
    assert {state(pair, file_id) for file_id in (*files, looping)} == {"stored"}
    assert pair.one("SELECT count(*) FROM problems") == 0
    assert list((pair.folder / "files" / ".incoming").iterdir()) == []


def _fields(fault: Fault) -> dict[str, object]:
    return {
        name: getattr(fault, name)
        for name in ("kind", "status", "retry_after", "delay", "chunks", "url", "size")
    }


def _where(fault: Fault) -> str | None:
    return "files" if fault.kind in ("truncate", "slow") else "canvas"


# -- hosts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["abort", "status"])
def test_a_host_that_fails_rests_and_other_hosts_go_on(pair: Pair, kind: str) -> None:
    files = [receive_file(pair, f"{number}.pdf", CONTENT + bytes([number])) for number in range(20)]
    school, faults, log = pair.sandbox.school, pair.sandbox.faults, pair.sandbox.log
    id_ = next(i for i in school.ids("inbox") if pair.others(i))
    faults.add(Fault(kind, "^/files/", origin="canvas", times=None, status=503))  # type: ignore[arg-type]
    school.receive(id_, pair.others(id_)[0], "Listen.", media=Media("m-1", "audio", "A note"))
    clock = QuickClock()
    result = pair.sync(mode="quick", check=False, clock=clock)
    # The file that is being tried when the minute is over is tried to its end.
    assert isinstance(result.error, ItemsFailed) and clock.slept < LOST_SECONDS + ITEM_SECONDS
    states = [state(pair, file_id) for file_id in files]
    assert states.count("failed") <= 5 and set(states) == {"failed", "pending"}
    assert pair.one("SELECT state FROM media_comments WHERE media_id = 'm-1'") == "stored"
    report = result.report
    assert (
        report.untried_files == states.count("pending")
        and f"{report.untried_files} files are left for later, because of {pair.sandbox.url}"
        in report.summary()
    )
    assert report.resting_hosts == [f"{pair.sandbox.url} (attachments)"]
    pair.sync(mode="quick", check=False, clock=QuickClock())
    log.clear()
    report = pair.sync(mode="quick", clock=QuickClock()).report
    assert (
        report.problems == []
        and report.requests == 6
        and not [e for e in log if e.path.startswith("/files/")]
    )
    faults.clear()
    pair.sync(mode="quick", clock=later(hours=2))
    assert {state(pair, file_id) for file_id in files} == {"stored"}
    assert pair.one("SELECT count(*) FROM problems") == 0


def test_a_host_behind_canvas_rests_and_canvas_is_hardly_asked(pair: Pair) -> None:
    files = [receive_file(pair, f"{number}.pdf", CONTENT + bytes([number])) for number in range(20)]
    pair.sandbox.faults.add(Fault("abort", "", origin="files", times=None))
    for _ in range(2):
        pair.sync(mode="quick", check=False, clock=QuickClock())
        asked = [
            entry for entry in pair.sandbox.log if entry.origin == "canvas" and "/download" in entry.path
        ]
        assert len(asked) <= 30
        pair.sandbox.log.clear()
    assert pair.sync(mode="quick", clock=QuickClock()).report.requests == 6
    # A new file is asked for all the same, and when it comes, so do the others.
    pair.sandbox.faults.clear()
    new = receive_file(pair, "new.pdf", b"new")
    pair.sync(mode="quick", clock=later(minutes=5))
    assert state(pair, new) == "stored"
    pair.sync(mode="quick", check=False, clock=later(hours=2))
    assert {state(pair, file_id) for file_id in files} == {"stored"}


class Broken:
    """A client whose downloads go to one foreign host, which answers nobody."""

    base_url = "https://canvas.example.edu"

    def __init__(self, clock: FakeClock, outcome: Exception, seconds: float) -> None:
        self.clock, self.outcome, self.seconds = clock, outcome, seconds
        self.asked = 0

    def download(self, url: str, sink: object, *, visit: download.Visit, **_: object) -> None:
        visit(Origin("https", "canvas.example.edu", 443))
        repeat = visit(Origin("https", "files.example", 443))
        self.asked += 1
        self.clock.sleep(self.seconds if repeat else min(self.seconds, 1.0))
        raise self.outcome


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [(FileHostUnreachable("It takes too long."), 20.0), (ServerFailure("It broke.", status=502), 15.0)],
)
def test_a_thousand_files_on_a_broken_host_cost_a_minute_at_most(
    tmp_path: Path, outcome: Exception, seconds: float
) -> None:
    clock = FakeClock()
    client = Broken(clock, outcome, seconds)
    with Archive.create(tmp_path / "archive", base_url=client.base_url, user_id=7, name="Ada") as archive:
        files = Files(archive, cast("CanvasClient", client), None, clock)
        endings = [
            files.fetch(FileTask("attachment", str(number), f"/files/{number}", None, None)).ending
            for number in range(1000)
        ]
    assert endings.count(Ending.HOST) == 3 and endings.count(Ending.UNTRIED) == 997
    assert clock.elapsed <= 60 and client.asked == 3


def test_a_host_that_answers_now_and_then_costs_no_more() -> None:
    hosts = file_hosts.FileHosts(())
    for number in range(4):
        assert not hosts.rests("host", anew=True) and hosts.is_doubtful("host") == (number == 3)
        hosts.failed("host", "It is silent.", 20.0 if number else 0.0)
        assert hosts.rests("host", anew=True) == (number == 3)
        hosts.answered(["host"])
    assert hosts.rests("host", anew=True) and hosts.why("host") == "It is silent."


# -- not there yet, gone, and back ---------------------------------------------------------------------------


def test_an_upload_that_is_late_stays_pending_until_it_comes(pair: Pair) -> None:
    file_id = receive_file(pair)
    pair.sandbox.school.state.files[file_id].state = "pending"
    for _ in range(2):
        report = pair.sync(mode="quick", clock=QuickClock()).report
        assert state(pair, file_id) == "pending" and report.problems == [] and report.pending == 1
    assert "not arrived" in sentence(pair, file_id)
    assert pair.sync(mode="quick", clock=QuickClock()).report.requests == 6  # it rests
    pair.sandbox.school.state.files[file_id].state = "available"
    pair.sync(mode="quick", clock=later(hours=2))
    assert stored_bytes(pair, file_id) == CONTENT and pair.one("SELECT count(*) FROM problems") == 0


def test_a_storage_that_loses_a_file_for_a_while_does_not_make_it_gone(pair: Pair) -> None:
    file_id = receive_file(pair)
    pair.sandbox.faults.add("status", f"^/files/{file_id}/", status=404, times=None)
    result = pair.sync(mode="quick", check=False, clock=QuickClock())
    assert isinstance(result.error, ItemsFailed) and state(pair, file_id) == "pending"
    assert "has a record" in sentence(pair, file_id)
    pair.sandbox.faults.clear()
    pair.sync(mode="quick")
    assert state(pair, file_id) == "stored"


@pytest.mark.parametrize("kind", ["attachments", "media_comments"])
def test_what_an_earlier_version_called_gone_is_found_by_a_full_sync(pair: Pair, kind: str) -> None:
    if kind == "attachments":
        receive_file(pair)
    else:
        school = pair.sandbox.school
        id_ = next(i for i in school.ids("inbox") if pair.others(i))
        school.receive(id_, pair.others(id_)[0], "Listen.", media=Media("m-1", "audio", "A note"))
    pair.sync(mode="quick", attachments=False)
    with Archive.open(pair.folder, write=True) as archive:
        archive.db.execute(f"UPDATE {kind} SET state = 'gone' WHERE state = 'pending'")
    pair.sync(mode="quick")
    assert pair.one(f"SELECT count(*) FROM {kind} WHERE state = 'gone'") == 1
    pair.sync(mode="full")
    assert pair.one(f"SELECT count(*) FROM {kind} WHERE state = 'stored'") > 0
    assert pair.one(f"SELECT count(*) FROM {kind} WHERE state <> 'stored'") == 0


def test_full_syncs_look_at_what_is_gone_at_growing_intervals(pair: Pair) -> None:
    file_id = receive_file(pair)
    pair.sandbox.school.delete_file(file_id)
    looked = []
    for day in (0, 1, 1.5, 2.5, 3.5, 5.5, 41, 60, 75):
        pair.sandbox.log.clear()
        pair.sync(mode="full" if day else "quick", clock=later(days=day))
        assert state(pair, file_id) == "gone"
        if [entry for entry in pair.sandbox.log if entry.path == f"/api/v1/files/{file_id}"]:
            looked.append(day)
    assert looked == [0, 1, 2.5, 5.5, 41, 75]
    pair.sandbox.school.state.files[file_id].state = "available"
    pair.sync(mode="full", clock=later(days=130))
    assert state(pair, file_id) == "stored"


# -- where the token does not count --------------------------------------------------------------------------


def test_where_the_token_does_not_count_the_public_address_is_asked_for(pair: Pair) -> None:
    pair.sandbox.files.api_tokens = False
    pair.sandbox.school.file_links = "plain"
    files = [receive_file(pair, f"{number}.pdf", CONTENT + bytes([number])) for number in range(12)]
    pair.sandbox.log.clear()
    pair.sync(mode="quick", jobs=1)
    assert {state(pair, file_id) for file_id in files} == {"stored"}
    log = [entry for entry in pair.sandbox.log if entry.origin == "canvas"]
    assert len([e for e in log if e.path.endswith("/public_url")]) == 12
    assert len([e for e in log if e.path.endswith("/download")]) == 1
    assert (
        len([e for e in log if e.path.startswith("/api/v1/files/") and not e.path.endswith("/public_url")])
        == 1
    )
    assert pair.sandbox.leaked_tokens == []


# -- bytes and places ----------------------------------------------------------------------------------------


def test_a_whole_file_of_another_size_than_canvas_says_is_stored_with_a_note(pair: Pair) -> None:
    file_id = receive_file(pair)
    pair.sandbox.school.state.files[file_id].size = len(CONTENT) + 77
    report = pair.sync(mode="quick").report
    assert report.stored == 1 and report.problems == []
    assert stored_bytes(pair, file_id) == CONTENT
    assert (
        sentence(pair, file_id)
        == f"the whole file has {len(CONTENT):,} bytes, Canvas says it has {len(CONTENT) + 77:,}"
    )


def test_a_link_in_the_place_of_a_folder_costs_the_files_that_belong_there(
    pair: Pair, tmp_path: Path
) -> None:
    import hashlib

    outside = tmp_path / "outside"
    outside.mkdir()
    good, bad = receive_file(pair, "good.pdf", b"good"), receive_file(pair)
    folder = pair.folder / "files" / hashlib.sha256(CONTENT).hexdigest()[:2]
    assert not folder.exists()
    folder.symlink_to(outside)
    result = pair.sync(mode="quick", check=False)
    assert isinstance(result.error, ItemsFailed) and "is a symbolic link" in result.report.problems[0].error
    assert (state(pair, good), state(pair, bad)) == ("stored", "failed")
    assert list(outside.iterdir()) == []
    folder.unlink()
    pair.sync(mode="quick")
    assert stored_bytes(pair, bad) == CONTENT


@pytest.mark.sampled
def test_a_link_in_the_place_of_what_arrives_costs_all_files_and_nothing_else(
    pair: Pair, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "5.part").write_bytes(b"")
    incoming = pair.folder / "files" / ".incoming"
    incoming.rmdir()
    incoming.symlink_to(outside)
    receive_file(pair)
    pair.sandbox.log.clear()
    report = pair.sync(mode="quick", check=False).report
    assert report.failed == 1 and report.new_messages == 1
    assert not [entry for entry in pair.sandbox.log if entry.path.startswith("/files/")]
    assert [path.name for path in outside.iterdir()] == ["5.part"]


@pytest.mark.sampled
def test_a_note_is_shown_and_listed_and_is_no_failure(pair: Pair) -> None:
    from click.testing import CliRunner

    from canvas_archive.cli.main import cli
    from canvas_archive.export.gaps import gaps
    from canvas_archive.export.selection import Selection, resolve

    file_id = receive_file(pair)
    pair.sandbox.school.state.files[file_id].size = 5
    pair.sync(mode="quick")
    (conversation,) = pair.sql(
        "SELECT conversation_id FROM messages m JOIN message_attachments l ON l.message_id = m.id "
        "WHERE l.attachment_id = ?",
        file_id,
    )[0]
    arguments = ["--archive", str(pair.folder), "show", str(conversation)]
    shown = CliRunner().invoke(cli, arguments)
    assert "(the whole file has" in shown.output
    assert "the whole file has" in CliRunner().invoke(cli, [*arguments, "--json"]).output
    with closing(connect_readonly(pair.folder / "archive.db")) as db:
        resolve(db, Selection())
        found = [gap for gap in gaps(db, pair.folder / "files") if gap.item == file_id]
    assert [gap.state for gap in found] == ["stored with a note"]
