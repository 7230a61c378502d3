"""``config.toml`` of an archive: which mailbox it is of, and the options a person may set by hand.

There is no place for a token in it: a token lives in the environment, in the keyring, or behind
``token_command``. An option that grants something says so where it is declared (``_grants``): it counts only
when this user has agreed to it, because an archive may come from somebody else (see ``adoption``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from canvas_archive.errors import BadInput, UnusableFile
from canvas_archive.store.private import read_regular, write_private

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pragma: no cover - Python 3.10 alone, which has a run of its own

CONFIG_NAME = "config.toml"
MOST_JOBS = 64
MOST_BYTES = 1 << 20
_SHOWN = 60


def _grants(sentence: str) -> dict[str, str]:
    """Mark an option as one that grants something; ``{}`` in the sentence is its value."""
    return {"grants": sentence}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one value of an option grants, as ``sentence`` says it."""

    name: str
    value: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Config:
    """The options of one archive. ``max_attachment_bytes`` in bytes, ``patience_minutes`` in minutes.

    ``allowed_hosts`` are the names that the web server answers to; ``allowed_file_hosts`` are hosts with
    private addresses that files may be fetched from. ``sign_key`` (a file) and ``timestamp_url`` sign each
    head of the chain, and each bag.
    """

    base_url: str
    as_user_id: int | None = None
    token_command: str | None = field(default=None, metadata=_grants("runs {} for the token"))
    attachments: bool = True
    max_attachment_bytes: int | None = None
    jobs: int = 8
    patience_minutes: float = 10
    allowed_hosts: tuple[str, ...] = field(
        default=(), metadata=_grants("lets web pages of the host {} read this archive while it is served")
    )
    allowed_file_hosts: tuple[str, ...] = field(
        default=(), metadata=_grants("lets files come from the host {} although its address is private")
    )
    sign_key: str | None = field(default=None, metadata=_grants("signs with the SSH key {} after each sync"))
    timestamp_url: str | None = field(
        default=None, metadata=_grants("asks {} for a time stamp after each sync")
    )


def powers(config: Config) -> list[Grant]:
    """Return everything that the options of an archive grant, a list value by value. Pure."""
    found = []
    for option in fields(Config):
        value = getattr(config, option.name)
        if "grants" in option.metadata and value != option.default:
            for one in value if isinstance(value, tuple) else (value,):
                found.append(
                    Grant(option.name, str(one), option.metadata["grants"].format(shortened(str(one))))
                )
    return found


def config_without(config: Config, refused: Iterable[Grant]) -> Config:
    """Return the options without the values that are refused. Pure."""
    names = {(power.name, power.value) for power in refused}
    changes: dict[str, object] = {}
    for name, value in sorted(names):
        left = changes.get(name, getattr(config, name))
        option = next(option for option in fields(Config) if option.name == name)
        rest = tuple(one for one in left if str(one) != value) if isinstance(left, tuple) else option.default
        changes[name] = rest
    return replace(config, **changes)  # type: ignore[arg-type]


def shortened(text: str) -> str:
    """Return a text as it can be judged on a screen: quoted, escaped, without its middle if it is long."""
    spaced = re.sub(r"\s{4,}", lambda blanks: f" [{len(blanks[0])} blanks] ", text)
    if len(spaced) <= 2 * _SHOWN + 20:
        return repr(spaced)
    return f"{spaced[:_SHOWN]!r} … {spaced[-_SHOWN:]!r} ({len(text):,} characters in all; see {CONFIG_NAME})"


def read_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises BadInput naming everything that is wrong with it at once.
    """
    try:
        text = read_regular(path, MOST_BYTES).decode("utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing. Every archive has one; restore it from a backup.") from None
    except UnusableFile:
        raise
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
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
        "sign_key": (isinstance(value, str) and bool(value.strip()), "the file of an SSH key"),
        "timestamp_url": (
            isinstance(value, str) and value.startswith(("https://", "http://")),
            "an https:// or http:// address",
        ),
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
