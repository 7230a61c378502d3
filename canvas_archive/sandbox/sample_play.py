"""Playing a script: people, words and times are found for it, and a thread comes out."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from canvas_archive.sandbox.mailbox import Media, SandboxFile, SentMessage, Thread
from canvas_archive.sandbox.render import CONTENT_TYPES
from canvas_archive.sandbox.sample_cast import Classroom, SampleSchool
from canvas_archive.sandbox.sample_people import BY_ID, CROSS_SHARD_PERSON_ID, OWNER_ID, Subject
from canvas_archive.sandbox.sample_words import SLOT_WORDS
from canvas_archive.sandbox.scripts import Dice, Script, ScriptFile, ScriptMessage, Template

EPOCH = datetime(2024, 8, 1, tzinfo=timezone.utc)
MESSAGE_BASE = 9_000_000
FILE_BASE = 5_000_000
# A message of another shard carries its shard's number in front: shard 900 here, which is above 2**53.
CROSS_SHARD_MESSAGE_BASE = 9007199254741990

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_FORMS = ("day", "date", "ics")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Ids:
    """Hands out ids that grow with time: sixteen for each second, taken in order."""

    def __init__(self) -> None:
        self._used: set[int] = set()
        self._cross_shard = 0

    def at(self, base: int, moment: datetime) -> int:
        """Return the next free id for a moment, above ``base``."""
        second = int((moment - EPOCH).total_seconds())
        id = base + second * 16 + second * 5 % 9
        while id in self._used:
            id += 1
        self._used.add(id)
        return id

    def cross_shard(self) -> int:
        """Return the next message id of the other shard."""
        self._cross_shard += 1
        return CROSS_SHARD_MESSAGE_BASE + self._cross_shard


@dataclass(slots=True)
class Scene:
    """One playing of a script: who plays whom, where, when, and the words chosen so far."""

    school: SampleSchool
    dice: Dice
    start: datetime
    roles: dict[str, int]
    classroom: Classroom | None = None
    group_id: int | None = None
    words: dict[str, str] = field(default_factory=dict)

    def fill(self, slot: str) -> str:
        """Return the word for a slot, the same all through the scene.

        Raises ValueError for a slot nobody knows.
        """
        word = self.words.get(slot)
        if word is None:
            word = self.words[slot] = self._word(slot)
        return word

    def _word(self, slot: str) -> str:
        base, _, offset = slot.partition("+")
        if base in _DAY_FORMS:
            return _day(self.start + timedelta(days=int(offset)), base)
        role, number = slot.rstrip("12n"), slot[len(slot.rstrip("12n")) :]
        if role in self.roles:
            id = self.roles[role]
            if number == "n":
                return self.school.people[id].name
            return self.school.called[id] if number == "1" else self.school.formal[id]
        if slot in SLOT_WORDS:
            words = SLOT_WORDS[slot]
            other = slot[:-1] if slot.endswith("2") else f"{slot}2"
            taken = self.words.get(other)
            if slot == "room_other" and self.classroom is not None:
                taken = self.classroom.subject.room
            return self._unlike(words, taken)
        if self.classroom is not None:
            return self._course_word(slot, self.classroom.subject)
        raise ValueError(f"nothing is known for the slot {{{slot}}}")

    def _course_word(self, slot: str, subject: Subject) -> str:
        if slot == "code":
            return subject.code
        if slot == "glued":
            return subject.code.replace(" ", "").lower()
        if slot == "bare":
            return self.fill("task").removeprefix("the ")
        if slot == "title":
            return subject.title
        if slot == "room":
            return subject.room
        if slot == "week":
            return str(max(1, self.school.term_at(self.start).week(self.start)))
        if slot == "group":
            return self.school.groups[self.group_id].name if self.group_id is not None else "our group"
        lists = {"topic": subject.topics, "task": subject.tasks, "reading": subject.readings}
        stem = slot.rstrip("2")
        if stem in lists:
            return self._unlike(lists[stem], self.words.get(stem if slot != stem else f"{stem}2"))
        if stem in ("Topic", "Task", "Reading"):
            word = self.fill(slot[0].lower() + slot[1:])
            return word[0].upper() + word[1:]
        raise ValueError(f"nothing is known for the slot {{{slot}}}")

    def _unlike(self, words: tuple[str, ...], taken: str | None) -> str:
        word = self.dice.pick(words)
        while word == taken:
            word = self.dice.pick(words)
        return word


def _day(moment: datetime, form: str) -> str:
    """Return ``Thursday``, ``Thursday 12 November`` or ``20261112``; weekends move on to Monday."""
    if moment.weekday() > 4:
        moment += timedelta(days=7 - moment.weekday())
    if form == "ics":
        return f"{moment:%Y%m%d}"
    day = _DAYS[moment.weekday()]
    return f"{day} {moment.day} {_MONTHS[moment.month - 1]}" if form == "date" else day


@dataclass(slots=True)
class Stage:
    """What all playings share: the school, the ids, the files and the landmarks played so far."""

    school: SampleSchool
    now: datetime  # in the sample's own time
    ids: Ids = field(default_factory=Ids)
    files: dict[int, SandboxFile] = field(default_factory=dict)
    landmarks: dict[str, Thread] = field(default_factory=dict)

    def play(
        self,
        script: Script,
        scene: Scene,
        conversation_id: int,
        *,
        turns: int | None = None,
        avoid: Container[str] = (),
    ) -> Thread:
        """Return the thread of a script in a scene: its first ``turns`` turns, as far as ``now``.

        What lies in the future has not been written yet, so a thread begun today may be short.
        Subjects in ``avoid`` are used only when the script has no other.
        """
        people = self._participants(script, scene)
        subject = _subject(script, scene, avoid)
        messages: list[SentMessage] = []
        moment = scene.start
        for number, turn in enumerate(script.turns[:turns]):
            if turn.at is not None:
                moment = turn.at
            elif number:
                moment = _next_moment(moment, turn, scene.dice)
            if moment > self.now:
                break
            messages.append(self._message(script, turn, scene, moment, people, messages))
        return Thread(
            id=conversation_id,
            participant_ids=people,
            messages=messages,
            subject=subject,
            private=len(people) <= 2,
            context_code=_context(script, scene),
        )

    def _participants(self, script: Script, scene: Scene) -> list[int]:
        people = [scene.roles[role] for role in script.cast]
        if script.extra[1] and scene.classroom is not None:
            others = [p for p in scene.classroom.everyone if p not in people]
            wanted = scene.dice.between(*script.extra)
            people += others if wanted >= len(others) else scene.dice.sample(others, wanted)
        return list(dict.fromkeys(people))

    def _message(
        self,
        script: Script,
        turn: ScriptMessage,
        scene: Scene,
        moment: datetime,
        people: list[int],
        earlier: list[SentMessage],
    ) -> SentMessage:
        author = scene.roles[turn.author]
        cross_shard = scene.roles.get("B") == CROSS_SHARD_PERSON_ID
        to = {author, *(scene.roles[role] for role in turn.to)} if turn.to else set(people)
        if turn.added:
            added = self.school.people[scene.roles[turn.added]].name
            body = f"{added} was added to the conversation by {self.school.people[author].name}"
        else:
            body = turn.body.text(scene.fill, scene.dice)
        message = SentMessage(
            id=self.ids.cross_shard() if cross_shard else self.ids.at(MESSAGE_BASE, moment),
            author_id=author,
            created_at=moment,
            body=body,
            to_ids=[person for person in people if person in to],
            generated=bool(turn.added),
            forwarded_ids=[
                (earlier if key == script.key else self.landmarks[key].messages)[index].id
                for key, index in turn.forwards
            ],
        )
        for enclosure in turn.files:
            if not enclosure.optional or scene.dice.chance(0.5):
                message.file_ids.append(self._file(enclosure, scene, author, moment))
        if turn.media is not None:
            media_type, name = turn.media
            media_id = "m-" + "".join(scene.dice.pick(list(_LETTERS)) for _ in range(22))
            message.media = Media(media_id, media_type, name)
        return message

    def _file(self, enclosure: ScriptFile, scene: Scene, author: int, moment: datetime) -> int:
        def text(template: Template) -> str:
            return template.text(scene.fill, scene.dice)

        id = self.ids.at(FILE_BASE, moment)
        self.files[id] = SandboxFile(
            id=id,
            owner_id=author,
            display_name=text(enclosure.name),
            content_type=CONTENT_TYPES[enclosure.kind],
            created_at=moment,
            recipe=f"{enclosure.kind}:{text(enclosure.contents)}",
        )
        return id


def _subject(script: Script, scene: Scene, avoid: Container[str]) -> str | None:
    subject: str | None = None
    for template in scene.dice.sample(script.subjects, len(script.subjects)):
        subject = template.text(scene.fill, scene.dice)
        if subject not in avoid:
            break
    return subject


def _context(script: Script, scene: Scene) -> str | None:
    if script.context == "none" or scene.classroom is None:
        return None
    if script.context == "group" and scene.group_id is not None:
        return f"group_{scene.group_id}"
    return f"course_{scene.classroom.subject.id}"


def _next_moment(moment: datetime, turn: ScriptMessage, dice: Dice) -> datetime:
    """Return when the next turn comes: after its gap, or after minutes to a day or two; never at night."""
    if turn.gap is not None:
        return moment + turn.gap + timedelta(seconds=dice.between(1, 50))
    kind = dice.fraction()
    if kind < 0.35:
        pause = timedelta(minutes=dice.between(3, 50))
    elif kind < 0.75:
        pause = timedelta(minutes=dice.between(50, 420))
    else:
        pause = timedelta(minutes=dice.between(600, 2600))
    moment += pause + timedelta(seconds=dice.between(0, 59))
    if turn.author == "O" and moment.weekday() > 4:
        moment += timedelta(days=7 - moment.weekday())  # offices do not answer on weekends
    if moment.hour < 7:
        moment += timedelta(hours=7 - moment.hour, minutes=dice.between(0, 90))
    return moment


def cast(script: Script, classroom: Classroom | None, school: SampleSchool, dice: Dice) -> Scene | None:
    """Find people for a script in a course; the scene has no start yet. ``None``: it cannot be cast there."""
    roles = {"ME": OWNER_ID, **script.fixed}
    group_id: int | None = None
    if classroom is None:
        pool: list[int] = [id for id in BY_ID if BY_ID[id].role == "student" and id < 10**6]
    elif script.context == "group":
        if not classroom.group_ids:
            return None
        group_id = dice.pick(classroom.group_ids)
        pool = [id for id in school.groups[group_id].member_ids if id != OWNER_ID]
    else:
        pool = list(classroom.students)
    open_roles = [role for role in _students_of(script) if role not in roles]
    for role, person in zip(open_roles, dice.sample(pool, len(open_roles)), strict=False):
        roles[role] = person
    if classroom is not None:
        roles.setdefault("T", classroom.subject.teacher)
        if classroom.subject.assistants:
            roles.setdefault("A", dice.pick(classroom.subject.assistants))
    if any(role not in roles for role in script.cast):
        return None
    return Scene(school, dice, EPOCH, roles, classroom, group_id)


def _students_of(script: Script) -> Iterable[str]:
    """Return the student roles: those who take part, then those who are only talked about."""
    return sorted(("P", "Q", "R", "S"), key=lambda role: (role not in script.cast, role))
