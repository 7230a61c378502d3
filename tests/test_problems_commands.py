"""``problems``, ``problems retry`` and ``problems accept``, and what other commands say of what rests."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.clock import SYSTEM, iso
from canvas_archive.store import Archive, runs
from tests.push_support import Mail, open_mail

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    """An archive in whose ledger an attachment and a recording rest, and a conversation is due."""
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        with Archive.open(opened.folder, write=True) as archive:
            for kind, item, failures in (
                ("attachment", "5", 2),
                ("conversation", "100", 1),
                ("conversation", "5", 3),
                ("media", "12/m a b", 2),
            ):
                for _ in range(failures):
                    runs.record_problem(archive.db, kind, item, "It broke.", SYSTEM)
            runs.record_problem(archive.db, runs.GHOST, 9, "listed, but not found", SYSTEM)
        yield opened


def ledger(mail: Mail) -> dict[str, tuple[bool, bool]]:
    """By name: whether the item rests, and whether it is accepted."""
    with Archive.open(mail.folder) as archive:
        now = SYSTEM.now()
        return {
            one.name: (one.rests_at(now), one.accepted_at is not None)
            for one in runs.known_problems(archive.db)
        }


def test_the_list_names_each_item_with_its_next_try(mail: Mail) -> None:
    ran = mail.run("problems")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "attachment 5: It broke." and lines[4] == "conversation 100: It broke."
    assert "failed 2 times since" in lines[1] and "next try 20" in lines[1]
    assert lines[2] == "conversation 5: It broke." and "failed 3 times since" in lines[3]
    assert "failed 1 time since" in lines[5] and lines[5].endswith("next try at the next sync")
    document = mail.run("problems", "--json").json
    assert document["total"] == len(document["problems"]) == 4
    assert [one["item"] for one in document["problems"]] == list(ledger(mail))
    assert all(one["first_at"] <= iso(SYSTEM.now()) for one in document["problems"])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["conversation", "5"], ["conversation 5"]),
        (["attachment 5"], ["attachment 5"]),
        (["recording 12/m a b"], ["recording 12/m a b"]),
        (["12/m a b", "100"], ["recording 12/m a b", "conversation 100"]),
        (["conversation", "100", "attachment", "5"], ["conversation 100", "attachment 5"]),
        (["all"], ["attachment 5", "conversation 100", "conversation 5", "recording 12/m a b"]),
        (["all", "100"], ["attachment 5", "conversation 100", "conversation 5", "recording 12/m a b"]),
    ],
)
def test_items_are_accepted_and_tried_again(mail: Mail, words: list[str], chosen: list[str]) -> None:
    ran = mail.run("problems", "accept", *words)
    assert ran.code == 0 and ran.err.startswith(f"{len(chosen)} item")
    assert {name for name, (_, accepted) in ledger(mail).items() if accepted} == set(chosen)
    left = mail.run("problems", "--json").json
    assert {one["item"] for one in left["problems"]} == ledger(mail).keys() - set(chosen)
    assert mail.run("problems", "--all", "--json").json["total"] == 4
    for name in chosen:
        assert mail.run("problems", "retry", name).code == 0
    assert all(ledger(mail)[name] == (False, False) for name in chosen)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["5"], "'5' can mean 'attachment 5', 'conversation 5': name the kind, too."),
        (["conversation", "6"], "There is no problem 'conversation 6'"),
        (["100", "nonsense"], "There is no problem 'nonsense': 'canvas-archive problems --all' lists them."),
        (["ghost", "9"], "There is no problem 'ghost'"),
        ([""], "There is no problem ''"),
    ],
)
@pytest.mark.parametrize("command", ["retry", "accept"])
def test_a_wrong_name_changes_nothing(mail: Mail, command: str, words: list[str], sentence: str) -> None:
    before = ledger(mail)
    ran = mail.run("problems", command, *words)
    assert ran.code == 2 and sentence in ran.err
    assert ledger(mail) == before


@pytest.mark.thorough
def test_a_sync_and_the_status_say_how_much_rests(mail: Mail) -> None:
    assert mail.run("problems", "accept", "attachment", "5").code == 0
    ran = mail.run("sync", "--no-attachments")
    assert ran.code == 0
    assert "2 items rest, 1 item is accepted as missing: canvas-archive problems --all" in ran.err
    document = mail.run("sync", "--no-attachments", "--json").json
    assert tuple(document["counts"][name] for name in ("resting", "accepted", "untried")) == (2, 1, 0)
    status = mail.run("status", "--json").json
    assert status["counts"]["problems"] == {"open": 2, "resting": 2, "accepted": 1}
    assert len(status["problems"]) == 2
    text = mail.run("status").out
    assert "Problem        conversation 5: It broke. (next try 20" in text
    assert "Accepted       1 item (canvas-archive problems --all)" in text
    assert "2 items could not be fetched: 'canvas-archive problems' says when" in text


def test_what_rests_and_what_is_accepted_are_gaps_of_an_export(mail: Mail, tmp_path: Path) -> None:
    assert mail.run("problems", "accept", "attachment", "5").code == 0
    mail.run("export", str(tmp_path / "bag"), "--bag", "--format", "jsonl")
    (found,) = (tmp_path / "bag").rglob("gaps.csv")
    with found.open(encoding="utf-8", newline="") as file:
        gaps = {row["item"]: row["state"] for row in csv.DictReader(file) if row["kind"] == "problem"}
    assert gaps["attachment 5"] == "accepted" and gaps["conversation 5"] == "open after 3 attempts"


@pytest.mark.thorough
def test_nothing_to_list(mail: Mail) -> None:
    mail.run("problems", "accept", "all")
    ran = mail.run("problems")
    assert (ran.code, ran.out, ran.err.strip()) == (0, "", "There are no problems.")
    assert mail.run("problems", "retry", "all").err.startswith("0 items")


@pytest.mark.thorough
def test_what_was_chosen_is_said_as_json(mail: Mail) -> None:
    (accepted,) = mail.run("problems", "accept", "attachment", "5", "--json").json["problems"]
    assert accepted["item"] == "attachment 5"
    assert ledger(mail)["attachment 5"][1]
    assert (
        mail.run("problems", "retry", "attachment 5", "--json").json["problems"][0]["item"] == "attachment 5"
    )


def test_the_order_of_the_ledger_is_not_that_of_the_failures(mail: Mail) -> None:
    names = list(ledger(mail))
    with Archive.open(mail.folder, write=True) as archive, archive.db:
        archive.db.execute("UPDATE problems SET first_at = '2026-03-09T10:00:01Z' WHERE kind = 'attachment'")
        archive.db.execute("UPDATE problems SET first_at = '2026-03-09T10:00:00Z' WHERE kind <> 'attachment'")
    assert list(ledger(mail)) == names
