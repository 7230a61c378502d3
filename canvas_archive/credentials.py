"""Where the access token comes from, and where it is kept: never in the archive, never in argv.

The order is: the environment, the archive's ``token_command``, the system keyring. On its way it is a
``Secret``, which shows itself in no traceback.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from urllib.parse import urlsplit

from canvas_archive.children import child_environment
from canvas_archive.errors import CredentialProblem, KeyringUnusable, TokenMissing, TokenRefused
from canvas_archive.hosts import is_loopback
from canvas_archive.keyrings import Keyring, find_keyring
from canvas_archive.secret import Secret, is_token_text, token_text, without_tokens

TOKEN_VARIABLE = "CANVAS_API_TOKEN"  # noqa: S105 (the name of a variable, not a secret)
URL_VARIABLE = "CANVAS_API_URL"
COMMAND_SECONDS = 60.0
_DEMO = " If 'canvas-archive demo' made this archive, its Canvas is gone."


def _origin(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _account(base_url: str, user_id: int | None) -> str:
    return f"{_origin(base_url)}#{user_id}" if user_id is not None else _origin(base_url)


def token_from_environment(base_url: str) -> Secret | None:
    """Return ``CANVAS_API_TOKEN``, unless ``CANVAS_API_URL`` says that it belongs to another host.

    Raises TokenRefused for a value that cannot be a token.
    """
    token = token_text(os.environ.get(TOKEN_VARIABLE, ""))
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not token or (url and _origin(url) != _origin(base_url)):
        return None
    return _checked(token, TOKEN_VARIABLE)


def _checked(token: Secret, source: str) -> Secret:
    if not is_token_text(token):
        raise TokenRefused(
            f"{source} gives no access token: there are blanks, or characters no token has, within. Copy it "
            "again from Canvas (Account -> Settings -> New Access Token)."
        )
    return token


def token_from_command(command: str) -> Secret:
    """Run the configured command and return the first line it prints.

    The system's shell runs it, as if it was typed in a terminal; its environment carries no token.
    Raises CredentialProblem when it fails, prints nothing or takes longer than a minute.
    """
    how, token, said = _first_line(command)
    if how:
        raise CredentialProblem(
            f"The token_command ({_shown(command)}) {how}{f': {said}' if said else ''}. Run it in a "
            "terminal, and check it in the archive's config.toml."
        )
    return _checked(token, "token_command")


def _first_line(command: str) -> tuple[str, Secret, str]:
    """Return how a command failed (empty for a success), the line it printed, and what it complained of.

    Nothing is raised here: this function's values, and a time-out's own, hold what the command printed.
    """
    try:
        done = subprocess.run(  # noqa: S602 (the user agreed to this very text: see store/adoption.py)
            _in_place_of_the_shell(command),
            shell=True,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {COMMAND_SECONDS:.0f} seconds", Secret(), ""
    except (OSError, ValueError) as error:
        return f"cannot be run ({type(error).__name__})", Secret(), ""
    token = token_text(done.stdout)
    complaint = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
    if token:
        complaint = complaint.replace(str(token), "…")
    if done.returncode:
        return f"ended with exit code {done.returncode}", token, _shown(complaint)
    return ("" if token else "printed nothing"), token, _shown(complaint)


def _in_place_of_the_shell(command: str) -> str:
    """Return a command such that a time-out ends it, and not only the shell that runs it.

    A pipe, or several commands, need the shell to stay.
    """
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        parts = list(words)
    except ValueError:  # the shell says what is wrong with the quotes
        return command
    plain = parts and "=" not in parts[0] and not any(set(part) <= set("();<>|&") for part in parts)
    return f"exec {command}" if plain and os.name == "posix" else command


def _shown(text: str) -> str:
    """Return somebody's command or complaint fit for a sentence: one line, without tokens, not endless."""
    line = without_tokens(" ".join(text.split())).rstrip(".")
    return line if len(line) <= 200 else f"{line[:100]} … {line[-90:]}"


def _keyring_accounts(base_url: str, user_id: int | None) -> list[str]:
    exact = [_account(base_url, user_id)] if user_id is not None else []
    return [*exact, _account(base_url, None)]


def token_from_keyring(base_url: str, user_id: int | None = None) -> Secret | None:
    """Return the token stored in the system keyring for that account, or ``None``. Raises KeyringUnusable."""
    ring = _keyring()
    found = (ring.read(account) for account in _keyring_accounts(base_url, user_id))
    return next((token for token in found if token), None)


def _keyring() -> Keyring:
    ring = find_keyring()
    if ring is None:
        raise KeyringUnusable(
            "There is no system keyring here (cron, containers and ssh often reach none). "
            f"Set {TOKEN_VARIABLE}, or put a token_command into config.toml."
        )
    return ring


def store_token(base_url: str, token: str, user_id: int | None = None) -> None:
    """Put the token into the system keyring. Raises KeyringUnusable."""
    _keyring().write(_account(base_url, user_id), token)


def find_token(base_url: str, *, token_command: str | None = None, user_id: int | None = None) -> Secret:
    """Return the token for that Canvas.

    Raises TokenMissing, naming the ways to give one, and CredentialProblem for a way that fails.
    """
    token = token_from_environment(base_url) or (token_from_command(token_command) if token_command else None)
    if token:
        return token
    missing = f"There is no access token for {_origin(base_url)}."
    demo = _DEMO if is_loopback(urlsplit(_origin(base_url)).hostname or "") else ""
    try:
        token = token_from_keyring(base_url, user_id)
    except KeyringUnusable as error:
        raise TokenMissing(f"{missing} {error}{demo}") from None
    if not token:
        raise TokenMissing(
            f"{missing} Set {TOKEN_VARIABLE}, put a token_command "
            f"into the archive's config.toml, or run 'canvas-archive token' to keep one in the keyring.{demo}"
        )
    return token


def token_source(
    base_url: str, *, token_command: str | None = None, user_id: int | None = None
) -> str | None:
    """Say where a token would come from (for status and doctor) without running any command."""
    try:
        if token_from_environment(base_url):
            return f"the variable {TOKEN_VARIABLE}"
        if token_command:
            return "token_command"
        if token_from_keyring(base_url, user_id):
            return "the system keyring"
    except CredentialProblem:
        return None
    return None


def forget_token(base_url: str, user_id: int | None = None) -> list[str]:
    """Remove the token from the keyring; return where there was one. Raises KeyringUnusable."""
    ring = find_keyring()
    return ["keyring"] if ring is not None and ring.delete(_account(base_url, user_id)) else []
