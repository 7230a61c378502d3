"""What happens on Canvas, and at which kind of sync the archive learns of it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from canvas_archive.cli.records import sync_record
from canvas_archive.sandbox import Sandbox
from canvas_archive.sync import listing
from canvas_archive.sync.listing import Mode
from tests.sync_support import Pair, assert_equal, bind

pytestmark = pytest.mark.thorough


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """An archive that has just been synced completely, and its sandbox."""
    with Sandbox(conversations=45) as sandbox:
        bound = bind(sandbox, tmp_path / "archive", monkeypatch)
        bound.sync(mode="full", attachments=False)
        sandbox.log.clear()
        yield bound


def inbox_group(pair: Pair, *, after: int = 0) -> int:
    """Return a group conversation of the inbox that somebody else takes part in."""
    found = [
        id_
        for id_ in pair.sandbox.school.ids("inbox")
        if not pair.sandbox.school.conversation(id_).private and pair.others(id_)
    ]
    return found[after]


@pytest.mark.sampled
def test_first_sync_is_complete_and_marks_nothing_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(conversations=60) as sandbox:
        before = sandbox.school.unread_count
        states = {id_: told["workflow_state"] for id_, told in sandbox.school.truth().items()}
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        report = pair.sync(mode="full").report
        assert before > 0 and sandbox.school.unread_count == before
        assert {id_: told["workflow_state"] for id_, told in sandbox.school.truth().items()} == states
        assert sandbox.log.writes == []
        assert report.new == report.total == len(states)
        assert_equal(pair)


def test_every_show_says_not_to_mark_as_read(pair: Pair) -> None:
    pair.sync(mode="full", refetch=True, attachments=False)
    shows = [entry for entry in pair.sandbox.log.api if entry.path.rpartition("/")[2].isdigit()]
    assert len(shows) >= 45
    assert all(str(entry.params.get("auto_mark_as_read")).lower() in ("false", "0") for entry in shows)


def test_a_quick_sync_without_changes_is_six_requests(pair: Pair) -> None:
    report = pair.sync(mode="quick", attachments=False).report
    assert report.requests == 6 == len(pair.sandbox.log)
    assert (report.new, report.changed, report.flags, report.removed) == (0, 0, 0, 0)
    assert pair.one("SELECT count(*) FROM revisions") == 0


def test_a_full_sync_without_changes_shows_nothing(pair: Pair) -> None:
    report = pair.sync(mode="full", attachments=False).report
    assert not [entry for entry in pair.sandbox.log.api if entry.path.rpartition("/")[2].isdigit()]
    assert (report.new, report.changed, report.flags) == (0, 0, 0)


@pytest.mark.sampled
def test_a_new_message_is_found_by_a_quick_sync(pair: Pair) -> None:
    id_ = inbox_group(pair)
    message = pair.sandbox.school.receive(id_, pair.others(id_)[0], "The room has changed to 204.")
    report = pair.sync(mode="quick", attachments=False).report
    assert (report.changed, report.new_messages) == (1, 1)
    assert pair.one("SELECT body FROM messages WHERE id = ?", message) == "The room has changed to 204."
    assert_equal(pair)


def test_two_messages_within_one_second(pair: Pair) -> None:
    school = pair.sandbox.school
    id_ = inbox_group(pair)
    first = school.receive(id_, pair.others(id_)[0], "One.", at=school.now)
    pair.sync(mode="quick", attachments=False)
    second = school.receive(id_, pair.others(id_)[0], "Two.", at=pair_time(pair, first))
    pair.sync(mode="quick", attachments=False)
    assert [row[0] for row in pair.sql("SELECT id FROM messages WHERE id IN (?, ?)", first, second)] == [
        first,
        second,
    ]
    assert_equal(pair)


def pair_time(pair: Pair, message_id: int):  # type: ignore[no-untyped-def]
    """Return when a message of the archive was written."""
    from canvas_archive.clock import parse_iso

    return parse_iso(pair.one("SELECT created_at FROM messages WHERE id = ?", message_id))


def test_an_own_reply_does_not_move_last_message_at_and_is_found_by_a_quick_sync(pair: Pair) -> None:
    id_ = pair.sandbox.school.ids("inbox")[20]
    before = pair.one("SELECT last_message_at FROM conversations WHERE id = ?", id_)
    pair.sandbox.school.now += timedelta(minutes=1)
    message = pair.sandbox.school.own_reply(id_, "Thank you, that helps.")
    pair.sync(mode="quick", attachments=False)
    assert pair.one("SELECT last_message_at FROM conversations WHERE id = ?", id_) == before
    assert pair.one("SELECT conversation_id FROM messages WHERE id = ?", message) == id_
    assert_equal(pair)


def test_flags_are_derived_from_membership_without_a_show(pair: Pair) -> None:
    school = pair.sandbox.school
    starred = school.ids("starred")[-1]
    plain = [id_ for id_ in school.ids("inbox") if id_ not in {*school.ids("starred"), *school.ids("unread")}]
    school.owner_set(plain[0], workflow_state="archived")
    school.owner_set(plain[1], workflow_state="unread")
    school.owner_set(plain[2], starred=True)
    school.owner_set(starred, starred=False)
    report = pair.sync(mode="quick", attachments=False).report
    assert report.requests == 6 and report.flags == 4
    assert pair.one("SELECT count(*) FROM edits") == 0
    assert_equal(pair)


def test_a_message_while_unsubscribed_is_found_by_a_full_sync(pair: Pair) -> None:
    school = pair.sandbox.school
    id_ = inbox_group(pair, after=6)
    school.owner_set(id_, subscribed=False)
    pair.sync(mode="full", attachments=False)
    message = school.receive(id_, pair.others(id_)[0], "You will not hear of this.")
    pair.sync(mode="full", attachments=False)
    assert pair.one("SELECT count(*) FROM messages WHERE id = ?", message) == 1
    assert_equal(pair)


def test_added_people_are_found_by_a_full_sync(pair: Pair) -> None:
    school = pair.sandbox.school
    id_ = inbox_group(pair)
    newcomer = next(person for person in school.state.people if person not in school.conversation(id_).rows)
    school.add_people(id_, pair.others(id_)[0], [newcomer])
    pair.sync(mode="full", attachments=False)
    assert_equal(pair)


def test_a_message_removed_on_canvas_is_kept_and_marked(pair: Pair) -> None:
    school = pair.sandbox.school
    id_ = next(i for i in school.ids("inbox") if len(school.truth()[i]["messages"]) > 2)
    removed = school.truth()[id_]["messages"][0]
    school.owner_remove_messages(id_, [removed["id"]])
    pair.sync(mode="full", attachments=False)
    row = pair.sql("SELECT body, removed_at FROM messages WHERE id = ?", removed["id"])[0]
    assert row["body"] == removed["body"] and row["removed_at"] is not None
    assert_equal(pair)
    school.restore_message(id_, removed["id"])
    pair.sync(mode="full", attachments=False)
    assert pair.one("SELECT removed_at FROM messages WHERE id = ?", removed["id"]) is None
    assert_equal(pair)


def test_a_removed_generated_line_changes_no_list_and_is_found_by_refetching(pair: Pair) -> None:
    school = pair.sandbox.school
    id_ = inbox_group(pair)
    newcomer = next(person for person in school.state.people if person not in school.conversation(id_).rows)
    line = school.add_people(id_, pair.others(id_)[0], [newcomer])
    pair.sync(mode="full", attachments=False)
    school.owner_remove_messages(id_, [line])
    pair.sync(mode="full", attachments=False, refetch=True)
    assert pair.one("SELECT removed_at FROM messages WHERE id = ?", line) is not None
    assert_equal(pair)


@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_conversation_that_disappears_is_kept_and_comes_back_with_the_same_id(
    pair: Pair, mode: str
) -> None:
    school = pair.sandbox.school
    id_ = inbox_group(pair)
    count = pair.one("SELECT count(*) FROM messages WHERE conversation_id = ?", id_)
    school.owner_delete(id_)
    report = pair.sync(mode=mode, attachments=False).report
    assert report.removed == 1
    assert pair.one("SELECT removed_at FROM conversations WHERE id = ?", id_) is not None
    assert pair.one("SELECT count(*) FROM messages WHERE conversation_id = ?", id_) == count
    assert_equal(pair)
    school.receive(id_, pair.others(id_)[0], "Are you still there?")
    pair.sync(mode=mode, attachments=False)
    assert pair.one("SELECT removed_at FROM conversations WHERE id = ?", id_) is None
    assert pair.one("SELECT count(*) FROM messages WHERE conversation_id = ?", id_) == count + 1
    assert_equal(pair)


def test_renamed_people_and_their_former_names_are_kept(pair: Pair) -> None:
    school = pair.sandbox.school
    id_ = inbox_group(pair)
    person = pair.others(id_)[0]
    before = school.state.people[person].name
    school.rename(person, "Astrid Chen-Larsen")
    pair.sync(mode="full", attachments=False)
    assert pair.one("SELECT name FROM users WHERE id = ?", person) == "Astrid Chen-Larsen"
    assert before in pair.one(
        'SELECT before FROM revisions WHERE "table" = ? AND id = ?', "users", str(person)
    )
    assert_equal(pair)


def test_a_forwarded_message_that_also_lives_in_its_own_thread(pair: Pair) -> None:
    school = pair.sandbox.school
    source = inbox_group(pair)
    original = school.truth()[source]["messages"][0]["id"]
    author = pair.others(source)[0]
    id_ = school.start_conversation(author, [pair.owner], "Fwd", "See below.", forwarded_ids=[original])
    pair.sync(mode="quick", attachments=False)
    assert pair.one("SELECT conversation_id FROM messages WHERE id = ?", original) == source
    assert (
        pair.one(
            "SELECT count(*) FROM forwarded_messages f JOIN messages m ON m.id = f.message_id"
            " WHERE m.conversation_id = ? AND f.forwarded_message_id = ?",
            id_,
            original,
        )
        == 1
    )
    assert_equal(pair)


def test_ids_of_other_shards_and_beyond_2_to_the_53(pair: Pair) -> None:
    assert pair.one("SELECT max(id) FROM messages") > 2**53
    assert pair.one("SELECT max(id) FROM conversations") > 10**13
    assert_equal(pair)


def test_an_own_conversation_nobody_answered_is_in_sent_only(pair: Pair) -> None:
    school = pair.sandbox.school
    other = pair.others(inbox_group(pair))[0]
    id_ = school.start_conversation(pair.owner, [other], "Hello", "Nobody answers.")
    pair.sync(mode="quick", attachments=False)
    assert pair.one("SELECT last_message_at FROM conversations WHERE id = ?", id_) is None
    assert pair.one("SELECT count(*) FROM sent WHERE id = ?", id_) == 1
    assert_equal(pair)


@pytest.mark.uncounted
def test_more_changes_than_a_page_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=320) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        pair.sync(mode="full", attachments=False)
        changed = [i for i in sandbox.school.ids("inbox") if pair.others(i)][:230]
        for id_ in changed:
            sandbox.school.receive(id_, pair.others(id_)[0], "News for everyone.")
        report = pair.sync(mode="quick", attachments=False).report
        assert report.new_messages == len(changed)
        assert_equal(pair)


def test_a_mass_removal_is_held_back_and_can_be_allowed(pair: Pair) -> None:
    from canvas_archive.errors import MassRemoval

    school = pair.sandbox.school
    everything = list(school.truth())
    for id_ in everything[: len(everything) * 2 // 3]:
        school.owner_delete(id_)
    result = pair.sync(mode="quick", attachments=False, check=False)
    assert isinstance(result.error, MassRemoval) and result.error.exit_code == 9
    assert "--allow-mass-removal" in str(result.error)
    assert pair.one("SELECT count(*) FROM conversations WHERE removed_at IS NOT NULL") == 0
    pair.sync(mode="quick", attachments=False, allow_mass_removal=True)
    assert_equal(pair)
    assert pair.one("SELECT count(*) FROM conversations") == len(everything)


def test_the_mode_follows_the_age_of_the_last_full_sweep(pair: Pair) -> None:
    assert pair.sync(attachments=False).report.mode == "quick"
    pair.update("UPDATE sync_runs SET started_at = '2020-01-01T00:00:00Z'")
    assert pair.sync(attachments=False).report.mode == "full"


def test_a_dry_run_writes_nothing_at_all(pair: Pair) -> None:
    school = pair.sandbox.school
    id_ = inbox_group(pair)
    school.receive(id_, pair.others(id_)[0], "Not yet.")
    school.owner_set(school.ids("inbox")[9], starred=True)
    files = {path: path.read_bytes() for path in pair.folder.rglob("*") if path.is_file()}
    report = pair.sync(mode="quick", dry_run=True).report
    assert f"fetch {id_} (changed)" in report.actions
    assert len(report.actions) == 2
    after = {path: path.read_bytes() for path in pair.folder.rglob("*") if path.is_file()}
    assert {p.name for p in after} - {p.name for p in files} <= {"archive.db-wal", "archive.db-shm"}
    assert {p: b for p, b in after.items() if p in files and p.name != "archive.db-shm"} == {
        p: b for p, b in files.items() if p.name != "archive.db-shm"
    }
    assert all(p.stat().st_size == 0 for p in after if p not in files and p.name == "archive.db-wal")


@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_dry_run_says_what_a_sync_would_do(pair: Pair, mode: Mode) -> None:
    school = pair.sandbox.school
    inbox = school.ids("inbox")
    mine = inbox_group(pair)
    new = school.start_conversation(pair.others(mine)[0], [pair.owner], "New", "Hello there.")
    gone, starred, failed = inbox[3], inbox[5], inbox[7]
    school.owner_delete(gone)
    school.owner_set(starred, starred=not school.owner_row(starred).starred)
    pair.update(
        "INSERT INTO problems (kind, item_id, error, attempts, first_at, last_at) "
        "VALUES ('conversation', ?, 'odd', 1, 'then', 'then')",
        str(failed),
    )
    run = pair.sync(mode=mode, dry_run=True)
    report = run.report
    assert f"fetch {failed} (retry)" in report.actions
    assert f"ask whether {gone} is gone" in report.actions
    assert any(action.startswith(f"fetch {new} (") for action in report.actions)
    assert any(
        action.startswith((f"note on {starred}: starred = ", f"fetch {starred} ("))
        for action in report.actions
    )
    assert len(report.actions) == 4
    assert (report.new, report.removed, report.changed + report.flags) == (1, 1, 2)
    document = sync_record(report)
    assert (document["dry_run"], document["actions"]) == (True, report.actions)
    assert pair.one("SELECT count(*) FROM conversations WHERE id = ?", new) == 0
    assert pair.one("SELECT removed_at FROM conversations WHERE id = ?", gone) is None


def test_a_quick_dry_run_tells_flags_beyond_the_first_pages(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = pair.sandbox.school
    last = school.ids("inbox")[-1]
    school.owner_set(last, workflow_state="archived")
    few = tuple((scope, min(per_page, 5)) for scope, per_page in listing.QUICK_SCOPES)
    monkeypatch.setattr(listing, "QUICK_SCOPES", few)
    report = pair.sync(mode="quick", dry_run=True).report
    assert report.actions == [f"note on {last}: workflow_state = archived"]
    assert report.flags == 1


def test_a_dry_run_of_a_new_archive_fetches_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(conversations=12) as sandbox:
        pair = bind(sandbox, tmp_path / "archive", monkeypatch)
        report = pair.sync(mode="quick", dry_run=True).report
        assert report.new == len(report.actions) == len(sandbox.school.truth())
        assert pair.one("SELECT count(*) FROM conversations") == 0


def test_an_archive_refuses_another_persons_token(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.errors import WrongAccount

    monkeypatch.setenv("CANVAS_API_TOKEN", pair.sandbox.admin_token)
    result = pair.sync(mode="quick", check=False)
    assert isinstance(result.error, WrongAccount) and result.error.exit_code == 9


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's list of open files")
def test_a_sync_leaves_no_file_of_the_archive_open(pair: Pair) -> None:
    gc.disable()
    try:
        pair.sync(mode="full", index=True)
        opened: list[str] = []
        for number in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # the list itself
                opened.append(os.readlink(f"/proc/self/fd/{number}"))
    finally:
        gc.enable()
    assert [name for name in opened if str(pair.folder) in name] == []
