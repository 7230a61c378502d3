"""``canvas-archive sandbox``: the local Canvas alone, until it is interrupted."""

from __future__ import annotations

import csv
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import Settings, common_options, fail, pass_settings

if TYPE_CHECKING:
    from canvas_archive.sandbox import Sandbox


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the API; 0 takes a free one.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; others can reach it then."
)
@click.option("--seed", type=int, default=2026, show_default=True, help="Which sample mailbox to make.")
@click.option(
    "--conversations",
    type=click.IntRange(min=0),
    default=250,
    show_default=True,
    help="How many conversations the mailbox has.",
)
@click.option("--throttle", is_flag=True, help="Simulate Canvas's rate limit.")
@click.option(
    "--latency",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="MS",
    help="Milliseconds every answer takes longer.",
)
@click.option(
    "--texts",
    type=click.Choice(["entities", "raw"]),
    default="entities",
    show_default=True,
    help="Send & and < in messages as entities, as newer Canvas servers do, or as they were typed.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the token into this file, readable by you alone.",
)
@click.option(
    "--custodians",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write everybody who has mail into this list, to try 'fleet sync FILE' with the admin_token.",
)
@common_options
@pass_settings
def sandbox(
    settings: Settings,
    port: int,
    host: str,
    seed: int,
    conversations: int,
    throttle: bool,
    latency: float,
    texts: str,
    token_file: Path | None,
    custodians: Path | None,
) -> None:
    """Run a local test server that imitates Canvas.

    Prints one JSON line with url, token and user_id when it is ready (with --custodians also admin_token,
    of an administrator who may act as anybody), and runs until interrupted.
    """
    from canvas_archive.hosts import is_loopback
    from canvas_archive.sandbox.server import Sandbox

    if not is_loopback(host):
        settings.warn(
            f"The sandbox listens on {host}: whoever can reach this machine can read and change its mailbox."
        )
    server = Sandbox(
        seed=seed,
        conversations=conversations,
        host=host,
        port=port,
        throttle=throttle,
        latency=latency / 1000,
        texts=texts,
    )
    try:
        server.start()
    except OSError as error:
        fail(
            f"The sandbox cannot listen on {host} port {port}: {error.strerror}. Choose another with --port."
        )
    try:
        if token_file is not None:
            _write_secret(token_file, server.token)
        ready = {"url": server.url, "token": server.token, "user_id": server.user_id}
        if custodians is not None:
            _write_custodians(custodians, server)
            ready["admin_token"] = server.admin_token
        click.echo(json.dumps(ready))
        settings.note("The sandbox is ready. Stop it with Ctrl-C.")
        threading.Event().wait()
    finally:
        server.close()


def _write_custodians(path: Path, server: Sandbox) -> None:
    """Write the list of everybody with mail, as 'fleet sync' reads it."""
    state = server.school.state
    with_mail = {user_id for one in state.conversations.values() for user_id in one.rows}
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(("user_id", "name"))
            table.writerows((user_id, state.people[user_id].full_name) for user_id in sorted(with_mail))
    except OSError as error:
        fail(f"The list cannot be written to {path}: {error.strerror}.")


def _write_secret(path: Path, secret: str) -> None:
    """Write a file nobody else can read, not even for a moment."""
    from canvas_archive.store.private import write_private

    try:
        write_private(path, f"{secret}\n".encode())
    except OSError as error:
        fail(f"The token cannot be written to {path}: {error.strerror}.")
