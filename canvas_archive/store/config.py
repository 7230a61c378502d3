"""``config.toml`` of an archive: which mailbox it is of, and the options a person may set by hand.

There is no place for a token in it: a token lives in the environment, in the keyring, or behind
``token_command``. An option that grants something says so where it is declared (``grants``): it counts only
when this user has agreed to it, because an archive may come from somebody else (see ``adoption``).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Grant:
    """What one value of an option grants, as ``sentence`` says it."""

    name: str
    value: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of an option of ``config.toml``: its check, its help, and what it grants.

    ``wanted`` completes "must be", ``example`` is a value as TOML. In ``grants``, ``{}`` is the value.
    """

    fits: Callable[[object], bool]
    wanted: str
    example: str
    help: str
    default: object = MISSING
    grants: str = ""

    @property
    def sentence(self) -> str:
        """What the option does, its default, and whether its value needs consent."""
        parts = [self.help]
        if self.default not in (MISSING, None, ()):
            parts.append(f"Default: {str(self.default).lower()}.")
        if self.grants:
            parts.append("(adopt)")
        return " ".join(parts)


def _option(
    fits: Callable[[object], bool],
    wanted: str,
    example: str,
    help_: str,
    *,
    default: Any = MISSING,
    grants: str = "",
) -> Any:
    return field(default=default, metadata={"option": Option(fits, wanted, example, help_, default, grants)})


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _is_whole(least: int, most: float = math.inf) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and _is_number(value, least, most)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_address(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))


def _are_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) and item for item in value)


@dataclass(frozen=True, slots=True)
class Config:
    """The options of one archive, in the order in which they are documented."""

    base_url: str = _option(
        _is_address,
        "an https:// address",
        '"https://school.instructure.com"',
        "The Canvas that the archive is of. 'canvas-archive rebind URL' changes it.",
    )
    as_user_id: int | None = _option(
        _is_whole(1),
        "a user id",
        "1047",
        "The person whose mailbox an administrator's token collects. It is set once, by init --as-user.",
        default=None,
    )
    token_command: str | None = _option(
        _is_text,
        "a command as text",
        '"pass canvas"',
        "A command for the shell. The first line that it prints is the token. "
        "'canvas-archive token set --command COMMAND' checks and sets it.",
        default=None,
        grants="runs {} for the token",
    )
    attachments: bool = _option(
        lambda value: isinstance(value, bool),
        "true or false",
        "false",
        "Whether a sync downloads attached files.",
        default=True,
    )
    max_attachment_bytes: int | None = _option(
        _is_whole(0), "a number of bytes", "50_000_000", "Larger files are not downloaded.", default=None
    )
    jobs: int = _option(
        _is_whole(1, MOST_JOBS),
        f"a number from 1 to {MOST_JOBS}",
        "4",
        "How many requests a sync makes at a time, at most.",
        default=8,
    )
    patience_minutes: float = _option(
        lambda value: _is_number(value, 0, 1e6 - 1),
        "a number of minutes",
        "30",
        "How many minutes a sync waits for a Canvas that does not answer.",
        default=10,
    )
    allowed_hosts: tuple[str, ...] = _option(
        _are_texts,
        "a list of host names",
        '["archive.example.edu"]',
        "Other names that the web server answers to, besides this machine's.",
        default=(),
        grants="lets web pages of the host {} read this archive while it is served",
    )
    allowed_file_hosts: tuple[str, ...] = _option(
        _are_texts,
        "a list of host names",
        '["files.example.edu"]',
        "Hosts with private addresses that attached files may come from.",
        default=(),
        grants="lets files come from the host {} although its address is private",
    )
    sign_key: str | None = _option(
        _is_text,
        "the file of an SSH key",
        "'/home/ada/.ssh/id_ed25519'",
        "The SSH key that signs each sync and bag.",
        default=None,
        grants="signs with the SSH key {} after each sync",
    )
    timestamp_url: str | None = _option(
        _is_address,
        "an https:// or http:// address",
        '"https://stamps.example.org/tsr"',
        "The authority that stamps each sync and bag with the time.",
        default=None,
        grants="asks {} for a time stamp after each sync",
    )


OPTIONS: dict[str, Option] = {option.name: option.metadata["option"] for option in fields(Config)}
"""Every option by its name: what reads the file, and what documents it, use this table."""


