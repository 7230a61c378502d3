"""Which forwarded messages are shown below a message, so that what is shown grows with what is stored.

A message that two others forward is shown below both. Sixty messages that each forward the two before them
would so be shown a million million times.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

DEEPEST_FORWARD = 100
_MOST_REPEATED = 1000


class Forwards:
    """The forwarded messages of one answer; ``links`` are the ids that each message forwards."""

    def __init__(self, links: Mapping[int, Sequence[int]]) -> None:
        self._links = links
        self._shown: set[int] = set()
        self._left = _MOST_REPEATED + 4 * sum(map(len, links.values()))

    def below(self, message_id: int, above: Collection[int]) -> Sequence[int]:
        """Return what to show below a message, which stands below ``above``.

        A message that, through broken data, forwards itself is cut off where it would repeat. Every message
        is shown with all it forwards once, and again until that has been many more than there are.
        """
        if len(above) >= DEEPEST_FORWARD - 1:
            return ()
        inner = [one for one in self._links.get(message_id, ()) if one != message_id and one not in above]
        if message_id in self._shown:
            if len(inner) > self._left:
                return ()
            self._left -= len(inner)
        self._shown.add(message_id)
        return inner
