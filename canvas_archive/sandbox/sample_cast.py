"""The sample school put together: who is enrolled where, which groups exist, what the terms are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from canvas_archive.sandbox.mailbox import Group, SandboxCourse, SandboxPerson
from canvas_archive.sandbox.sample_people import (
    BY_ID,
    CHARACTERS,
    CROSS_SHARD_PERSON_ID,
    OWNER_ID,
    ROSTER_FIRST,
    ROSTER_LAST,
    STUDENT_IDS,
    SUBJECTS,
    TERMS,
    Subject,
)
from canvas_archive.sandbox.scripts import Dice

ROSTER_BASE_ID = 2001
ROSTER_SIZE = 150
CLASS_SIZE = 20  # named students in each course
GROUP_SIZE = 4  # members of a project group beside the owner
_TYPES = {"ta": "TaEnrollment", "student": "StudentEnrollment"}


@dataclass(frozen=True, slots=True)
class Term:
    """A term and the span in which its courses are talked about."""

    id: int
    name: str
    first_day: datetime
    last_day: datetime

    def week(self, moment: datetime) -> int:
        """Return the week of the term, 1 for its first; 0 and below before it, above 16 after it."""
        return (moment - self.first_day).days // 7 + 1


@dataclass(frozen=True, slots=True)
class Classroom:
    """A course as the scripts need it: its vocabulary and who can be cast."""

    subject: Subject
    students: tuple[int, ...]  # named characters
    everyone: tuple[int, ...]  # all enrolled but the owner
    group_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SampleSchool:
    """People, courses and groups of a sample, and how people are called."""

    people: dict[int, SandboxPerson]
    courses: dict[int, SandboxCourse]
    groups: dict[int, Group]
    classrooms: dict[int, Classroom]
    terms: tuple[Term, ...]
    called: dict[int, str]
    formal: dict[int, str]

    def term_at(self, moment: datetime) -> Term:
        """Return the term running at a moment, or the last one begun; two weeks early counts as begun."""
        begun = [term for term in self.terms if term.first_day - timedelta(days=14) <= moment]
        return begun[-1] if begun else self.terms[0]

    def classrooms_in(self, term: Term) -> tuple[Classroom, ...]:
        """Return the owner's courses of a term."""
        return tuple(c for c in self.classrooms.values() if c.subject.term_id == term.id)


def make_school(
    enrolled: Mapping[str, Collection[int]] | None = None,
    grouped: Mapping[str, Collection[int]] | None = None,
) -> SampleSchool:
    """Return the school. It does not depend on any seed, so that the landmarks can rely on it.

    ``enrolled`` names students who must be in a course (by its code), ``grouped`` those who must be in
    its first project group.
    """
    dice = Dice("school")
    enrolled, grouped = enrolled or {}, grouped or {}
    people = {character.id: character.person() for character in CHARACTERS}
    called = {character.id: character.called for character in CHARACTERS}
    formal = {character.id: character.formal for character in CHARACTERS}
    roster = _roster(dice)
    for person in roster:
        people[person.id] = person
        called[person.id] = formal[person.id] = person.name.split()[0]
    terms = tuple(_term(*term) for term in TERMS)
    courses: dict[int, SandboxCourse] = {}
    groups: dict[int, Group] = {}
    classrooms: dict[int, Classroom] = {}
    for subject in SUBJECTS:
        drawn = dice.sample(STUDENT_IDS, CLASS_SIZE)
        enrolled_here = sorted({*drawn, *enrolled.get(subject.code, ())})
        # The exchange student has just arrived, so only the landmark casts them.
        students = tuple(student for student in enrolled_here if student != CROSS_SHARD_PERSON_ID)
        fillers = tuple(person.id for person in roster[: subject.roster])
        enrollments = {subject.teacher: "TeacherEnrollment", OWNER_ID: _TYPES[subject.owner_role]}
        enrollments.update((assistant, "TaEnrollment") for assistant in subject.assistants)
        enrollments.update((student, "StudentEnrollment") for student in (*enrolled_here, *fillers))
        term = next(term for term in terms if term.id == subject.term_id)
        courses[subject.id] = SandboxCourse(
            id=subject.id,
            name=f"{subject.code} {subject.title}",
            course_code=subject.code,
            term_id=term.id,
            term=term.name,
            enrollments=enrollments,
            concluded=subject.term_id != TERMS[-1][0],
        )
        group_ids = []
        for number, name in enumerate(subject.group_names, 1):
            group_id = subject.id * 10 + number
            members = [*grouped.get(subject.code, ())] if number == 1 else []
            members += dice.sample([s for s in students if s not in members], GROUP_SIZE - len(members))
            groups[group_id] = Group(group_id, name, subject.id, sorted([OWNER_ID, *members]))
            group_ids.append(group_id)
        everyone = tuple(person for person in enrollments if person != OWNER_ID)
        classrooms[subject.id] = Classroom(subject, students, everyone, tuple(group_ids))
    return SampleSchool(people, courses, groups, classrooms, terms, called, formal)


def _roster(dice: Dice) -> list[SandboxPerson]:
    taken = {character.name for character in BY_ID.values()}
    people: list[SandboxPerson] = []
    while len(people) < ROSTER_SIZE:
        name = f"{dice.pick(ROSTER_FIRST)} {dice.pick(ROSTER_LAST)}"
        if name in taken:
            continue
        taken.add(name)
        id = ROSTER_BASE_ID + len(people)
        people.append(SandboxPerson(id=id, name=name, full_name=name, email=f"u{id}@example.edu"))
    return people


def _term(id: int, name: str, first: tuple[int, int, int], last: tuple[int, int, int]) -> Term:
    return Term(id, name, datetime(*first, tzinfo=timezone.utc), datetime(*last, 23, 59, tzinfo=timezone.utc))
