"""``canvas-archive fleet``: one administrator, many custodians, an archive for each."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.context import (
    Settings,
    fail,
    json_option,
    pass_settings,
    print_document,
    talking_options,
)
from canvas_archive.cli.fleet_archives import UNREADABLE, open_fleet, root_option
from canvas_archive.cli.login import remove_token
from canvas_archive.cli.sync import mode_of, sync_options
from canvas_archive.cli.terminal import age, count_of, fit, one_line
from canvas_archive.cli.token_storage import ask_or_read_token, keep_token, storage_options
from canvas_archive.credentials import token_page
from canvas_archive.errors import ItemsFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from canvas_archive.sync.fleet_record import CustodianOutcome, Fleet


class FleetGroup(click.Group):
    """The group; what reads all archives is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order one uses them."""
        return ["login", "logout", "sync", "status", "search", "export", "verify", "backup"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command, importing it if need be."""
        if cmd_name in ("search", "export"):
            from canvas_archive.cli import fleet_reading

            return fleet_reading.search if cmd_name == "search" else fleet_reading.export
        if cmd_name in ("verify", "backup"):
            from canvas_archive.cli import fleet_packages

            return fleet_packages.verify if cmd_name == "verify" else fleet_packages.backup
        return super().get_command(ctx, cmd_name)


@click.group(cls=FleetGroup)
@talking_options
def fleet() -> None:
    """Collect, search, export and check the mailboxes of many custodians."""


@fleet.command()
@click.argument("url", envvar="CANVAS_API_URL")
@storage_options
@talking_options
@pass_settings
def login(settings: Settings, url: str, plaintext: bool, file_ok: bool, no_browser: bool) -> None:
    """Check and save a token for all mailboxes at URL: an administrator's who may act as other users.

    It is asked for, or read from standard input, and saved in the system keyring or, where there is none and
    you agree, in a file that only you can read. 'fleet logout' removes it.
    """
    from canvas_archive.canvas import CanvasClient, Token
    from canvas_archive.canvas.address import typed_base_url
    from canvas_archive.credentials import found_token

    base_url = typed_base_url(url)
    secret = ask_or_read_token(base_url, browser=not no_browser)
    again = f"canvas-archive fleet login {base_url}"
    found = found_token(base_url, secret, "typed", again=again)
    with CanvasClient(base_url, Token(secret, found.renewal), patience=30.0) as client:
        owner = client.current_user()
    click.echo(one_line(f"Signed in as {owner.name} (user {owner.id}) at {base_url}, for fleets."))
    for sentence in keep_token(base_url, secret, None, plaintext=plaintext, file_ok=file_ok, again=again):
        click.echo(one_line(sentence))


@fleet.command()
@click.argument("url", envvar="CANVAS_API_URL")
@talking_options
@pass_settings
def logout(settings: Settings, url: str) -> None:
    """Remove the token that 'fleet login' saved. Canvas accepts it until you delete it there."""
    from canvas_archive.canvas.address import typed_base_url

    base_url = typed_base_url(url)
    click.echo(one_line(remove_token(base_url, None)[1]))
    settings.note(f"Canvas accepts the token until you delete it there: {token_page(base_url)}")


@fleet.command()
@click.argument("custodians", metavar="CUSTODIANS.csv", type=click.Path(path_type=Path, dir_okay=False))
@root_option
@click.option("--url", envvar="CANVAS_API_URL", metavar="URL", help="The Canvas. [env: CANVAS_API_URL]")
@click.option(
    "--jobs", type=click.IntRange(1, 32), default=1, show_default=True, help="Custodians at a time."
)
@click.option(
    "--requests",
    type=click.IntRange(1, 32),
    default=8,
    show_default=True,
    help="Requests under way at most, over all custodians.",
)
@sync_options
@click.option(
    "--skip-newer-than",
    metavar="HOURS",
    type=click.FloatRange(min=0),
    help="Leave out whoever was synced completely within that time.",
)
@json_option
@talking_options
@pass_settings
def sync(
    settings: Settings,
    custodians: Path,
    root: Path | None,
    url: str | None,
    jobs: int,
    requests: int,
    full: bool,
    quick: bool,
    attachments: bool | None,
    index: bool,
    skip_newer_than: float | None,
    patience: float | None,
    as_json: bool,
) -> None:
    """Sync the archives of all custodians, making those that are missing.

    CUSTODIANS.csv has a column user_id and, if wanted, name and folder. The token (an administrator's who
    may act as other users) comes from CANVAS_API_TOKEN, or from where 'fleet login' saved it. A run that was
    cut short is run again: whoever has no success yet comes first. Exit code 5: somebody is not complete.
    """

    from canvas_archive.cli.fleet_progress import fleet_progress
    from canvas_archive.sync.custodians import read_custodians
    from canvas_archive.sync.fleet import FleetOptions, sync_fleet
    from canvas_archive.sync.service import SyncOptions

    mode = mode_of(full=full, quick=quick)
    people = read_custodians(custodians)
    opened = open_fleet(root)
    address = url or opened.base_url
    if not address:
        fail("Which Canvas? Give --url, or set CANVAS_API_URL.")
    options = FleetOptions(
        jobs=jobs,
        concurrency=requests,
        skip_newer_than=None if skip_newer_than is None else timedelta(hours=skip_newer_than),
        sync=SyncOptions(
            mode=mode,
            attachments=attachments,
            index=index,
            jobs=requests,
            patience_minutes=patience,
        ),
    )
    with fleet_progress(settings, len(people)) as progress:
        result = sync_fleet(opened, people, address, options, progress)
    if as_json:
        from canvas_archive.cli.records import custodian_record

        print_document(
            "fleet sync",
            root=str(opened.root),
            requests=result.requests,
            seconds=round(result.seconds, 3),
            custodians=map(custodian_record, map(asdict, result.outcomes)),
        )
    else:
        for line in _summary(result.outcomes):
            click.echo(line)
        done = sum(outcome.status == "ok" for outcome in result.outcomes)
        settings.note(
            f"{done:,} of {len(result.outcomes):,} custodians complete "
            f"({result.requests:,} requests, {result.seconds:.1f} s)."
        )
    if result.error is not None:
        raise result.error


