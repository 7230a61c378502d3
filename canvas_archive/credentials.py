"""Where the access token comes from, and where it is saved: never in the archive, never in argv.

The order is: the environment, the archive's ``token_command``, the system keyring, and the file of
``token_store``. On its way it is a ``Secret``, which shows itself in no traceback.
"""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from canvas_archive.children import child_environment
from canvas_archive.errors import BadInput, CredentialProblem, KeyringUnusable, TokenMissing, TokenRefused
from canvas_archive.hosts import is_loopback
from canvas_archive.keyrings import Keyring, find_keyring
from canvas_archive.secret import Secret, is_token_text, token_text, without_tokens
from canvas_archive.token_store import (
    TokenRecord,
    delete_record,
    digest_of,
    read_record,
    record_path,
    write_record,
)

Source = Literal["environment", "command", "keyring", "file", "typed"]

TOKEN_VARIABLE = "CANVAS_API_TOKEN"  # noqa: S105 (the name of a variable, not a secret)
URL_VARIABLE = "CANVAS_API_URL"
COMMAND_SECONDS = 60.0
NO_KEYRING = "There is no system keyring here (cron, containers and ssh often reach none)."
_DEMO = " If 'canvas-archive demo' made this archive, its Canvas is gone."
LOGIN = "canvas-archive login"

SOURCES: dict[Source, str] = {
    "environment": f"the variable {TOKEN_VARIABLE}",
    "command": "token_command",
    "keyring": "the system keyring",
    "file": "a file that only you can read",
    "typed": "the terminal",
}
"""Where a token can come from, in the order in which they are asked."""

_typed: dict[str, Secret] = {}
"""The tokens that a person typed and did not save, by account: they count as long as this process lives."""


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token, where it came from, and the sentence that says how to replace it."""

    secret: Secret
    source: Source
    renewal: str

    def __str__(self) -> str:
        return str(self.secret)


def token_page(base_url: str) -> str:
    """Return the address of the page where a person makes and deletes tokens of that Canvas."""
    return f"{_origin(base_url)}/profile/settings#access_tokens_holder"


def _origin(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    default = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    host = parts.netloc.removesuffix(default) if default else parts.netloc
    return f"{parts.scheme}://{host}".lower()


def _account(base_url: str, user_id: int | None) -> str:
    return f"{_origin(base_url)}#{user_id}" if user_id is not None else _origin(base_url)


def _accounts(base_url: str, user_id: int | None) -> list[str]:
    """Return the names under which a token may be saved: the person's, and that of the whole Canvas."""
    return list(dict.fromkeys((_account(base_url, user_id), _account(base_url, None))))


# -- each source -------------------------------------------------------------------------------------------


def token_from_environment(base_url: str, again: str = LOGIN) -> Secret | None:
    """Return ``CANVAS_API_TOKEN``, unless ``CANVAS_API_URL`` says that it belongs to another host.

    ``again`` is the command to run once the variable is unset.

    Raises TokenRefused for a value that cannot be a token.
    """
    token = token_text(os.environ.get(TOKEN_VARIABLE, ""))
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not token or (url and _origin(url) != _origin(base_url)):
        return None
    return _checked(token, TOKEN_VARIABLE, f"Unset {TOKEN_VARIABLE}, then run: {again}")


def _checked(token: Secret, source: str, renewal: str) -> Secret:
    if not is_token_text(token):
        raise TokenRefused(
            f"{source} gives no access token: it has blanks in it, or characters that no token has. {renewal}"
        )
    return token


def token_from_command(command: str, otherwise: str = "") -> Secret:
    """Run the configured command and return the first line it prints.

    The system's shell runs it, as if it was typed in a terminal; its environment carries no token.
    ``otherwise`` says what to type when it fails.
    Raises CredentialProblem when it fails, prints nothing or takes longer than a minute.
    """
    how, token, said = _first_line(command)
    if how:
        raise CredentialProblem(
            f"The token_command ({_shown(command)}) {how}{f': {said}' if said else ''}. Run it in a "
            f"terminal to see why. {otherwise or _ANOTHER_COMMAND}"
        )
    return _checked(token, "The token_command", otherwise or _ANOTHER_COMMAND)


