"""Whose archive this is, which there are, how it is set, and what it takes: nothing here asks Canvas."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from canvas_archive import __version__
from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings, print_document
from canvas_archive.cli.tables import print_table
from canvas_archive.cli.terminal import byte_size, local_time, one_line, printable

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@common_options
@json_option
def version(as_json: bool) -> None:
    """Print the version of the program."""
    if as_json:
        print_document("version", version=__version__)
    else:
        click.echo(f"canvas-archive, version {__version__}")


@click.command()
@common_options
@json_option
@pass_settings
def whoami(settings: Settings, as_json: bool) -> None:
    """Show whose mailbox this is, the Canvas it is on, and the archive's folder."""
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        account, folder, adopted = archive.account, archive.folder, archive.adopted
    if as_json:
        print_document("whoami", account, user_id=account.owner_id, archive=str(folder), adopted=adopted)
        return
    click.echo(one_line(f"{account.name or 'User'} (user {account.owner_id}) at {account.base_url}"))
    click.echo(f"in {printable(str(folder))}")
    if account.as_user_id is not None:
        settings.note(f"Collected by user {account.user_id}.")


@click.command()
@common_options
@json_option
@pass_settings
def archives(settings: Settings, as_json: bool) -> None:
    """List the archives with a name, the one of your data folder, and the one that commands work on.

    'init --archive NAME URL' makes an archive with a name, and --archive NAME finds it from anywhere. Other
    archives are not recorded: name their folder with --archive DIR, or in CANVAS_ARCHIVE.
    """
    from canvas_archive.cli.archive_names import named_archives
    from canvas_archive.errors import ArchiveError
    from canvas_archive.places import data_folder
    from canvas_archive.store import Archive
    from canvas_archive.store.folder import DB_NAME

    current = settings.folder
    here = current.absolute()
    usual = data_folder()
    places = [current, usual, *named_archives(), *(sorted(usual.iterdir()) if usual.is_dir() else ())]
    found: list[tuple[Path, str | None, str | None, str | None]] = []
    for place in dict.fromkeys(place.absolute() for place in places):
        if not (place / DB_NAME).is_file():
            continue
        try:
            with Archive.open(place) as archive:
                found.append((place, archive.account.name, archive.account.base_url, None))
        except ArchiveError as error:
            found.append((place, None, None, str(error)))
    if as_json:
        known = [
            {"archive": str(place), "name": name, "base_url": url, "error": error, "current": place == here}
            for place, name, url, error in found
        ]
        print_document("archives", archives=known, total=len(known))
        return
    if found:
        rows = [
            ("*" if place == here else "", place, name, url or error) for place, name, url, error in found
        ]
        print_table(("", "folder", "owner", "Canvas"), rows)
        settings.note("To use another one: canvas-archive list --archive NAME (or its folder)")
    else:
        settings.note(
            "There is no archive yet. To make one: canvas-archive init https://school.instructure.com"
        )


@click.command()
@common_options
@json_option
@pass_settings
def config(settings: Settings, as_json: bool) -> None:
    """Show the settings of the archive and the file they are in: config.toml, which you may edit.

    'canvas-archive help config' says what each option does. An option that grants something, such as
    token_command, counts after 'canvas-archive adopt'. No token belongs into this file.
    """
    from canvas_archive.store import Archive
    from canvas_archive.store.config import CONFIG_NAME

    with Archive.open(settings.folder) as archive:
        given, path = archive.config_as_written, archive.folder / CONFIG_NAME
    values = {one.name: getattr(given, one.name) for one in fields(given)}
    if as_json:
        print_document("config", file=str(path), settings=values)
        return
    click.echo(printable(f"# {path}"))
    for name, value in values.items():
        click.echo(one_line(f"{'# ' * (value is None)}{name} = {_toml(value)}"))
    settings.note("To change a setting, edit the file. To read what each does: canvas-archive help config")


def _toml(value: object) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, tuple):
        return json.dumps(list(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


@click.command()
@common_options
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Runs to show."
)
@click.option("--last", is_flag=True, help="Show what the last command asked of Canvas, and the answers.")
@json_option
@pass_settings
def log(settings: Settings, limit: int, last: bool, as_json: bool) -> None:
    """List the last syncs, newest first: when, how, how they ended, and how many requests they made.

    With --last, show the lines of the last command that asked Canvas or changed the archive: each request
    with its answer and its time. The log has no token, text, name or argument in it.
    """
    if last:
        _show_last(settings, as_json)
        return
    from canvas_archive.store import Archive
    from canvas_archive.store.reading import last_runs

    with Archive.open(settings.folder) as archive:
        runs = last_runs(archive.db, limit)
    if as_json:
        from canvas_archive.cli.records import run_record

        print_document("log", runs=map(run_record, runs), total=len(runs))
        return
    rows = [
        (local_time(str(run["started_at"])), run["mode"], run["status"], run["requests"], run["error"] or "")
        for run in runs
    ]
    if rows:
        print_table(("started", "mode", "ended", "requests", "error"), rows)
    else:
        settings.note("There was no sync yet. To begin: canvas-archive sync")


def _show_last(settings: Settings, as_json: bool) -> None:
    from canvas_archive.cli.run_log import last_lines, log_file

    lines = last_lines(settings.folder)
    if as_json:
        print_document("log --last", file=str(log_file(settings.folder)), lines=lines)
        return
    for line in lines:
        click.echo(one_line(line))
    if lines:
        settings.note(f"The whole log: {log_file(settings.folder)}")
    else:
        settings.note("Nothing has been logged of this archive yet. To begin: canvas-archive sync")


@click.command()
@common_options
@json_option
@pass_settings
def size(settings: Settings, as_json: bool) -> None:
    """Show how much of the disk the archive takes, by its parts."""
    from canvas_archive.store import Archive
    from canvas_archive.store.folder import DB_NAME, FILES_NAME, SEARCH_NAME

    with Archive.open(settings.folder) as archive:
        folder = archive.folder
    parts = {"messages": 0, "attachments": 0, "search index": 0, "other": 0}
    names = {FILES_NAME: "attachments", SEARCH_NAME: "search index"}
    for entry in folder.iterdir():
        name = "messages" if entry.name.startswith(DB_NAME) else names.get(entry.name, "other")
        parts[name] += bytes_in(entry)
    total = sum(parts.values())
    if as_json:
        found = [{"name": name, "bytes": number} for name, number in parts.items()]
        print_document("size", archive=str(folder), parts=found, bytes=total)
        return
    for name, number in parts.items():
        click.echo(f"{byte_size(number):>12}  {name}")
    click.echo(f"{byte_size(total):>12}  in all, in {printable(str(folder))}")


def bytes_in(path: Path) -> int:
    """Return the bytes of a file or a folder; links are not followed, and what vanishes counts nothing."""
    import os

    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        return sum(bytes_in(path / entry.name) for entry in os.scandir(path))
    except FileNotFoundError:
        return 0
