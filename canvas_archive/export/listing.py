"""What a list of files names, against what is in a folder: one rule for bags, backups and exports.

A name that was decomposed or composed on its way (NFD, NFC) is still that name, where nothing has it as it is
listed. Files that systems leave in every folder are foreign and harmless. The lists are in a temporary
database, so memory does not grow with the number of files.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator

from canvas_archive.unicode import normalized

_LEFT_BY_SYSTEMS = re.compile(
    r"(?:\.ds_store|\.localized|thumbs\.db|ehthumbs\.db|desktop\.ini|\._.*)\Z", re.IGNORECASE | re.DOTALL
)
_TABLES = """
CREATE TABLE listed (
  path BLOB NOT NULL, algorithm TEXT NOT NULL, hash TEXT NOT NULL, composed BLOB NOT NULL,
  PRIMARY KEY (path, algorithm, hash)
) WITHOUT ROWID;
CREATE TABLE present (path BLOB PRIMARY KEY, composed BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX present_composed ON present (composed);
CREATE TABLE places (path BLOB PRIMARY KEY, found BLOB) WITHOUT ROWID;
"""
_PLACES = """
INSERT INTO places SELECT DISTINCT l.path, CASE
  WHEN EXISTS (SELECT 1 FROM present p WHERE p.path = l.path) THEN l.path
  ELSE (SELECT min(p.path) FROM present p WHERE p.composed = l.composed
    AND NOT EXISTS (SELECT 1 FROM listed o WHERE o.path = p.path)) END
FROM listed l
"""
_UNLISTED = """
SELECT path FROM present p WHERE NOT EXISTS (
  SELECT 1 FROM places x JOIN listed l ON l.path = x.path
  WHERE x.found = p.path AND (?1 IS NULL OR l.algorithm = ?1)
) ORDER BY path
"""


class Listing:
    """A list of files with their hashes, and the files that are there: fill both, then ask."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Remove the temporary database."""
        self._db.close()

    def add(self, path: str, algorithm: str, value: str) -> bool:
        """List a file with a hash it may have; return whether that is new."""
        row = os.fsencode(path), algorithm, value, _composed(path)
        return self._db.execute("INSERT OR IGNORE INTO listed VALUES (?, ?, ?, ?)", row).rowcount > 0

    def see(self, paths: Iterable[str]) -> None:
        """Note the files that are there, and which of them each listed one is. Called once, after ``add``."""
        rows = ((os.fsencode(path), _composed(path)) for path in paths)
        try:
            self._db.executemany("INSERT OR IGNORE INTO present VALUES (?, ?)", rows)
        finally:
            self._db.execute("CREATE INDEX listed_composed ON listed (composed)")
            self._db.execute(_PLACES)
            self._db.execute("CREATE INDEX places_found ON places (found)")

    def contradictions(self, algorithm: str) -> Iterator[str]:
        """Yield the files that are listed with different hashes of one algorithm."""
        found = self._db.execute(
            "SELECT path FROM listed WHERE algorithm = ? GROUP BY path HAVING count(*) > 1", (algorithm,)
        )
        return (os.fsdecode(row[0]) for row in found)

    def places(self) -> Iterator[tuple[str, str]]:
        """Yield each listed file that is here, and the name that it has here."""
        rows = self._db.execute("SELECT path, found FROM places WHERE found IS NOT NULL ORDER BY path")
        return ((os.fsdecode(path), os.fsdecode(found)) for path, found in rows)

    def missing(self) -> Iterator[str]:
        """Yield each listed file that is not here."""
        rows = self._db.execute("SELECT path FROM places WHERE found IS NULL ORDER BY path")
        return (os.fsdecode(row[0]) for row in rows)

    def renamed(self) -> Iterator[str]:
        """Yield a sentence for each file whose name is in another Unicode form here."""
        for (path,) in self._db.execute("SELECT path FROM places WHERE found <> path ORDER BY path"):
            yield f"{os.fsdecode(path)} is written in another Unicode form here"

    def hashes(self, path: str) -> list[tuple[str, str]]:
        """Return algorithm and hash of a listed file, as often as it is listed."""
        found = self._db.execute(
            "SELECT algorithm, hash FROM listed WHERE path = ? ORDER BY algorithm", (os.fsencode(path),)
        )
        return [(str(algorithm), str(value)) for algorithm, value in found]

    def unlisted(self, algorithm: str | None = None) -> Iterator[str]:
        """Yield the files that no list names, or not with this algorithm, without what systems leave."""
        paths = (os.fsdecode(row[0]) for row in self._db.execute(_UNLISTED, (algorithm,)))
        return (path for path in paths if not is_foreign(path))

    def foreign(self) -> Iterator[str]:
        """Yield the files that no list names, and that systems leave in every folder."""
        paths = (os.fsdecode(row[0]) for row in self._db.execute(_UNLISTED, (None,)))
        return (path for path in paths if is_foreign(path))


def is_foreign(path: str) -> bool:
    """Return whether a file has a name that file managers and disks leave behind. Pure."""
    return _LEFT_BY_SYSTEMS.match(path.rpartition("/")[2]) is not None


def _composed(path: str) -> bytes:
    return os.fsencode(normalized("NFC", path))
