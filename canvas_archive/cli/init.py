"""``canvas-archive init``: bind a new archive to one person on one Canvas."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import click

from canvas_archive.cli.consent import Declined
from canvas_archive.cli.context import Settings, common_options, fail, json_option, pass_settings, print_json
from canvas_archive.cli.terminal import one_line
from canvas_archive.cli.token_storage import ask_token, keep_token, plaintext_option
from canvas_archive.credentials import TOKEN_VARIABLE, URL_VARIABLE, token_from_environment
from canvas_archive.errors import ApiError, BadRequest, KeyringUnusable, NotPermitted
from canvas_archive.places import expanded
from canvas_archive.secret import Secret


@click.command()
@common_options
@click.argument("url", required=False)
@click.option(
    "--as-user", metavar="ID", type=int, help="Archive this person's inbox (needs an admin's token)."
)
@click.option(
    "--token-command",
    metavar="COMMAND",
    help="A command for the shell that prints the token, e.g. 'pass canvas'.",
)
@plaintext_option
@click.option(
    "--sign-key",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Sign every sync and bag by this SSH key.",
)
@click.option("--timestamp-url", metavar="URL", help="Have every sync and bag stamped by this authority.")
@json_option
@pass_settings
def init(
    settings: Settings,
    url: str | None,
    as_user: int | None,
    token_command: str | None,
    plaintext: bool,
    sign_key: str | None,
    timestamp_url: str | None,
    as_json: bool,
) -> None:
    """Create an archive and bind it to your account at URL (https://school.instructure.com).

    The token comes from CANVAS_API_TOKEN, from --token-command, or from a prompt; a prompted token is kept
    in the system keyring. It is never written into the archive.
    """
    from canvas_archive.canvas import CanvasClient, Token
    from canvas_archive.canvas.address import normalise_base_url
    from canvas_archive.store import Archive
    from canvas_archive.store.config import powers, read_config, write_config
    from canvas_archive.store.folder import require_free_folder

    if timestamp_url is not None:
        from canvas_archive.signing.stamps import require_address

        timestamp_url = require_address(timestamp_url)
    address = url or os.environ.get(URL_VARIABLE) or _ask_url()
    base_url = normalise_base_url(address)
    require_free_folder(settings.folder)
    secret, asked = _find_token(base_url, token_command)
    with CanvasClient(base_url, Token(secret), patience=30.0) as client:
        owner = client.current_user()
    person = owner
    if as_user is not None:
        with CanvasClient(base_url, Token(secret), as_user_id=as_user, patience=30.0) as client:
            try:
                person = client.current_user()
            except (NotPermitted, BadRequest) as error:
                raise ApiError(
                    f"This token may not act as user {as_user}: {error}", status=error.status
                ) from None
    with Archive.create(
        settings.folder, base_url=base_url, user_id=owner.id, name=person.name, as_user_id=as_user
    ) as archive:
        if token_command or sign_key or timestamp_url:
            path = archive.folder / "config.toml"
            key = None if sign_key is None else str(expanded(sign_key).absolute())
            config = replace(
                read_config(path), token_command=token_command, sign_key=key, timestamp_url=timestamp_url
            )
            write_config(path, config)
            archive.adopt(powers(config))
        folder = archive.folder
    if as_json:
        print_json({"archive": str(folder), "base_url": base_url, "user_id": person.id, "name": person.name})
    else:
        who = f"{one_line(person.name)} (user {person.id})"
        click.echo(f"Created an archive for {who} at {base_url} in {folder}")
    if asked:
        try:
            keep_token(base_url, secret, owner.id, plaintext=plaintext)
        except (KeyringUnusable, Declined) as error:
            otherwise = f"Set {TOKEN_VARIABLE} when you run sync, or put a token_command into config.toml."
            settings.warn(f"The token was not kept. {str(error) or otherwise}")
    settings.note("Next: canvas-archive sync")


def _ask_url() -> str:
    if not sys.stdin.isatty():
        fail(f"Which Canvas? Give its URL, or set {URL_VARIABLE}.")
    answer: str = click.prompt("Canvas address (https://school.instructure.com)", err=True)
    return answer


def _find_token(base_url: str, token_command: str | None) -> tuple[Secret, bool]:
    """Return the token, and whether it was typed in."""
    from canvas_archive.credentials import token_from_command

    token = token_from_environment(base_url)
    if token:
        return token, False
    if token_command:
        return token_from_command(token_command), False
    if not sys.stdin.isatty():
        fail(f"No token: set {TOKEN_VARIABLE} (and {URL_VARIABLE} to that Canvas), or give --token-command.")
    return ask_token(), True
