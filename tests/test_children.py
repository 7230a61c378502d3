"""No program that this one starts is given the token."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive import children
from canvas_archive.children import SECRET_VARIABLES, child_environment, secrets_hidden

PACKAGE = Path(children.__file__).parent
CLEAN = {"child_environment", "reader_environment"}
# Starts a program, and takes an environment.
WITH_ENVIRONMENT = {
    "subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call",
    "subprocess.check_output",
    "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "os.posix_spawn", "os.posix_spawnp",
    "os.execve", "os.execvpe", "os.spawnve",
}  # fmt: skip
# Starts a program with the environment of this one.
WITHOUT = {
    "webbrowser.open", "webbrowser.open_new", "webbrowser.open_new_tab", "webbrowser.get", "click.edit",
    "click.launch", "click.echo_via_pager", "os.system", "os.popen", "os.startfile", "os.execv", "os.execl",
    "os.execvp", "os.spawnv", "os.spawnl", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn",
    "multiprocessing.Process", "multiprocessing.Pool", "concurrent.futures.ProcessPoolExecutor",
}  # fmt: skip
MODULES = {name.rpartition(".")[0] for name in WITH_ENVIRONMENT | WITHOUT}


def starts(tree: ast.AST) -> Iterator[tuple[ast.expr, str, ast.AST]]:
    """Yield where a program is started, or what could start one is passed on: by which name, within what."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.asname or one.name: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    within = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            first, _, rest = ast.unparse(node).partition(".")
            name = f"{names.get(first, first)}.{rest}".rstrip(".")
            if name in WITH_ENVIRONMENT | WITHOUT and not annotates(node, within):
                yield node, name, within[node]


def annotates(node: ast.AST, within: dict[ast.AST, ast.AST]) -> bool:
    """Return whether a name only says of what type something is."""
    while node in within:
        parent = within[node]
        if isinstance(parent, (ast.arg, ast.AnnAssign)) and parent.annotation is node:
            return True
        if isinstance(parent, ast.FunctionDef) and parent.returns is node:
            return True
        if not isinstance(parent, (ast.Subscript, ast.BinOp)):
            return False
        node = parent
    return False


def is_hidden(node: ast.AST, tree: ast.AST) -> bool:
    """Return whether a node stands in a block of ``with secrets_hidden()``."""
    return any(
        isinstance(block, ast.With)
        and any(ast.unparse(item.context_expr) == "secrets_hidden()" for item in block.items)
        and any(node is inner for statement in block.body for inner in ast.walk(statement))
        for block in ast.walk(tree)
    )


def unclean(source: str) -> list[str]:
    """Return where a program is started with the secrets of this one."""
    tree = ast.parse(source)
    found = []
    for node, name, parent in starts(tree):
        given = {
            keyword.arg: keyword.value
            for keyword in (parent.keywords if isinstance(parent, ast.Call) and parent.func is node else ())
        }
        environment = given.get("env")
        clean = isinstance(environment, ast.Call) and ast.unparse(environment.func).split(".")[-1] in CLEAN
        if not (clean if name in WITH_ENVIRONMENT else is_hidden(node, tree)):
            found.append(f"{node.lineno}: {name}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run(['x'])",
        "import subprocess as s\ns.Popen(['x'], env=None)",
        "from subprocess import run\nrun(['x'], env=dict(os.environ))",
        "import webbrowser\nwebbrowser.open(url)",
        "import webbrowser\nloop.run_in_executor(None, webbrowser.open, url)",
        "import click\nclick.edit('')",
        "import os\nos.execvp('x', [])",
    ],
)
def test_the_walk_sees_what_is_unclean(source: str) -> None:
    assert len(unclean(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run(['x'], env=child_environment())",
        "import subprocess\nprocess: subprocess.Popen[bytes] | None = None",
        "import click\nwith secrets_hidden():\n    click.edit('')",
    ],
)
def test_the_walk_sees_what_is_clean(source: str) -> None:
    assert unclean(source) == []


@pytest.mark.thorough
def test_no_program_starts_with_a_secret() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text("utf-8")
        if path.name == "__main__.py":
            continue  # begins again as this very program, which needs its token
        if any(module in text for module in MODULES) and (places := unclean(text)):
            found[path.relative_to(PACKAGE).as_posix()] = places
    assert found == {}


def test_secrets_are_hidden_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRET_VARIABLES:
        monkeypatch.setenv(name, "secret")
    assert not SECRET_VARIABLES & set(child_environment())
    assert child_environment()["PATH"] == os.environ["PATH"]
    with pytest.raises(KeyError), secrets_hidden():
        assert not SECRET_VARIABLES & set(os.environ)
        raise KeyError
    assert all(os.environ[name] == "secret" for name in SECRET_VARIABLES)


def test_an_editor_starts_without_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one that ``reply`` starts."""
    from canvas_archive.cli import compose

    spy = tmp_path / "editor"
    spy.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        "path = sys.argv[1]\n"
        "open(path, 'w').write(os.environ.get('CANVAS_API_TOKEN', 'no token'))\n"
        "os.utime(path, (time.time() + 60,) * 2)\n"
    )
    spy.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(spy))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("CANVAS_API_TOKEN", "secret")
    monkeypatch.setattr(compose, "can_ask", lambda: True)
    assert compose.body_of(None, None) == "no token"
    assert os.environ["CANVAS_API_TOKEN"] == "secret"


def test_the_second_process_of_an_index_starts_without_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from canvas_archive.search.index import shard

    monkeypatch.setenv("CANVAS_API_TOKEN", "secret")
    code = (
        "import os, json; print(json.dumps({'segments': [], 'skipped': ['CANVAS_API_TOKEN' in os.environ]}))"
    )
    monkeypatch.setattr(shard, "_CHILD", code)
    second = shard.SecondProcess(tmp_path / "archive.db", tmp_path, [], 1.0)
    assert second.result() == ([], [0])  # 0: it is not there
    second.close()
