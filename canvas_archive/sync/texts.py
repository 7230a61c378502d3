"""Deciding how Canvas sends the bodies of messages: as typed, or with entities (``typed_text.py``).

A sync decides from what arrives:

* A bare ``&`` or ``<`` shows that bodies are sent as typed. When they were thought to have entities, the
  conversations whose bodies may have been decoded by mistake are fetched again in the same run.
* A stored body that now arrives with entities shows that Canvas was upgraded.
* Entities and nothing bare show that bodies have entities. A person can type an entity. So this is decided
  at the end of the run. When bodies came as typed before, the message that showed it is fetched again first.

Until it is decided, bodies are stored as they came; then those of the run are decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.store import Ingest, transaction
from canvas_archive.store.rows import clean, distinct_messages
from canvas_archive.store.texts import (
    KnownTexts,
    conversation_of,
    conversations_with_signs,
    decode_stored,
    record_texts,
    stored_bodies,
    stored_evidence,
    texts_of_run,
)
from canvas_archive.typed_text import as_typed, decoded, evidence_in, has_entities, message_as_typed, typed_by

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from canvas_archive.clock import Clock
    from canvas_archive.model import Conversation, Message
    from canvas_archive.sync.report import Report
    from canvas_archive.typed_text import Texts


class RunTexts:
    """What a run knows of the texts Canvas sends; used by the writing thread alone.

    ``known`` is what the run has recorded so far.
    """

    def __init__(self, db: sqlite3.Connection, clock: Clock, run_id: int, report: Report) -> None:
        self._db = db
        self._report = report
        self._clock = clock
        self._run_id = run_id
        self._ingest = Ingest(db, clock, run_id)
        before = texts_of_run(db)
        self._looked_at_stored = before is not None
        self.known = before or KnownTexts(None)
        self._contradicted = self.known.unsettled
        self._shown: dict[Texts, int] = {}
        self._undecoded: set[int] = set()

    def close(self) -> None:
        """Let go of the connection."""
        self._ingest.close()

    def as_typed(self, group: Sequence[Conversation]) -> Sequence[Conversation]:
        """Return conversations as they are to be stored, after looking at what their bodies show.

        The caller holds no transaction.
        """
        signs = _with_signs(group)
        if signs:
            self._look(signs)
        if self.known.sent == "entities":
            return [as_typed(conversation) for conversation in group]
        self._undecoded.update(message_id for message_id, body in signs.items() if has_entities(body))
        return group

    def _look(self, signs: Mapping[int, str]) -> None:
        here: dict[Texts, int] = {}
        for message_id, body in signs.items():
            evidence = evidence_in(body)
            if evidence is not None:
                here.setdefault(evidence, message_id)
                self._shown.setdefault(evidence, message_id)
        stored = stored_bodies(self._db, signs)
        encoded = {id_: decoded(body) for id_, body in signs.items() if has_entities(body)}
        turned = [id_ for id_, text in encoded.items() if stored.get(id_) == text]
        with transaction(self._db):
            if self.known.sent == "entities" and "raw" in here:
                self._contradicted = True
                self._record(KnownTexts("raw", here["raw"], unsettled=True))
            elif self.known.sent != "entities" and turned and "raw" not in here and not self._contradicted:
                self._take_as_entities(turned[0])
            if self._contradicted:
                self._ingest.save_bodies(sent={id_: signs[id_] for id_ in turned})
            elif self.known.sent == "entities":
                self._ingest.save_bodies(decode=[id_ for id_ in encoded if stored.get(id_) == signs[id_]])

    def to_fetch_again(self) -> list[int]:
        """Return the conversations to fetch once more before ``decide``, all others being stored."""
        if self.known.sent is None and "raw" not in self._shown:
            self._look_at_stored()
        if self._contradicted:
            return conversations_with_signs(self._db)
        if self.known.sent == "raw" and self._all_entities():
            found = conversation_of(self._db, self.known.shown_by)
            return [] if found is None else [found]
        return []

    def decide(self) -> None:
        """Decide at the end of a run what is still open, and record it."""
        with transaction(self._db):
            if self._contradicted:
                self._record(KnownTexts(self.known.sent, self.known.shown_by))
            elif self.known.sent is None:
                self._decide_first()
            elif self.known.sent == "raw" and self._all_entities():
                self._take_as_entities(self._shown["entities"])
            else:
                self._record(
                    KnownTexts(self.known.sent, self._shown.get(self.known.sent, self.known.shown_by))
                )

    def _all_entities(self) -> bool:
        return "entities" in self._shown and "raw" not in self._shown

    def _decide_first(self) -> None:
        if "raw" in self._shown:
            self._record(KnownTexts("raw", self._shown["raw"]))
        elif "entities" in self._shown:
            self._take_as_entities(self._shown["entities"])
        else:
            self._record(KnownTexts(None))

    def _look_at_stored(self) -> None:
        """Take into account what was stored before anything was known: by earlier versions and cut runs."""
        if self._looked_at_stored and not self._shown:
            return
        self._looked_at_stored = True
        stored = stored_evidence(self._db)
        if "raw" in stored:
            self.known = KnownTexts("raw", stored["raw"])
        elif not self._shown:
            self._shown = stored

    def _take_as_entities(self, shown_by: int) -> None:
        """Record that bodies have entities, and decode what came before that was known.

        What is stored from before an upgrade of Canvas stays: it came as it was typed.
        """
        everything = self.known.sent is None and "raw" not in stored_evidence(self._db)
        self._record(KnownTexts("entities", shown_by))
        decode_stored(self._db, self._clock, self._run_id, None if everything else self._undecoded)
        self._undecoded.clear()

    def _record(self, known: KnownTexts) -> None:
        self.known = known
        self._report.texts = known.to_json()
        record_texts(self._db, self._run_id, known)


def as_stored(
    db: sqlite3.Connection, conversation: Conversation, *, draft: str | None = None
) -> Conversation:
    """Return an answer outside a sync as it is to be stored, by what the last sync knew.

    ``draft`` is what was typed here: a message that is the draft with entities is stored as it was typed,
    whatever is known.
    """
    entities = _sends_entities(db)
    chosen = [
        str(one.id)
        for one in conversation.messages or ()
        if (one.body != draft == decoded(one.body)) or (entities and evidence_in(one.body) != "raw")
    ]
    return typed_by(conversation, f"entities:{','.join(chosen)}") if chosen else conversation


def message_as_shown(db: sqlite3.Connection, message: Message) -> Message:
    """Return a message that is only shown as it was typed, by what the last sync knew."""
    return (
        message_as_typed(message) if _sends_entities(db) and evidence_in(message.body) != "raw" else message
    )


def _sends_entities(db: sqlite3.Connection) -> bool:
    known = texts_of_run(db)
    return known is not None and known.sent == "entities"


def _with_signs(conversations: Iterable[Conversation]) -> dict[int, str]:
    """Return the bodies that can show something, by message: those that people wrote, with ``&`` or ``<``."""
    return {
        message_id: clean(message.body) or ""
        for conversation in conversations
        for message_id, message in distinct_messages(conversation.messages or ()).items()
        if ("&" in message.body or "<" in message.body) and not message.generated
    }
