"""docs/architecture.md draws the layers as import-linter keeps them, and names every package."""

from __future__ import annotations

import re
import sys
from itertools import combinations

from tests.docs_support import REPOSITORY, blocks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PATH = REPOSITORY / "docs" / "architecture.md"
PAGE = PATH.read_text(encoding="utf-8")
PACKAGE = REPOSITORY / "canvas_archive"


def _layers() -> list[list[str]]:
    """Return the modules of each layer, the highest first, without the entry point."""
    document = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = document["tool"]["importlinter"]["contracts"]
    lines = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    layers = [re.findall(r"canvas_archive\.(\w+)", line) for line in lines]
    return [layer for layer in layers if layer != ["__main__"]]


def _places() -> dict[str, int]:
    """Return the line of the picture on which each module is drawn."""
    picture = blocks(PATH)[0].text
    drawn: dict[str, int] = {}
    for number, line in enumerate(picture.splitlines()):
        for name in re.findall(r"[a-z_]+", re.split(r" {5,}(?=\S+ \S)", line.strip(" │"))[0]):
            drawn.setdefault(name, number)
    return drawn


def test_the_picture_has_the_layers_that_are_enforced() -> None:
    places = _places()
    layers = _layers()
    assert {name for layer in layers for name in layer} <= set(places)
    for upper, lower in combinations(layers, 2):
        for above in upper:
            for below in lower:
                assert places[above] <= places[below], f"{above} is drawn below {below}"


def test_every_package_has_a_layer_and_a_line() -> None:
    present = {
        path.stem if path.is_file() else path.name
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and not path.name.startswith("__")
    }
    assert {name for layer in _layers() for name in layer} == present
    table = PAGE.partition("| package | its one job |")[2].partition("\n\n")[0]
    told = {
        name for row in re.findall(r"^\| ([^|]+) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)
    }
    assert told == present


def test_every_promise_names_the_test_that_holds_it() -> None:
    section = PAGE.partition("## What always holds")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| |")]
    assert len(rows) >= 10
    for row in rows:
        assert re.search(r"`tests/test_\w+\.py(::test_\w+)?` \|$", row), row


def test_the_pure_modules_have_no_effects() -> None:
    for name in re.findall(r"`([\w/]+\.py)`", PAGE.partition("Decisions are pure")[2].partition(";")[0]):
        text = (PACKAGE / name).read_text(encoding="utf-8")
        assert not re.search(
            r"^(?:from|import) (?:httpx|sqlite3|os|pathlib|subprocess|threading)\b", text, re.M
        ), name
