"""``canvas-archive verify``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    json_option,
    option_group,
    pass_settings,
    print_document,
)
from canvas_archive.cli.terminal import one_line
from canvas_archive.errors import ItemsFailed, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canvas_archive.export.checks import Check
    from canvas_archive.export.verify import VerifyOptions
    from canvas_archive.signing.stored import Trust

SHOWN_ITEMS = 20
HEAD_LENGTH = 64
_HEAD = re.compile(f"[0-9a-f]{{{HEAD_LENGTH}}}")

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
trust_options = option_group(
    click.option(
        "--allowed-signers",
        metavar="FILE",
        envvar="CANVAS_ARCHIVE_ALLOWED_SIGNERS",
        type=_FILE,
        help="Whose SSH signatures you trust, as ssh-keygen reads it. [env: CANVAS_ARCHIVE_ALLOWED_SIGNERS]",
    ),
    click.option(
        "--timestamp-ca",
        metavar="FILE",
        envvar="CANVAS_ARCHIVE_TIMESTAMP_CA",
        type=_FILE,
        help="Certificates (PEM) of the time stamp authorities you trust. [env: CANVAS_ARCHIVE_TIMESTAMP_CA]",
    ),
)
"""Whose signatures prove anything: never what an archive says of itself."""


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--remote", is_flag=True, help="Also compare ids and message counts with Canvas.")
@click.option(
    "--remote-contents",
    is_flag=True,
    help="Also compare every conversation with Canvas, with a request for each.",
)
@click.option("--files/--no-files", default=True, help="Read every attachment again. [default: yes]")
@click.option("--resume", is_flag=True, help="Go on re-hashing where an earlier run was interrupted.")
@click.option("--jobs", type=click.IntRange(1, 64), default=4, help="Files hashed at a time. [default: 4]")
@click.option("--chain-head", metavar="HASH", help="A whole head noted earlier, which must be in the chain.")
@trust_options
@json_option
@common_options
@pass_settings
def verify(
    settings: Settings,
    path: Path | None,
    remote: bool,
    remote_contents: bool,
    files: bool,
    resume: bool,
    jobs: int,
    chain_head: str | None,
    allowed_signers: Path | None,
    timestamp_ca: Path | None,
    as_json: bool,
) -> None:
    """Check the archive, or an export, bag or backup at PATH, against its own records.

    Ends with exit code 8 and a list when anything does not match. Exit code 5: all matches, but the
    collection lacks messages.
    """
    from canvas_archive.export.verify import VerifyOptions
    from canvas_archive.signing.stored import Trust

    head = None if chain_head is None else whole_head(chain_head)
    trust = Trust(allowed_signers, timestamp_ca)
    options = VerifyOptions(files=files, jobs=jobs, resume=resume, chain_head=head, trust=trust)
    if path is None or os.path.lexists(path / "archive.db"):
        folder = path or settings.folder
        found = _archive_checks(settings, folder, options, remote=remote, contents=remote_contents)
    else:
        if remote or remote_contents or chain_head:
            raise click.UsageError(
                "--remote, --remote-contents and --chain-head are for an archive, not an export or backup."
            )
        found = _export_checks(settings, path, trust)
    checks = []
    for check in found:
        checks.append(check)
        if not as_json:
            show_check(settings, check)
    bad = [check for check in checks if not check.ok]
    unfinished = any(check.unfinished for check in checks)
    if as_json:
        print_document("verify", ok=not bad, unfinished=unfinished, checks=checks)
    if bad:
        raise VerificationFailed(f"Not verified: {', '.join(check.name for check in bad)}.")
    if unfinished:
        raise ItemsFailed("Nothing is damaged or altered, but the collection is unfinished.")


def whole_head(text: str) -> str:
    """Return a chain head as the chain has it. Raises UsageError for one that is shortened or mistyped."""
    head = text.strip().lower()
    if not _HEAD.fullmatch(head):
        what = f"has {len(head)}" if len(head) != HEAD_LENGTH else "has others"
        raise click.UsageError(
            f"A chain head has {HEAD_LENGTH} characters, 0 to 9 and a to f; {one_line(text)!r} {what}. Give "
            "the whole head, as 'canvas-archive verify' printed it or custody.json has it."
        )
    return head


def _export_checks(settings: Settings, path: Path, trust: Trust) -> Iterator[Check]:
    from canvas_archive.cli.progress import steps
    from canvas_archive.export.verify_files import verify_path

    with steps(settings) as progress:
        progress("Reading the files", 0, 0)
        yield from verify_path(path, trust)


def _archive_checks(
    settings: Settings, folder: Path, options: VerifyOptions, *, remote: bool, contents: bool
) -> Iterator[Check]:
    from canvas_archive.cli.progress import steps
    from canvas_archive.export.verify import verify_archive
    from canvas_archive.store.folder import DB_NAME

    if not os.path.lexists(folder / DB_NAME):
        from canvas_archive.store import Archive

        Archive.open(folder).close()  # says best why there is no archive
    with steps(settings) as progress:
        yield from verify_archive(folder, options, progress)
        if remote or contents:
            from canvas_archive.export.remote import verify_remote
            from canvas_archive.export.remote_contents import verify_remote_contents
            from canvas_archive.store import Archive
            from canvas_archive.sync.service import open_client

            with Archive.open(folder) as archive, open_client(archive) as client:
                if remote:
                    yield from verify_remote(archive.db, client, progress)
                if contents:
                    yield verify_remote_contents(archive.db, client, progress)


def show_check(settings: Settings, check: Check) -> None:
    """Write a line for a check, and lines for what does not hold."""
    mark = click.style("ok  ", fg="green") if check.ok else click.style("FAIL", fg="red", bold=True)
    if check.ok and check.unfinished:
        mark = click.style("part", fg="yellow")
    elif check.ok and settings.verbosity < 0:
        return
    click.echo(f"{mark} {one_line(f'{check.name}: {check.detail}')}")
    shown = check.items if settings.verbosity > 0 else check.items[:SHOWN_ITEMS]
    for item in shown:
        click.echo(f"       {one_line(item)}")
    if len(shown) < len(check.items):
        click.echo(f"       … {len(check.items) - len(shown)} more; all with -v or --json")
