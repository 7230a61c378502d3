"""Many phrases looked for at once, in time that does not depend on how many there are (Aho and Corasick).

A phrase is a sequence of tokens: characters of a text, or words of a sentence.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterator, Sequence


class Phrases:
    """Phrases, each with a number. Add them all, then call ``prepare``, then search."""

    def __init__(self) -> None:
        # A node stands for the tokens of a phrase from its end on. Node 0 stands for none.
        self._next: list[dict[Hashable, int]] = [{}]
        self._length = array("q", [0])
        self._number = array("q", [0])
        self._shorter = array("q", [0])

    def add(self, phrase: Sequence[Hashable], number: int) -> None:
        """Add a phrase. Of several numbers for one phrase the lowest counts."""
        node = 0
        for token in reversed(phrase):
            following = self._next[node].get(token)
            if following is None:
                following = self._next[node][token] = len(self._next)
                self._next.append({})
                for column in (self._length, self._number, self._shorter):
                    column.append(0)
            node = following
        if not self._length[node] or number < self._number[node]:
            self._length[node], self._number[node] = len(phrase), number

    def prepare(self) -> None:
        """Link every node to the longest shorter one that can go on where it cannot."""
        level = list(self._next[0].values())
        while level:
            deeper = []
            for parent in level:
                if not self._length[parent]:
                    self._length[parent] = self._length[self._shorter[parent]]
                    self._number[parent] = self._number[self._shorter[parent]]
                for token, child in self._next[parent].items():
                    self._shorter[child] = self._step(self._shorter[parent], token)
                    deeper.append(child)
            level = deeper

    def _step(self, node: int, token: Hashable) -> int:
        while node and token not in self._next[node]:
            node = self._shorter[node]
        return self._next[node].get(token, 0)

    def find(
        self, tokens: Sequence[Hashable], joined: Callable[[int], bool] = lambda at: True
    ) -> Iterator[tuple[int, int, int]]:
        """Yield (place, length, number) of the phrases in a sequence, by place; none overlap.

        Of phrases that overlap the first counts, and of those that begin together the longest. No phrase
        goes on behind a place for which ``joined`` returns false.
        """
        begin: dict[int, int] = {}
        node = 0
        for at in range(len(tokens) - 1, -1, -1):
            if node and not joined(at):
                node = 0
            node = self._step(node, tokens[at])
            if node and self._length[node]:
                begin[at] = node
        free = 0
        for at in reversed(begin):
            if at >= free:
                node = begin[at]
                yield at, self._length[node], self._number[node]
                free = at + self._length[node]
