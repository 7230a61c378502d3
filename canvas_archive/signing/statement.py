"""What is signed: a short text that names a mailbox, the head of its chain, and the lists of a package.

There is exactly one text for a statement, so a program that reads it back finds every change. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIRST_LINE = "canvas-archive statement 1"
NAMESPACE = "canvas-archive-statement"
"""What ``ssh-keygen`` calls the purpose of a signature: one made for another purpose is none here."""

_HASH = re.compile("[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_CANVAS = re.compile(r"https?://[!-~]{1,300}")
_NUMBER = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``signed`` is this machine's time, which alone proves nothing.

    ``records`` and ``head`` are those of the chain; ``hashes`` are names of lists with their SHA-256.
    """

    canvas: str
    signed: str
    custodian: int | None = None
    records: int | None = None
    head: str | None = None
    hashes: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the statement's file, without its ending."""
        when = re.sub("[-:]", "", self.signed)
        return f"{self.records:010d}-{when}" if self.records is not None else f"list-{when}"

    def text(self) -> bytes:
        """Return what is signed."""
        lines = [FIRST_LINE, f"canvas: {self.canvas}"]
        if self.custodian is not None:
            lines.append(f"custodian: {self.custodian}")
        if self.head is not None:
            lines += [f"records: {self.records}", f"head: {self.head}"]
        lines += [f"sha256 {name}: {value}" for name, value in self.hashes]
        return "".join(f"{line}\n" for line in (*lines, f"signed: {self.signed}")).encode()


def parse(data: bytes) -> Statement:
    """Return the statement that a text makes. Raises ValueError for any other text."""
    lines = data.decode("utf-8").split("\n")
    fields: dict[str, str] = {}
    hashes: list[tuple[str, str]] = []
    for line in lines[1:-1]:
        label, _, value = line.partition(": ")
        if label.startswith("sha256 "):
            hashes.append((label.removeprefix("sha256 "), value))
        else:
            fields[label] = value
    numbers = [fields.get(label) for label in ("custodian", "records")]
    values = [value for _, value in hashes] + ([fields["head"]] if "head" in fields else [])
    fits = all(_HASH.fullmatch(value) for value in values) and _TIME.fullmatch(fields.get("signed", ""))
    if not fits or not all(number is None or _NUMBER.fullmatch(number) for number in numbers):
        raise ValueError("it is not a statement of this program")
    custodian, records = (None if number is None else int(number) for number in numbers)
    statement = Statement(
        fields.get("canvas", ""), fields["signed"], custodian, records, fields.get("head"), tuple(hashes)
    )
    named = all(_NAME.fullmatch(name) for name, _ in hashes) and _CANVAS.fullmatch(statement.canvas)
    if statement.text() != data or not named:
        raise ValueError("it is not a statement of this program")
    return statement
