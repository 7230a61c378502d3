"""``canvas-archive login`` and ``logout``: an archive's token, and the archive where there is none yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import Declined, can_ask
from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings, print_document
from canvas_archive.cli.terminal import one_line
from canvas_archive.cli.token_storage import ask_or_read_token, keep_token, shadow_of, storage_options
from canvas_archive.credentials import (
    SOURCES,
    TOKEN_VARIABLE,
    found_token,
    token_from_environment,
    token_page,
    use_for_now,
)
from canvas_archive.errors import BadInput, CredentialProblem, KeyringUnusable, WrongAccount

if TYPE_CHECKING:
    from canvas_archive.credentials import Source
    from canvas_archive.secret import Secret
    from canvas_archive.store import Archive

_WITHOUT_COMMAND = "canvas-archive token set --no-command"


@click.command()
@common_options
@click.argument("url", required=False)
@storage_options
@pass_settings
def login(settings: Settings, url: str | None, plaintext: bool, file_ok: bool, no_browser: bool) -> None:
    """Sign in: check an access token and save it; make the archive first where there is none.

    URL is the address of any page of your Canvas. The page on which you make a token is named, and opened in
    a browser. The token is asked for, or read from standard input (`pass canvas | canvas-archive login URL`),
    and saved in the system keyring or, where there is none and you agree, in a file that only you can read.
    An archive that is there gets a new token of its own person.
    """
    from canvas_archive.store.folder import DB_NAME

    if os.path.lexists(settings.folder / DB_NAME):
        renew_token(settings, url, plaintext=plaintext, file_ok=file_ok, browser=not no_browser)
        return
    from canvas_archive.cli.init import NewArchive, create_archive

    new = NewArchive(url, plaintext=plaintext, file_ok=file_ok, browser=not no_browser, may_read=True)
    create_archive(settings, new, as_json=False)


def renew_token(
    settings: Settings,
    url: str | None = None,
    *,
    plaintext: bool = False,
    file_ok: bool = False,
    browser: bool = True,
    only_now: bool = False,
) -> None:
    """Ask for a token of the archive's own person, check it and save it.

    With ``only_now``, a person who does not want to save it can still use it in this process.

    Raises NotAdopted, since the archive's address decides who gets the token, WrongAccount for a token or a
    URL of another account, BadInput where a ``token_command`` goes first, and CredentialProblem.
    """
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        archive.require_adopted()
        account = archive.account
        _require_same_canvas(archive, url)
        _require_no_command(archive)
        secret = ask_or_read_token(account.base_url, browser=browser)
        check_token(archive, secret)
    try:
        said = keep_token(account.base_url, secret, account.user_id, plaintext=plaintext, file_ok=file_ok)
    except Declined:
        if not only_now:
            raise
        use_for_now(account.base_url, secret, account.user_id)
        said = ["The token was not saved. It is used for this command alone."]
    click.echo(one_line(f"Signed in as {account.name} at {account.base_url}."), err=only_now)
    for sentence in said:
        click.echo(one_line(sentence), err=only_now)
    shadow = shadow_of(account.base_url, secret)
    if shadow:
        settings.warn(shadow)


def check_token(archive: Archive, secret: Secret, renewal: str = "") -> None:
    """Raise unless Canvas accepts a token and it opens this archive's mailbox.

    :calls: GET /api/v1/users/self
    """
    from canvas_archive.canvas import CanvasClient, Token
    from canvas_archive.sync.owner import check_account

    account = archive.account
    token = Token(secret, renewal or found_token(account.base_url, secret, "typed").renewal)
    with CanvasClient(account.base_url, token, as_user_id=account.as_user_id, patience=30.0) as client:
        check_account(archive, client)


def _require_same_canvas(archive: Archive, url: str | None) -> None:
    from canvas_archive.canvas.address import typed_base_url

    account = archive.account
    named = typed_base_url(url) if url else account.base_url
    if named != account.base_url:
        raise WrongAccount(
            f"The archive in {archive.folder} is of {account.name or 'a person'} at {account.base_url}, not "
            f"at {named}. For another archive name another folder: canvas-archive --archive DIR login {named}"
        )


def _require_no_command(archive: Archive) -> None:
    if archive.config_as_written.token_command:
        raise BadInput(
            "The token of this archive comes from the token_command in its config.toml, which goes first. "
            f"To do without, run: {_WITHOUT_COMMAND}"
        )


def require_token(settings: Settings) -> None:
    """Ask for a token on a terminal where the archive has none; without a terminal, do nothing.

    Whatever else is wrong is said by the command that needs the token.
    """
    if not can_ask():
        return
    from canvas_archive.credentials import token_source
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        account, command = archive.account, archive.config_as_written.token_command
        if not archive.adopted or archive.config_as_written.base_url != account.base_url:
            return
    try:
        if token_source(account.base_url, token_command=command, user_id=account.user_id) is not None:
            return
    except CredentialProblem:
        return
    settings.note(f"There is no access token for {account.base_url}.")
    renew_token(settings, browser=False, only_now=True)


@click.command()
@common_options
@json_option
@pass_settings
def logout(settings: Settings, as_json: bool) -> None:
    """Remove the archive's token from the keyring, and from the file where one is used. The archive stays.

    Canvas still accepts the token until you delete it there; the page for that is named.
    """
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        account, command = archive.account, archive.config_as_written.token_command
    gone, sentence = remove_token(account.base_url, account.user_id)
    page = token_page(account.base_url)
    if as_json:
        print_document("logout", base_url=account.base_url, sources=gone, token_page=page)
    else:
        click.echo(one_line(sentence))
    settings.note(f"Canvas accepts the token until you delete it there: {page}")
    for sentence in _left(account.base_url, account.user_id, command):
        settings.warn(sentence)


def remove_token(base_url: str, user_id: int | None) -> tuple[list[Source], str]:
    """Remove a saved token; return from where, and a sentence that says so. Raises KeyringUnusable."""
    from canvas_archive.credentials import forget_token

    try:
        gone = forget_token(base_url, user_id)
    except KeyringUnusable as error:
        raise KeyringUnusable(
            f"{error.reason} A token in it would stay there.",
            error.repair,
            otherwise=f"delete the token on Canvas: {token_page(base_url)}",
        ) from None
    if not gone:
        return gone, f"There was no saved token for {base_url}."
    places = " and from ".join(SOURCES[one] for one in dict.fromkeys(gone))
    return gone, f"Removed the token for {base_url} from {places}."


def _left(base_url: str, user_id: int | None, command: str | None) -> list[str]:
    """Return where a token still comes from, after the saved one was removed."""
    from canvas_archive.credentials import token_source

    left = []
    try:
        if token_from_environment(base_url):
            left.append(f"{TOKEN_VARIABLE} is still set. Unset it.")
    except CredentialProblem:
        left.append(f"{TOKEN_VARIABLE} is still set. Unset it.")
    if command:
        left.append(f"The token_command in config.toml is still used. To do without: {_WITHOUT_COMMAND}")
    elif not left and token_source(base_url, user_id=user_id) is not None:
        left.append(
            "A token for the whole of this Canvas is still saved, for fleets. "
            f"To remove it: canvas-archive fleet logout {base_url}"
        )
    return left
