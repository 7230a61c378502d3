"""What the documentation is made from and tested with: the tables of a new archive, the examples of a page,
and an archive of the sample mailbox in which something has happened."""

from __future__ import annotations

import re
import shlex
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import yaml

from canvas_archive.cli import cli
from canvas_archive.cli.registry import COMMANDS
from canvas_archive.sandbox import Sandbox
from canvas_archive.search import update_index
from canvas_archive.store import Archive, edits
from canvas_archive.sync.service import SyncOptions, sync

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))

# -- the tables -------------------------------------------------------------------------------------------

_OWN_OF_SQLITE = ("sqlite_", "_sqlite_")
_CHOICE = re.compile(r"CHECK \((\w+) IN \(([^)]*)\)\)")


@dataclass(frozen=True)
class Column:
    """One column, as a new database has it."""

    name: str
    type: str
    nullable: bool
    key: bool
    references: str | None
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One table or view."""

    name: str
    kind: str
    columns: tuple[Column, ...]


@lru_cache(maxsize=1)
def tables() -> dict[str, Table]:
    """Return the tables and views of an archive that was just made, by name."""
    with tempfile.TemporaryDirectory() as folder:
        Archive.create(
            Path(folder) / "archive", base_url="https://canvas.example.edu", user_id=1, name="Owner"
        ).close()
        with Archive.open(Path(folder) / "archive", write=True) as archive:
            update_index(archive.db, archive.search_dir)
            rows = archive.db.execute(
                "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view')"
            ).fetchall()
            return {
                name: Table(name, kind, tuple(_columns(archive.db, name, kind, sql)))
                for name, kind, sql in map(tuple, rows)
                if not name.startswith(_OWN_OF_SQLITE)
            }


def _columns(db: sqlite3.Connection, table: str, kind: str, sql: str) -> Iterator[Column]:
    parents = {
        row["from"]: f"{row['table']}.{row['to']}" for row in db.execute(f"PRAGMA foreign_key_list({table})")
    }
    choices = {
        name: tuple(value.strip().strip("'") for value in values.split(","))
        for name, values in _CHOICE.findall(sql)
    }
    for row in db.execute(f"PRAGMA table_xinfo({table})"):
        name = row["name"]
        yield Column(
            name,
            row["type"] or "",
            kind == "table" and not row["notnull"] and not row["pk"],
            bool(row["pk"]),
            parents.get(name),
            choices.get(name, ()),
        )


def described() -> dict[str, Any]:
    """Return what metadata.yml says of the tables."""
    document = yaml.safe_load((REPOSITORY / "metadata.yml").read_text(encoding="utf-8"))
    told: dict[str, Any] = document["databases"]["archive"]["tables"]
    return told


def schema_markdown(*, technical: bool) -> str:
    """Return the tables as Markdown: those for everybody, or the ``technical`` ones."""
    known, told = tables(), described()
    parts = []
    for name, words in told.items():
        if name in known and bool(words.get("hidden")) is technical:
            parts.append(_table_markdown(known[name], words))
    return "\n".join(parts)


def schema_picture() -> str:
    """Return the tables and their foreign keys as a Mermaid diagram, which GitHub and others draw."""
    known, told = tables(), described()
    shown = [known[name] for name, words in told.items() if name in known and not words.get("hidden")]
    lines = ["```mermaid", "erDiagram"]
    for table in (table for table in shown if table.kind == "table"):
        lines.append(f"  {table.name} {{")
        for column in table.columns:
            marks = ", ".join(["PK"] * column.key + ["FK"] * (column.references is not None))
            lines.append(f"    {column.type} {column.name} {marks}".rstrip())
        lines.append("  }")
    for table in shown:
        for column in table.columns:
            if column.references:
                parent = column.references.partition(".")[0]
                lines.append(f"  {parent} ||--o{{ {table.name} : {column.name}")
    return "\n".join([*lines, "```"])


def _table_markdown(table: Table, words: dict[str, Any]) -> str:
    kind = " (view)" if table.kind == "view" else ""
    lines = [f"### `{table.name}`{kind}", "", " ".join(words["description"].split()), ""]
    lines += ["| column | type | meaning |", "|---|---|---|"]
    for column in table.columns:
        meaning = " ".join(str(words["columns"][column.name]).split())
        lines.append(f"| `{column.name}` | {_type(column)} | {meaning}{_notes(column, meaning)} |")
    return "\n".join([*lines, ""])


def _type(column: Column) -> str:
    words = ["0 or 1" if set(column.choices) == {"0", "1"} else column.type]
    words += ["key"] * column.key + ["may be NULL"] * column.nullable
    words += [f"`{column.references}`"] if column.references else []
    return ", ".join(word for word in words if word)


def _notes(column: Column, meaning: str) -> str:
    if set(column.choices) == {"0", "1"} or all(value in meaning for value in column.choices):
        return ""
    return f": {', '.join(f'`{value}`' for value in column.choices)}"


# -- the examples -----------------------------------------------------------------------------------------

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S)
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.M)
_COG = re.compile(r"<!-- \[\[\[cog.*?\]\]\] -->", re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block, with the heading it stands under and the paragraph before it."""

    page: str
    title: str
    language: str
    text: str
    before: str

    @property
    def may_be_empty(self) -> bool:
        """Return whether the page says that there may be no rows."""
        return "may be empty" in self.before.lower()


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        headings = _HEADING.findall(_FENCE.sub("", text[: match.start()]))
        above = text[: match.start()].rstrip().rpartition("\n\n")[2]
        lines = [line.removeprefix(match["indent"]) for line in match["text"].splitlines()]
        found.append(
            Block(page.name, headings[-1] if headings else "", match["language"], "\n".join(lines), above)
        )
    return found


