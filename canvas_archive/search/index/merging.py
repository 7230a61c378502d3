"""Which segments of an index are written anew together, so that there are never many: a pure function."""

from __future__ import annotations

from collections.abc import Sequence

LARGEST_SEGMENT = 32_000  # documents built at once: bounds the memory of a build to about 200 MB
_MERGE_AT = 8  # segments of one size that become one


def segments_to_merge(sizes: Sequence[tuple[int, int]], arriving: int) -> set[int]:
    """Choose segments (count, deleted) to write anew together with ``arriving`` new documents.

    Segments more than a third deleted go first. Then sizes are taken in steps of eight: as soon as a step
    holds eight segments, the new one included, they become one of the next step.
    """
    chosen = {
        number
        for number, (count, deleted) in enumerate(sizes)
        if deleted * 3 > count and count <= LARGEST_SEGMENT
    }
    growing = arriving + sum(
        count - deleted for number, (count, deleted) in enumerate(sizes) if number in chosen
    )
    while True:
        step = _step(growing)
        same = {
            number
            for number, (count, _) in enumerate(sizes)
            if number not in chosen and _step(count) <= step and count < LARGEST_SEGMENT
        }
        alike = sum(_step(sizes[number][0]) == step for number in same)
        merging = growing + sum(sizes[number][0] for number in same)
        if alike < _MERGE_AT - 1 or merging > LARGEST_SEGMENT:
            return chosen
        chosen |= same
        growing = merging


def _step(count: int) -> int:
    """Return the size class of a segment: below 64, below 512, below 4096, ..."""
    return max(2, (max(count, 1).bit_length() + 2) // 3)
