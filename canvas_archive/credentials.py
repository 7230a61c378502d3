"""Where the access token comes from, and where it is kept: never in the archive, never in argv.

The order is: the environment, the archive's ``token_command``, the system keyring. On its way it is a
``Secret``, which shows itself in no traceback.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from urllib.parse import urlsplit

from canvas_archive.errors import CredentialProblem, TokenMissing
from canvas_archive.hosts import is_loopback
from canvas_archive.secret import Secret

TOKEN_VARIABLE = "CANVAS_API_TOKEN"  # noqa: S105 (the name of a variable, not a secret)
URL_VARIABLE = "CANVAS_API_URL"
SERVICE = "canvas-archive"
COMMAND_SECONDS = 60.0
_DEMO = " If 'canvas-archive demo' made this archive, its Canvas is gone."


def _origin(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _account(base_url: str, user_id: int | None) -> str:
    return f"{_origin(base_url)}#{user_id}" if user_id is not None else _origin(base_url)


def token_from_environment(base_url: str) -> Secret | None:
    """Return ``CANVAS_API_TOKEN``, unless ``CANVAS_API_URL`` says that it belongs to another host."""
    token = Secret(os.environ.get(TOKEN_VARIABLE, "").strip())
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not token or (url and _origin(url) != _origin(base_url)):
        return None
    return token


def token_from_command(command: str) -> Secret:
    """Run the configured command and return the first line it prints.

    The command is split like a shell would, but no shell runs it; its environment carries no token.
    Raises CredentialProblem when it fails, prints nothing or takes longer than a minute.
    """
    status, token = _first_line(command)
    if isinstance(status, str):
        raise CredentialProblem(
            f"token_command could not be run ({status}). Check it in the archive's config.toml."
        )
    if status != 0 or not token:
        raise CredentialProblem(
            f"token_command ended with status {status} and "
            f"{'no output' if not token else 'a failure'}. Run it by hand to see why."
        )
    return token


def _first_line(command: str) -> tuple[int | str, Secret]:
    """Return how a command ended (its status, or the name of what kept it from running) and its first line.

    Nothing is raised here: this function's values, and a time-out's own, hold what the command printed.
    """
    surroundings = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    try:
        done = subprocess.run(
            shlex.split(command),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return type(error).__name__, Secret()
    return done.returncode, Secret(done.stdout.partition("\n")[0].strip())


def _keyring_accounts(base_url: str, user_id: int | None) -> list[str]:
    exact = [_account(base_url, user_id)] if user_id is not None else []
    return [*exact, _account(base_url, None)]


def token_from_keyring(base_url: str, user_id: int | None = None) -> Secret | None:
    """Return the token stored in the system keyring for that account, or ``None``."""
    import keyring
    import keyring.errors

    try:
        for account in _keyring_accounts(base_url, user_id):
            token = keyring.get_password(SERVICE, account)
            if token:
                return Secret(token)
    except keyring.errors.KeyringError:
        return None
    return None


def store_token(base_url: str, token: str, user_id: int | None = None) -> bool:
    """Put the token into the system keyring; tell whether there was one to take it."""
    import keyring
    import keyring.errors

    backend = keyring.get_keyring()
    useless = ("keyring.backends.null", "keyring.backends.fail")
    if backend.priority <= 0 or type(backend).__module__ in useless:
        return False
    try:
        keyring.set_password(SERVICE, _account(base_url, user_id), str(token))
    except keyring.errors.KeyringError:
        return False
    return True


def find_token(base_url: str, *, token_command: str | None = None, user_id: int | None = None) -> Secret:
    """Return the token for that Canvas. Raises TokenMissing, naming the ways to give one."""
    token = (
        token_from_environment(base_url)
        or (token_from_command(token_command) if token_command else None)
        or token_from_keyring(base_url, user_id)
    )
    if not token:
        raise TokenMissing(
            f"There is no access token for {_origin(base_url)}. Set {TOKEN_VARIABLE}, put a token_command "
            "into the archive's config.toml, or run 'canvas-archive token' to keep one in the keyring."
            + (_DEMO if is_loopback(urlsplit(_origin(base_url)).hostname or "") else "")
        )
    return token


def token_source(
    base_url: str, *, token_command: str | None = None, user_id: int | None = None
) -> str | None:
    """Say where a token would come from (for status and doctor) without running any command."""
    if token_from_environment(base_url):
        return f"the variable {TOKEN_VARIABLE}"
    if token_command:
        return "token_command"
    if token_from_keyring(base_url, user_id):
        return "the system keyring"
    return None
