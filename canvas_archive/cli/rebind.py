"""``canvas-archive rebind``: the same mailbox under a new address, or under a new user id."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import Declined, can_ask, require_consent, yes_option
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.terminal import one_line
from canvas_archive.cli.token_storage import ask_token, keep_token, storage_options
from canvas_archive.clock import SYSTEM
from canvas_archive.credentials import (
    TOKEN_VARIABLE,
    FoundToken,
    find_token,
    found_token,
    token_from_environment,
)
from canvas_archive.errors import BadInput, KeyringUnusable, TokenMissing, WrongAccount

if TYPE_CHECKING:
    from canvas_archive.model import User
    from canvas_archive.store import Archive


@click.command()
@common_options
@click.argument("url")
@click.option(
    "--new-user", metavar="ID", type=int, help="The person's user id now, after accounts were merged."
)
@storage_options
@yes_option
@json_option
@pass_settings
def rebind(
    settings: Settings,
    url: str,
    new_user: int | None,
    plaintext: bool,
    file_ok: bool,
    no_browser: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Bind this archive to the same mailbox at URL, after the school's Canvas moved there.

    The token for URL comes from CANVAS_API_TOKEN, from the archive's token_command, from the keyring or from
    a prompt. The ids of all conversations there, and subject and messages of some, are compared with the
    archive. If it is another mailbox, nothing is changed (exit code 9). If the person has another user id
    since, give it with --new-user; if only that changed, URL is the address that the archive has.
    """
    from canvas_archive.canvas import CanvasClient, Token
    from canvas_archive.canvas.address import typed_base_url
    from canvas_archive.store import Archive
    from canvas_archive.sync import rebinding

    base_url = typed_base_url(url)
    with Archive.open(settings.folder, write=True) as archive:
        before = archive.account
        found, asked = _find_token(archive, base_url, browser=not no_browser)
        token = Token(found.secret, found.renewal)
        with CanvasClient(base_url, token, patience=30.0) as client:
            owner = person = client.current_user()
        acting_as = before.as_user_id and (new_user or before.as_user_id)
        with CanvasClient(base_url, token, as_user_id=acting_as, patience=30.0) as client:
            if acting_as is not None:
                person = client.current_user()
            _require_person(person, base_url, new_user or before.owner_id, asked_for=new_user)
            compared = rebinding.compare(archive, client)
        settings.note(compared.sentence())
        question = (
            f"Bind the archive of {before.name} (user {before.owner_id}) at {before.base_url} to "
            f"{person.name} (user {person.id}) at {base_url}?"
        )
        require_consent(question, yes=yes)
        after = rebinding.rebind(archive, SYSTEM, base_url, owner, person, compared)
    if asked:
        try:
            keep_token(base_url, found.secret, owner.id, plaintext=plaintext, file_ok=file_ok)
        except (KeyringUnusable, Declined, BadInput) as error:
            otherwise = f"Set {TOKEN_VARIABLE}, or run: canvas-archive login"
            settings.warn(str(error) or f"The token was not saved. {otherwise}")
    if as_json:
        print_document("rebind", {"from": before, "to": after, "counts": asdict(compared)})
    else:
        click.echo(one_line(f"The archive is bound to {after.name} (user {after.owner_id}) at {base_url}."))
    renewed = " --refetch" if after.owner_id != before.owner_id else " --full"
    settings.note(f"Next: canvas-archive sync{renewed}")


def _require_person(person: User, base_url: str, wanted: int, *, asked_for: int | None) -> None:
    if person.id == wanted:
        return
    sentence = f"The token answers for {person.name} (user {person.id}) at {base_url}, not for user {wanted}."
    if asked_for is None:
        sentence += f" If accounts of one person were merged on Canvas, add --new-user {person.id}."
    raise WrongAccount(sentence)


def _find_token(archive: Archive, base_url: str, *, browser: bool) -> tuple[FoundToken, bool]:
    """Return the token for an address, and whether it was typed in."""
    if token_from_environment(base_url) is None:
        archive.require_agreed("token_command")
    try:
        command = archive.config.token_command
        return find_token(base_url, token_command=command, user_id=archive.account.user_id), False
    except TokenMissing:
        if not can_ask():
            fail(f"No token for {base_url}: set {TOKEN_VARIABLE} (and CANVAS_API_URL to that Canvas).")
    secret = ask_token(base_url, browser=browser)
    return found_token(base_url, secret, "typed", again=f"canvas-archive rebind {base_url}"), True
