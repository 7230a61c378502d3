"""A believable student's mailbox, the same for the same seed, of any size.

The owner, Jules Marchetti, has been a student since Autumn 2024 and assists in two courses. Most threads
play one of the scripts in ``texts/`` with people and words of a course. The landmark threads
(``LANDMARKS``) come first, and have the same ids and words for every seed and size.

Message ids are made from the time, so they grow with it and a landmark's never move. The one exception
is the thread of another shard, whose message ids carry that shard's number and exceed 2**53. One thread
(``outside-origin``) is between others: the owner knows its message only because it was forwarded.
"""

from __future__ import annotations

import json
from collections import deque
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path

from canvas_archive.sandbox.landmarks import LANDMARKS, Landmark
from canvas_archive.sandbox.mailbox import Mailbox, Thread
from canvas_archive.sandbox.sample_cast import Classroom, SampleSchool, Term, make_school
from canvas_archive.sandbox.sample_people import BY_ID, OWNER_ID
from canvas_archive.sandbox.sample_play import Scene, Stage, cast
from canvas_archive.sandbox.scripts import Dice, Script, parse_scripts

__all__ = ["LANDMARKS", "NOW", "Landmark", "sample_mailbox"]

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=timezone.utc)
FIRST_CONVERSATION_ID = 700101

# How the threads spread: the share of each term (by id), of the weeks between terms, and of the last days.
_TERM_SHARES = ((61, 0.11), (62, 0.12), (63, 0.18), (64, 0.21), (65, 0.26))
_BETWEEN_SHARE = 0.06
_TODAY_SHARE = 0.012
_LAST_DAYS = 12
_NO_COURSE = 0.2  # of the threads in term time
_SENT_ONLY = 0.2  # of the threads the owner begins
# Of the threads of two in a large mailbox; in a small one nearly none, so that subjects fit what is said.
_TAKEN_UP_AGAIN = 0.25
_LARGE = 5000
_UNREAD, _STARRED, _ARCHIVED, _UNSUBSCRIBED = 0.048, 0.1, 0.15, 0.015
_TEXTS = Path(__file__).with_name("texts")
# The order counts: which script is played is drawn from the list of all.
_SCRIPTS = ("study", "subjects", "teaching", "classes", "groups", "life", "campus")
_UNREPEATED = 40  # threads in a row that share neither script nor subject, as far as there are others


def sample_mailbox(seed: int = 2026, conversations: int = 250, now: datetime = NOW) -> Mailbox:
    """Return the sample school with exactly ``conversations`` threads in the owner's view.

    The same arguments give the same mailbox on every machine and Python version. A ``now`` other than
    the default moves every date by the difference; ids and texts stay. With fewer conversations than
    there are landmarks, only the first landmarks are there.
    """
    school = make_school(_fixed_students("course"), _fixed_students("group"))
    stage = Stage(school, NOW)
    threads = _landmark_threads(stage, conversations)
    shown = sum(OWNER_ID in thread.participant_ids for thread in threads)
    played = _played_threads(stage, f"{seed}", conversations - shown)
    _set_states(played, Dice(f"{seed} states"), conversations, threads)
    mailbox = Mailbox(
        owner_id=OWNER_ID,
        people=school.people,
        courses=school.courses,
        groups=school.groups,
        files=stage.files,
        threads={thread.id: thread for thread in [*threads, *played]},
        now=NOW,
    )
    _move(mailbox, now.astimezone(timezone.utc).replace(microsecond=0) - NOW)
    return mailbox


@lru_cache(maxsize=1)
def scripts() -> tuple[Script, ...]:
    """Return every script that can be played in more than one way."""
    return tuple(script for name in _SCRIPTS for script in parse_scripts(_text(f"{name}.txt")))


@lru_cache(maxsize=1)
def landmark_scripts() -> tuple[Script, ...]:
    """Return the scripts of the landmark threads."""
    bodies = {**json.loads(_text("bodies.json")), "LONG": _text("long_notes.txt").removesuffix("\n")}
    return parse_scripts(_text("landmarks.txt"), bodies)


def _text(name: str) -> str:
    return (_TEXTS / name).read_text("utf-8")


# ----------------------------------------------------------------- landmarks


def _fixed_students(context: str) -> dict[str, list[int]]:
    """Return whom the landmarks need in each course, or in its project group: course code -> ids."""
    wanted: dict[str, list[int]] = {}
    for script in landmark_scripts():
        students = [id for id in script.fixed.values() if BY_ID[id].role == "student"]
        for code in script.courses:
            if context in ("course", script.context):
                wanted.setdefault(code, []).extend(students)
    return wanted


