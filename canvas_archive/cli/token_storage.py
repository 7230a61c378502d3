"""A token that a person types or pipes: asked for, checked by Canvas, and saved where the person agrees."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from canvas_archive.cli.consent import Declined, can_ask, require_consent
from canvas_archive.cli.context import fail, option_group
from canvas_archive.cli.terminal import count_of, one_line
from canvas_archive.clock import SYSTEM, parse_iso
from canvas_archive.credentials import LOGIN, TOKEN_VARIABLE, token_from_environment, token_page
from canvas_archive.errors import ArchiveError, KeyringUnusable
from canvas_archive.secret import Secret, token_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

F = TypeVar("F", bound="Callable[..., Any]")

MOST_PIPED = 64 * 1024
_SHORT_PATIENCE = 5.0


def storage_options(function: F) -> F:
    """Add where a token may be saved, and whether a browser may be opened."""
    return option_group(
        click.option(
            "--token-file-ok",
            "file_ok",
            is_flag=True,
            help="Without a keyring, save the token in a file that only you can read.",
        ),
        click.option(
            "--allow-plaintext-keyring",
            "plaintext",
            is_flag=True,
            help="Save the token even in a keyring that may store it in plain text.",
        ),
        click.option("--no-browser", is_flag=True, help="Do not open the page for tokens in a browser."),
    )(function)


def ask_token(base_url: str, *, browser: bool) -> Secret:
    """Return the token a person types or pastes at the terminal, which does not show it.

    The page where tokens are made is named and, with ``browser``, opened where there is a display.
    """
    page = token_page(base_url)
    click.echo(
        f"Make a token: open {page}\nUnder Approved Integrations choose New Access Token. Give any purpose. "
        "Copy the token; Canvas shows it once.",
        err=True,
    )
    if browser:
        from canvas_archive.web.opening import has_display, open_browser

        if has_display():
            open_browser(page)
    return token_text(click.prompt("Access token", hide_input=True, err=True))


def ask_or_read_token(base_url: str, *, browser: bool) -> Secret:
    """Return the token that a person types or, without a terminal, that standard input gives.

    Raises BadInput when there is none.
    """
    answer = ask_token(base_url, browser=browser) if can_ask() else _piped()
    if not answer:
        fail(
            "No token was given: type it, or pipe it into standard input. For example: "
            "pass canvas | canvas-archive login"
        )
    return answer


def _piped() -> Secret:
    """Return the token that another program or a file gives, whatever encoding it has."""
    bytes_of = getattr(sys.stdin, "buffer", None)
    return token_text(sys.stdin.read(MOST_PIPED) if bytes_of is None else bytes_of.read(MOST_PIPED))


def expiry_of(base_url: str, token: Secret) -> str | None:
    """Return when a token expires, as ISO-8601 text; ``None`` when never, or when Canvas does not say.

    :calls: GET /api/v1/users/self/user_generated_tokens
    """
    from canvas_archive.canvas import CanvasClient, Token

    with suppress(ArchiveError), CanvasClient(base_url, Token(token), patience=_SHORT_PATIENCE) as client:
        known = client.current_token()
        return None if known is None else known.expires_at
    return None


def keep_token(
    base_url: str,
    token: Secret,
    user_id: int | None,
    *,
    plaintext: bool,
    file_ok: bool,
    again: str = LOGIN,
) -> list[str]:
    """Save a checked token, and return sentences: where it is, and when it expires.

    ``again`` is the command that takes ``--token-file-ok``.

    It goes into the system keyring, into one that may not protect it only if the user agrees. Where there is
    none, it goes into a file if the user agrees. Raises KeyringUnusable and BadInput where nobody can be
    asked, Declined after a no.
    """
    expires_at = expiry_of(base_url, token)
    try:
        where = _save(base_url, token, user_id, expires_at, plaintext=plaintext, file_ok=file_ok, again=again)
    except Declined:
        raise
    except click.Abort:  # Ctrl-C at the question: what was done before stays
        raise Declined from None
    return [f"The token is in {where}.", *expiry_sentences(expires_at, SYSTEM.now())]


def _save(
    base_url: str,
    token: Secret,
    user_id: int | None,
    expires_at: str | None,
    *,
    plaintext: bool,
    file_ok: bool,
    again: str,
) -> str:
    """Save a token and return where."""
    from canvas_archive.credentials import require_keyring, save_in_file, save_in_keyring

    try:
        ring = require_keyring()
        if ring.is_plain:
            require_consent(
                f"The keyring {ring.name} may store the token in plain text, readable by whoever reads your "
                "files. Save it there?",
                yes=plaintext,
                option="--allow-plaintext-keyring",
            )
        save_in_keyring(base_url, token, user_id, expires_at=expires_at)
        return "the system keyring"
    except KeyringUnusable as error:
        _require_consent_to_file(base_url, user_id, error, file_ok=file_ok, again=again)
    save_in_file(base_url, token, user_id, expires_at=expires_at)
    return _file_for(base_url, user_id)


def _file_for(base_url: str, user_id: int | None) -> str:
    from canvas_archive.credentials import token_file

    who = "whoever can read your Windows profile" if sys.platform == "win32" else "you alone"
    return f"{token_file(base_url, user_id)}, a file that {who} can read"


def _require_consent_to_file(
    base_url: str, user_id: int | None, error: KeyringUnusable, *, file_ok: bool, again: str
) -> None:
    if file_ok:
        return
    if not can_ask():
        raise KeyringUnusable(
            f"The token is right, but was not saved. {error.reason}",
            error.repair,
            otherwise=f"set {TOKEN_VARIABLE}, or save the token in a file that only you can read: "
            f"{again} --token-file-ok",
        )
    click.echo(one_line(error.reason), err=True)
    if not click.confirm(one_line(f"Save the token in {_file_for(base_url, user_id)}?"), err=True):
        raise Declined


def expiry_sentences(expires_at: str | None, now: datetime) -> list[str]:
    """Return when a token expires, as a list of one sentence; an empty one where that is not known."""
    if not expires_at:
        return []
    left = parse_iso(expires_at) - now
    if left < timedelta():
        return [f"It expired on {expires_at[:10]}."]
    return [f"It expires on {expires_at[:10]} (in {count_of(left.days, 'day')})."]


def shadow_of(base_url: str, token: Secret) -> str:
    """Return the sentence that another token goes first; empty when this one counts."""
    if token_from_environment(base_url) in (None, token):
        return ""
    return f"{TOKEN_VARIABLE} is set to another token, and goes first. Unset it."
