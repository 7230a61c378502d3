"""The dialogues of the sample: readable as a language, and playable wherever they are offered."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from canvas_archive.sandbox import sample
from canvas_archive.sandbox.sample import NOW, landmark_scripts, scripts
from canvas_archive.sandbox.sample_cast import make_school
from canvas_archive.sandbox.sample_play import Stage, cast
from canvas_archive.sandbox.scripts import Dice, Script, compile_template, parse_scripts

pytestmark = pytest.mark.sampled


def fill(slot: str) -> str:
    return slot.upper()


def test_slots_are_filled_and_one_option_is_taken() -> None:
    template = compile_template("a {topic} [[x {P}|y]] b | c {2} {}")
    results = {template.text(fill, Dice(str(n))) for n in range(20)}
    assert results == {"a TOPIC x P b | c {2} {}", "a TOPIC y b | c {2} {}"}
    assert template.slots() == {"topic", "P"}


@pytest.mark.parametrize("text", ["a ]] b", "a [[b|c"])
def test_brackets_that_do_not_match_are_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"without"):
        compile_template(text)


def test_a_script_is_read_with_all_its_parts() -> None:
    (script,) = parse_scripts(
        """
## key
as: ta
courses: GEOG 118, BIO 101
when: 2-5
cast: P=104 ME Q
extra: 1-3
subject: One
subject: Two
--- P > ME Q +3h
Hello {P}

there
@file? pdf Name of {code}.pdf :: Title|Text
@media audio Voice.m4a
--- added Q by P
--- ME =TABLE @ 2026-11-09 17:40:05
@forward key 1
""",
        {"TABLE": "from the table "},
    )
    first, added, last = script.turns
    assert (script.roles, script.courses, script.weeks) == ("ta", ("GEOG 118", "BIO 101"), (2, 5))
    assert (script.cast, dict(script.fixed), script.extra) == (("P", "ME", "Q"), {"P": 104}, (1, 3))
    assert [s.text(fill, Dice("x")) for s in script.subjects] == ["One", "Two"]
    assert first.body.text(fill, Dice("x")) == "Hello P\n\nthere"
    assert (first.to, first.gap, first.media) == (("ME", "Q"), timedelta(hours=3), ("audio", "Voice.m4a"))
    assert first.files[0].optional and first.files[0].kind == "pdf"
    assert (added.added, added.author) == ("Q", "P")
    assert last.body.text(fill, Dice("x")) == "from the table "
    assert last.at is not None and last.at.second == 5
    assert last.forwards == (("key", 0),)


@pytest.mark.parametrize(
    "text",
    [
        "## k\nmood: happy\n--- ME\nhi\n",
        "## k\n--- ME >\nhi\n",
        "## k\n--- ME\n@file pdf no separator\n",
    ],
)
def test_what_does_not_follow_the_language_names_the_script(text: str) -> None:
    with pytest.raises(ValueError, match=r"script k: "):
        parse_scripts(text)


def test_keys_and_landmark_ids_are_unique() -> None:
    keys = [script.key for script in (*scripts(), *landmark_scripts())]
    assert len(set(keys)) == len(keys)
    ids = [script.id for script in landmark_scripts()]
    assert len(set(ids)) == len(ids) and 0 not in ids


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.key)
def test_every_script_plays_wherever_it_can_be_cast(script) -> None:
    school = make_school()
    rooms = [None] if script.roles == "none" else list(school.classrooms.values())
    played = 0
    for room in rooms:
        if room is not None and script.courses and room.subject.code not in script.courses:
            continue
        if room is not None and not room.subject.assistants and "A" in {*script.cast, *script.slots()}:
            continue
        for number in range(3):
            scene = cast(script, room, school, Dice(f"{script.key} {number}"))
            if scene is None:
                continue
            scene.start = NOW - timedelta(days=60)
            thread = Stage(school, NOW).play(script, scene, 1)
            played += 1
            text = "\n".join([thread.subject or "", *(m.body for m in thread.messages)])
            assert len(thread.messages) == len(script.turns)
            assert not re.search(r"\[\[|\]\]|\{[A-Za-z]|@file|@media", text)
            assert "the the " not in text and "  " not in re.sub(r"(?m)^ +", "", text)
    assert played


def test_the_dice_fall_alike_on_every_python_version() -> None:
    dice = Dice("2026 starts")
    assert [dice.below(1000) for _ in range(6)] == [344, 712, 600, 330, 70, 113]
    assert sorted(dice.sample([1, 2, 3], 9)) == [1, 2, 3]
    assert {dice.between(4, 5) for _ in range(50)} == {4, 5}


def script(key: str, cast: str, subject: str, body: str = "Hello") -> Script:
    (made,) = parse_scripts(f"""## {key}\nas: any\ncast: {cast}\nsubject: {subject}\n--- ME\n{body}\n""")
    return made


@pytest.mark.parametrize("with_course", [True, False])
def test_a_slot_that_nobody_knows_is_an_error(with_course: bool) -> None:
    school = make_school()
    room = next(iter(school.classrooms.values())) if with_course else None
    scene = cast(script("odd", "ME", "About"), room, school, Dice("odd"))
    assert scene is not None
    with pytest.raises(ValueError, match=r"nothing is known for the slot \{weather\}"):
        scene.fill("weather")


def test_who_is_not_there_cannot_be_cast() -> None:
    school = make_school()
    without = next(room for room in school.classrooms.values() if not room.subject.assistants)
    assert cast(script("helped", "A ME", "Help"), without, school, Dice("helped")) is None


def test_a_landmark_that_cannot_be_cast_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "landmark_scripts", lambda: (script("lonely", "T ME", "Where?"),))
    with pytest.raises(ValueError, match="lonely cannot be cast"):
        sample.sample_mailbox(conversations=1)


def test_a_moment_for_which_there_is_no_script_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    impossible = script("helped", "A B C ME", "Help")
    monkeypatch.setattr(sample, "scripts", lambda: (impossible,))
    with pytest.raises(ValueError, match="no script fits week"):
        sample.sample_mailbox(conversations=len(landmark_scripts()) + 5)
