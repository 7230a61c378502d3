"""``canvas-archive init``: bind a new archive to one person on one Canvas."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import Declined, can_ask
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.terminal import one_line
from canvas_archive.cli.token_storage import ask_or_read_token, keep_token, storage_options
from canvas_archive.credentials import (
    TOKEN_VARIABLE,
    URL_VARIABLE,
    FoundToken,
    found_token,
    given_token,
    use_for_now,
)
from canvas_archive.errors import ApiError, BadRequest, NotPermitted
from canvas_archive.places import expanded

if TYPE_CHECKING:
    from canvas_archive.model import User
    from canvas_archive.store import Archive


@dataclass(frozen=True, slots=True)
class NewArchive:
    """What ``init`` and ``login`` need to make an archive; ``may_read`` allows the token by a pipe."""

    url: str | None
    as_user: int | None = None
    token_command: str | None = None
    sign_key: str | None = None
    timestamp_url: str | None = None
    plaintext: bool = False
    file_ok: bool = False
    browser: bool = True
    may_read: bool = False

    def again(self, base_url: str) -> str:
        """Return the command that tries it again."""
        acting = "" if self.as_user is None else f" --as-user {self.as_user}"
        return f"canvas-archive {'login' if self.may_read else 'init'} {base_url}{acting}"


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
@storage_options
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
    file_ok: bool,
    no_browser: bool,
    sign_key: str | None,
    timestamp_url: str | None,
    as_json: bool,
) -> None:
    """Create an archive and bind it to your account at URL: the address of any page of your Canvas.

    The token comes from CANVAS_API_TOKEN, from --token-command, or from a prompt. A prompted token is saved
    in the system keyring or, where there is none and you agree, in a file that only you can read. It is
    never written into the archive.
    """
    new = NewArchive(
        url, as_user, token_command, sign_key, timestamp_url, plaintext, file_ok, browser=not no_browser
    )
    create_archive(settings, new, as_json=as_json)


def create_archive(settings: Settings, new: NewArchive, *, as_json: bool) -> None:
    """Make an archive, with a token that Canvas accepts, and save the token if a person gave it.

    Raises BadInput, ForeignFolder and GuardRefused before a token is asked for.
    """
    from canvas_archive.canvas.address import typed_base_url
    from canvas_archive.store.folder import require_free_folder

    if new.timestamp_url is not None:
        from canvas_archive.signing.stamps import require_address

        new = replace(new, timestamp_url=require_address(new.timestamp_url))
    require_free_folder(settings.folder)
    base_url = typed_base_url(new.url or os.environ.get(URL_VARIABLE) or _ask_url())
    found, given = _find_token(base_url, new)
    owner, person = _owner_and_person(base_url, found, new.as_user)
    with _make(settings, base_url, owner, person, new) as archive:
        folder = archive.folder
    if as_json:
        print_document("init", archive=str(folder), base_url=base_url, user_id=person.id, name=person.name)
    else:
        who = f"{one_line(person.name)} (user {person.id})"
        click.echo(f"Created an archive for {who} at {base_url} in {folder}")
    if given:
        try:
            kept = keep_token(base_url, found.secret, owner.id, plaintext=new.plaintext, file_ok=new.file_ok)
        except Declined:
            use_for_now(base_url, found.secret, owner.id)
            settings.warn(f"The token was not saved. Set {TOKEN_VARIABLE}, or run: canvas-archive login")
        else:
            for sentence in kept:
                settings.note(sentence)
    settings.note("Next: canvas-archive sync")


def _make(settings: Settings, base_url: str, owner: User, person: User, new: NewArchive) -> Archive:
    """Make the archive with its settings, and return it open."""
    from canvas_archive.store import Archive
    from canvas_archive.store.config import powers, read_config, write_config

    archive = Archive.create(
        settings.folder, base_url=base_url, user_id=owner.id, name=person.name, as_user_id=new.as_user
    )
    if new.token_command or new.sign_key or new.timestamp_url:
        path = archive.folder / "config.toml"
        config = replace(
            read_config(path),
            token_command=new.token_command,
            sign_key=None if new.sign_key is None else str(expanded(new.sign_key).absolute()),
            timestamp_url=new.timestamp_url,
        )
        write_config(path, config)
        archive.adopt(powers(config))
    return archive


def _owner_and_person(base_url: str, found: FoundToken, as_user: int | None) -> tuple[User, User]:
    """Return whose token this is, and whose mailbox it is to open.

    :calls: GET /api/v1/users/self
    """
    from canvas_archive.canvas import CanvasClient, Token

    token = Token(found.secret, found.renewal)
    with CanvasClient(base_url, token, patience=30.0) as client:
        owner = client.current_user()
    if as_user is None:
        return owner, owner
    with CanvasClient(base_url, token, as_user_id=as_user, patience=30.0) as client:
        try:
            return owner, client.current_user()
        except (NotPermitted, BadRequest) as error:
            raise ApiError(
                f"This token may not act as user {as_user}: {error}", status=error.status
            ) from None


def _ask_url() -> str:
    if not can_ask():
        fail(
            f"Which Canvas? Set {URL_VARIABLE}, or give its address: "
            "canvas-archive login https://school.instructure.com"
        )
    answer: str = click.prompt("Canvas address (https://school.instructure.com)", err=True)
    return answer


def _find_token(base_url: str, new: NewArchive) -> tuple[FoundToken, bool]:
    """Return the token, and whether a person gave it now."""
    # No keyring is asked: nobody knows yet whose token is wanted.
    found = given_token(base_url, new.token_command, again=new.again(base_url))
    if found is not None:
        return found, False
    if not (new.may_read or can_ask()):
        fail(
            f"No token: set {TOKEN_VARIABLE} (and {URL_VARIABLE} to that Canvas), give --token-command, "
            f"or pipe it: pass canvas | canvas-archive login {base_url}"
        )
    secret = ask_or_read_token(base_url, browser=new.browser)
    return found_token(base_url, secret, "typed", again=new.again(base_url)), True
