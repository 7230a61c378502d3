"""From the tree of a query to matchers: names become ids, words become the forms the index holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from canvas_archive.search.analysis import is_spaceless, query_terms, stem
from canvas_archive.search.language import (
    And,
    Course,
    Has,
    Node,
    Not,
    Or,
    Person,
    Phrase,
    Prefix,
    State,
    Word,
)
from canvas_archive.search.matching import (
    AllOf,
    AnyOf,
    DateMatcher,
    Form,
    ListMatcher,
    Matcher,
    NoneOf,
    Slot,
    StateMatcher,
    TextMatcher,
)
from canvas_archive.search.reading import OpenIndex
from canvas_archive.search.resolve import courses, people, state_sets

RELATED = 0.55  # how much another form of a word counts, beside the form that was asked for
MOST_FORMS = 20_000  # forms of one prefix

_ROLES = {"from": ("author",), "to": ("to",), "with": ("author", "to")}


@dataclass
class Plan:
    """What to match, what to score by, and what to mark in snippets."""

    matcher: Matcher
    texts: list[TextMatcher] = field(default_factory=list)


class Planner:
    """Plans queries against one index and the tables beside it."""

    def __init__(self, index: OpenIndex, db: sqlite3.Connection) -> None:
        self._index = index
        self._db = db

    def plan(self, tree: Node) -> Plan:
        """Return the plan. Raises BadInput for a person or course that is not in the archive."""
        texts: list[TextMatcher] = []
        matcher = self._matcher(tree, texts)
        return Plan(matcher or AnyOf(()), list(dict.fromkeys(texts)))

    def _matcher(self, node: Node, texts: list[TextMatcher] | None) -> Matcher | None:
        """Return a node's matcher; ``None`` for words without a single term in them, such as ``!!``."""
        if isinstance(node, (Word, Phrase, Prefix)):
            found = self.text(node)
            if found is not None and texts is not None:
                texts.append(found)
            return found
        if isinstance(node, (And, Or)):
            parts = [self._matcher(part, texts) for part in node.parts]
            present = tuple(part for part in parts if part is not None)
            if parts and not present:
                return None
            return AllOf(present) if isinstance(node, And) else AnyOf(present)
        if isinstance(node, Not):
            part = self._matcher(node.part, None)
            return None if part is None else NoneOf(part)
        if isinstance(node, Person):
            ids = people(self._db, node.role, node.name)
            return ListMatcher(_ROLES[node.role], tuple(map(str, ids)))
        if isinstance(node, Course):
            return ListMatcher(("context",), tuple(courses(self._db, node.name)))
        if isinstance(node, Has):
            return ListMatcher(("has",), (node.what,))
        if isinstance(node, State):
            return StateMatcher(state_sets(self._db, node.name))
        return DateMatcher(((node.start, node.end),))

    def text(self, node: Word | Phrase | Prefix) -> TextMatcher | None:
        """Return the matcher of a word, phrase or prefix; ``None`` when it holds no term."""
        found = query_terms(node.text)
        if not found:
            return None
        slots: list[Slot] = []
        for at, (offset, term) in enumerate(found):
            last = at == len(found) - 1
            if isinstance(node, Prefix) and last:
                forms: Iterable[Form] = self._beginning(node.field, term)
            elif is_spaceless(term) and len(term) == 1:
                forms = self._beginning(node.field, term)
            elif isinstance(node, Word):
                forms = self._related(term)
            else:
                forms = (Form(term),)
            slots.append(Slot(offset, tuple(forms)))
        return TextMatcher(node.field, tuple(slots))

    def _beginning(self, name: str, prefix: str) -> list[Form]:
        terms: dict[str, None] = {}
        for segment in self._index.segments:
            terms.update(dict.fromkeys(term for term, _ in segment.expand(name, prefix)))
        return [Form(term) for term in list(terms)[:MOST_FORMS]]

    def _related(self, term: str) -> list[Form]:
        """Return the form itself and the others of the same stem."""
        base = stem(term)
        forms = {term: 1.0}
        if base != term:
            forms[base] = RELATED
        for segment in self._index.segments:
            for form in segment.forms(base):
                forms.setdefault(form, RELATED)
        return [Form(form, share) for form, share in forms.items()]
