"""``.ci/smoke`` with every Python replaced: all four are tried; one that fails fails the whole, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ci_support import needs_bash, run_script

pytestmark = [needs_bash, pytest.mark.sampled]

MINORS = (10, 11, 12, 13)
TRIED = (
    "-m venv",
    "pip install",
    "canvas-archive --version",
    "canvas-archive demo",
    "canvas-archive sql",
    "canvas-archive search",
    "canvas-archive list",
    "canvas-archive star",
    "canvas-archive push",
    "canvas-archive export",
    "canvas-archive verify",
    "canvas-archive backup",
    "canvas-archive restore",
    "python -m canvas_archive",
    "python -.",
)
"""What a Python, or what it has installed, is asked for; the last is a script on standard input."""

STAND_IN = r"""#!/usr/bin/env bash
# Stands for every Python from 3.10 on, for pip and for the program, told apart by where it lies.
call="$(basename "$0") $*"
[[ $BREAK && "$0 $*." == *$BREAK* && "$PWD $0 $*" == *3.12* ]] && { echo "broken on purpose" >&2; exit 9; }
case "$call" in
  *"-m venv "*)
    mkdir -p "$3/bin"
    for name in pip python canvas-archive; do cp "$0" "$3/bin/$name"; done ;;
  *" -m build "*) mkdir -p "$6" && touch "$6/canvas_archive-1.0-py3-none-any.whl" ;;
  *"import runpy"*) echo 1.0 ;;
  *" --version") echo "canvas-archive, version 1.0" ;;
  *" sql "*) printf 'n\n999\n' ;;
  *" search "*) echo '{"hits": []}' ;;
  *" list") echo "a conversation" ;;
  *" export "*) echo "From somebody" >"$2" ;;
  *" -V") echo "Python 3.0" ;;
esac
exit 0
"""


def smoke(folder: Path, broken: str = "") -> tuple[int, str]:
    """Run it with stand-ins; return its exit code and what it wrote."""
    programs = ("python3", *(f"python3.{minor}" for minor in MINORS))
    return run_script(folder, "smoke", STAND_IN, programs, HOME=str(folder), BREAK=broken)


def tried(text: str) -> list[int]:
    return [minor for minor in MINORS if f"Python 3.{minor}: 3.0, installed from the wheel and tried" in text]


def test_every_python_is_tried(tmp_path: Path) -> None:
    code, text = smoke(tmp_path)
    assert code == 0, text
    assert tried(text) == list(MINORS)
    assert "FAILED" not in text


@pytest.mark.parametrize("call", TRIED)
def test_one_that_fails_fails_the_whole_and_is_named(tmp_path: Path, call: str) -> None:
    code, text = smoke(tmp_path, call)
    assert code == 1, text
    assert tried(text) == [10, 11, 13]
    assert "broken on purpose" in text and "smoke: line " in text
    assert text.count("FAILED") == 1 and "Python 3.12: FAILED" in text