def _summary(outcomes: Sequence[CustodianOutcome]) -> Iterator[str]:
    yield (
        f"{'user':>14}  {'name':26}  {'status':11}  {'conversations':>13}  {'new messages':>12}  {'files':>6}"
    )
    for one in outcomes:
        yield (
            f"{one.user_id:>14}  {fit(one_line(one.name or ''), 26)}  {one.status:11}  "
            f"{one.conversations:>13,}  {one.new_messages:>12,}  {one.attachments:>6,}"
        )
        if one.error:
            yield f"{'':>14}  {one_line(one.error)}"


@fleet.command()
@root_option
@json_option
@talking_options
@pass_settings
def status(settings: Settings, root: Path | None, as_json: bool) -> None:
    """Show every archive: what it holds, how fresh it is, what failed. Asks nothing of Canvas.

    Exit code 5: an archive cannot be read.
    """
    from canvas_archive.cli.fleet_archives import users

    opened = open_fleet(root)
    opened.collected()  # refuses a folder without any
    rows = [_status_row(opened, outcome) for _, outcome in sorted(opened.outcomes.items())]
    opened.summaries.save()
    if as_json:
        from canvas_archive.cli.records import custodian_record

        print_document(
            "fleet status",
            root=str(opened.root),
            base_url=opened.base_url,
            custodians=map(custodian_record, rows),
        )
    else:
        for line in _table(rows):
            click.echo(line)
        settings.note(
            f"{len(rows):,} custodians, {sum(row['conversations'] for row in rows):,} conversations, "
            f"{sum(row['messages'] for row in rows):,} messages at {opened.base_url}."
        )
    unreadable = [row["user_id"] for row in rows if row["status"] == UNREADABLE]
    if unreadable:
        raise ItemsFailed(f"{count_of(len(unreadable), 'archive')} cannot be read: {users(unreadable)}.")


def _status_row(opened: Fleet, outcome: CustodianOutcome) -> dict[str, Any]:
    from canvas_archive.machine import as_archive_error

    row: dict[str, Any] = {**asdict(outcome), "archive": None, "messages": 0, "last_sync_at": None}
    if not opened.is_collected(outcome):
        return row
    try:
        summary = opened.summary_of(outcome)
    except Exception as error:  # whatever it is, the others are shown
        nothing = dict.fromkeys(("conversations", "problems"), 0)
        return {**row, **nothing, "status": UNREADABLE, "error": str(as_archive_error(error))}
    return row | {
        "archive": str(opened.root / outcome.folder),
        "conversations": summary.conversations,
        "messages": summary.messages,
        "problems": summary.problems,
        "last_sync_at": summary.last_sync_at,
    }


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield (
        f"{'user':>14}  {'name':26}  {'status':11}  {'conversations':>13}  {'messages':>10}  "
        f"{'failed':>6}  last sync"
    )
    for row in rows:
        yield (
            f"{row['user_id']:>14}  {fit(one_line(row['name'] or ''), 26)}  {row['status']:11}  "
            f"{row['conversations']:>13,}  {row['messages']:>10,}  {row['problems']:>6,}  "
            f"{age(row['last_sync_at'])}"
        )
        if row["error"]:
            yield f"{'':>14}  {one_line(row['error'])}"
