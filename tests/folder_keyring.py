"""A system keyring for tests: one file, named by the variable ``FOLDER_KEYRING``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend


class Keyring(KeyringBackend):
    """Keeps ``service username -> password`` in the file."""

    priority = 1  # type: ignore[assignment]

    def _read(self) -> dict[str, str]:
        place = Path(os.environ["FOLDER_KEYRING"])
        return json.loads(place.read_text()) if place.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._read().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        kept = {**self._read(), f"{service} {username}": password}
        Path(os.environ["FOLDER_KEYRING"]).write_text(json.dumps(kept))

    def delete_password(self, service: str, username: str) -> None:
        kept = self._read()
        del kept[f"{service} {username}"]
        Path(os.environ["FOLDER_KEYRING"]).write_text(json.dumps(kept))