def command_lines(text: str) -> list[list[str]]:
    """Return the arguments of every ``canvas-archive`` call in shell text, without comments and pipes."""
    calls = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        words = _words(line)
        while "canvas-archive" in words:
            words = words[words.index("canvas-archive") + 1 :]
            call = []
            for word in words:
                if word in (";", "|", "||", "&", "&&", ">", ">>", "<"):
                    break
                call.append(word)
            calls.append(call)
    return calls


def _words(line: str) -> list[str]:
    reader = shlex.shlex(line, posix=True, punctuation_chars=";|&<>")
    reader.whitespace_split = True
    reader.commenters = "#"
    return list(reader)


def parse_call(arguments: list[str]) -> click.Context:
    """Parse a call as the program would, without running it; raises click's errors."""
    name = "canvas-archive"
    context = cli.make_context(name, list(arguments))
    command: click.Command = cli
    rest = [*context._protected_args, *context.args]
    while isinstance(command, click.Group) and rest:
        found_name, found, rest = command.resolve_command(context, rest)
        if found is None:
            raise click.UsageError(f"no command {found_name}")
        command = found
        context = command.make_context(found_name, rest, parent=context)
        rest = [*context._protected_args, *context.args] if isinstance(command, click.Group) else []
    return context


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield every command by its whole name, the subcommands of groups as well."""
    root = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(root, name)
        if command is None:
            raise LookupError(name)
        yield name, command
        if isinstance(command, click.Group):
            # Asked as the program asks: a group may load what it has when it is named.
            inside = click.Context(command, parent=root)
            for inner in command.list_commands(inside):
                subcommand = command.get_command(inside, inner)
                if subcommand is None:
                    raise LookupError(f"{name} {inner}")
                yield f"{name} {inner}", subcommand


# -- an archive with a history ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """An archive of the sample mailbox, and the Canvas it came from."""

    folder: Path
    sandbox: Sandbox

    def update(self, statement: str) -> int:
        """Run a statement as any SQLite client would; return the number of rows it changed."""
        with closing(sqlite3.connect(self.folder / "archive.db")) as db, db:
            return db.execute(statement).rowcount


def live_through(sandbox: Sandbox, folder: Path) -> Sample:
    """Archive the sandbox's mailbox, let things happen on Canvas and here, and sync again.

    The token is taken from the environment, as by any sync.
    """
    Archive.create(folder, base_url=sandbox.url, user_id=sandbox.user_id, name="Jules Marchetti").close()
    _sync(folder)
    school = sandbox.school
    with closing(sqlite3.connect(folder / "archive.db")) as db:
        long = [
            row[0]
            for row in db.execute(
                "SELECT conversation_id FROM messages WHERE conversation_id IS NOT NULL AND generated = 0"
                " GROUP BY 1 HAVING count(*) BETWEEN 3 AND 12 ORDER BY 1"
            )
        ]
        astrid = db.execute("SELECT id FROM users WHERE name = 'Astrid Chen'").fetchone()[0]
        removed = db.execute(
            "SELECT id FROM messages WHERE conversation_id = ? ORDER BY created_at, id", (long[0],)
        ).fetchone()[0]
    school.owner_remove_messages(long[0], [removed])
    school.owner_delete(long[1])
    school.owner_set(long[2], starred=True)
    school.rename(astrid, "Astrid Chen-Weber")
    lost = school.add_file(astrid, "withdrawn.pdf", b"%PDF-1.4 withdrawn")
    school.start_conversation(
        astrid, [sandbox.user_id], "Reading list", "It is attached.", attachments=[lost]
    )
    school.delete_file(lost)
    school.owner_set(school.ids("unread")[-1], workflow_state="read")
    _sync(folder)
    with Archive.open(folder, write=True) as archive:
        edits.record_edit(archive.db, long[3], "starred", True, "cli")
        edits.record_edit(archive.db, long[4], "workflow_state", "archived", "web")
        update_index(archive.db, archive.search_dir)
    return Sample(folder, sandbox)


def _sync(folder: Path) -> None:
    result = sync(folder, SyncOptions(mode="full"))
    if result.error is not None:
        raise result.error
