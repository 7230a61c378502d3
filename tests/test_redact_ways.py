"""Four hundred ways a name occurs, and what redaction makes of them."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from canvas_archive.export.records import PersonRecord
from canvas_archive.export.redact import Redactor

WAYS = Path(__file__).parent / "data" / "ways_a_name_occurs.tsv"
PEOPLE = {
    1: "Olivia Owner", 5108: "Renée Evans", 5109: "Bjørn Şahin", 5110: "Łukasz Brânză",
    5111: "Renée Jørgensen", 5112: "Jürgen Müller", 5113: "Håkon Weißström", 5115: "Seán O’Brien",
    5116: "Anna-Lena Kowalska",
    5117: "Đorđe Đurić", 5118: "Þórunn Æsisdóttir", 5119: "Jayesh Patel", 5121: "Thị Hương Nguyễn",
    5130: "王小明", 5131: "김민수", 5132: "प्रिया शर्मा", 5133: "Дмитрий Иванов", 5199: "User 5199",
    5134: "John Smith Jr", 5135: "Dr Priya Raman", 5136: "Maria de la Cruz", 5137: "Ludwig van Houten",
    5138: "Mark Freeman", 5139: "May Freeman", 5140: "Tina Rain", 5141: "Peter Lane", 5142: "Sam Mall",
    5143: "Will Bell",
}  # fmt: skip
MORE = (
    (5108, "name", "Renée Quizzlewort"), (5108, "login", "revans2"), (5108, "login", "xq77ab"),
    (5109, "login", "S1234567"),
)  # fmt: skip
SUBSTITUTE = re.compile(r"person [a-z2-7]{10}|\[name\]|\[e-mail address\]")


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(b"k" * 32, 1, [PersonRecord(n, name, name) for n, name in PEOPLE.items()], MORE)


def ways(half: int) -> list[tuple[str, list[str], list[str]]]:
    """Return text, what must be gone and what must stay; a hash of the text chooses the half."""
    found = []
    for line in WAYS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        _, text, gone, stay = line.split("\t")
        text = text.replace("\\n", "\n")
        if sha256(text.encode()).digest()[0] % 2 == half:
            found.append((text, list(filter(None, gone.split("|"))), list(filter(None, stay.split("|")))))
    return found


@pytest.mark.parametrize("half", [0, 1])
def test_every_way_a_name_occurs_is_found(redactor: Redactor, half: int) -> None:
    assert len(ways(half)) > 200
    wrong = []
    for text, gone, stay in ways(half):
        out = redactor.text(text) or ""
        left = SUBSTITUTE.sub("", out.lower())
        if any(part in left for part in gone) or any(part not in out for part in stay):
            wrong.append((text, out))
    assert wrong == []


def test_the_report_counts_and_names_nobody_known(redactor: Redactor) -> None:
    redactor.text("Dear Renée Evans, ask Jayesh Quackenbush. Evans said it twice.")
    report = redactor.report()
    assert "Quackenbush\t1" in report and "Dear" not in report
    assert f"{redactor.name(5108)}\tname\t" in report
    assert "Evans" not in report
