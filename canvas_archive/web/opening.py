"""Opening the sign-in link in a browser, without the link on a command line.

Every user of a machine can read the command lines of all processes. So the browser gets the name of a private
file, which redirects to the link.
"""

from __future__ import annotations

import html
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from canvas_archive.children import child_environment
from canvas_archive.store.adoption import state_file

FOLDER_NAME = "sign-in"
STALE_SECONDS = 3600.0
"""A page this old was left behind by a server that was killed. Its link died with the server."""

_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"
_SANDBOXED = ("/snap/", "/var/lib/snapd/", "/flatpak/")
_APPLICATIONS = (
    "/var/lib/snapd/desktop/applications",
    "/var/lib/flatpak/exports/share/applications",
    "~/.local/share/flatpak/exports/share/applications",
)


def write_page(url: str) -> Path:
    """Write a page that redirects to ``url`` and that only this user can read; return its path.

    Raises OSError, BadInput where there is no home.
    """
    folder = state_file().parent / FOLDER_NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for old in folder.glob("*.html"):
        with suppress(OSError):
            if old.stat().st_mtime < time.time() - STALE_SECONDS:
                old.unlink()
    descriptor, name = tempfile.mkstemp(".html", dir=folder)
    target = html.escape(url)
    with os.fdopen(descriptor, "w", encoding="utf-8") as page:
        page.write(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Canvas archive</title>'
            '<meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0; url={target}"></head>\n'
            f'<body><p><a href="{target}">Open the archive</a></p></body></html>\n'
        )
    return Path(name)


def browser_reads_files() -> bool:
    """Return whether the default browser can read the page: a sandboxed one, or one of Windows, cannot."""
    if sys.platform != "linux":
        return True
    if "microsoft" in platform.release().lower():
        return False
    named = os.environ.get("BROWSER", "").split(os.pathsep)[0]
    if named:
        with suppress(ValueError, IndexError):
            found = os.path.realpath(shutil.which(shlex.split(named)[0]) or "")
            return found != "/usr/bin/snap" and not any(part in found for part in _SANDBOXED)
    try:
        asked = subprocess.run(
            ["xdg-settings", "get", "default-web-browser"],  # noqa: S607 (as Python's webbrowser finds it)
            capture_output=True, text=True, timeout=5, check=False, env=child_environment(),
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return True
    name = Path(asked.stdout.strip()).name
    return not (name and any((Path(folder).expanduser() / name).exists() for folder in _APPLICATIONS))


def has_display() -> bool:
    """Return whether this machine can show a browser to the person at the terminal."""
    if sys.platform == "win32":
        return True
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(address: str) -> None:
    """Open an address in the default browser, in a process that does not know the token."""
    with suppress(OSError):
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _OPEN, address],
            env=child_environment(TERM=""),  # with one, a browser of the terminal may be chosen
            stdin=subprocess.DEVNULL,
        )
        # Some browsers run until they are closed.
        threading.Thread(target=process.wait, daemon=True).start()
