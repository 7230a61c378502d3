"""The words of a text as the index holds them: forms, and the slots in which they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from canvas_archive.search.index.reading import Segment, TermEntry


@dataclass(frozen=True)
class WordForm:
    """A term that counts as the word asked for, and how much of its weight counts."""

    term: str
    share: float = 1.0


@dataclass(eq=False)
class WordSlot:
    """One place in a text and the forms that may stand there; ``offset`` counts from the first slot.

    With ``beginning``, the forms are all words that begin alike.
    """

    field: str
    offset: int
    forms: tuple[WordForm, ...]
    beginning: bool = False
    _listed: dict[str, list[tuple[TermEntry, float]]] = dataclass_field(default_factory=dict)
    _documents: dict[str, int] = dataclass_field(default_factory=dict)

    def entries(self, segment: Segment) -> list[tuple[TermEntry, float]]:
        """Return where the forms' lists are in a segment, with the forms' shares; looked up once."""
        listed = self._listed.get(segment.name)
        if listed is None:
            found = ((segment.entry(self.field, form.term), form.share) for form in self.forms)
            listed = [(entry, share) for entry, share in found if entry is not None]
            self._listed[segment.name] = listed
        return listed

    def found(self, segment: Segment, entries: list[tuple[TermEntry, float]]) -> None:
        """Note the entries of a segment that are known already."""
        self._listed[segment.name] = entries

    def lists(self, segment: Segment) -> list[TermEntry]:
        """Return where the forms' lists are in a segment."""
        return [entry for entry, _ in self.entries(segment)]

    def documents(self, segment: Segment) -> int:
        """Return the length of all lists together."""
        known = self._documents.get(segment.name)
        if known is None:
            known = self._documents[segment.name] = total_documents(self.lists(segment))
        return known


def total_documents(entries: Iterable[TermEntry]) -> int:
    """Return the length of all lists together."""
    return sum(entry.documents for entry in entries)
