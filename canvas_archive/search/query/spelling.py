"""The edit distance of two words, and which of several words was probably meant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def max_distance(word: str) -> int:
    """Return the largest edit distance at which a word of this length is still recognised: 0, 1 or 2."""
    return 0 if len(word) < 3 else 1 if len(word) < 5 else 2


def edit_distance(first: str, second: str, most: int) -> int:
    """Return the edit distance of two words: letters missing, added or wrong, and neighbours swapped.

    Anything beyond ``most`` comes back as ``most + 1``.
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(second) + 1))
    for at, letter in enumerate(first, 1):
        older, before, row = before, row, [at]
        for place, other in enumerate(second, 1):
            cost = min(before[place] + 1, row[-1] + 1, before[place - 1] + (letter != other))
            if at > 1 and place > 1 and letter == second[place - 2] and first[at - 2] == other:
                cost = min(cost, older[place - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """Return the known word at the smallest edit distance; ``None`` when all are too far."""
    most = max_distance(word)
    counted = [(edit_distance(word, other, most), other) for other in known]
    fewest, nearest = min(counted, default=(most + 1, ""))
    return nearest if fewest <= most else None


def nearest_names(wanted: Sequence[str], names: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Return the names that hold most of the wanted words, spelt nearly so; the nearest first, three at most.

    Names come with their words. A word is also held by a name with a word that begins like it, or with
    several that begin like it when they are written as one (``jeanluc``, ``alkhatib``).
    """
    counted: dict[tuple[str, str], int] = {}
    ranked: list[tuple[int, int, str]] = []
    for name, words in names:
        parts = tuple(words)
        fewest: list[int] = []
        for word in wanted:
            for part in parts:
                if (word, part) not in counted:
                    counted[word, part] = (
                        0 if part.startswith(word) else edit_distance(word, part, max_distance(word))
                    )
            least = min((counted[word, part] for part in parts), default=max_distance(word) + 1)
            fewest.append(0 if least and _joined(word, parts) else least)
        held = [count for word, count in zip(wanted, fewest, strict=True) if count <= max_distance(word)]
        if held:
            ranked.append((-len(held), sum(held), name))
    ranked.sort()
    return list(dict.fromkeys(name for held, _, name in ranked if held == ranked[0][0]))[:3]


def _joined(word: str, parts: Sequence[str]) -> bool:
    """Return whether the word is several parts without a space; the last one may be cut short."""
    ends = {0}
    for at in range(len(word)):
        if at in ends:
            rest = word[at:]
            if at and any(part.startswith(rest) for part in parts):
                return True
            ends.update(at + len(part) for part in parts if rest.startswith(part))
    return False


def listed(words: Sequence[str], last: str = "or") -> str:
    """Return words as a sentence lists them: ``a, b or c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
