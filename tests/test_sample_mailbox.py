"""The sample mailbox: the same every time, whole, and with everything in it that it promises."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from canvas_archive.sandbox.contents import file_bytes
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


@pytest.mark.thorough
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
    told = []
    for mailbox in (sample_mailbox(1, 40), sample_mailbox(2, 300), sample_mailbox(5, 80)):
        for name in LANDMARKS:
            thread, message = landmark(mailbox, name)
            assert message in thread.messages
        told.append({name: landmark(mailbox, name)[1].body for name in LANDMARKS})
    assert told[0] == told[1] == told[2]


def test_the_default_mailbox_has_the_folders_of_a_lived_in_inbox(mailbox: Mailbox) -> None:
    threads = own(mailbox)
    answered = [t for t in threads if received(mailbox, t)]
    unread = [t for t in answered if t.workflow_state == "unread"]
    newest = sorted((t.messages[-1].created_at for t in unread), reverse=True)
    assert len(unread) == 12
    assert sum(at > mailbox.now - timedelta(days=21) for at in newest) >= 8
    assert all(t.messages[-1].author_id != mailbox.owner_id for t in unread)
    assert sum(t.workflow_state == "archived" for t in threads) == pytest.approx(37, abs=2)
    assert sum(t.starred for t in threads) == pytest.approx(25, abs=2)
    unsubscribed = [t for t in threads if not t.subscribed]
    assert unsubscribed and not any(t.private for t in unsubscribed)
    assert len(threads) - len(answered) >= 12
    assert sum(t.participant_ids == [mailbox.owner_id] for t in threads) >= 2


def test_the_default_mailbox_has_threads_of_every_size_and_context(mailbox: Mailbox) -> None:
    threads = own(mailbox)
    sizes = Counter(len(t.participant_ids) for t in threads)
    assert max(sizes) > 100
    assert sum(sizes[n] for n in range(3, 13)) >= 30
    assert all(t.private == (len(t.participant_ids) <= 2) for t in threads)
    kinds = Counter((t.context_code or "none").partition("_")[0] for t in threads)
    assert kinds["course"] > len(threads) / 2
    assert kinds["group"] >= 5 and kinds["none"] >= 20
    assert len({t.context_code for t in threads if (t.context_code or "").startswith("course_")}) >= 6


def test_messages_carry_everything_canvas_messages_can(mailbox: Mailbox) -> None:
    messages = [m for t in own(mailbox) for m in t.messages]
    assert sum(m.generated for m in messages) >= 2
    assert {m.media.media_type for m in messages if m.media} == {"audio", "video"}
    with_files = [t for t in own(mailbox) if any(m.file_ids for m in t.messages)]
    assert 0.15 <= len(with_files) / len(own(mailbox)) <= 0.25
    assert {len(m.file_ids) for m in messages} == {0, 1, 2, 3}
    assert {f.content_type.partition("/")[2].rpartition(".")[2] for f in mailbox.files.values()} >= {
        "pdf",
        "png",
        "csv",
        "document",
        "plain",
    }
    assert sum(t.subject is None for t in own(mailbox)) >= 3
    assert sum(t.subject == "" for t in own(mailbox)) == 0
    assert all(m.body and len(m.body.encode()) < 65_535 for m in messages)


def test_neighbours_in_the_inbox_do_not_share_a_subject(mailbox: Mailbox) -> None:
    threads = sorted(own(mailbox), key=lambda t: t.messages[-1].created_at)
    subjects = [t.subject for t in threads]
    assert not [a for a, b in pairwise(subjects) if a == b and a]
    assert len(set(subjects)) > 0.8 * len(subjects)


def test_there_is_mail_of_today_this_week_and_every_term(mailbox: Mailbox) -> None:
    newest = [t.messages[-1].created_at for t in own(mailbox)]
    assert sum(at.date() == mailbox.now.date() for at in newest) >= 3
    assert sum(at > mailbox.now - timedelta(days=7) for at in newest) >= 12
    assert {course.term for course in mailbox.courses.values()} == {
        "Autumn 2024",
        "Spring 2025",
        "Autumn 2025",
        "Spring 2026",
        "Autumn 2026",
    }
    assert {at.year for at in newest} == {2024, 2025, 2026}


def test_the_people_are_as_different_as_at_a_real_school(mailbox: Mailbox) -> None:
    people = list(mailbox.people.values())
    names = Counter(person.name for person in people)
    assert [name for name, count in names.items() if count > 1] == ["Sam Lee"]
    assert any("'" in name for name in names)
    assert max(map(len, names)) > 60
    assert any("\u0590" <= c <= "\u05ff" for name in names for c in name)
    assert any("\u0600" <= c <= "\u06ff" for name in names for c in name)
    assert any("\u4e00" <= c <= "\u9fff" for name in names for c in name)
    assert sum(person.pronouns is not None for person in people) >= 20
    assert sum(person.full_name != person.name for person in people) >= 10
    assert any(id > 10**13 for id in mailbox.people)
    assert mailbox.people[mailbox.owner_id].name == "Jules Marchetti"


def test_bodies_that_trip_exports_and_pages_are_kept_to_the_letter(mailbox: Mailbox) -> None:
    def body(name: str) -> str:
        return landmark(mailbox, name)[1].body

    assert body("csv-formula").startswith("=")
    assert "\nFrom " in body("mbox-from") and "\n>From " in body("mbox-from")
    assert '<b>not bold</b> & "quotes"' in body("html-looking")
    assert body("whitespace").startswith("    ")
    assert "\t" in body("whitespace") and "\r\n" in body("whitespace") and " \r\n" in body("whitespace")
    assert len(body("long-message").split()) > 3000
    assert body("very-short") == "ok!"
    assert body("quoted-reply").startswith("> ")
    assert len(landmark(mailbox, "long-subject")[0].subject or "") == 250
    assert landmark(mailbox, "no-subject")[0].subject is None


def test_forwards_reach_other_threads_and_nest(mailbox: Mailbox) -> None:
    messages = {m.id: m for t in mailbox.threads.values() for m in t.messages}
    assert landmark(mailbox, "forwarded-room")[1].forwarded_ids == [LANDMARKS["midterm-review"].message_id]
    nested = landmark(mailbox, "nested-forward")[1]
    assert nested.forwarded_ids == [LANDMARKS["forward"].message_id]
    assert messages[nested.forwarded_ids[0]].forwarded_ids == [LANDMARKS["outside-origin"].message_id]
    outside = landmark(mailbox, "outside-origin")[0]
    assert mailbox.owner_id not in outside.participant_ids


def test_landmarks_show_what_they_are_there_for(mailbox: Mailbox) -> None:
    assert LANDMARKS["cross-shard"].message_id == 9007199254741993
    assert LANDMARKS["cross-shard"].conversation_id == 10000000000456
    chen = next(p for p in mailbox.people.values() if p.name == "Astrid Chen")
    midterm = landmark(mailbox, "midterm-review")[1]
    assert midterm.author_id == chen.id and "midterm" in midterm.body
    pair = landmark(mailbox, "same-second")[0].messages[1:3]
    assert pair[0].created_at == pair[1].created_at and pair[0].author_id != pair[1].author_id
    some = landmark(mailbox, "addressed-to-some")[1]
    assert mailbox.owner_id in some.to_ids and len(some.to_ids) == 2
    assert mailbox.owner_id not in landmark(mailbox, "hidden-from-owner")[1].to_ids
    first, second = (mailbox.files[id] for id in landmark(mailbox, "same-bytes")[1].file_ids)
    assert first.display_name != second.display_name
    assert file_bytes(first) == file_bytes(second)
    assert [m.author_id for m in landmark(mailbox, "sent-only")[0].messages] == [mailbox.owner_id]
    assert landmark(mailbox, "announcement")[0].workflow_state == "unread"
    assert landmark(mailbox, "generated")[1].generated
    assert landmark(mailbox, "unsubscribed")[0].subscribed is False


@pytest.mark.parametrize("word", ["palimpsest", "dasymetric", "khotanese", "codicology", "coalescing"])
def test_some_words_are_in_files_only(mailbox: Mailbox, word: str) -> None:
    assert not any(word in m.body.lower() for t in mailbox.threads.values() for m in t.messages)
    assert any(word in file_bytes(file).decode("latin-1").lower() for file in mailbox.files.values())


@pytest.mark.thorough
@pytest.mark.uncounted
def test_a_large_mailbox_is_whole_and_long(mailbox: Mailbox) -> None:
    large = sample_mailbox(conversations=5000)
    assert len(own(large)) == 5000
    assert sum(len(t.messages) for t in large.threads.values()) >= 20_000
    ids = [m.id for t in large.threads.values() for m in t.messages]
    assert len(set(ids)) == len(ids)
    for name in LANDMARKS:
        assert landmark(large, name)[1].body == landmark(mailbox, name)[1].body
    assert all(len(file_bytes(file)) > 0 for file in list(large.files.values())[:50])


@pytest.mark.thorough
def test_neither_sets_nor_hashes_decide_anything() -> None:
    """Another process with another hash seed comes to the same mailbox."""
    program = (
        "import hashlib, dataclasses; from canvas_archive.sandbox.sample import sample_mailbox as s;"
        "print(hashlib.sha256(repr(dataclasses.asdict(s(7, 60))).encode()).hexdigest())"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert answers == {dump(sample_mailbox(7, 60))}


def test_people_writing_in_a_course_or_group_belong_to_it(mailbox: Mailbox) -> None:
    offices = {person.id for person in mailbox.people.values() if person.role == "staff"}
    for thread in mailbox.threads.values():
        kind, _, number = (thread.context_code or "none_0").partition("_")
        if kind == "course":
            assert set(thread.participant_ids) - offices <= set(mailbox.courses[int(number)].enrollments)
        elif kind == "group":
            assert set(thread.participant_ids) <= set(mailbox.groups[int(number)].member_ids)
