"""What pip reads: one version, the dependencies as decided, a lock that fits them, what the package ships."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import metadata, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import canvas_archive

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    document = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    found: dict[str, Any] = document["project"]
    return found


def requirements(project: dict[str, Any]) -> list[Requirement]:
    # Those of "bench" are for measuring alone; the tests do without.
    of = project["optional-dependencies"]
    extras = [text for name, texts in of.items() if name != "bench" for text in texts]
    return [Requirement(text) for text in (*project["dependencies"], *extras)]


def test_one_version() -> None:
    assert version("canvas-archive") == canvas_archive.__version__
    told = subprocess.run(
        [sys.executable, "-m", "canvas_archive", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout.split()[-1] == canvas_archive.__version__


def test_the_changelog_knows_the_version_or_what_comes(repository: Path) -> None:
    titles = re.findall(r"^## \[?([^\]\s]+)", (repository / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert titles[0] == "Unreleased" or titles[0] == canvas_archive.__version__


def test_what_an_index_of_packages_shows() -> None:
    told = metadata("canvas-archive")
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == ">=3.10"
    assert {line.partition(",")[0] for line in told.get_all("Project-URL", [])} >= {"Source", "Changelog"}
    assert told["Summary"]


def test_the_package_ships_its_types_and_assets() -> None:
    package = files("canvas_archive")
    for name in ("py.typed", "export/assets/site.css", "export/assets/site.js", "web/static/mail.css"):
        assert package.joinpath(name).is_file(), name


def test_the_search_library_is_pinned_exactly(project: dict[str, Any]) -> None:
    (pin,) = [one for one in project["dependencies"] if one.startswith("whoosh3")]
    assert pin == "whoosh3==3.54.0"


def test_the_lock_holds_a_fitting_version_of_every_dependency(
    repository: Path, project: dict[str, Any]
) -> None:
    text = (repository / ".ci" / "constraints.txt").read_text("utf-8")
    entries = re.findall(r"^(\S+)==(\S+)((?: \\\n +--hash=sha256:[0-9a-f]{64})+)$", text, re.M)
    assert len(entries) == len(re.findall("^[a-zA-Z]", text, re.M)), "every entry has its hashes"
    versions = {canonicalize_name(name): Version(number) for name, number, _ in entries}
    assert versions.keys() >= {"hatchling", "editables"}, "CI builds the project without fetching anything"
    here = {"python_version": "3.11", "extra": ""}
    wanted = [
        one
        for one in requirements(project)
        if one.name != "canvas-archive" and (one.marker is None or one.marker.evaluate(here))
    ]
    assert len(wanted) > 25
    unfit = [str(one) for one in wanted if versions.get(canonicalize_name(one.name)) not in one.specifier]
    assert not unfit


@pytest.mark.parametrize("module", ["canvas_archive", "canvas_archive.web", "canvas_archive.cli"])
def test_modules_that_others_import_say_what_they_are(module: str) -> None:
    assert (__import__(module, fromlist=["__doc__"]).__doc__ or "").strip()
