"""``canvas-archive token``: where an archive's token comes from, and how to change that."""

from __future__ import annotations

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.login import check_token, renew_token
from canvas_archive.cli.terminal import one_line
from canvas_archive.cli.token_storage import expiry_sentences, storage_options
from canvas_archive.clock import SYSTEM
from canvas_archive.credentials import SOURCES, found_token, known_expiry, new_token_command, token_page
from canvas_archive.errors import TokenMissing


@click.group(invoke_without_command=True)
@common_options
@storage_options
@click.pass_context
def token(ctx: click.Context, plaintext: bool, file_ok: bool, no_browser: bool) -> None:
    """Check a new access token of the archive's own person and save it, as login does.

    It is asked for, or read from standard input (`pass canvas | canvas-archive token`). 'token status' says
    where the token comes from, 'token set' changes that.
    """
    if ctx.invoked_subcommand is None:
        settings = ctx.ensure_object(Settings)
        renew_token(settings, plaintext=plaintext, file_ok=file_ok, browser=not no_browser)


@token.command("set")
@common_options
@click.option("--command", metavar="COMMAND", help="A command for the shell that prints the token.")
@click.option("--no-command", is_flag=True, help="Use no command any more.")
@storage_options
@pass_settings
def set_(
    settings: Settings,
    command: str | None,
    no_command: bool,
    plaintext: bool,
    file_ok: bool,
    no_browser: bool,
) -> None:
    """Save a new token, or set the command that prints it: its first line is the token.

    A command is run first, and Canvas must accept what it prints; then config.toml names it.
    """
    if command is None and not no_command:
        renew_token(settings, plaintext=plaintext, file_ok=file_ok, browser=not no_browser)
        return
    if command is not None and (no_command or not command.strip()):
        fail("Give either --command COMMAND or --no-command.")
    _set_command(settings, command)
    if command is None:
        click.echo("config.toml names no token_command.")
        settings.note("To save a token: canvas-archive login")
    else:
        click.echo("The token_command works and is in config.toml.")


def _set_command(settings: Settings, command: str | None) -> None:
    from canvas_archive.store import Archive
    from canvas_archive.store.config import CONFIG_NAME, change_config, powers

    again = "Correct it, then run: canvas-archive token set --command COMMAND"
    with Archive.open(settings.folder) as archive:
        archive.require_adopted()
        if command is not None:
            secret = new_token_command(command, again)
            renewal = found_token(archive.account.base_url, secret, "command", command).renewal
            check_token(archive, secret, renewal)
    with Archive.open(settings.folder, write=True) as archive:
        config = change_config(archive.folder / CONFIG_NAME, token_command=command)
        archive.adopt([power for power in powers(config) if power.name == "token_command"])


@token.command()
@common_options
@json_option
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show where the archive's token comes from and when it expires. Canvas is not asked."""
    from canvas_archive.credentials import token_source
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        account, command = archive.account, archive.config.token_command
    source = token_source(account.base_url, token_command=command, user_id=account.user_id)
    expires_at = known_expiry(account.base_url, token_command=command, user_id=account.user_id)
    if as_json:
        print_document(
            "token status",
            base_url=account.base_url,
            source=source,
            token_expires_at=expires_at,
            token_page=token_page(account.base_url),
        )
    if source is None:
        raise TokenMissing(f"There is no access token for {account.base_url}. Run: canvas-archive login")
    if not as_json:
        click.echo(one_line(f"The token for {account.base_url} comes from {SOURCES[source]}."))
        for sentence in expiry_sentences(expires_at, SYSTEM.now()):
            click.echo(sentence)
        settings.note(f"To make or delete tokens on Canvas: {token_page(account.base_url)}")
        settings.note("To ask Canvas whether it is accepted: canvas-archive doctor", level=1)
