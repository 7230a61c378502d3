"""``canvas-archive doctor``: everything that could make the next sync, search or page fail."""

from __future__ import annotations

import shutil
import stat
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    json_option,
    pass_settings,
    print_document,
    styled,
)
from canvas_archive.cli.surroundings import Check, Finding, checks, folder_checks, guarded
from canvas_archive.cli.terminal import one_line, token_warnings
from canvas_archive.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.store import Archive

MARKS = {"ok": "ok  ", "warning": "warn", "failed": "FAIL", "skipped": "skip"}
_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "cyan"}
CLOCK_TOLERANCE = timedelta(minutes=2)
LITTLE_DISK = 500_000_000
MOST_NAMES = 3
PACKAGES = ("canvas-archive", "datasette", "httpx", "sqlite-utils", "whoosh3", "Whoosh-Reloaded")


@click.command()
@common_options
@click.option("--offline", is_flag=True, help="Do not ask Canvas anything.")
@json_option
@pass_settings
def doctor(settings: Settings, offline: bool, as_json: bool) -> None:
    """Check versions, disk, permissions, locale, keyring, proxy, certificates, token, clock and Canvas.

    Ends with 3 or 4 when the token or Canvas is the trouble, with 1 when something else failed. No trouble
    ends the list of checks early.
    """
    from canvas_archive.store import Archive

    findings: list[Finding] = []
    troubles: list[ArchiveError] = []

    def look(name: str, check: Check) -> None:
        found, trouble = guarded(name, check)
        findings.extend(found)
        if trouble is not None:
            troubles.append(trouble)

    look("versions", _versions)
    look("disk", lambda: _disk(settings.folder))
    archive: Archive | None = None
    with ExitStack() as stack:

        def opened() -> Iterator[Finding]:
            nonlocal archive
            archive = stack.enter_context(Archive.open(settings.folder))
            yield from _archive(archive)

        look("archive", opened)
        if archive is not None and offline:
            findings.append(Finding("Canvas", "skipped", "not asked (--offline)"))
        elif archive is not None:
            source = _source(archive)
            look("Canvas" if source else "token", partial(_canvas, archive, source))
    for name, check in checks(None if archive is None else archive.account.base_url):
        look(name, check)
    if as_json:
        checks_made = [{**asdict(one), "ok": one.state != "failed"} for one in findings]
        print_document("doctor", ok=not troubles, checks=checks_made)
    else:
        for finding in findings:
            mark = styled(MARKS[finding.state], _COLOURS[finding.state])
            click.echo(f"{mark}  {one_line(f'{finding.name:12}  {settings.typed(finding.detail)}')}")
    if troubles:
        raise DoctorFoundProblems(findings, troubles[0])


class DoctorFoundProblems(ArchiveError):
    """Something is not well; what, and what to do, is among the findings already."""

    def __init__(self, findings: Sequence[Finding], cause: ArchiveError) -> None:
        names = ", ".join(finding.name for finding in findings if finding.state == "failed")
        super().__init__(f"Check failed: {names}. See above for the fix.")
        self.exit_code = cause.exit_code


def _versions() -> Iterator[Finding]:
    import sqlite3

    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("versions", "ok", f"Python {python}, SQLite {sqlite3.sqlite_version}, {', '.join(found)}")


def _disk(folder: Path) -> Iterator[Finding]:
    place = next((p for p in (folder, *folder.parents) if p.exists()), Path.cwd())
    free = shutil.disk_usage(place).free
    yield Finding(
        "disk",
        "ok" if free > LITTLE_DISK else "warning",
        f"{free / 1e9:,.1f} GB free at {place}"
        + ("" if free > LITTLE_DISK else "; make room before you sync"),
    )


def _archive(archive: Archive) -> Iterator[Finding]:
    from canvas_archive.cli.status import advice, read_status

    status = read_status(archive)
    yield Finding(
        "archive",
        "ok" if not status.problems else "warning",
        f"{status.counts.conversations:,} conversations, {status.counts.messages:,} messages, "
        f"{len(status.problems)} problems",
    )
    loose = _loose(archive) if sys.platform != "win32" else []
    yield Finding(
        "permissions",
        "warning" if loose else "ok",
        f"others may read {_some(loose)}: run chmod -R go= {archive.folder}" if loose else "private to you",
    )
    if archive.account.base_url.startswith("http://"):
        yield Finding("address", "warning", f"{archive.account.base_url} is not encrypted")
    yield from folder_checks(archive.folder)
    for step in advice(status):
        yield Finding("next", "warning", step)


def _loose(archive: Archive) -> list[str]:
    """Return what in the archive others of this machine may read, write or enter, the folder itself first."""
    paths = [archive.folder, *sorted(archive.folder.rglob("*"))]
    return [
        path.relative_to(archive.folder.parent if path == archive.folder else archive.folder).as_posix()
        for path in paths
        if _is_loose(path)
    ]


def _is_loose(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False  # a sync that is running has put it into its place, or done with it
    return not stat.S_ISLNK(mode) and bool(stat.S_IMODE(mode) & 0o077)


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _source(archive: Archive) -> str | None:
    from canvas_archive.credentials import SOURCES, token_source

    account, config = archive.account, archive.config
    source = token_source(account.base_url, token_command=config.token_command, user_id=account.user_id)
    return None if source is None else SOURCES[source]


def _canvas(archive: Archive, source: str | None) -> Iterator[Finding]:
    """Ask Canvas who we are, and yield what that shows. Raises what ends a sync, too.

    :calls: GET /api/v1/users/self
    """
    from canvas_archive.sync.owner import check_account
    from canvas_archive.sync.service import open_client

    with open_client(archive, patience_minutes=0.5) as client:
        yield Finding("token", "ok", f"from {source}")
        check_account(archive, client)
        yield Finding("Canvas", "ok", f"{archive.account.base_url} answers for {archive.account.name}")
        yield _clock(client.last_date)
        if archive.account.as_user_id is None:
            yield _expiry(archive, client)


def _expiry(archive: Archive, client: CanvasClient) -> Finding:
    """Say when the token expires, where Canvas says so, and record it for ``status``.

    :calls: GET /api/v1/users/self/user_generated_tokens
    """
    from canvas_archive.credentials import note_expiry

    try:
        token = client.current_token()
    except ArchiveError:
        token = None
    if token is None:
        return Finding("expiry", "skipped", "Canvas does not tell when this token expires")
    if not archive.config.token_command:
        note_expiry(archive.account.base_url, archive.account.user_id, token.expires_at)
    if token.expires_at is None:
        return Finding("expiry", "ok", "this token does not expire")
    soon = token_warnings(token.expires_at, datetime.now(timezone.utc))
    renew = "; to save a new one: canvas-archive login" if soon else ""
    return Finding(
        "expiry", "warning" if soon else "ok", f"this token expires on {token.expires_at[:10]}{renew}"
    )


def _clock(date: str | None) -> Finding:
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return Finding("clock", "skipped", "Canvas told no time")
    difference = datetime.now(timezone.utc) - (
        theirs if theirs.tzinfo else theirs.replace(tzinfo=timezone.utc)
    )
    if abs(difference) <= CLOCK_TOLERANCE:
        return Finding("clock", "ok", "agrees with Canvas")
    minutes = abs(difference).total_seconds() / 60
    way = "ahead of" if difference > timedelta() else "behind"
    return Finding("clock", "warning", f"{minutes:.0f} minutes {way} Canvas; set this machine's clock")
