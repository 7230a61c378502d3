"""``canvas-archive attachments``: the attached files, listed or saved."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    csv_option,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.records import path_text
from canvas_archive.cli.tables import print_csv, print_table
from canvas_archive.cli.terminal import byte_size, count_of, local_time, printable
from canvas_archive.cli.values import CONVERSATION_ID, known_conversation
from canvas_archive.errors import ItemsFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canvas_archive.store.tallies import AttachedFile

_HEADS = ("conversation", "file", "size", "state", "when")


@click.command()
@common_options
@click.argument("ids", metavar="[ID]...", nargs=-1, type=CONVERSATION_ID)
@click.option(
    "--save",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Copy the files into this folder, under their own names.",
)
@csv_option
@json_option
@pass_settings
def attachments(
    settings: Settings, ids: tuple[int, ...], save: Path | None, as_csv: bool, as_json: bool
) -> None:
    """List the attached files of conversations (of all without ID), newest first, or save them.

    A file that is there already is not replaced: the copy gets a number.
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.blobs import readable_blob
    from canvas_archive.store.tallies import attached_files

    if as_csv and as_json:
        fail("Give only one of --csv and --json.")
    with Archive.open(settings.folder) as archive:
        named = [known_conversation(archive.db, number) for number in ids]
        wanted = dict.fromkeys(named or (None,))
        found = [one for number in wanted for one in attached_files(archive.db, number)]
        paths = [readable_blob(archive.files_dir, one.sha256) if one.sha256 else None for one in found]
    if save is not None:
        paths = _saved(settings, found, paths, save)
    if as_json:
        files = [{**asdict(one), "path": path_text(path)} for one, path in zip(found, paths, strict=True)]
        print_document("attachments", attachments=files, total=len(files))
    elif as_csv:
        rows = [
            (one.conversation_id, one.name, one.size, one.state, one.created_at, path)
            for one, path in zip(found, paths, strict=True)
        ]
        print_csv(("conversation", "file", "bytes", "state", "time", "path"), rows)
    elif save is not None:
        for path in filter(None, paths):
            click.echo(printable(str(path)))
    elif found:
        print_table(_HEADS, map(_row, found))
    missing = sum(path is None for path in paths)
    if not as_json:
        settings.note(f"{count_of(len(found) - missing, 'file')}{' saved' if save is not None else ''}.")
    if missing and save is not None:
        raise ItemsFailed(
            f"{count_of(missing, 'file')} could not be saved: the archive does not hold them. "
            "To see why: canvas-archive problems"
        )


def _row(one: AttachedFile) -> tuple[object, ...]:
    size = "" if one.size is None else byte_size(one.size)
    return (one.conversation_id, one.name, size, one.state, local_time(one.created_at))


def _saved(
    settings: Settings, found: Sequence[AttachedFile], paths: Sequence[Path | None], folder: Path
) -> list[Path | None]:
    """Copy the files; return where each is now, ``None`` for one that the archive does not hold."""
    from canvas_archive.places import expanded

    folder = expanded(folder)
    folder.mkdir(parents=True, exist_ok=True)
    copied: dict[tuple[str, str], Path] = {}
    saved: list[Path | None] = []
    for one, path in zip(found, paths, strict=True):
        if path is None:
            saved.append(None)
            continue
        key = (one.sha256 or "", one.name)
        if key not in copied:
            copied[key] = _copy(path, folder, one.name)
        saved.append(copied[key])
    return saved


def _copy(source: Path, folder: Path, name: str) -> Path:
    """Copy one file under a name that is free; the bytes of a cut short copy do not stay."""
    from canvas_archive.export.names import safe_name

    plain = Path(safe_name(name))
    number = 1
    while True:
        target = folder / (plain if number == 1 else f"{plain.stem} ({number}){plain.suffix}")
        try:
            copy = target.open("xb")
        except FileExistsError:
            number += 1
            continue
        break
    try:
        with copy, source.open("rb") as original:
            shutil.copyfileobj(original, copy)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target
