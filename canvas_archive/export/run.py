"""One export from start to end: read once, feed every format, then put the result in place in one step.

Everything is written beside the destination under a temporary name and renamed at the end, so that a
destination is either complete or not there. Nothing in an export depends on the clock.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_archive.clock import Clock
from canvas_archive.errors import ArchiveError, BadInput, VerificationFailed
from canvas_archive.export.attachments import AttachmentCopier, files_of
from canvas_archive.export.bag import PAYLOAD, write_bag
from canvas_archive.export.completeness import Completeness, completeness
from canvas_archive.export.context import GENERATOR, Blobs, ExportContext, ExportOptions, Writer
from canvas_archive.export.custody import CUSTODY, custody
from canvas_archive.export.destination import (
    RECORD,
    RECORD_TYPE,
    check_destination,
    is_single_file,
    put_in_place,
    staging,
)
from canvas_archive.export.formats import FORMATS, check_formats
from canvas_archive.export.gaps import GAPS, write_gaps
from canvas_archive.export.manifest import MANIFEST, walk, write_manifests
from canvas_archive.export.moment import clock_for_output
from canvas_archive.export.pseudonyms import KEY_NAME, load_key
from canvas_archive.export.reader import Snapshot
from canvas_archive.export.receipts import RECEIPTS, write_receipts
from canvas_archive.export.records import ThreadRecord
from canvas_archive.export.redact import Redactor
from canvas_archive.export.selection import Selection
from canvas_archive.export.totals import Totals, totals
from canvas_archive.machine import machine_trouble
from canvas_archive.model import JsonObject
from canvas_archive.store import Archive, transaction
from canvas_archive.store.chain import extend_chain
from canvas_archive.store.private import write_private

if TYPE_CHECKING:
    from canvas_archive.search.query.resolve import AbsentNames


@dataclass(frozen=True, slots=True)
class Redaction:
    """How people are replaced. ``key`` is one for several archives; the custodian is replaced, too.

    ``more`` are names to look for besides those of the archive: (user id, "name" or "login", text).
    ``names`` is where to write who is behind which pseudonym. ``report`` hears what was replaced how often.
    """

    key: bytes | None = None
    names: Path | None = None
    more: tuple[tuple[int, str, str], ...] = ()
    report: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What to export and where to. ``find_messages`` answers search queries with message ids.

    With ``absent``, a name that this archive does not know is added to it and chooses nothing.
    """

    archive_folder: Path
    db_path: Path
    files_dir: Path
    dest: Path
    formats: tuple[str, ...]
    selection: Selection = field(default_factory=Selection)
    options: ExportOptions = field(default_factory=ExportOptions)
    bag: bool = False
    redaction: Redaction = field(default_factory=Redaction)
    force: bool = False
    find_messages: Callable[[str], Iterable[int]] | None = None
    absent: AbsentNames | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What was written. ``lost`` are attachments whose stored files are missing on the disk."""

    conversations: int = 0
    messages: int = 0
    lost: int = 0

    def to_json(self, totals: Totals) -> JsonObject:
        """Return the counts as a JSON object, with those of the database that explain them."""
        return {
            "conversations": self.conversations,
            "messages": self.messages,
            "generated": totals.generated,
            "removed": totals.removed,
            "forwarded_only": totals.forwarded_only,
            "attachments": totals.files,
            "attachments_unavailable": totals.unavailable,
            "attachments_lost": self.lost,
            "stored_files": totals.contents,
            "explained": totals.sentence,
        }


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What came of an export, and how complete the collection is that it was made of."""

    dest: Path
    formats: tuple[str, ...]
    counts: Counts
    totals: Totals
    collection: Completeness
    shared: int = 0
    """How many of the messages are in none of the courses asked for: their people share one."""

    def shortcoming(self) -> str | None:
        """Return why the export is not all that was asked for, and what to do; ``None`` when it is."""
        if self.counts.lost:
            return (
                f"{self.counts.lost:,} stored attachments are missing on the disk. "
                "Run 'canvas-archive verify', then sync again or restore a backup."
            )
        if self.collection.advice:
            return f"{self.collection.sentence} {self.collection.advice}"
        if not self.counts.messages:
            return "It holds no messages: nothing in the archive is what was asked for."
        return None


class ExportProgress:
    """Hears how far an export is; this one does nothing."""

    def begin(self, messages: int) -> None:
        """The writing begins; so many messages are chosen."""

    def advance(self, messages: int) -> None:
        """So many more messages are written."""

    def finishing(self) -> None:
        """All messages are written; indexes and hashes follow."""


