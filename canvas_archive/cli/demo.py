"""``canvas-archive demo``: the whole way, from a Canvas to a page, on one machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings, print_document
from canvas_archive.cli.progress import steps, sync_progress
from canvas_archive.cli.serve import announce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.sandbox import Sandbox
    from canvas_archive.sync.report import Report


@click.command()
@common_options
@click.option(
    "--conversations",
    type=click.IntRange(1, 100_000),
    default=250,
    show_default=True,
    help="How many conversations the mailbox has.",
)
@click.option("--seed", type=int, default=2026, show_default=True, help="Random seed for the sample mailbox.")
@click.option("--serve/--no-serve", "serve", default=True, help="Browse it afterwards. [default: serve]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 (the default): any free port.")
@click.option("--open/--no-open", "open_browser", default=False, help="Open a browser.")
@json_option
@pass_settings
def demo(
    settings: Settings,
    conversations: int,
    seed: int,
    serve: bool,
    port: int,
    open_browser: bool,
    as_json: bool,
) -> None:
    """Start a local sample Canvas, pull its mailbox over HTTP, index it and serve it.

    The archive is thrown away at the end unless --archive names a folder.
    """
    from canvas_archive.sandbox import Sandbox

    with _folder(settings) as folder:
        settings.note("Starting a local Canvas with a sample mailbox …")
        with steps(settings) as progress:
            progress("Writing the mailbox", 0, 0)
            school = Sandbox(seed=seed, conversations=conversations)
        # The token stays at hand while the pages are up: they can sync and push, too.
        with school as sandbox, _credentials(sandbox, remembered=settings.archive_named):
            report = _pull(settings, folder, sandbox)
            if not serve:
                _summary(settings, folder, report, as_json)
                return
            settings.note(report.summary())
            from canvas_archive.web.server import serve_archive

            serve_archive(
                folder,
                host="127.0.0.1",
                port=port,
                open_browser=open_browser,
                ready=partial(announce, settings),
                warn=settings.warn,
            )


@contextlib.contextmanager
def _folder(settings: Settings) -> Iterator[Path]:
    # The variable names the place of somebody's own mail: no sample mailbox belongs there.
    if settings.archive is not None and settings.archive_named:
        yield settings.archive
        return
    # It is not remembered as this user's: the folder goes, and the line would stay.
    with tempfile.TemporaryDirectory(prefix="canvas-archive-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "archive"


@contextlib.contextmanager
def _credentials(sandbox: Sandbox, *, remembered: bool) -> Iterator[None]:
    """Let this process find the sandbox's token where any user's token is found, and know the archive."""
    given = {"CANVAS_API_URL": sandbox.url, "CANVAS_API_TOKEN": sandbox.token}
    if not remembered:
        given["CANVAS_ARCHIVE_ADOPTED"] = "1"
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _pull(settings: Settings, folder: Path, sandbox: Sandbox) -> Report:
    from canvas_archive.canvas import CanvasClient, Token
    from canvas_archive.store import Archive
    from canvas_archive.sync.service import SyncOptions, sync

    with CanvasClient(sandbox.url, Token(sandbox.token)) as client:
        user = client.current_user()
    Archive.create(
        folder,
        base_url=sandbox.url,
        user_id=user.id,
        name=user.name,
        remembered=settings.archive_named,
    ).close()
    with sync_progress(settings) as progress:
        result = sync(folder, SyncOptions(mode="full"), progress)
    if result.error is not None:
        raise result.error
    return result.report


def _summary(settings: Settings, folder: Path, report: Report, as_json: bool) -> None:
    if as_json:
        from canvas_archive.cli.records import sync_record

        print_document("demo", sync_record(report), archive=str(folder))
        return
    click.echo(report.summary())
    if settings.archive_named:
        typed = shlex.quote(str(folder))
        click.echo(f"The archive is in {folder}. Look at it with: canvas-archive serve --archive {typed}")
