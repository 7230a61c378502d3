"""One export from start to end: read once, feed every format, then put the result in place in one step.

Everything is written beside the destination under a temporary name and renamed at the end, so that a
destination is either complete or not there. Nothing in an export depends on the clock.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from canvas_archive.errors import BadInput, ForeignFolder
from canvas_archive.export.attachments import AttachmentCopier, files_of
from canvas_archive.export.context import GENERATOR, Blobs, ExportContext, Options, Writer
from canvas_archive.export.formats import FORMATS, check_formats, format_for
from canvas_archive.export.manifest import MANIFEST, walk, write_manifests
from canvas_archive.export.reader import Snapshot
from canvas_archive.export.records import ThreadRecord
from canvas_archive.export.selection import Selection
from canvas_archive.model import JsonObject

RECORD = "export.json"
RECORD_TYPE = "canvas-archive export"


@dataclass(frozen=True, slots=True)
class Request:
    """What to export and where to. ``find_messages`` answers search queries with message ids."""

    archive_folder: Path
    db_path: Path
    files_dir: Path
    dest: Path
    formats: tuple[str, ...]
    selection: Selection = field(default_factory=Selection)
    options: Options = field(default_factory=Options)
    bag: bool = False
    redact_key: Path | None = None
    force: bool = False
    find_messages: Callable[[str], Iterable[int]] | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What an export holds. ``unavailable`` are attachments whose bytes the archive does not have;
    ``lost`` are those it should have: their files are missing on the disk."""

    conversations: int = 0
    messages: int = 0
    attachments: int = 0
    unavailable: int = 0
    lost: int = 0

    def to_json(self) -> JsonObject:
        """Return the counts as a JSON object."""
        return {
            "conversations": self.conversations,
            "messages": self.messages,
            "attachments": self.attachments,
            "attachments_unavailable": self.unavailable,
            "attachments_lost": self.lost,
        }


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What came of an export."""

    dest: Path
    formats: tuple[str, ...]
    counts: Counts


class Progress:
    """Hears how far an export is; this one does nothing."""

    def begin(self, messages: int) -> None:
        """The writing begins; so many messages are chosen."""

    def advance(self, messages: int) -> None:
        """So many more messages are written."""

    def finishing(self) -> None:
        """All messages are written; indexes and hashes follow."""


def export(request: Request, progress: Progress | None = None) -> ExportReport:
    """Write an export.

    Raises BadInput when the destination exists (without ``force``) or a filter names nothing, ForeignFolder
    when ``force`` would replace something that is no export, VerificationFailed when a stored attachment
    does not match its hash. Whatever is raised, nothing is left behind.
    """
    progress = progress or Progress()
    formats = check_formats(request.formats, request.dest)
    alone = is_single_file(request.dest, formats)
    check_destination(request, alone)
    with Snapshot(request.db_path) as snapshot, staging(request.dest) as stage:
        context = _context(request, snapshot, formats, alone)
        progress.begin(context.scope.messages)
        root = stage / "export"
        root.mkdir(mode=0o700)
        counts = write_formats(snapshot, context, formats, root, request.dest if alone else None, progress)
        progress.finishing()
        if alone:
            put_in_place(root / request.dest.name, request.dest)
        else:
            write_record(root / RECORD, context, formats, counts)
            write_manifests(
                root, (path for path in walk(root) if path != MANIFEST), {"sha256": root / MANIFEST}
            )
            put_in_place(root, request.dest)
    return ExportReport(request.dest, formats, counts)


def is_single_file(dest: Path, formats: tuple[str, ...]) -> bool:
    """Tell whether the destination is one file (``inbox.mbox``) and not a folder."""
    return len(formats) == 1 and format_for(dest) == formats[0] and not dest.is_dir()


def check_destination(request: Request, alone: bool) -> None:
    """Refuse a destination that exists, or that may not be replaced."""
    dest = request.dest
    if dest.resolve().is_relative_to(request.archive_folder.resolve()):
        raise BadInput(f"{dest} lies inside the archive. Export to another folder.")
    if not dest.parent.is_dir():
        raise BadInput(f"The folder {dest.parent} does not exist.")
    if not dest.exists() or (dest.is_dir() and not any(dest.iterdir())):
        return
    if not request.force:
        raise BadInput(f"{dest} exists. Choose another name, or replace it with --force.")
    if dest.is_dir() and not is_export(dest):
        raise ForeignFolder(f"{dest} holds something that is not an export; it is not replaced.")
    if dest.is_file() and not alone:
        raise BadInput(f"{dest} is a file; an export of several files needs a folder.")


def is_export(folder: Path) -> bool:
    """Tell whether a folder holds an export of this program, in a bag or not."""
    for record in (folder / RECORD, folder / "data" / RECORD):
        with contextlib.suppress(OSError, ValueError):
            if json.loads(record.read_text("utf-8")).get("type") == RECORD_TYPE:
                return True
    return False


@contextlib.contextmanager
def staging(dest: Path) -> Iterator[Path]:
    """Provide a private folder on the destination's disk, removed at the end whatever happens."""
    try:
        stage = Path(tempfile.mkdtemp(prefix=f".{dest.name}.partial-", dir=dest.parent))
    except OSError as error:
        raise BadInput(f"Nothing can be written to {dest.parent}: {error.strerror}.") from error
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def put_in_place(made: Path, dest: Path) -> None:
    """Give what was made its name; what had the name before goes only when the new is there."""
    if made.is_file():
        made.chmod(0o600)
        made.replace(dest)
        return
    old: Path | None = None
    if dest.exists():
        old = made.parent / "replaced"
        dest.rename(old)
    try:
        made.rename(dest)
    except OSError:
        if old is not None:
            old.rename(dest)
        raise


