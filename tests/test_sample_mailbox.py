"""The sample mailbox: the same every time, whole, and with everything in it that it promises."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime, timezone

import pytest

from canvas_archive.sandbox.mailbox import Mailbox, SentMessage, Thread
from canvas_archive.sandbox.sample import LANDMARKS, NOW, sample_mailbox


@pytest.fixture(scope="module")
def mailbox() -> Mailbox:
    return sample_mailbox()


def own(mailbox: Mailbox) -> list[Thread]:
    return [thread for thread in mailbox.threads.values() if mailbox.owner_id in thread.participant_ids]


def received(mailbox: Mailbox, thread: Thread) -> list[SentMessage]:
    return [m for m in thread.messages if m.author_id != mailbox.owner_id and mailbox.owner_id in m.to_ids]


def landmark(mailbox: Mailbox, name: str) -> tuple[Thread, SentMessage]:
    thread = mailbox.threads[LANDMARKS[name].conversation_id]
    return thread, next(m for m in thread.messages if m.id == LANDMARKS[name].message_id)


def dump(mailbox: Mailbox) -> str:
    return hashlib.sha256(repr(asdict(mailbox)).encode()).hexdigest()


def test_the_same_seed_gives_the_same_mailbox_and_another_seed_another() -> None:
    assert dump(sample_mailbox(7, 60)) == dump(sample_mailbox(7, 60))
    assert dump(sample_mailbox(7, 60)) != dump(sample_mailbox(8, 60))


@pytest.mark.parametrize("conversations", [1, 12, 40, 250])
def test_the_owner_sees_exactly_as_many_conversations_as_asked_for(conversations: int) -> None:
    assert len(own(sample_mailbox(conversations=conversations))) == conversations


def test_everything_referred_to_exists(mailbox: Mailbox) -> None:
    messages = {m.id: m for t in mailbox.threads.values() for m in t.messages}
    assert len(messages) == sum(len(t.messages) for t in mailbox.threads.values())
    for key, thread in mailbox.threads.items():
        assert key == thread.id
        assert thread.messages
        assert set(thread.participant_ids) <= set(mailbox.people)
        if thread.context_code is not None:
            kind, _, number = thread.context_code.partition("_")
            assert int(number) in {"course": mailbox.courses, "group": mailbox.groups}[kind]
        for message in thread.messages:
            assert message.author_id in message.to_ids
            assert set(message.to_ids) <= set(thread.participant_ids)
            assert all(mailbox.files[f].owner_id == message.author_id for f in message.file_ids)
            assert all(messages[f].created_at <= message.created_at for f in message.forwarded_ids)
    for course in mailbox.courses.values():
        assert set(course.enrollments) <= set(mailbox.people)
        assert mailbox.owner_id in course.enrollments
    for group in mailbox.groups.values():
        assert set(group.member_ids) <= set(mailbox.courses[group.course_id].enrollments)
    assert all(key == file.id for key, file in mailbox.files.items())


def test_times_are_whole_seconds_up_to_now_and_ids_grow_with_them(mailbox: Mailbox) -> None:
    messages = [m for t in mailbox.threads.values() for m in t.messages]
    assert all(m.created_at.microsecond == 0 and m.created_at.tzinfo == timezone.utc for m in messages)
    assert max(m.created_at for m in messages) <= mailbox.now
    for thread in mailbox.threads.values():
        assert [(m.created_at, m.id) for m in thread.messages] == sorted(
            (m.created_at, m.id) for m in thread.messages
        )
    local = sorted((m for m in messages if m.id < 2**53 - 10_000), key=lambda m: m.id)
    assert [m.created_at for m in local] == sorted(m.created_at for m in local)
    assert len(messages) - len(local) == 3


def test_another_now_moves_dates_and_nothing_else() -> None:
    at = datetime(2027, 3, 1, 8, 0, 5, 777, tzinfo=timezone.utc)
    moved, here = sample_mailbox(conversations=60, now=at), sample_mailbox(conversations=60)
    assert moved.now == at.replace(microsecond=0)
    shift = moved.now - NOW
    for thread, other in zip(here.threads.values(), moved.threads.values(), strict=True):
        for message, twin in zip(thread.messages, other.messages, strict=True):
            assert (twin.id, twin.body, twin.created_at) == (
                message.id,
                message.body,
                message.created_at + shift,
            )


def test_landmarks_have_their_ids_whatever_the_seed_and_size() -> None:
    for mailbox in (sample_mailbox(1, 40), sample_mailbox(2, 300)):
        for name in LANDMARKS:
            thread, message = landmark(mailbox, name)
            assert message in thread.messages
    first = {name: landmark(sample_mailbox(1, 40), name)[1].body for name in LANDMARKS}
    assert first == {name: landmark(sample_mailbox(5, 80), name)[1].body for name in LANDMARKS}
