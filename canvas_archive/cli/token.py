"""``canvas-archive token``: a new token for an archive whose old one has expired."""

from __future__ import annotations

import sys

import click

from canvas_archive.cli.context import Settings, common_options, fail, pass_settings
from canvas_archive.cli.terminal import one_line
from canvas_archive.cli.token_storage import ask_token, keep_token, plaintext_option
from canvas_archive.credentials import TOKEN_VARIABLE, token_from_environment
from canvas_archive.errors import KeyringUnusable
from canvas_archive.secret import Secret, token_text

MOST_PIPED = 64 * 1024


@click.command()
@common_options
@plaintext_option
@pass_settings
def token(settings: Settings, plaintext: bool) -> None:
    """Check a new access token and save it in the system keyring.

    It is asked for, or read from standard input (`pass canvas | canvas-archive token`), and must belong to
    the archive's own person.
    """
    from canvas_archive.canvas import CanvasClient, Token
    from canvas_archive.store import Archive
    from canvas_archive.sync.owner import check_account

    with Archive.open(settings.folder) as archive:
        archive.require_adopted()  # its address decides who gets the token
        account = archive.account
        secret = _ask()
        with CanvasClient(
            account.base_url, Token(secret), as_user_id=account.as_user_id, patience=30.0
        ) as client:
            check_account(archive, client)
    try:
        keep_token(account.base_url, secret, account.user_id, plaintext=plaintext)
    except KeyringUnusable as error:
        raise KeyringUnusable(f"The token is right, but was not kept. {error}") from None
    click.echo(one_line(f"The token for {account.name} at {account.base_url} is in the system keyring."))
    if token_from_environment(account.base_url) not in (None, secret):
        settings.warn(f"{TOKEN_VARIABLE} is set to another token, and goes first.")


def _ask() -> Secret:
    answer = ask_token() if sys.stdin.isatty() else _piped()
    if not answer:
        fail("No token was given: type it, or pipe it into standard input.")
    return answer


def _piped() -> Secret:
    """Return the token that another program or a file gives, whatever encoding it has."""
    bytes_of = getattr(sys.stdin, "buffer", None)
    return token_text(sys.stdin.read(MOST_PIPED) if bytes_of is None else bytes_of.read(MOST_PIPED))
