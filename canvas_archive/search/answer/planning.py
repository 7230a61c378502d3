"""From the tree of a query to matchers: names become ids, words become the forms the index holds."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from canvas_archive.errors import BadInput
from canvas_archive.search.answer.matching import (
    AllOf,
    AnyOf,
    DateMatcher,
    ListMatcher,
    Matcher,
    NoneOf,
    StateMatcher,
    TextMatcher,
)
from canvas_archive.search.answer.slots import WordForm, WordSlot
from canvas_archive.search.index.analysis import is_spaceless, query_terms, stem
from canvas_archive.search.index.reading import OpenIndex
from canvas_archive.search.query.resolve import (
    AbsentNames,
    attached_sets,
    courses,
    numbered_sets,
    people,
    state_sets,
)
from canvas_archive.search.query.tree import (
    And,
    CourseNode,
    Dated,
    Has,
    Kind,
    Node,
    Not,
    Numbered,
    Or,
    PersonNode,
    Phrase,
    Prefix,
    Sized,
    StateNode,
    Word,
)

RELATED = 0.55  # how much another form of a word counts, beside the form that was asked for
MOST_LISTS = 300_000  # lists that the beginnings of one query may need: seconds of work

_ROLES = {"from": ("author",), "to": ("to",), "with": ("author", "to")}


@dataclass
class Plan:
    """What to match, what to score by, and what to mark in snippets."""

    matcher: Matcher
    texts: list[TextMatcher] = field(default_factory=list)


class Planner:
    """Plans the queries of one search against one index and the tables beside it.

    What a word, a name or a state means is looked up once, in however many of the queries it stands.
    Names that the archive does not know match nothing and are added to ``absent``. Without it they raise.
    """

    def __init__(self, index: OpenIndex, db: sqlite3.Connection, absent: AbsentNames | None = None) -> None:
        self._index = index
        self._db = db
        self._absent = absent
        self._known: dict[Word | Phrase | Prefix, TextMatcher | None] = {}
        self._conditions: dict[PersonNode | CourseNode | Kind | Sized | Numbered | StateNode, Matcher] = {}
        self._lists = 0

    def plan(self, tree: Node) -> Plan:
        """Return the plan. Raises BadInput for a person or course that is not in the archive."""
        self._lists = 0
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
            present = tuple(dict.fromkeys(part for part in parts if part is not None))
            if parts and not present:
                return None
            return AllOf(present) if isinstance(node, And) else AnyOf(present)
        if isinstance(node, Not):
            part = self._matcher(node.part, None)
            return None if part is None else NoneOf(part)
        if isinstance(node, Has):
            return ListMatcher(("has",), (node.what,))
        if isinstance(node, Dated):
            return DateMatcher(((node.start, node.end),))
        if node not in self._conditions:
            self._conditions[node] = self._condition(node)
        return self._conditions[node]

    def _condition(self, node: PersonNode | CourseNode | Kind | Sized | Numbered | StateNode) -> Matcher:
        """Return the matcher of what only the tables know."""
        if isinstance(node, PersonNode):
            ids = people(self._db, node.role, node.name, self._absent)
            return ListMatcher(_ROLES[node.role], tuple(map(str, ids)))
        if isinstance(node, CourseNode):
            return ListMatcher(("context",), tuple(courses(self._db, node.name, node.operator, self._absent)))
        if isinstance(node, (Kind, Sized)):
            return StateMatcher(attached_sets(self._db, node))
        if isinstance(node, Numbered):
            return StateMatcher(numbered_sets(node))
        return StateMatcher(state_sets(self._db, node.name))

    def text(self, node: Word | Phrase | Prefix) -> TextMatcher | None:
        """Return the matcher of a word, phrase or prefix; ``None`` when it holds no term.

        The same node gets the same matcher. Raises BadInput when beginnings fit too many words.
        """
        if node not in self._known:
            found = query_terms(node.text)
            slots = tuple(
                self._slot(node, offset, term, last=at == len(found))
                for at, (offset, term) in enumerate(found, 1)
            )
            self._known[node] = TextMatcher(node.field, slots) if slots else None
        return self._known[node]

    def _slot(self, node: Word | Phrase | Prefix, offset: int, term: str, *, last: bool) -> WordSlot:
        if (isinstance(node, Prefix) and last) or (len(term) == 1 and is_spaceless(term)):
            return self._beginning(node.field, offset, term)
        forms = self._related(term) if isinstance(node, Word) else (WordForm(term),)
        return WordSlot(node.field, offset, forms)

    def _beginning(self, name: str, offset: int, prefix: str) -> WordSlot:
        listed = [(segment, list(segment.expand(name, prefix))) for segment in self._index.segments]
        self._lists += sum(len(found) for _, found in listed)
        if self._lists > MOST_LISTS:
            raise BadInput(f"Too many different words begin like '{prefix}*'; write more of the word.")
        terms = {term: None for _, found in listed for term, _ in found}
        slot = WordSlot(name, offset, tuple(map(WordForm, terms)), beginning=True)
        for segment, found in listed:
            slot.found(segment, [(entry, 1.0) for _, entry in found])
        return slot

    def _related(self, term: str) -> tuple[WordForm, ...]:
        """Return the form itself and the others of the same stem."""
        base = stem(term)
        forms = {term: 1.0}
        if base != term:
            forms[base] = RELATED
        for segment in self._index.segments:
            for form in segment.forms(base):
                forms.setdefault(form, RELATED)
        return tuple(WordForm(form, share) for form, share in forms.items())