def new_token_command(command: str, otherwise: str) -> Secret:
    """Run a command that is about to be written into ``config.toml``; return the token that it prints.

    Raises CredentialProblem as ``token_from_command`` does, and for a command that has the token in itself.
    """
    token = token_from_command(command, otherwise)
    if token in command:
        raise CredentialProblem(
            "The command has the token in itself, and config.toml must not hold one. Put the token where a "
            f"command can read it. {otherwise}"
        )
    return token


_ANOTHER_COMMAND = (
    "To set another one, run: canvas-archive token set --command COMMAND. "
    "To do without, run: canvas-archive token set --no-command"
)


def _first_line(command: str) -> tuple[str, Secret, str]:
    """Return how a command failed (empty for a success), the line it printed, and what it complained of.

    Nothing is raised here: this function's values, and a time-out's own, hold what the command printed.
    """
    import subprocess

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


def token_from_keyring(base_url: str, user_id: int | None = None) -> Secret | None:
    """Return the token stored in the system keyring for that account, or ``None``. Raises KeyringUnusable."""
    ring = require_keyring()
    found = (ring.read(account) for account in _accounts(base_url, user_id))
    return next((token for token in found if token), None)


def token_from_file(base_url: str, user_id: int | None = None) -> Secret | None:
    """Return the token saved in a file for that account, or ``None``. Raises CredentialProblem."""
    records = (read_record(account) for account in _accounts(base_url, user_id))
    return next((record.token for record in records if record is not None and record.token), None)


def require_keyring() -> Keyring:
    """Return this machine's keyring. Raises KeyringUnusable where there is none."""
    ring = find_keyring()
    if ring is None:
        raise KeyringUnusable(NO_KEYRING)
    return ring


# -- all of them -------------------------------------------------------------------------------------------


def given_token(base_url: str, token_command: str | None, *, again: str = "") -> FoundToken | None:
    """Return the token of the environment or of the command, ``None`` where neither is set.

    ``again`` is the command to run after a failure, where no archive is made yet. Raises CredentialProblem.
    """
    token = token_from_environment(base_url, again or LOGIN)
    if token:
        return found_token(base_url, token, "environment", again=again)
    if not token_command:
        return None
    if again:
        token = new_token_command(token_command, f"Then run: {again}")
    else:
        token = token_from_command(token_command)
    return found_token(base_url, token, "command", token_command, again=again)


def find_token(
    base_url: str, *, token_command: str | None = None, user_id: int | None = None, again: str = ""
) -> FoundToken:
    """Return the token for that Canvas; ``again`` is the command that saves one, if it is not ``login``.

    Raises TokenMissing, naming the way to give one, and CredentialProblem for a source that fails.
    """
    given = given_token(base_url, token_command, again=again)
    if given is not None:
        return given
    token: Secret | None = None
    reason: KeyringUnusable | None = None
    try:
        token = token_from_keyring(base_url, user_id)
    except KeyringUnusable as error:
        reason = error
    if token:
        return found_token(base_url, token, "keyring", again=again)
    token = token_from_file(base_url, user_id)
    if token:
        return found_token(base_url, token, "file", again=again)
    token = _typed.get(_account(base_url, user_id))
    if token:
        return found_token(base_url, token, "typed")
    demo = _DEMO if is_loopback(urlsplit(_origin(base_url)).hostname or "") else ""
    ways = f"set {TOKEN_VARIABLE}, or run: {again or LOGIN}"
    if reason is not None:
        ways = str(KeyringUnusable(reason.reason, reason.repair, otherwise=ways))
    raise TokenMissing(f"There is no access token for {_origin(base_url)}.{demo} {ways[0].upper()}{ways[1:]}")


