"""``canvas-archive backup`` and ``canvas-archive restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings, print_document
from canvas_archive.errors import ArchiveError, ForeignSchema, ItemsFailed, NotAdopted, VerificationFailed
from canvas_archive.places import expanded

if TYPE_CHECKING:
    from canvas_archive.export.backup import BackupReport
    from canvas_archive.export.checks import ProgressCallback


@click.command()
@click.argument("dest", type=click.Path(path_type=Path))
@json_option
@common_options
@pass_settings
def backup(settings: Settings, dest: Path, as_json: bool) -> None:
    """Copy the archive to the folder DEST while it is in use.

    Repeat it into the same folder: only new attachments are copied. Every run reads the earlier copies
    again and repairs damaged ones; 'canvas-archive verify DEST' checks all of it at any time.
    """
    from canvas_archive.cli.progress import steps
    from canvas_archive.export.backup import backup as write

    with steps(settings) as progress:
        report = write(settings.folder, expanded(dest), progress=progress)
    _show(settings, report, as_json, "Backed up")
    problem = shortfall(report)
    if problem is not None:
        raise problem


def shortfall(report: BackupReport) -> ArchiveError | None:
    """Return the error that a backup ends with when attachments are damaged or missing. Pure."""
    if report.damaged:
        return VerificationFailed(
            f"{len(report.damaged):,} attachments are damaged in the backup, and the archive lacks them: "
            f"{report.damaged[0]}. Copy them from another backup."
        )
    if report.lost:
        return ItemsFailed(
            f"{len(report.lost):,} stored attachments are missing on the disk; the backup has them: "
            f"{report.lost[0]}. Copy them from {report.folder}/files, or sync again."
        )
    if report.missing:
        return ItemsFailed(
            f"{len(report.missing):,} stored attachments are missing on the disk and not in the backup. "
            "Run 'canvas-archive verify' to see which."
        )
    return None


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--index/--no-index", default=True, help="Build the search index. [default: yes]")
@json_option
@common_options
@pass_settings
def restore(settings: Settings, source: Path, folder: Path | None, index: bool, as_json: bool) -> None:
    """Make an archive in FOLDER (new or empty; default: the archive's folder) from the backup SOURCE."""
    from canvas_archive.cli.progress import steps
    from canvas_archive.export.restore import restore as make
    from canvas_archive.store import Archive

    target = expanded(folder or settings.folder)
    with steps(settings) as progress:
        report = make(source, target, progress=progress)
        if index:
            try:
                _build_index(target, progress)
            except ForeignSchema as error:
                settings.warn(str(error))
    _show(settings, report, as_json, "Restored")
    try:
        with Archive.open(target) as archive:
            archive.require_adopted()
    except NotAdopted:
        settings.note("It was made elsewhere. Before you search, edit or sync it: canvas-archive adopt")


def _build_index(folder: Path, progress: ProgressCallback) -> None:
    from canvas_archive.search import rebuild_index
    from canvas_archive.store import Archive

    with Archive.open(folder, write=True, adopting=True) as archive:
        rebuild_index(
            archive.db,
            archive.search_dir,
            progress=lambda done, total: progress("search index", done, total),
        )


def backup_record(report: BackupReport) -> dict[str, Any]:
    """Return the record of a backup."""
    numbers = ("messages", "files", "copied_files", "copied_bytes", "checked_files")
    return {
        "dest": str(report.folder),
        "counts": {name: getattr(report, name) for name in numbers},
        **{name: getattr(report, name) for name in ("repaired", "damaged", "missing")},
        "missing_in_archive": report.lost,
    }


def _show(settings: Settings, report: BackupReport, as_json: bool, done: str) -> None:
    if as_json:
        print_document("backup", backup_record(report))
        return
    did = [f"{report.copied_files:,} files copied"]
    did += [f"{report.checked_files:,} earlier copies checked"] if report.checked_files else []
    did += [f"{len(report.repaired):,} of them repaired"] if report.repaired else []
    settings.note(
        f"{done} {report.messages:,} messages and {report.files:,} attachments in {report.folder} "
        f"({', '.join(did)})."
    )
