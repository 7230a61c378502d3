"""The list of people whose mailboxes one administrator collects, read from a CSV file. No I/O but that."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from canvas_archive.errors import BadInput
from canvas_archive.store.rows import LARGEST_ID

_FOLDER = re.compile(r"[\w][\w .@+-]{0,99}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_ID = re.compile(r"0*([1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class ListedCustodian:
    """One person: their Canvas id, the name the list gives, and the folder of their archive."""

    user_id: int
    name: str | None
    folder: str


def read_custodians(path: Path) -> tuple[ListedCustodian, ...]:
    """Read a CSV file with the columns ``user_id`` and, if wanted, ``name`` and ``folder``.

    Other columns are passed over. Commas, semicolons and tabs separate; a byte order mark is fine. A folder
    that is not given is named by the id.

    Raises BadInput naming everything that is wrong with the list at once.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read as a list of custodians: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} cannot be read as a list of custodians: it is not UTF-8 text.") from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    complaints: list[str] = []
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        numbered = ((rows.line_num, row) for row in rows)
        found = tuple(_custodians(numbered, header, complaints)) if "user_id" in header else ()
    except csv.Error as error:
        raise BadInput(f"{path} cannot be read as a list of custodians: {error}.") from None
    if "user_id" not in header:
        raise BadInput(
            f"{path} needs a first line that names its columns, and one of them must be user_id "
            "(name and folder are optional)."
        )
    if complaints:
        more = f", and {len(complaints) - 8} more" if len(complaints) > 8 else ""
        raise BadInput(f"{path}: {'; '.join(complaints[:8])}{more}.")
    if not found:
        raise BadInput(f"{path} names no custodian.")
    return found


def _custodians(
    rows: Iterator[tuple[int, list[str]]], header: Sequence[str], complaints: list[str]
) -> Iterator[ListedCustodian]:
    seen: dict[str, int] = {}
    for line, row in rows:
        fields = {name: value.strip() for name, value in zip(header, row, strict=False)}
        if not any(fields.values()):
            continue
        text = fields.get("user_id", "")
        number = _ID.fullmatch(text)
        if number is None or int(number[1]) > LARGEST_ID:
            complaints.append(f"line {line}: {text[:40]!r} is no user id")
            continue
        user_id = int(number[1])
        folder = fields.get("folder") or text
        if not _FOLDER.fullmatch(folder) or _RESERVED.fullmatch(folder) or folder.endswith((".", " ")):
            complaints.append(f"line {line}: {folder!r} cannot be the name of a folder")
            continue
        repeated = next((key for key in (number[1], f"/{folder.casefold()}") if key in seen), None)
        if repeated is not None:
            complaints.append(f"line {line}: {repeated.lstrip('/')} is on line {seen[repeated]} already")
            continue
        seen[number[1]] = seen[f"/{folder.casefold()}"] = line
        yield ListedCustodian(user_id, fields.get("name") or None, folder)
