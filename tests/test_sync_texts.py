"""How a sync finds out how Canvas sends bodies, and what it does when that changes or was wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.export.checks import check_contents, check_evidence
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from canvas_archive.store.reading import list_conversations
from canvas_archive.store.texts import texts_of_run
from canvas_archive.sync.texts import RunTexts
from tests.sandbox_support import BEN, DEE, small_mailbox
from tests.sync_support import Pair, bind

TYPED = ("Q&A session: R&D at AT&T if x < 5 <3", "write &lt;b&gt; and &amp;amp; here", "> quoted", "plain")


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """An archive that has never been synced, of a small school whose messages have no signs."""
    with Sandbox(small_mailbox()) as sandbox:
        yield bind(sandbox, tmp_path / "archive", monkeypatch)


def write(pair: Pair, *bodies: str, author: int = BEN) -> list[int]:
    """Let people write, each message in a conversation of its own; return these conversations."""
    return [
        pair.sandbox.school.start_conversation(author, [pair.owner], f"No. {at}", body)
        for at, body in enumerate(bodies)
    ]


def bodies(pair: Pair, numbers: list[int]) -> list[str]:
    """Return the newest stored body of each conversation."""
    query = "SELECT body FROM messages WHERE conversation_id = ? ORDER BY id DESC LIMIT 1"
    return [pair.one(query, number) for number in numbers]


def known(pair: Pair) -> Any:
    """Return what the last run recorded."""
    recorded = json.loads(pair.one("SELECT counts FROM sync_runs ORDER BY id DESC LIMIT 1"))["texts"]
    with Archive.open(pair.folder) as archive:
        found = texts_of_run(archive.db)
    assert found is not None and found.to_json() == recorded
    return recorded


def assert_sound(pair: Pair) -> None:
    """Check that nothing was taken for an edit, and that every seal fits."""
    assert pair.one("SELECT count(*) FROM revisions WHERE before LIKE '%\"body\"%'") == 0
    with Archive.open(pair.folder) as archive:
        assert check_evidence(archive.db, None).ok
        assert check_contents(archive.db, lambda done, total: None).ok


@pytest.mark.parametrize("texts", ["entities", "raw"])
def test_bodies_are_stored_as_they_were_typed(pair: Pair, texts: str) -> None:
    pair.sandbox.school.texts = texts
    numbers = write(pair, *TYPED)
    pair.sync()
    assert bodies(pair, numbers) == list(TYPED)
    assert known(pair)["sent"] == texts
    later = write(pair, *TYPED, author=DEE)
    pair.sync()
    pair.sync(refetch=True)
    assert bodies(pair, later) == list(TYPED)
    assert_sound(pair)


def test_without_a_sign_nothing_is_known_until_one_comes(pair: Pair) -> None:
    pair.sync()
    assert known(pair) == {"sent": None, "shown_by": None}
    numbers = write(pair, "R&D")
    pair.sync()
    assert bodies(pair, numbers) == ["R&D"]
    assert known(pair)["sent"] == "entities"
    requests = pair.sync().report.requests
    assert known(pair)["sent"] == "entities" and requests == 6


def test_a_typed_entity_on_a_raw_server_stays(pair: Pair) -> None:
    pair.sandbox.school.texts = "raw"
    first = write(pair, "R&D")
    pair.sync()
    numbers = write(pair, "use &lt;b&gt;", author=DEE)
    pair.sync()  # the message that showed it is asked for again
    assert bodies(pair, numbers + first) == ["use &lt;b&gt;", "R&D"]
    assert known(pair)["sent"] == "raw"
    assert_sound(pair)


def test_an_upgrade_of_canvas_is_noticed(pair: Pair) -> None:
    pair.sandbox.school.texts = "raw"
    first = write(pair, *TYPED)
    pair.sync()
    pair.sandbox.school.texts = "entities"
    numbers = write(pair, *TYPED, author=DEE)
    pair.sync()
    assert bodies(pair, first + numbers) == [*TYPED, *TYPED]
    assert known(pair)["sent"] == "entities"
    pair.sync(refetch=True)
    assert bodies(pair, first + numbers) == [*TYPED, *TYPED]
    assert_sound(pair)


def test_an_upgrade_shows_although_no_old_message_has_changed_its_preview(pair: Pair) -> None:
    pair.sandbox.school.texts = "raw"
    long = "x" * 200 + " R&D &lt;"
    first = write(pair, long)
    pair.sync()
    pair.sandbox.school.texts = "entities"
    numbers = write(pair, "AT&T &lt;", author=DEE)
    pair.sync()
    assert bodies(pair, first + numbers) == [long, "AT&T &lt;"]
    assert known(pair)["sent"] == "entities"
    assert_sound(pair)


def test_what_was_decoded_by_mistake_is_fetched_again(pair: Pair) -> None:
    pair.sandbox.school.texts = "raw"
    numbers = write(pair, "use &lt;b&gt; and &amp;")  # nothing yet shows that a person typed it
    pair.sync()
    assert (bodies(pair, numbers), known(pair)["sent"]) == (["use <b> and &"], "entities")
    more = write(pair, "R&D &lt;", author=DEE)
    pair.sync()
    assert bodies(pair, numbers + more) == ["use &lt;b&gt; and &amp;", "R&D &lt;"]
    assert known(pair) == {"sent": "raw", "shown_by": known(pair)["shown_by"]}
    assert_sound(pair)


def test_a_mistake_is_corrected_although_the_sync_that_noticed_it_was_cut_short(pair: Pair) -> None:
    pair.sandbox.school.texts = "raw"
    numbers = write(pair, "use &lt;b&gt;")
    pair.sync()
    more = write(pair, "R&D", author=DEE)
    pair.sandbox.faults.add("status", f"/conversations/{numbers[0]}", status=500)
    pair.sync(check=False)
    pair.sandbox.faults.clear()
    pair.sync(retry=True)
    assert bodies(pair, numbers + more) == ["use &lt;b&gt;", "R&D"]
    assert_sound(pair)


def test_an_archive_of_an_earlier_version_is_decoded_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = write(pair, *TYPED)
    with monkeypatch.context() as earlier:  # it knew nothing of texts
        earlier.setattr(RunTexts, "as_typed", lambda _, group: group)
        earlier.setattr(RunTexts, "to_fetch_again", lambda _: [])
        earlier.setattr(RunTexts, "decide", lambda _: None)
        pair.sync()
    assert bodies(pair, numbers)[0].startswith("Q&amp;A")
    assert pair.sync().report.requests == 6
    assert bodies(pair, numbers) == list(TYPED)
    assert_sound(pair)
    pair.sync(refetch=True)
    assert bodies(pair, numbers) == list(TYPED)
    assert_sound(pair)


def test_a_body_that_is_changed_is_named_although_bodies_were_decoded(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_an_archive_of_an_earlier_version_is_decoded_once(pair, monkeypatch)
    pair.update("UPDATE messages SET body = 'forged' WHERE body LIKE 'Q&A%'")
    pair.sync()
    with Archive.open(pair.folder) as archive:
        assert not check_contents(archive.db, lambda done, total: None).ok


def test_previews_are_compared_as_they_are_sent_and_shown_as_they_were_typed(pair: Pair) -> None:
    write(pair, "R&D " + "x" * 86 + "&" * 9)
    pair.sync()
    stored = pair.one("SELECT last_message FROM conversations WHERE subject = 'No. 0'")
    assert stored.startswith("R&amp;D")
    with Archive.open(pair.folder) as archive:
        shown = [line.preview for line in list_conversations(archive.db, "inbox").lines]
    assert "R&D " + "x" * 86 + "..." in shown
    assert pair.sync().report.requests == 6
