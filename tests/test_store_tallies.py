"""The counts of ``people``, ``courses``, ``stats`` and ``attachments``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.model import Attachment
from canvas_archive.store import Archive, Ingest, tallies
from tests.store_support import OWNER, TickingClock, conversation, create, message


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    file = Attachment(501, None, "plan.pdf", "application/pdf", 12, None, "https://x")
    with create(tmp_path / "archive") as opened:
        ingest = Ingest(opened.db, TickingClock())
        ingest.save_conversation(
            conversation(1, message(10, author=20), message(11, author=20), message(12, author=OWNER))
        )
        ingest.save_conversation(conversation(2, message(20, author=21, attachments=(file,))))
        yield opened


def test_people_are_those_who_wrote_and_not_the_owner(archive: Archive) -> None:
    found = tallies.people_by_messages(archive.db)
    assert [(one.id, one.messages) for one in found] == [(20, 2), (21, 1)]
    named = tallies.people_by_messages(archive.db, found[1].name.upper())
    assert [one.id for one in named] == [21]
    assert tallies.people_by_messages(archive.db, "nobody") == []


def test_courses_and_years_are_counted(archive: Archive) -> None:
    (course,) = tallies.courses_by_conversations(archive.db)
    assert (course.conversations, course.unread) == (2, 0)
    assert sum(number for _, number in tallies.messages_by_year(archive.db)) == 4


def test_files_are_those_of_a_conversation_or_of_all(archive: Archive) -> None:
    (file,) = tallies.attached_files(archive.db)
    assert (file.conversation_id, file.message_id, file.id, file.name) == (2, 20, 501, "plan.pdf")
    assert file.state == "pending" and file.sha256 is None
    assert list(tallies.attached_files(archive.db, 1)) == []
