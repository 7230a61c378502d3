"""The way from a stem to the forms of it that a segment holds.

All stems with the same beginning share one entry of the field ``forms``, a text of lines, so that the table
is a few hundred rows instead of one for every word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from canvas_archive.search.index.analysis import stem

_LINE = "\x02"
_FORM = "\x01"
_BEGINNING = 2  # characters


def stem_table(forms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield beginnings of stems, ascending, each with the lines of its stems."""
    by_stem: dict[str, list[str]] = {}
    for form in forms:
        base = stem(form)
        if base != form:
            by_stem.setdefault(base, []).append(form)
    lines: dict[str, list[str]] = {}
    for base in sorted(by_stem):
        line = _FORM.join((base, *sorted(by_stem[base])))
        lines.setdefault(base[:_BEGINNING], []).append(line)
    for key in sorted(lines):
        yield key, _LINE + _LINE.join(lines[key]) + _LINE


def table_key(base: str) -> str:
    """Return under which entry a stem's forms are."""
    return base[:_BEGINNING]


def forms_in(lines: str, base: str) -> list[str]:
    """Return the forms a stem has in its entry's lines, without the stem itself."""
    at = lines.find(f"{_LINE}{base}{_FORM}")
    return [] if at < 0 else lines[at + 1 :].partition(_LINE)[0].split(_FORM)[1:]
