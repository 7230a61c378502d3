"""The folders that the system sets aside for a user, and ``~`` in a path: both may be unknown here.

A user of a container may have neither HOME nor an entry among the system's users. Then nothing is guessed:
an archive must be named, and what is remembered of archives needs a folder that is named.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from canvas_archive.errors import BadInput

STATE_VARIABLE = "XDG_STATE_HOME"
DATA_VARIABLE = "XDG_DATA_HOME"
CACHE_VARIABLE = "XDG_CACHE_HOME"
CONFIG_VARIABLE = "XDG_CONFIG_HOME"
_NAME = "canvas-archive"
# All that the system's folders depend on here (the last two on Windows).
_PLACES = (STATE_VARIABLE, "HOME", "USERPROFILE", "LOCALAPPDATA")


def expanded(path: Path | str) -> Path:
    """Return a path with its ``~`` replaced; ``~name`` of nobody stays a name, as it does in a shell.

    Raises BadInput for ``~`` where the user has no home.
    """
    path = Path(path)
    try:
        return path.expanduser()
    except RuntimeError:
        if path.parts[0] != "~":
            return path
        raise BadInput(f"{path} cannot be found: this user has no home. Write the path in full.") from None


def home() -> Path | None:
    """Return this user's home, ``None`` where there is none."""
    found = Path(os.path.expanduser("~"))  # noqa: PTH111 (it leaves what it does not know)
    return found if found.is_absolute() else None


def data_folder() -> Path:
    """Return where this user's archive is unless another folder is named. Raises BadInput."""
    import platformdirs

    _require_home(DATA_VARIABLE, "name the archive's folder with --archive or CANVAS_ARCHIVE")
    return Path(platformdirs.user_data_path(_NAME, appauthor=False))


def state_folder() -> Path:
    """Return where it is remembered which archives are this user's. It need not exist. Raises BadInput."""
    return _state_folder(*map(os.environ.get, _PLACES))


@lru_cache(maxsize=8)  # every search asks
def _state_folder(*_environment: str | None) -> Path:
    import platformdirs

    _require_home(STATE_VARIABLE, f"set {STATE_VARIABLE} to a folder that lasts, or CANVAS_ARCHIVE_ADOPTED=1")
    return Path(platformdirs.user_state_path(_NAME, appauthor=False))


def cache_folder() -> Path:
    """Return where things lie that can be made anew. It need not exist. Raises BadInput."""
    import platformdirs

    _require_home(CACHE_VARIABLE, f"set {CACHE_VARIABLE} to a folder")
    return Path(platformdirs.user_cache_path(_NAME, appauthor=False))


def config_folder() -> Path:
    """Return where this user's settings of the program belong. It need not exist. Raises BadInput."""
    import platformdirs

    _require_home(CONFIG_VARIABLE, f"set {CONFIG_VARIABLE} to a folder that lasts, or CANVAS_API_TOKEN")
    return Path(platformdirs.user_config_path(_NAME, appauthor=False))


def _require_home(variable: str, instead: str) -> None:
    named = os.environ.get(variable, "").strip()
    if named and not Path(named).is_absolute():
        raise BadInput(f"{variable} is {named!r}, which is not a whole path. Write it in full, or unset it.")
    if not named and home() is None:
        raise BadInput(f"This user has no home folder here (HOME is missing or not a whole path): {instead}.")
