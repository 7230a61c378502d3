"""Keeping the index: update it from the queue, build it anew.

Triggers put the id of every message whose document is out of date into ``index_queue``. An update reads the
queue up to its highest number, writes one new segment, marks the old documents as deleted, and commits by
writing the index's record and emptying the queue in one transaction (``record.py``).

Segments are merged by writing their documents anew from the archive: that is faster than Whoosh's merging,
and it drops what was deleted. ``merging.py`` keeps their number small.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from canvas_archive.clock import SYSTEM, iso
from canvas_archive.errors import ArchiveError, ArchiveLocked
from canvas_archive.search.index.attachments import SECONDS, Extraction, extract_missing
from canvas_archive.search.index.checking import live_messages
from canvas_archive.search.index.documents import message_ids, read_documents
from canvas_archive.search.index.merging import LARGEST_SEGMENT, segments_to_merge
from canvas_archive.search.index.postings import Damaged
from canvas_archive.search.index.reading import Files, Segment
from canvas_archive.search.index.record import (
    TABLE,
    VERSION,
    IndexRecord,
    IndexUnusable,
    ListedSegment,
    changed_files,
    fingerprint,
    identity,
    read_record,
    times_of,
    toc_name,
    usable_record,
    write_record,
)
from canvas_archive.search.index.schema import INDEX_NAME, whoosh_schema
from canvas_archive.search.index.segments import SegmentBuilder, WrittenSegment
from canvas_archive.search.index.shard import Range, SecondProcess, build_range
from canvas_archive.search.index.weights import USUAL_LENGTH
from canvas_archive.store.connection import path_of, transaction

Progress = Callable[[int, int], None]

_WORTH_A_PROCESS = 4_000  # documents below which a second process costs more than it saves

_QUEUE = "SELECT DISTINCT message_id FROM index_queue WHERE seq <= ? ORDER BY message_id"
_QUEUE_END = "SELECT coalesce(max(seq), 0) FROM index_queue"
_QUEUE_DONE = "DELETE FROM index_queue WHERE seq <= ?"
_SAMPLE = "SELECT avg(length(CAST(body AS BLOB))) FROM messages WHERE id IN (SELECT value FROM json_each(?))"
_BYTES_PER_TERM = 6.0


@dataclass(frozen=True)
class IndexReport:
    """What an update or a rebuild did: messages added or renewed, removed, and now in the index.

    ``skipped`` are the messages that cannot be indexed. ``documents_waiting`` counts the attached files that
    a later run reads; ``document_problem`` says why, when it is not for lack of time.
    """

    added: int
    removed: int
    total: int
    seconds: float
    rebuilt: bool = False
    skipped: tuple[int, ...] = ()
    documents_waiting: int = 0
    document_problem: str | None = None

    def notes(self) -> Iterator[str]:
        """Yield a sentence on each thing that is not in the index."""
        if self.skipped:
            first = ", ".join(map(str, self.skipped[:3]))
            more = f" and {len(self.skipped) - 3:,} more" if len(self.skipped) > 3 else ""
            yield f"Not in the search index, because their rows are damaged: message {first}{more}."
        if self.documents_waiting:
            how = "The next run continues. 'canvas-archive index --documents' reads them all."
            waiting = f"Attached files not read for the search yet: {self.documents_waiting:,}."
            yield f"{waiting} {self.document_problem or how}"


def update_index(
    db: sqlite3.Connection,
    search_dir: Path,
    *,
    document_seconds: float | None = SECONDS,
    progress: Progress | None = None,
    reading: Progress | None = None,
) -> IndexReport:
    """Bring the index up to date with the queue, building it anew where there is no sound one.

    ``db`` is the archive's writable connection, outside of a transaction. Cost grows with what changed.
    Attached files are read for ``document_seconds`` at most (``None``: all of them); ``reading`` is called as
    ``progress`` is, with files instead of messages.
    """
    began = time.perf_counter()
    texts = extract_missing(db, search_dir.parent / "files", seconds=document_seconds, progress=reading)
    return _with_texts(_update(db, search_dir, progress), texts, began)


def rebuild_index(
    db: sqlite3.Connection,
    search_dir: Path,
    *,
    processes: int = 2,
    document_seconds: float | None = SECONDS,
    progress: Progress | None = None,
    reading: Progress | None = None,
) -> IndexReport:
    """Build the index anew from the archive, on two cores where that pays. Arguments as ``update_index``."""
    began = time.perf_counter()
    texts = extract_missing(db, search_dir.parent / "files", seconds=document_seconds, progress=reading)
    return _with_texts(_rebuild(db, search_dir, progress, processes), texts, began)


def _with_texts(report: IndexReport, texts: Extraction, began: float) -> IndexReport:
    return replace(
        report,
        seconds=time.perf_counter() - began,
        documents_waiting=texts.waiting,
        document_problem=texts.problem,
    )


def _update(db: sqlite3.Connection, search_dir: Path, progress: Progress | None) -> IndexReport:
    try:
        record = usable_record(db, search_dir)
    except IndexUnusable:
        return _rebuild(db, search_dir, progress)
    end = int(db.execute(_QUEUE_END).fetchone()[0])
    queued = [int(row[0]) for row in db.execute(_QUEUE, (end,))]
    if not queued:
        return IndexReport(0, 0, record.total, 0.0, skipped=record.skipped)
    if len(queued) > max(LARGEST_SEGMENT // 2, record.total // 2):
        return _rebuild(db, search_dir, progress)
    try:
        return _renew(db, search_dir, record, queued, end, progress)
    except ArchiveError:
        raise
    except Exception as error:
        if isinstance(error, Damaged) or any(changed_files(record, search_dir)):
            return _rebuild(db, search_dir, progress)
        raise


def _renew(
    db: sqlite3.Connection,
    folder: Path,
    record: IndexRecord,
    queued: list[int],
    end: int,
    progress: Progress | None,
) -> IndexReport:
    """Write the queued messages into a new segment and commit."""
    stale = set(queued)
    known: set[int] = set()
    segments = []
    for listed in record.segments:
        segment, marked = _mark_deleted(folder, listed, stale, record.files)
        segments.append(segment)
        known |= marked
    merged = segments_to_merge([(segment.count, len(segment.deleted)) for segment in segments], len(queued))
    wanted = set(queued)
    for number in merged:
        wanted |= live_messages(folder, segments[number], record.files)
    kept = [segment for number, segment in enumerate(segments) if number not in merged]
    written: list[WrittenSegment] = []
    renewed: set[int] = set()
    skipped = [message_id for message_id in record.skipped if message_id not in wanted]
    ordered = sorted(wanted)
    for at in range(0, len(ordered), LARGEST_SEGMENT):
        builder = SegmentBuilder(record.usual_length)
        documents = read_documents(db, ordered[at : at + LARGEST_SEGMENT], skipped)
        for message_id in builder.add_all(documents, skipped):
            renewed.add(message_id)
            if progress is not None and builder.count % 500 == 0:
                progress(at + builder.count, len(ordered))
        if builder.count:
            written.append(builder.write(folder))
    kept_names = {segment.name for segment in kept}
    files = {name: file for name, file in record.files.items() if name.partition(".")[0] in kept_names}
    committed = _commit(
        db, folder, record, kept, files, written, skipped, record.usual_length, end, record.built_at
    )
    return IndexReport(
        len(renewed & stale), len(known - renewed), committed.total, 0.0, skipped=committed.skipped
    )


def _rebuild(
    db: sqlite3.Connection, search_dir: Path, progress: Progress | None, processes: int = 2
) -> IndexReport:
    search_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    search_dir.chmod(0o700)
    end = int(db.execute(_QUEUE_END).fetchone()[0])
    before = read_record(db)
    ids = message_ids(db)
    usual = _usual_length(db, ids)
    written, skipped = _build_all(db, search_dir, ids, usual, processes, progress)
    record = _commit(db, search_dir, before, [], {}, written, skipped, usual, end, iso(SYSTEM.now()))
    return IndexReport(
        record.total,
        max(0, before.total - record.total) if before else 0,
        record.total,
        0.0,
        rebuilt=True,
        skipped=record.skipped,
    )


def _build_all(
    db: sqlite3.Connection,
    folder: Path,
    ids: Sequence[int],
    usual: float,
    processes: int,
    progress: Progress | None,
) -> tuple[list[WrittenSegment], list[int]]:
    spans = _spans(ids, processes)
    db_path = path_of(db)
    second = None
    if processes > 1 and len(ids) >= _WORTH_A_PROCESS and db_path is not None:
        second = SecondProcess(db_path, folder, spans[1::2], usual)
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count * (2 if second else 1)  # the second process is about as far
        if progress is not None:
            progress(min(done, len(ids)), len(ids))

    written: list[WrittenSegment | None] = []
    skipped: list[int] = []

    def build(chosen: Sequence[Range]) -> None:
        for span in chosen:
            written.append(build_range(db, folder, span, usual, step, skipped))

    try:
        build(spans[0::2] if second else spans)
        if second is not None:
            others = second.result()
            if others is None:
                build(second.spans)
            else:
                written += others[0]
                skipped += others[1]
    finally:
        if second is not None:
            second.close()
    if progress is not None:
        progress(len(ids), len(ids))
    return [segment for segment in written if segment is not None], skipped


def _spans(ids: Sequence[int], processes: int) -> list[Range]:
    """Cut the ids into spans of at most a segment each, as many for each process as for the other."""
    if not ids:
        return []
    shares = max(1, -(-len(ids) // LARGEST_SEGMENT))
    if processes > 1 and len(ids) >= _WORTH_A_PROCESS:
        shares += shares % 2
    size = -(-len(ids) // shares)
    return [(ids[at], ids[min(at + size, len(ids)) - 1]) for at in range(0, len(ids), size)]


def _usual_length(db: sqlite3.Connection, ids: Sequence[int]) -> float:
    """Return how many terms a body has on average, from a sample."""
    sample = ids[:: max(1, len(ids) // 1000)]
    size = db.execute(_SAMPLE, (json.dumps(sample),)).fetchone()[0]
    return max(10.0, size / _BYTES_PER_TERM) if size else USUAL_LENGTH


def _mark_deleted(
    folder: Path, segment: ListedSegment, stale: set[int], files: Files
) -> tuple[ListedSegment, set[int]]:
    """Return the segment without the documents of these messages, and which of them had one."""
    with closing(Segment(folder, segment, files)) as opened:
        column = opened.column("message")
        if stale.isdisjoint(column):
            return segment, set()
        dead = set(segment.deleted)
        found = [number for number, message in enumerate(column) if message in stale and number not in dead]
        return replace(segment, deleted=tuple(sorted(dead.union(found)))), {column[at] for at in found}


def _commit(
    db: sqlite3.Connection,
    folder: Path,
    before: IndexRecord | None,
    kept: Sequence[ListedSegment],
    files: dict[str, tuple[int, str]],
    written: Sequence[WrittenSegment],
    skipped: Sequence[int],
    usual: float,
    end: int,
    built_at: str,
) -> IndexRecord:
    """Write the table of contents and make it count by its record; then tidy up."""
    new = [ListedSegment(f"{INDEX_NAME}_{segment.id}", segment.count) for segment in written]
    segments = (*kept, *new)
    generation = before.generation + 1 if before else 1
    while (folder / toc_name(generation)).is_dir():  # a folder that somebody put there is not ours to delete
        generation += 1
    path = folder / toc_name(generation)
    # The table of contents is written under the database's lock: of two updates that began from the same
    # record, only one gets this far.
    with transaction(db):
        db.execute(TABLE)
        if read_record(db) != before:
            raise ArchiveLocked("Another process has just updated the search index; nothing was changed.")
        path.unlink(missing_ok=True)  # left by an update that was killed before its commit
        _write_toc(folder, segments, generation)
        path.chmod(0o600)
        record = IndexRecord(
            generation=generation,
            segments=segments,
            files={
                path.name: fingerprint(path),
                **files,
                **{name: file for segment in written for name, file in segment.files.items()},
            },
            version=VERSION,
            identity=identity(db),
            total=sum(segment.live for segment in segments),
            usual_length=usual,
            built_at=built_at,
            updated_at=iso(SYSTEM.now()),
            skipped=tuple(sorted(skipped)),
        )
        record = replace(record, changed=times_of(record, folder))
        write_record(db, record)
        db.execute(_QUEUE_DONE, (end,))
    _tidy(folder, record)
    return record


def _write_toc(folder: Path, segments: Iterable[ListedSegment], generation: int) -> None:
    """Write Whoosh's table of contents. Only a stock Whoosh reads it: the record lists the segments here."""
    from whoosh.codec.whoosh3 import W3Codec, W3Segment
    from whoosh.filedb.filestore import FileStorage
    from whoosh.index import TOC

    listed = []
    for one in segments:
        segid = one.name.removeprefix(f"{INDEX_NAME}_")
        segment = W3Segment(W3Codec(), INDEX_NAME, one.count, segid=segid, deleted=set(one.deleted) or None)
        segment._fieldlengths = {}
        listed.append(segment)
    TOC(whoosh_schema(), listed, generation).write(FileStorage(str(folder)), INDEX_NAME)


def _tidy(folder: Path, record: IndexRecord) -> None:
    """Delete what the record does not name: older generations and the remains of killed updates."""
    for path in folder.iterdir():
        ours = path.name.startswith((f"{INDEX_NAME}_", f"_{INDEX_NAME}_")) and path.name not in record.files
        if ours:
            with suppress(OSError):  # Windows: a reader still has it open
                path.unlink()
