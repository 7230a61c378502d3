"""``config.toml`` of an archive: which mailbox it is of, and the options a person may set by hand.

There is no place for a token in it: a token lives in the environment, in the keyring, or behind
``token_command``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path

from canvas_archive.errors import BadInput
from canvas_archive.store.private import write_private

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pragma: no cover - Python 3.10 alone, which has a run of its own

CONFIG_NAME = "config.toml"
MOST_JOBS = 64


@dataclass(frozen=True, slots=True)
class Config:
    """The options of one archive. ``max_attachment_bytes`` in bytes, ``patience_minutes`` in minutes.

    ``allowed_hosts`` are the names that the web server answers to; ``allowed_file_hosts`` are hosts with
    private addresses that files may be fetched from.
    """

    base_url: str
    as_user_id: int | None = None
    token_command: str | None = None
    attachments: bool = True
    max_attachment_bytes: int | None = None
    jobs: int = 8
    patience_minutes: float = 10
    allowed_hosts: tuple[str, ...] = ()
    allowed_file_hosts: tuple[str, ...] = ()


def read_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises BadInput naming everything that is wrong with it at once.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing. Every archive has one; restore it from a backup.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}.") from error
    complaints = check_config(document)
    if complaints:
        raise BadInput(f"{path}: {'; '.join(complaints)}.")
    for key in ("allowed_hosts", "allowed_file_hosts"):
        if key in document:
            document[key] = tuple(document[key])
    return Config(**document)


def check_config(document: dict[str, object]) -> list[str]:
    """Return what is wrong with a configuration, as clauses; an empty list when nothing is. Pure."""
    known = [field.name for field in fields(Config)]
    complaints = []
    for key, value in document.items():
        if key not in known:
            complaints.append(_unknown(key, known))
        else:
            wanted = _wanted(key, value)
            if wanted:
                complaints.append(f"{key} must be {wanted}, not {value!r}")
    if "base_url" not in document:
        complaints.append("base_url is missing")
    return complaints


def _unknown(key: str, known: list[str]) -> str:
    if any(word in key.lower() for word in ("token", "secret", "password", "api_key", "bearer")):
        # The value is not repeated: it may be the token.
        return f"{key}: a token does not belong here; use CANVAS_API_TOKEN, the keyring or token_command"
    import difflib

    near = difflib.get_close_matches(key, known, n=1)
    return f"there is no option {key}" + (f" (did you mean {near[0]}?)" if near else "")


def _wanted(key: str, value: object) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    number = whole or isinstance(value, float)
    texts = isinstance(value, (list, tuple)) and all(isinstance(item, str) and item for item in value)
    rules: dict[str, tuple[bool, str]] = {
        "base_url": (
            isinstance(value, str) and value.startswith(("https://", "http://")),
            "an https:// address",
        ),
        "as_user_id": (whole and value > 0, "a user id"),  # type: ignore[operator]
        "token_command": (isinstance(value, str) and bool(value.strip()), "a command as text"),
        "attachments": (isinstance(value, bool), "true or false"),
        "max_attachment_bytes": (whole and value >= 0, "a number of bytes"),  # type: ignore[operator]
        "jobs": (whole and 1 <= value <= MOST_JOBS, f"a number from 1 to {MOST_JOBS}"),  # type: ignore[operator]
        "patience_minutes": (number and 0 <= value < 1e6, "a number of minutes"),  # type: ignore[operator]
        "allowed_hosts": (texts, "a list of host names"),
        "allowed_file_hosts": (texts, "a list of host names"),
    }
    fine, wanted = rules[key]
    return None if fine else wanted


def write_config(path: Path, config: Config) -> None:
    """Write a configuration in one step (a reader sees the old file or the new one), mode 0600.

    Options at their default are left out, so that a later default reaches old archives.
    """
    import tomli_w

    document = {
        field.name: list(value) if isinstance(value, tuple) else value
        for field in fields(Config)
        if (value := getattr(config, field.name)) != field.default and value is not None
    }
    write_private(path, tomli_w.dumps(document).encode("utf-8"))