def _landmark_threads(stage: Stage, limit: int) -> list[Thread]:
    rooms = {room.subject.code: room for room in stage.school.classrooms.values()}
    threads: list[Thread] = []
    shown = 0
    for script in landmark_scripts():
        if shown >= limit:
            break
        scene = cast(
            script, rooms[script.courses[0]] if script.courses else None, stage.school, Dice(script.key)
        )
        if scene is None:
            raise ValueError(f"the landmark {script.key} cannot be cast")
        thread = stage.play(script, scene, script.id)
        thread.starred = "starred" in script.flags
        thread.subscribed = "unsubscribed" not in script.flags
        thread.workflow_state = next((f for f in script.flags if f in ("archived", "unread")), "read")
        stage.landmarks[script.key] = thread
        threads.append(thread)
        shown += OWNER_ID in thread.participant_ids
    return threads


# ----------------------------------------------------------------- the rest


def _played_threads(stage: Stage, seed: str, count: int) -> list[Thread]:
    program = _Program(stage.school)
    again = _TAKEN_UP_AGAIN * min(1.0, count / _LARGE)
    threads = []
    for number, start in enumerate(_starts(stage.school, Dice(f"{seed} starts"), count)):
        dice = Dice(f"{seed} {number}")
        script, scene = program.next(start, dice)
        scene.start = start
        alone = script.turns[0].author == "ME" and len(script.cast) > 1 and dice.chance(_SENT_ONLY)
        thread = stage.play(
            script,
            scene,
            FIRST_CONVERSATION_ID + number,
            turns=1 if alone else None,
            avoid=program.subjects,
        )
        if thread.private and not alone and dice.chance(again):
            _take_up_again(stage, program, thread, script, scene)
        program.subjects.append(thread.subject or "")
        threads.append(thread)
    return threads


def _take_up_again(stage: Stage, program: _Program, thread: Thread, script: Script, scene: Scene) -> None:
    """Let two people go on in their old thread some days later, as one does, about something else."""
    start = thread.messages[-1].created_at + timedelta(
        days=scene.dice.between(2, 21), minutes=scene.dice.below(240)
    )
    other = program.another(start, script, scene)
    if other is not None:
        again = Scene(scene.school, scene.dice, start, scene.roles, scene.classroom, scene.group_id)
        thread.messages += stage.play(other, again, thread.id).messages


def _starts(school: SampleSchool, dice: Dice, count: int) -> list[datetime]:
    """Return when the threads begin, in order: mostly in term, on weekdays, in the daytime."""
    terms = {term.id: term for term in school.terms}
    spans = [(terms[id].first_day, min(terms[id].last_day, NOW), share) for id, share in _TERM_SHARES]
    between = [
        (before.last_day, after.first_day)
        for before, after in zip(school.terms, school.terms[1:], strict=False)
    ]
    spans += [(begin, end, _BETWEEN_SHARE / len(between)) for begin, end in between]
    spans.append((NOW.replace(hour=7, minute=0), NOW, _TODAY_SHARE))
    spans.append((NOW - timedelta(days=_LAST_DAYS), NOW, 1.0 - sum(span[2] for span in spans)))
    starts = []
    for _ in range(count):
        begin, end = _span_at(dice.fraction(), spans)
        starts.append(_daytime(begin, end, dice))
    return sorted(starts)


def _span_at(mark: float, spans: list[tuple[datetime, datetime, float]]) -> tuple[datetime, datetime]:
    """Return the span a mark from 0 to 1 falls into, the shares laid end to end."""
    for begin, end, share in spans[:-1]:
        mark -= share
        if mark < 0:
            return begin, end
    return spans[-1][:2]


def _daytime(begin: datetime, end: datetime, dice: Dice) -> datetime:
    while True:
        day = begin + (end - begin) * dice.fraction()
        moment = day.replace(
            hour=8 + int(14 * (dice.fraction() * 0.6 + dice.fraction() * 0.4)),
            minute=dice.below(60),
            second=dice.below(60),
            microsecond=0,
        )
        if begin <= moment <= end and (moment.weekday() < 5 or dice.chance(0.35)):
            return moment


