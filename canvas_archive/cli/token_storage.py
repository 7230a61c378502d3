"""A token that a person types, and the keyring it is kept in."""

from __future__ import annotations

import click

from canvas_archive.cli.consent import require_consent
from canvas_archive.secret import Secret, token_text

HOW_TO_MAKE_A_TOKEN = "In Canvas: Account → Settings → New Access Token. Copy it; Canvas shows it once."  # noqa: S105

plaintext_option = click.option(
    "--allow-plaintext-keyring",
    "plaintext",
    is_flag=True,
    help="Keep the token even in a keyring that may store it in plain text.",
)


def ask_token() -> Secret:
    """Return the token a person types or pastes at the terminal, which does not show it."""
    click.echo(HOW_TO_MAKE_A_TOKEN, err=True)
    return token_text(click.prompt("Access token", hide_input=True, err=True))


def keep_token(base_url: str, token: Secret, user_id: int, *, plaintext: bool) -> None:
    """Put the token into the system keyring; into one that may not protect it only if the user agrees.

    Raises KeyringUnusable, BadInput where nobody can be asked, Declined after a no.
    """
    from canvas_archive.credentials import store_token
    from canvas_archive.keyrings import find_keyring

    ring = find_keyring()
    if ring is not None and ring.is_plain:
        require_consent(
            f"The keyring {ring.name} may store the token in plain text, readable by whoever reads your "
            "files. Keep it there?",
            yes=plaintext,
            option="--allow-plaintext-keyring",
        )
    store_token(base_url, token, user_id)
