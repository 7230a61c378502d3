"""What a person saw before they agreed to send it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person was shown before they agreed to send it: edits by id, messages by number.

    The values are fingerprints (``edits.fingerprint``, ``outbox.fingerprint``). What has another one by now,
    or is not named, is not sent.
    """

    edits: Mapping[int, str]
    messages: Mapping[int, str]