def export(request: Request, progress: ExportProgress | None = None) -> ExportReport:
    """Write an export.

    Raises BadInput when the destination exists (without ``force``) or a filter names nothing, ForeignFolder
    when ``force`` would replace something that is no export, VerificationFailed when a stored attachment
    does not match its hash or the database is damaged, ArchiveError when the disk is full. Whatever is
    raised, nothing is left behind.
    """
    try:
        return _export(request, progress or ExportProgress())
    except sqlite3.DatabaseError as error:
        trouble = machine_trouble(error)
        if trouble is not None and not isinstance(trouble, VerificationFailed):
            raise trouble from error
        raise VerificationFailed(
            f"The archive's database cannot be read ({error}); nothing was exported. "
            "Run 'canvas-archive verify'."
        ) from error
    except OSError as error:
        raise ArchiveError(
            f"The export could not be written ({error.strerror or error}); nothing was left behind."
        ) from error


def _export(request: Request, progress: ExportProgress) -> ExportReport:
    formats = check_formats(request.formats, request.dest)
    alone = is_single_file(request.dest, formats)
    check_request(request, alone)
    beside = FORMATS[formats[0]].beside if alone else ""
    for dest in (request.dest, request.dest.with_suffix(beside)) if beside else (request.dest,):
        check_destination(dest, request.archive_folder, alone=alone, force=request.force)
    if request.bag:
        extend_quietly(request.archive_folder, clock_for_output())
    # In this order: where files cannot be opened any more, the database's make room for clearing up.
    with staging(request.dest) as stage, Snapshot(request.db_path) as snapshot:
        redactor = _redactor(request, snapshot) if request.options.redacted else None
        context = _context(request, snapshot, formats, alone, redactor)
        progress.begin(context.scope.messages)
        root = stage / "export"
        content = root / PAYLOAD if request.bag else root
        content.mkdir(mode=0o700, parents=True)
        root.chmod(0o700)
        threads = snapshot.threads(context.scope)
        counts = write_formats(
            map(redactor.thread, threads) if redactor else threads,
            context,
            formats,
            content,
            request.dest if alone else None,
            progress,
        )
        progress.finishing()
        numbers = totals(snapshot.db, context.scope)
        if alone:
            made = root / request.dest.name
            if beside:
                put_in_place(made.with_suffix(beside), request.dest.with_suffix(beside))
            put_in_place(made, request.dest)
        else:
            record = record_json(context, formats, counts, numbers)
            if request.options.receipts:
                record["receipts"] = write_receipts(content / RECEIPTS, snapshot.db)
            _complete(root, content, record, snapshot, context, redactor)
            put_in_place(root, request.dest)
        if redactor and request.redaction.names:
            write_private(request.redaction.names, redactor.names_table().encode("utf-8", "replace"))
        if redactor and request.redaction.report:
            request.redaction.report(redactor.report())
    return ExportReport(request.dest, formats, counts, numbers, context.collection, context.scope.shared)


def check_request(request: Request, alone: bool) -> None:
    """Refuse options that do not go together."""
    names = request.redaction.names
    if request.bag and alone:
        raise BadInput(
            f"A bag is a folder; {request.dest} would be one file. Name a folder and give --format."
        )
    if request.options.receipts and alone:
        raise BadInput(
            f"Receipts are a file of their own; {request.dest} would be one file. Name a folder and give "
            "--format."
        )
    if names is None:
        return
    if names.exists() and not request.force:
        raise BadInput(f"{names} exists. Choose another name, or replace it with --force.")
    outside(names, request.dest)


def outside(path: Path, dest: Path) -> None:
    """Raise BadInput for a file with names, or a key, that would lie in the export."""
    if path.resolve().is_relative_to(dest.resolve()):
        raise BadInput(f"{path} must not lie in the export: the file leads from pseudonyms to people.")


def _complete(
    root: Path,
    content: Path,
    record: JsonObject,
    snapshot: Snapshot,
    context: ExportContext,
    redactor: Redactor | None,
) -> None:
    write_json(content / RECORD, record)
    files_dir = context.blobs.files_dir if context.blobs.included else None
    gaps = write_gaps(content / GAPS, snapshot.db, files_dir, redactor)
    if content == root:
        write_manifests(root, (path for path in walk(root) if path != MANIFEST), {"sha256": root / MANIFEST})
        return
    write_json(content / CUSTODY, custody(snapshot.db, record, gaps, redactor, root.parent))
    write_bag(root, bag_info(context, record))


