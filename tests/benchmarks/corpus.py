"""A generated mailbox of any size, straight into an archive's tables: Zipf words, names, codes, typos."""

from __future__ import annotations

import random
from bisect import bisect
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from pathlib import Path

from canvas_archive.clock import iso
from canvas_archive.store import Archive, transaction

OWNER = 1
VOCABULARY = 45_000
PEOPLE = 3_000
COURSES = 60
_START = datetime(2018, 9, 1, tzinfo=timezone.utc)
# fmt: off
_ONSETS = (
    "b", "bl", "br", "c", "ch", "cl", "cr", "d", "dr", "f", "fl", "fr", "g", "gl", "gr", "h", "j",
    "k", "l", "m", "n", "p", "pl", "pr", "qu", "r", "s", "sc", "sh", "sl", "sp", "st", "str", "t",
    "th", "tr", "v", "w"
)
_VOWELS = (
    "a", "e", "i", "o", "u", "ai", "ea", "ee", "ie", "oa", "oo", "ou"
)
_CODAS = (
    "", "b", "ck", "d", "ft", "g", "l", "ll", "m", "mp", "n", "nd", "ng", "nt", "p", "r", "rd",
    "rk", "rt", "s", "sh", "sk", "st", "t", "x"
)
_ENDINGS = ("", "", "", "s", "ing", "ed", "er", "ly", "ation", "ment", "s")
_COMMON = (
    "the", "to", "and", "you", "a", "i", "of", "for", "in", "is", "it", "that", "on", "be", "this",
    "with", "will", "have", "we", "your", "are", "at", "not", "can", "if", "as", "or", "my", "me",
    "please", "from", "by", "but", "do", "so", "was", "there", "all", "would", "know", "let",
    "what", "when", "class", "exam", "lab", "report", "course", "week", "assignment", "grade",
    "final", "paper", "question", "meeting", "time", "thanks", "project", "group", "notes", "quiz",
    "homework", "section", "deadline"
)

# fmt: on


def words(rng: random.Random) -> list[str]:
    """Return a vocabulary, the commonest words first."""
    found = dict.fromkeys(_COMMON)
    while len(found) < VOCABULARY:
        stem = "".join(
            rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
            for _ in range(rng.choice((1, 2, 2, 3)))
        )
        found[stem + rng.choice(_ENDINGS)] = None
    return list(found)


class Corpus:
    """Makes messages; the same for the same seed."""

    def __init__(self, seed: int = 5) -> None:
        self.rng = random.Random(seed)
        self.words = words(self.rng)
        # Zipf-Mandelbrot.
        self._weights = list(accumulate(1.0 / (rank + 2.7) ** 1.05 for rank in range(len(self.words))))
        names = [word.capitalize() for word in self.words[2000:8000] if len(word) > 4]
        self.people = {
            number: f"{self.rng.choice(names)} {self.rng.choice(names)}"
            for number in range(OWNER, PEOPLE + OWNER)
        }

    def text(self, length: int) -> str:
        """Return prose of that many words."""
        rng, weights, total = self.rng, self._weights, self._weights[-1]
        found = [self.words[bisect(weights, rng.random() * total)] for _ in range(length)]
        for at in range(0, length, 12):
            found[at] = found[at].capitalize()
            if at:
                found[at - 1] += rng.choice((".", ",", ".", "?", ".\n"))
        kind = rng.random()
        if kind < 0.05:
            found.append(f"BIO {rng.randrange(100, 400)}")
        elif kind < 0.1:
            found.append(
                f"https://canvas.example.edu/courses/{rng.randrange(9000)}/files/{rng.randrange(99999)}"
            )
        elif kind < 0.13:
            found.append(f"{rng.choice(names_of(self))}@example.edu")
        elif kind < 0.2:
            word = rng.choice(found)
            found.append(word[: len(word) // 2] + rng.choice("aeiou") + word[len(word) // 2 :])
        return " ".join(found)

    def fill(self, archive: Archive, count: int, *, first: int = 1) -> None:
        """Write that many messages, four to a conversation, oldest first."""
        rng, db = self.rng, archive.db
        with transaction(db):
            if first == 1:
                db.executemany(
                    "INSERT OR IGNORE INTO users (id, name, full_name, first_seen_at) VALUES (?, ?, ?, '')",
                    [(number, name, name) for number, name in self.people.items()],
                )
                db.executemany(
                    "INSERT INTO contexts (code, kind, canvas_id, name, course_code)"
                    " VALUES (?, 'course', ?, ?, ?)",
                    [
                        (f"course_{number}", number, f"{self.text(3)} {number}", f"CRS {number:03}")
                        for number in range(COURSES)
                    ],
                )
            conversations, messages, recipients = [], [], []
            for number in range(first, first + count):
                thread = (number - 1) // 4 + 1
                if number == first or (number - 1) % 4 == 0:
                    state = rng.choice(("read", "read", "read", "unread", "archived"))
                    conversations.append(
                        (
                            thread,
                            self.text(rng.randrange(2, 8)),
                            f"course_{rng.randrange(COURSES)}",
                            state,
                            state,
                        )
                    )
                author = OWNER if rng.random() < 0.3 else min(PEOPLE, 2 + int(rng.paretovariate(0.6)))
                length = max(3, min(2000, int(rng.lognormvariate(4.1, 0.9))))
                moment = _START + timedelta(minutes=40 * number + rng.randrange(30))
                messages.append((number, thread, author, iso(moment), self.text(length)))
                others = {author, OWNER, *(rng.randrange(2, PEOPLE) for _ in range(rng.choice((1, 1, 2, 4))))}
                recipients += [(number, user) for user in others]
            db.executemany(
                "INSERT OR IGNORE INTO conversations"
                " (id, subject, context_code, workflow_state, remote_workflow_state, last_message_at,"
                "  first_seen_at)"
                " VALUES (?, ?, ?, ?, ?, '2026-01-01T00:00:00Z', '')",
                conversations,
            )
            db.executemany(
                "INSERT INTO messages (id, conversation_id, author_id, created_at, body, first_seen_at)"
                " VALUES (?, ?, ?, ?, ?, '')",
                messages,
            )
            db.executemany("INSERT OR IGNORE INTO message_recipients VALUES (?, ?)", recipients)


def names_of(corpus: Corpus) -> list[str]:
    """Return names as they stand in e-mail addresses."""
    return [name.lower().replace(" ", ".") for name in list(corpus.people.values())[:500]]


def make_archive(folder: Path, count: int, seed: int = 5) -> Corpus:
    """Make an archive of that many messages, not indexed yet."""
    Archive.create(folder, base_url="https://canvas.example.edu", user_id=OWNER, name="Owner Example").close()
    corpus = Corpus(seed)
    with Archive.open(folder, write=True) as archive:
        for first in range(1, count + 1, 20_000):
            corpus.fill(archive, min(20_000, count + 1 - first), first=first)
    return corpus
