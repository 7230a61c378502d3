"""How much a term weighs in a document (BM25F), and how that fits into one byte.

A document's parts are weighed together: ``w = sum(boost * occurrences / length norm)``. Only the body is
normed by its length; the other parts are short. The sum is stored as a level, 0 to 255 on a logarithmic
scale with steps of about 3 %, so that a query needs one list per term whatever the number of parts, and
scoring is a look-up in a table of 256.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, log2

SUBJECT = 3.5
AUTHOR = 2.0
FILENAME = 1.5
CONTEXT = 0.6
RECIPIENT = 0.6

USUAL_LENGTH = 80.0  # terms in a body, while an archive has none to measure
_LENGTH_SHARE = 0.6  # BM25's b: how much a long body counts against a term
SATURATION = 1.2  # BM25's k1

_STEPS = 23.0  # levels per doubling
_LOWEST = 5.5  # doublings below a weight of 1


def body_norm(length: int, usual: float) -> float:
    """Return the weight of one occurrence in a body of that many terms."""
    return 1.0 / (1.0 - _LENGTH_SHARE + _LENGTH_SHARE * length / usual)


@lru_cache(maxsize=65_536)
def level(weight: float) -> int:
    """Return the nearest level for a weight, the lowest for one that was rounded to nothing."""
    return max(1, min(255, round((log2(weight) + _LOWEST) * _STEPS))) if weight > 0.0 else 1


@lru_cache(maxsize=4096)
def body_levels(norm: float) -> tuple[int, ...]:
    """Return the levels of 0 to 64 occurrences, each weighing ``norm``."""
    return (0, *(level(norm * times) for times in range(1, 65)))


WEIGHT: tuple[float, ...] = (0.0, *(2.0 ** (step / _STEPS - _LOWEST) for step in range(1, 256)))


def inverse_document_frequency(documents: int, total: int) -> float:
    """Return BM25's inverse document frequency of a term, never negative."""
    return log(1.0 + (total - documents + 0.5) / (documents + 0.5))


def saturated(weight: float) -> float:
    """Return by what a term of this weight multiplies its inverse document frequency (below k1 + 1)."""
    return weight * (SATURATION + 1.0) / (weight + SATURATION)