def _context(
    request: Request, snapshot: Snapshot, formats: tuple[str, ...], alone: bool, redactor: Redactor | None
) -> ExportContext:
    scope = snapshot.choose(request.selection, request.find_messages, request.absent)
    included = request.options.attachments
    return ExportContext(
        custodian=redactor.custodian(snapshot.custodian) if redactor else snapshot.custodian,
        selection=request.selection.redacted(redactor.text, partial(redactor.number, "conversation"))
        if redactor
        else request.selection,
        scope=scope,
        collection=completeness(snapshot.db, chosen=True, files=included),
        blobs=Blobs(request.files_dir, included),
        options=request.options,
        is_folder=not alone,
        copies=included and not alone and (request.bag or any(FORMATS[name].refers for name in formats)),
    )


def _redactor(request: Request, snapshot: Snapshot) -> Redactor:
    key = request.redaction.key
    custodian = snapshot.custodian
    known = [*snapshot.other_names(), *request.redaction.more]
    if custodian.name != f"User {custodian.user_id}":
        known.append((custodian.user_id, "name", custodian.name))  # who may be no participant of anything
    redactor = Redactor(
        load_key(request.archive_folder / KEY_NAME) if key is None else key,
        custodian.user_id,
        snapshot.everyone(),
        known,
        custodian_too=key is not None,
    )
    for kind in ("message", "conversation", "file"):
        redactor.set_apart(kind, snapshot.ids(kind))
    return redactor


def extend_quietly(folder: Path, clock: Clock) -> None:
    """Bring the hash chain up to date, where the archive can be written to now.

    A sync that is running will do it itself; an archive on a read-only medium has the chain it has.
    """
    with contextlib.suppress(ArchiveError, OSError):
        with Archive.open(folder, write=True, clock=clock) as archive, transaction(archive.db):
            extend_chain(archive.db, clock=clock)


def write_formats(
    threads: Iterable[ThreadRecord],
    context: ExportContext,
    formats: tuple[str, ...],
    root: Path,
    alone: Path | None,
    progress: ExportProgress,
) -> Counts:
    """Feed every format from one pass over the conversations; return what was written."""
    counts = Counts()
    with ExitStack() as stack:
        writers: list[Writer] = []
        for name in formats:
            path = root / (alone.name if alone else FORMATS[name].name)
            writers.append(FORMATS[name].open(path, context))
            stack.callback(writers[-1].close)
        if context.copies:
            writers.append(AttachmentCopier(root, context))
        for thread in threads:
            for writer in writers:
                writer.add(thread)
            counts = _count(counts, thread, context)
            progress.advance(len(thread.messages))
        for writer in writers:
            writer.finish()
    return counts


def _count(counts: Counts, thread: ThreadRecord, context: ExportContext) -> Counts:
    lost = 0
    if context.blobs.included:
        files = (file for message in thread.messages for file in files_of(message))
        lost = sum(1 for file in files if file.is_stored and context.blobs.path(file) is None)
    return Counts(counts.conversations + 1, counts.messages + len(thread.messages), counts.lost + lost)


def record_json(
    context: ExportContext, formats: tuple[str, ...], counts: Counts, numbers: Totals
) -> JsonObject:
    """Return what an export says about itself."""
    custodian = context.custodian
    return {
        "type": RECORD_TYPE,
        "generator": GENERATOR,
        "schema_version": custodian.schema_version,
        "custodian": {
            "id": custodian.user_id,
            "name": custodian.name,
            "base_url": custodian.base_url,
            "collected_by": custodian.collected_by,
        },
        "collected_at": custodian.collected_at,
        "collection": context.collection.to_json(),
        "selection": context.selection.to_json(),
        "formats": list(formats),
        "options": {
            "attachments": context.options.attachments,
            "redacted": context.options.redacted,
            "slice": "day" if context.options.slice_by_day else "conversation",
        },
        "counts": counts.to_json(numbers),
    }


def bag_info(context: ExportContext, record: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield the lines of ``bag-info.txt``. Its dates are those of the collection, never of today."""
    custodian = context.custodian
    yield "Source-Organization", custodian.host
    yield "External-Description", f"Canvas inbox of {custodian.name}"
    yield "External-Identifier", f"{custodian.host}/users/{custodian.user_id}"
    yield "Bagging-Date", custodian.collected_at[:10]
    yield "Bag-Software-Agent", GENERATOR
    yield "Custodian-Name", custodian.name
    yield "Custodian-Id", str(custodian.user_id)
    yield "Canvas-Address", custodian.base_url
    yield "Collection-Began", custodian.created_at
    yield "Collection-Ended", custodian.collected_at
    yield "Collection-State", context.collection.sentence
    yield "Archive-Schema-Version", str(custodian.schema_version)
    for name in ("selection", "formats", "options", "counts"):
        yield f"Export-{name.title()}", json.dumps(record[name], ensure_ascii=False)


def write_json(path: Path, document: JsonObject) -> None:
    """Write a JSON file for people to read."""
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", "utf-8")