def powers(config: Config) -> list[Grant]:
    """Return everything that the options of an archive grant, a list value by value. Pure."""
    found = []
    for option in fields(Config):
        value = getattr(config, option.name)
        grants = OPTIONS[option.name].grants
        if grants and value != option.default:
            for one in value if isinstance(value, tuple) else (value,):
                found.append(Grant(option.name, str(one), grants.format(shortened(str(one)))))
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

    Raises BadInput naming everything that is wrong with it at once, each with its line.
    """
    try:
        text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing. Every archive has one; restore it from a backup.") from None
    except UnusableFile:
        raise
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} cannot be read: {_syntax(str(error), text)}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} cannot be read: it is not UTF-8 text. Save it as UTF-8.") from None
    except (OSError, RecursionError) as error:
        raise BadInput(f"{path} cannot be read: {error}.") from error
    complaints = check_config(document, text)
    if complaints:
        raise BadInput(f"{path}: {'; '.join(complaints)}. {_ALL}")
    return _config_of(document)


_ALL = "To see all options: canvas-archive help config"


def _config_of(document: dict[str, Any]) -> Config:
    values: dict[str, Any] = {
        key: tuple(one) if isinstance(one, list) else one for key, one in document.items()
    }
    return Config(**values)


def _syntax(complaint: str, text: str) -> str:
    """Return what is wrong with the syntax, and how it should be. Pure."""
    hint = 'Write NAME = VALUE, text in quotation marks: token_command = "pass canvas".'
    found = re.search(r"at line (\d+)", complaint)
    lines = text.splitlines()
    if found is not None and int(found[1]) <= len(lines) and "\\" in lines[int(found[1]) - 1]:
        hint = "Put text with a backslash between single quotation marks: sign_key = 'C:\\keys\\id_ed25519'."
    return f"{complaint}. {hint} {_ALL}"


def check_config(document: dict[str, Any], text: str = "") -> list[str]:
    """Return what is wrong with a configuration, as clauses; an empty list when nothing is. Pure.

    ``text`` is the file's, to name the lines.
    """
    complaints = []
    for key, value in document.items():
        option = OPTIONS.get(key)
        if option is None:
            complaints.append(f"{_line_of(key, text)}{_unknown(key, value)}")
        elif not option.fits(value):
            shown = repr(value) if len(repr(value)) <= 2 * _SHOWN else f"{repr(value)[:_SHOWN]}…"
            complaints.append(
                f"{_line_of(key, text)}{key} must be {option.wanted}, not {shown}: "
                f"write {key} = {option.example}"
            )
    if "base_url" not in document:
        complaints.append(f"base_url is missing: write base_url = {OPTIONS['base_url'].example}")
    return complaints


def _line_of(key: str, text: str) -> str:
    """Return ``"line 3: "`` where a key or a table of that name begins; empty where that is not found."""
    name = re.escape(key)
    pattern = rf"""[ \t]*(?:\[+[ \t]*)?["']?{name}["']?[ \t]*[\].=]"""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(pattern, line):
            return f"line {number}: "
    return ""


def _unknown(key: str, value: object) -> str:
    shown = shortened(key).strip("'\"")
    if any(word in key.lower() for word in ("token", "secret", "password", "api_key", "bearer")):
        # The value is not repeated: it may be the token.
        return f"{shown}: a token does not belong here; remove the line, then run: canvas-archive login"
    if isinstance(value, dict):
        return f"there is no section [{shown}]: write the options without sections"
    import difflib

    near = difflib.get_close_matches(key, OPTIONS, n=1)
    return f"there is no option {shown}" + (f" (did you mean {near[0]}?)" if near else "")


def change_config(path: Path, **changes: object) -> Config:
    """Set options in a configuration file, ``None`` for none, and return what it says then.

    Comments and order stay where each option has one line of its own. Raises BadInput, and OSError.
    """
    config = replace(read_config(path), **changes)  # type: ignore[arg-type]
    text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
    for name in changes:
        text = re.sub(rf"^[ \t]*{name}[ \t]*=.*(?:\n|\Z)", "", text, flags=re.M)
    lines = _toml({name: value for name, value in _document(config).items() if name in changes})
    text = f"{lines}{text}"
    try:
        kept = _config_of(tomllib.loads(text)) == config
    except (tomllib.TOMLDecodeError, TypeError):
        kept = False
    if kept:
        write_private(path, text.encode("utf-8"))
    else:  # a value of several lines: the file is written anew
        write_config(path, config)
    return config


def write_config(path: Path, config: Config) -> None:
    """Write a configuration in one step (a reader sees the old file or the new one), mode 0600.

    Options at their default are left out, so that a later default reaches old archives.
    """
    write_private(path, _toml(_document(config)).encode("utf-8"))


def _document(config: Config) -> dict[str, object]:
    return {
        field.name: list(value) if isinstance(value, tuple) else value
        for field in fields(Config)
        if (value := getattr(config, field.name)) != field.default and value is not None
    }


def _toml(document: dict[str, object]) -> str:
    import tomli_w

    return tomli_w.dumps(document)
