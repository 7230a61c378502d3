"""``serve``: browse the archive in a web browser."""

from __future__ import annotations

import sys

import click

from canvas_archive.cli.context import Settings, common_options, pass_settings
from canvas_archive.cli.values import CONVERSATION_ID, known_conversation


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=8001,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 for any free one.",
)
@click.option(
    "--open/--no-open", "open_browser", default=None, help="Open a browser. Default: on a terminal."
)
@click.option("--no-login", is_flag=True, help="Let everyone on this machine in, without the one-use link.")
@click.option(
    "--public-url",
    metavar="URL",
    default="",
    help="The address that a reverse proxy has for this server, such as https://archive.example.edu/inbox.",
)
@common_options
@pass_settings
def serve(
    settings: Settings, host: str, port: int, open_browser: bool | None, no_login: bool, public_url: str
) -> None:
    """Browse the archive in a web browser: mail pages, search, tables and SQL.

    Prints the address to open as the first line. Unless --no-login, it holds a secret that signs in
    once, in the browser that opens it first, within ten minutes. Enter prints a new one. Ctrl-C ends the
    server and every session.

    Behind a reverse proxy, --public-url makes every link, cookie and the sign-in link those of its
    address. The proxy may pass the path with or without the prefix.
    """

    from canvas_archive.hosts import is_loopback
    from canvas_archive.web.server import serve_archive

    if not is_loopback(host):
        settings.warn(
            f"everyone who can reach {host} sees the sign-in page, and the traffic is not encrypted. "
            "Use this only in a network you trust, or behind a proxy with https."
        )
    serve_archive(
        settings.folder,
        host=host,
        port=port,
        login=not no_login,
        public_url=public_url,
        open_browser=sys.stdout.isatty() if open_browser is None else open_browser,
        ready=lambda url: announce(settings, url, login=not no_login),
        warn=settings.warn,
    )


@click.command("open")
@common_options
@click.argument("conversation_id", metavar="[ID]", required=False, type=CONVERSATION_ID)
@pass_settings
def open_(settings: Settings, conversation_id: int | None) -> None:
    """Open a conversation, or the inbox, in a browser. The server ends with Ctrl-C.

    It is 'canvas-archive serve --open' at any free port.
    """
    from canvas_archive.store import Archive
    from canvas_archive.web.server import serve_archive

    with Archive.open(settings.folder) as archive:
        found = None if conversation_id is None else known_conversation(archive.db, conversation_id)
    serve_archive(
        settings.folder,
        page="" if found is None else f"/c/{found}",
        open_browser=True,
        ready=lambda url: announce(settings, url),
        warn=settings.warn,
    )


def announce(settings: Settings, url: str, *, login: bool = True) -> None:
    """Print the address to open first, and what it is worth."""

    click.echo(url)
    sys.stdout.flush()
    if login:
        settings.note("The link works once, in the browser that opens it first, within ten minutes.")
        if sys.stdin is not None and sys.stdin.isatty():
            settings.note("Press Enter for a new link, Ctrl-C to stop.")
            return
    settings.note("Press Ctrl-C to stop.")
