"""The words of a text as the index holds them: forms, and the slots in which they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from canvas_archive.search.index.reading import Entry, Segment


@dataclass(frozen=True)
class Form:
    """A term that counts as the word asked for, and how much of its weight counts."""

    term: str
    share: float = 1.0


@dataclass(eq=False)
class Slot:
    """One place in a text and the forms that may stand there; ``offset`` counts from the first slot.

    ``beginning`` tells that the forms are all words that begin alike.
    """

    field: str
    offset: int
    forms: tuple[Form, ...]
    beginning: bool = False
    _listed: dict[str, list[tuple[Entry, float]]] = dataclass_field(default_factory=dict)
    _documents: dict[str, int] = dataclass_field(default_factory=dict)

    def entries(self, segment: Segment) -> list[tuple[Entry, float]]:
        """Return where the forms' lists are in a segment, with the forms' shares; looked up once."""
        listed = self._listed.get(segment.name)
        if listed is None:
            found = ((segment.entry(self.field, form.term), form.share) for form in self.forms)
            listed = [(entry, share) for entry, share in found if entry is not None]
            self._listed[segment.name] = listed
        return listed

    def found(self, segment: Segment, entries: list[tuple[Entry, float]]) -> None:
        """Note the entries of a segment that are known already."""
        self._listed[segment.name] = entries

    def lists(self, segment: Segment) -> list[Entry]:
        """Return where the forms' lists are in a segment."""
        return [entry for entry, _ in self.entries(segment)]

    def documents(self, segment: Segment) -> int:
        """Return the length of all lists together."""
        known = self._documents.get(segment.name)
        if known is None:
            known = self._documents[segment.name] = total_documents(self.lists(segment))
        return known


def total_documents(entries: Iterable[Entry]) -> int:
    """Return the length of all lists together."""
    return sum(entry.documents for entry in entries)
