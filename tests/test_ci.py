"""``.ci/run`` with everything it calls replaced: each step runs once; one that fails fails the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ci_support import needs_bash, run_script

pytestmark = [needs_bash, pytest.mark.sampled]

README, LINT = "the README's first command, in a new environment", "lint, types, layers, docs"
LOCK = "a new environment for the tests, with the versions of the lock"
QUICK, EVERY = "the README's test command", "every test, with the lines they run"
WHEEL, RELOADED = "sdist and wheel, on every Python there is", "search on Whoosh-Reloaded"

STEPS = {
    "python3 -m venv run": README,
    "run/pip install -q .": README,
    "canvas-archive demo": README,
    "python3 -m venv test": LOCK,
    "test/pip install -q --require-hashes --no-deps -r .ci/constraints.txt": LOCK,
    "test/pip install -q --no-index --no-build-isolation -e .[test]": LOCK,
    "pytest .": QUICK,
    "pytest --all --cov": EVERY,
    "ruff check": LINT,
    "ruff format --check": LINT,
    "mypy": LINT,
    "lint-imports": LINT,
    "python -m cogapp --check": LINT,
    "smoke": WHEEL,
    "pip install -q --target reloaded": RELOADED,
    "python -c import whoosh": RELOADED,
    "pytest -q tests/test_search": RELOADED,
    "apt-get update": "system packages",
    "apt-get install": "system packages",
}
"""What each of the calls begins with, as the stand-in below writes it down with a full stop, and its step."""

STAND_IN = r"""#!/usr/bin/env bash
# Takes the place of every program: notes the call, fails when told to, makes an "environment" of its own.
call="$(basename "$0") $*."
case "$0 $*" in
  */run/bin/pip\ *) call="run/$call" ;;
  */test/bin/pip\ *\ -r\ * | */test/bin/pip\ *\ -e\ *) call="test/$call" ;;
esac
call="$(sed -E "s#/[^ ]*/(run|test|reloaded|demo)#\1#g" <<<"$call")"
printf '%s\n' "$call" >>"$CALLS"
[[ $BREAK && $call == "$BREAK"* ]] && { echo "broken on purpose" >&2; exit 9; }
[[ $call == "dpkg "* ]] && exit 1
if [[ $call == "python3 -m venv "* ]]; then
  mkdir -p "$3/bin"
  for name in pip python pytest ruff mypy lint-imports canvas-archive; do cp "$0" "$3/bin/$name"; done
fi
exit 0
"""


def ci(folder: Path, broken: str) -> tuple[int, str, list[str]]:
    """Run it with stand-ins; return its exit code, what it wrote and what it called."""
    programs = ("python3", "dpkg", "apt-get", ".ci/smoke")
    calls = folder / "calls"
    code, text = run_script(folder, "run", STAND_IN, programs, CALLS=str(calls), BREAK=broken)
    return code, text, calls.read_text().splitlines()


def test_everything_is_called_once_and_every_step_is_named(tmp_path: Path) -> None:
    code, text, calls = ci(tmp_path, "")
    assert code == 0, text
    for call, step in STEPS.items():
        assert len([one for one in calls if one.startswith(call)]) == 1, (call, calls)
        assert text.count(f"== {step} (") == 1, text
    assert "FAILED" not in text and text.rstrip().rpartition("\n")[2].startswith("== done (")


@pytest.mark.parametrize("call", STEPS)
def test_a_step_that_fails_fails_the_run_and_is_named(tmp_path: Path, call: str) -> None:
    code, text, _ = ci(tmp_path, call)
    assert code == 9, text
    assert "broken on purpose" in text
    assert text.rstrip().rpartition("\n")[2].startswith(f"== FAILED with 9: {STEPS[call]} ("), text
    assert "== done" not in text