def _context(request: Request, snapshot: Snapshot, formats: tuple[str, ...], alone: bool) -> ExportContext:
    scope = snapshot.choose(request.selection, request.find_messages)
    included = request.options.attachments
    return ExportContext(
        custodian=snapshot.custodian,
        selection=request.selection,
        scope=scope,
        blobs=Blobs(request.files_dir, included),
        options=request.options,
        copies=included and not alone and any(FORMATS[name].refers for name in formats),
    )


def write_formats(
    snapshot: Snapshot,
    context: ExportContext,
    formats: tuple[str, ...],
    root: Path,
    alone: Path | None,
    progress: Progress,
) -> Counts:
    """Feed every format from one pass over the archive; return what was written."""
    counts = Counts()
    with ExitStack() as stack:
        writers: list[Writer] = []
        for name in formats:
            path = root / (alone.name if alone else FORMATS[name].name)
            writers.append(FORMATS[name].open(path, context))
            stack.callback(writers[-1].close)
        if context.copies:
            writers.append(AttachmentCopier(root, context))
        for thread in snapshot.threads(context.scope):
            for writer in writers:
                writer.add(thread)
            counts = _count(counts, thread, context)
            progress.advance(len(thread.messages))
        for writer in writers:
            writer.finish()
    return counts


def _count(counts: Counts, thread: ThreadRecord, context: ExportContext) -> Counts:
    attachments = unavailable = lost = 0
    for message in thread.messages:
        for file in files_of(message):
            attachments += 1
            if not file.is_stored:
                unavailable += 1
            elif context.blobs.included and context.blobs.path(file) is None:
                lost += 1
    return replace(
        counts,
        conversations=counts.conversations + 1,
        messages=counts.messages + len(thread.messages),
        attachments=counts.attachments + attachments,
        unavailable=counts.unavailable + unavailable,
        lost=counts.lost + lost,
    )


def record_json(context: ExportContext, formats: tuple[str, ...], counts: Counts) -> JsonObject:
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
        "selection": context.selection.to_json(),
        "formats": list(formats),
        "options": {
            "attachments": context.options.attachments,
            "redacted": context.options.redacted,
            "slice": "day" if context.options.slice_by_day else "conversation",
        },
        "counts": counts.to_json(),
    }


def write_record(path: Path, context: ExportContext, formats: tuple[str, ...], counts: Counts) -> None:
    """Write ``export.json``."""
    document = record_json(context, formats, counts)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", "utf-8")
