"""SSH signatures, made and checked by ``ssh-keygen``: the format is OpenSSH's, and keys stay where they are.

A passphrase is asked for on a terminal alone. Otherwise an agent must hold the key, or it has no passphrase.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from canvas_archive.children import Ended, run_bounded
from canvas_archive.errors import BadInput, MachineTrouble
from canvas_archive.signing.statement import NAMESPACE

SECONDS = 20.0
ASKING_SECONDS = 180.0
_KEY = re.compile(r"key (SHA256:[A-Za-z0-9+/]{43})")
_BEGIN = b"-----BEGIN SSH SIGNATURE-----"


@dataclass(frozen=True, slots=True)
class SshFinding:
    """What a signature shows: whether it fits the statement, by which key, and whose that is, if known."""

    fits: bool
    key: str | None = None
    principal: str | None = None


def sign(key: Path, data: bytes, *, may_ask: bool) -> bytes:
    """Return the signature of ``data`` by a key: a private one, or the public half of an agent's.

    Raises BadInput for a key that cannot sign, MachineTrouble without ``ssh-keygen``.
    """
    require_key(key)
    command = ["-Y", "sign", "-f", str(key.absolute()), "-n", NAMESPACE]
    try:
        ended = _ssh_keygen(command, data, may_ask=may_ask)
    except subprocess.TimeoutExpired as error:
        raise BadInput(f"ssh-keygen did not sign with {key} within {error.timeout:.0f} seconds.") from None
    if ended.code or not ended.output.startswith(_BEGIN):
        said = f" ({_line(ended.complaint)})" if ended.complaint else ""
        raise BadInput(
            f"The key {key} cannot sign{said}. Give an SSH key without a passphrase, or put it into an agent "
            "with ssh-add and give its .pub file."
        )
    return ended.output


def require_key(key: Path) -> None:
    """Raise BadInput when there is no file of that name."""
    if not key.is_file():
        raise BadInput(f"There is no key in {key}. Give the file of an SSH key, such as ~/.ssh/id_ed25519.")


def check(signature: Path, data: bytes, allowed: Path | None, at: str | None = None) -> SshFinding:
    """Check a signature; ``allowed`` is a file of allowed signers, valid ``at`` a proven time or now.

    Raises BadInput when that file cannot be used, MachineTrouble when nothing can be checked here.
    """
    given = ["-n", NAMESPACE, "-s", str(signature.absolute())]
    try:
        ended = _ssh_keygen(["-Y", "check-novalidate", *given], data)
        if ended.code:
            return SshFinding(False)
        found = _KEY.search(ended.output.decode("utf-8", "replace"))
        key = found[1] if found else None
        if allowed is None:
            return SshFinding(True, key)
        if not allowed.is_file():
            raise BadInput(f"{allowed} is no file of allowed signers.")
        when = [f"-Overify-time={at}"] if at else []
        file = ["-f", str(allowed.absolute())]
        names = _ssh_keygen(["-Y", "find-principals", *file, *given[2:], *when], b"")
        for name in names.output.decode("utf-8", "replace").splitlines():
            if not _ssh_keygen(["-Y", "verify", *file, "-I", name, *given, *when], data).code:
                return SshFinding(True, key, name)
    except subprocess.TimeoutExpired:
        raise MachineTrouble("ssh-keygen did not end in time.") from None
    return SshFinding(True, key)


def _ssh_keygen(arguments: list[str], data: bytes, *, may_ask: bool = False) -> Ended:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise MachineTrouble("There is no ssh-keygen on this machine. Install OpenSSH 8.2 or newer.")
    try:
        seconds = ASKING_SECONDS if may_ask else SECONDS
        return run_bounded([program, *arguments], data, seconds=seconds, may_ask=may_ask)
    except OSError as error:
        raise MachineTrouble(f"ssh-keygen cannot be started: {error.strerror or error}.") from None


def _line(text: str) -> str:
    """Return the last line that ssh-keygen wrote, fit for a sentence."""
    line = " ".join(text.splitlines()[-1].split()).rstrip(".")
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:200]