class _Program:
    """Chooses what is played next, so that neighbours in the inbox differ."""

    def __init__(self, school: SampleSchool) -> None:
        self._school = school
        self._uses: dict[str, int] = {}
        self._recent: deque[str] = deque(maxlen=_UNREPEATED)
        self._offers: dict[tuple[int, int, bool], list[tuple[Script, Classroom | None]]] = {}
        self.subjects: deque[str] = deque(maxlen=_UNREPEATED)

    def next(self, start: datetime, dice: Dice) -> tuple[Script, Scene]:
        """Return a script for a moment and the people in it; its scene still needs the start."""
        term = self._school.term_at(start)
        week = term.week(start)
        with_course = 1 <= week <= 16 and not dice.chance(_NO_COURSE)
        drawn = dice.sample(self._offers_at(term, week, with_course=with_course), 40)
        drawn.sort(key=lambda offer: (offer[0].key in self._recent, self._uses.get(offer[0].key, 0)))
        for script, classroom in drawn:
            scene = cast(script, classroom, self._school, dice)
            if scene is not None:
                self._uses[script.key] = self._uses.get(script.key, 0) + 1
                self._recent.append(script.key)
                return script, scene
        raise ValueError(f"no script fits week {week} of {term.name}")

    def another(self, start: datetime, script: Script, scene: Scene) -> Script | None:
        """Return a second script for the same people in the same course, if one fits at that time."""
        term = self._school.term_at(start)
        offers = self._offers_at(term, term.week(start), with_course=scene.classroom is not None)
        fitting = [
            other
            for other, classroom in offers
            if other is not script
            and not other.fixed
            and classroom is scene.classroom
            and sorted(other.cast) == sorted(script.cast)
        ]
        return scene.dice.pick(fitting) if fitting else None

    def _offers_at(
        self, term: Term, week: int, *, with_course: bool
    ) -> list[tuple[Script, Classroom | None]]:
        key = (term.id, week, with_course)
        if key not in self._offers:
            self._offers[key] = self._offered(term, week, with_course)
        return self._offers[key]

    def _offered(self, term: Term, week: int, with_course: bool) -> list[tuple[Script, Classroom | None]]:
        fitting = [script for script in scripts() if script.weeks[0] <= week <= script.weeks[1]]
        if not with_course:
            return [(script, None) for script in fitting if script.roles == "none"]
        return [
            (script, room)
            for script in fitting
            for room in self._school.classrooms_in(term)
            if _fits(script, room)
        ]


def _fits(script: Script, room: Classroom) -> bool:
    subject = room.subject
    if script.courses and subject.code not in script.courses:
        return False
    if not subject.assistants and ("A" in script.cast or "A" in script.slots()):
        return False
    if script.context == "group" and not room.group_ids:
        return False
    return script.roles in ("any", subject.owner_role)


# ----------------------------------------------------------------- the owner's view


def _set_states(threads: list[Thread], dice: Dice, total: int, landmarks: list[Thread]) -> None:
    """Mark threads unread, archived, starred and unsubscribed, counting what the landmarks bring along."""

    def wanted(share: float, there: int) -> int:
        return max(0, round(share * total) - there)

    received = [thread for thread in threads if any(m.author_id != OWNER_ID for m in thread.messages)]
    received.sort(key=lambda thread: thread.messages[-1].created_at, reverse=True)
    waiting = [thread for thread in received if thread.messages[-1].author_id != OWNER_ID]
    unread = wanted(_UNREAD, sum(t.workflow_state == "unread" for t in landmarks))
    recent, older = waiting[: unread * 2], waiting[unread * 2 : unread * 8]
    chosen = dice.sample(recent, unread - unread // 6) + dice.sample(older, unread // 6)
    for thread in chosen:
        thread.workflow_state = "unread"
    old = [thread for thread in received[len(received) // 6 :] if thread.workflow_state == "read"]
    for thread in dice.sample(old, wanted(_ARCHIVED, sum(t.workflow_state == "archived" for t in landmarks))):
        thread.workflow_state = "archived"
    for thread in dice.sample(threads, wanted(_STARRED, sum(t.starred for t in landmarks))):
        thread.starred = True
    large = [t for t in received if not t.private and t.workflow_state == "read"]
    for thread in dice.sample(large, wanted(_UNSUBSCRIBED, sum(not t.subscribed for t in landmarks))):
        thread.subscribed = False


def _move(mailbox: Mailbox, shift: timedelta) -> None:
    if not shift:
        return
    mailbox.now += shift
    for thread in mailbox.threads.values():
        for message in thread.messages:
            message.created_at += shift
    for file in mailbox.files.values():
        file.created_at += shift
