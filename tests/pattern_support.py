"""Every regular expression of the package, and the texts that make a bad one slow.

Run as a program it tries patterns in a process that ends itself: ``python -m tests.pattern_support`` reads
lines of JSON (``Found.line``) and prints the number of each one whose matching came to an end. A text
on which one needs more than ``MOST_SECONDS`` of processor time ends the process.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import random
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as op
    from re import _parser as parser
else:
    import sre_constants as op
    import sre_parse as parser

PACKAGE = Path(__file__).resolve().parent.parent / "canvas_archive"
METHODS = ("compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
ANCHORED = {"match", "fullmatch"}
LENGTH = 64 * 1024
DOUBLINGS = 48
MOST_SECONDS = 1.0
"""A pattern whose steps grow with the text needs a hundredth of it, one whose steps grow faster more."""

_SAMPLES = {
    op.CATEGORY_DIGIT: "1",
    op.CATEGORY_NOT_DIGIT: "a",
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_SPACE: "a",
    op.CATEGORY_WORD: "a",
    op.CATEGORY_NOT_WORD: "!",
}
_JS_PATTERN = re.compile(
    r"(?:\(|[=:,?]\s|\+ )/((?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/[gimuy]*(?=[.,)])"
)


@dataclass(frozen=True)
class Found:
    """A pattern, where it is, and the methods it is used with."""

    place: str
    pattern: str
    flags: int
    methods: frozenset[str]
    binary: bool = False

    def line(self) -> str:
        """Return what the process reads of it: the methods when it is tried at one place of a text alone."""
        methods = sorted(self.methods) if self.methods <= ANCHORED else []
        return json.dumps([self.pattern, self.flags, methods, self.binary]) + "\n"


def patterns() -> list[Found]:
    """Return every pattern of the package: all calls of ``re`` in Python, all literals in JavaScript."""
    trees = {
        path: ast.parse(path.read_text("utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
        if "sandbox" not in path.parts
    }
    used: dict[str, set[str]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                used.setdefault(name, set()).add(node.attr)
    found = [one for path, tree in trees.items() for one in _of_module(path, tree, used)]
    for path in sorted(PACKAGE.rglob("*.js")):
        for match in _JS_PATTERN.finditer(path.read_text("utf-8")):
            translated = (
                match[1]
                .replace(r"\p{L}\p{N}", r"\w")
                .replace(r"\p{Nd}", r"\d")
                .replace(r"\p{M}", r"[\u0300-\u036f]")
            )
            place = f"{path.relative_to(PACKAGE)}: {match[1]}"
            found.append(Found(place, translated, 0, frozenset({"search"})))
    return found


def _of_module(path: Path, tree: ast.Module, used: dict[str, set[str]]) -> Iterator[Found]:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    named = {
        id(node.value): target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re"):
            continue
        if node.func.attr not in METHODS or not node.args:
            continue
        scope = vars(importlib.import_module(name))
        pattern = _text(node.args[0], scope)
        compiled = node.func.attr == "compile"
        flags = _flags(node, scope) if compiled else 0
        methods = used.get(named.get(id(node), ""), {"search"}) if compiled else {node.func.attr}
        place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
        binary = isinstance(pattern, bytes)
        text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        yield Found(place, text, flags, frozenset(methods), binary)


def _text(node: ast.expr, scope: dict[str, Any]) -> str | bytes:
    """Return the pattern an expression is; what a function only knows when it runs counts as one letter."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(_text(part, scope)) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, scope)
    with contextlib.suppress(Exception):
        value = eval(compile(ast.Expression(node), "pattern", "eval"), dict(scope))
        return value if isinstance(value, (str, bytes)) else str(value)
    return "a"