def found_token(
    base_url: str, token: Secret, source: Source, command: str = "", *, again: str = ""
) -> FoundToken:
    """Return a token with its source, and with the sentence that says how to replace it."""
    make = f"Make a new token at {token_page(base_url)} (New Access Token)"
    if source == "environment":
        return FoundToken(token, source, f"{make} and unset {TOKEN_VARIABLE}, then run: {again or LOGIN}")
    if source == "command":
        put = f"{make} and put it where the token_command ({_shown(command)}) finds it."
        without = (
            f"Then run: {again}" if again else "To do without, run: canvas-archive token set --no-command"
        )
        return FoundToken(token, source, f"{put} {without}")
    return FoundToken(token, source, f"{make}, then run: {again or LOGIN}")


def token_source(
    base_url: str, *, token_command: str | None = None, user_id: int | None = None
) -> Source | None:
    """Return where a token would come from (a key of ``SOURCES``) without running any command."""
    try:
        if token_from_environment(base_url):
            return "environment"
        if token_command:
            return "command"
        with suppress(KeyringUnusable):
            if token_from_keyring(base_url, user_id):
                return "keyring"
        if token_from_file(base_url, user_id):
            return "file"
    except CredentialProblem:
        return None
    return "typed" if _account(base_url, user_id) in _typed else None


def known_expiry(
    base_url: str, *, token_command: str | None = None, user_id: int | None = None
) -> str | None:
    """Return when the token expires, as ISO-8601 text, where that is on record; else ``None``.

    No keyring is opened and no command is run.
    """
    with suppress(CredentialProblem):
        record = read_record(_account(base_url, user_id))
        token = token_from_environment(base_url)
        if record is not None and (record.is_of(token) if token else not token_command):
            return record.expires_at
    return None


# -- saving one --------------------------------------------------------------------------------------------


def save_in_keyring(
    base_url: str, token: str, user_id: int | None = None, *, expires_at: str | None = None
) -> None:
    """Put the token into the system keyring, and out of the file. Raises KeyringUnusable."""
    account = _account(base_url, user_id)
    require_keyring().write(account, token)
    try:
        write_record(account, TokenRecord(digest_of(token), expires_at))
    except (CredentialProblem, BadInput):  # then nobody is reminded; but no old token may stay
        delete_record(account)


def save_in_file(
    base_url: str, token: str, user_id: int | None = None, *, expires_at: str | None = None
) -> None:
    """Put the token into a file, and out of the keyring, which would go first.

    Raises CredentialProblem, and BadInput where the user has no home.
    """
    account = _account(base_url, user_id)
    write_record(account, TokenRecord(digest_of(token), expires_at, Secret(token)))
    with suppress(KeyringUnusable):
        require_keyring().delete(account)


def note_expiry(base_url: str, user_id: int, expires_at: str | None) -> None:
    """Record when the token in use expires, as far as that can be written down."""
    account = _account(base_url, user_id)
    with suppress(CredentialProblem, BadInput):
        found, record = find_token(base_url, user_id=user_id), read_record(account)
        own = record is None or record.is_of(found.secret)
        if own or (record is not None and record.token is None):
            token = record.token if own and record is not None else None
            write_record(account, TokenRecord(digest_of(found.secret), expires_at, token))


def use_for_now(base_url: str, token: Secret, user_id: int | None = None) -> None:
    """Let this process use a token that was not saved."""
    _typed[_account(base_url, user_id)] = token


def token_file(base_url: str, user_id: int | None = None) -> str:
    """Return the path of the file that a token is saved in. Raises BadInput where the user has no home."""
    return str(record_path(_account(base_url, user_id)))


def forget_token(base_url: str, user_id: int | None = None) -> list[Source]:
    """Remove the token from the keyring and from its file; return where there was one.

    Raises KeyringUnusable when a keyring cannot be asked; the file is gone then.
    """
    account = _account(base_url, user_id)
    _typed.pop(account, None)
    gone: list[Source] = ["file"] if delete_record(account) else []
    ring = find_keyring()
    if ring is not None and ring.delete(account):
        gone.insert(0, "keyring")
    return gone