def _flags(node: ast.Call, scope: dict[str, Any]) -> int:
    given = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "flags")]
    return int(eval(compile(ast.Expression(given[0]), "flags", "eval"), dict(scope))) if given else 0


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """End this process, by a signal, when what is inside takes so many seconds of processor time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)


# -- texts ------------------------------------------------------------------------------------------------


def attacks(pattern: str, flags: int = 0, length: int = LENGTH) -> Iterator[str]:
    """Yield texts, each once, on which a pattern has much to try and finds nothing.

    For every repetition in it: what may stand before, what repeats, and a character that fits nowhere. Long
    ones, for what tries every place again, and short ones with many ends, for what doubles at each step.
    Further runs of each of its characters, and of each two of them.
    """
    tree = list(parser.parse(pattern, flags))
    letters = sorted(set(_letters(tree)))[:16]
    pairs = map("".join, pairwise(letters))
    repeated = [(before, body) for before, body in _repetitions(tree, "") if body]
    made = [*repeated, *(("", body) for body in (*(body for _, body in repeated), *letters, *pairs))]
    for before, body in dict.fromkeys(made):
        yield before + body * (length // len(body)) + "\0"
    rng = random.Random(1)
    for before, body in dict.fromkeys(_repetitions(tree, "", rng, 12)):
        for end in (*letters, "\0", '"') if body else ():
            yield before + body * DOUBLINGS + end


def _repetitions(
    items: list[Any], before: str, rng: random.Random | None = None, times: int = 1
) -> Iterator[tuple[str, str]]:
    for at, (code, value) in enumerate(items):
        if _repeats(code):
            body = list(value[2])
            for _ in range(times):
                yield before, _sample(body, rng)
            # What follows, too: a repetition of nearly everything goes over it and comes back to each.
            following = next((n for n in range(at + 1, len(items)) if _repeats(items[n][0])), len(items))
            yield before, _sample(items[at + 1 : following], rng)
            yield from _repetitions(body, before, rng, times)
        for inner in _inside(code, value):
            yield from _repetitions(inner, before, rng, times)
        before += _sample([(code, value)])


def _repeats(code: Any) -> bool:
    return code in (op.MAX_REPEAT, op.MIN_REPEAT) or str(code) == "POSSESSIVE_REPEAT"


def _inside(code: Any, value: Any) -> list[list[Any]]:
    if code is op.SUBPATTERN:
        return [list(value[-1])]
    if code is op.BRANCH:
        return [list(one) for one in value[1]]
    if code in (op.ASSERT, op.ASSERT_NOT):
        return [list(value[1])]
    return []


def _sample(items: list[Any], rng: random.Random | None = None) -> str:
    """Return a text that the items match, as nearly as is easy: the fullest one, or any."""
    text = ""
    for code, value in items:
        if code is op.LITERAL:
            text += chr(value)
        elif code is op.NOT_LITERAL:
            text += "a" if value != ord("a") else "b"
        elif code is op.ANY:
            text += "a"
        elif code is op.IN:
            samples = _members(value)
            text += rng.choice(samples) if rng else samples[0]
        elif _repeats(code):
            least = min(value[0], 5)
            for _ in range(rng.choice((least, least + 1)) if rng else max(1, least)):
                text += _sample(list(value[2]), rng)
        elif code is op.SUBPATTERN:
            text += _sample(list(value[-1]), rng)
        elif code is op.BRANCH:
            text += _sample(list(rng.choice(value[1]) if rng else value[1][0]), rng)
    return text


def _members(members: list[Any]) -> list[str]:
    if members[0][0] is op.NEGATE:
        refused = re.compile("[" + "".join(map(_as_class, members[1:])) + "]")
        return [one for one in "a1 -.<\"'\n\u4e00" if not refused.match(one)] or ["\u4e00"]
    return list(_letters(members)) or ["a"]


def _as_class(member: Any) -> str:
    code, value = member
    if code is op.LITERAL:
        return re.escape(chr(value))
    if code is op.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return {
        op.CATEGORY_DIGIT: r"\d", op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_SPACE: r"\s",
        op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_WORD: r"\w", op.CATEGORY_NOT_WORD: r"\W",
    }[value]  # fmt: skip


def _letters(items: list[Any]) -> Iterator[str]:
    for code, value in items:
        if code in (op.LITERAL, op.NOT_LITERAL):
            yield chr(value)
        elif code is op.RANGE:
            yield chr(value[0])
            yield chr(value[1])
        elif code is op.CATEGORY:
            yield _SAMPLES[value]
        elif code is op.IN:
            yield from _letters(value)
        elif _repeats(code):
            yield from _letters(list(value[2]))
        else:
            for inner in _inside(code, value):
                yield from _letters(inner)


# -- the process ------------------------------------------------------------------------------------------


def main() -> None:
    """Try the patterns that standard input names."""
    for number, line in enumerate(sys.stdin):
        pattern, flags, methods, binary = json.loads(line)
        compiled = re.compile(pattern.encode("latin-1") if binary else pattern, flags)
        for text in attacks(pattern, flags):
            subject: Any = text.encode("latin-1", "replace") if binary else text
            with bounded(MOST_SECONDS):
                for method in methods:
                    getattr(compiled, method)(subject)
                if not methods:
                    for _ in compiled.finditer(subject):
                        pass
        print(number, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    main()
