"""The cells of Datasette's tables: names and subjects are links to the mail pages; everything is escaped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from canvas_archive.store.rows import context_parts
from canvas_archive.web.gate import is_archive, mail_path
from canvas_archive.web.hooks import hook
from canvas_archive.web.render import body, filesize

LONGEST_BODY = 300


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a table or view, or of a query (then ``table`` is ``None``)."""

    row: Any
    value: Any
    column: str
    table: str | None
    database: str
    datasette: Any

    def get(self, column: str) -> Any:
        """Return the value of another column of the row; ``None`` when there is no such column."""
        try:
            return self.row[column]
        except (KeyError, IndexError):
            return None

    def link(self, tail: str, label: object) -> Markup:
        """Return a link to a mail page."""
        address = mail_path(self.datasette, self.database, f"/mail/{tail}")
        return Markup('<a href="{}">{}</a>').format(address, label)


Renderer = Callable[[Cell], "Markup | None"]


def _subject(cell: Cell) -> Markup | None:
    ident = cell.get("conversation_id") or cell.get("id")
    if not isinstance(ident, int) or cell.table == "messages":
        return None
    return cell.link(f"c/{ident}", cell.value or "(no subject)")


def _conversation(cell: Cell) -> Markup | None:
    # Elsewhere Datasette shows the label of the foreign key.
    here = isinstance(cell.value, int) and cell.table in (None, "pending_edits")
    return cell.link(f"c/{cell.value}", cell.value) if here else None


def _message(cell: Cell) -> Markup | None:
    conversation, message = cell.get("conversation_id"), cell.value
    if cell.table is not None or not conversation or not isinstance(message, int):
        return None
    return cell.link(f"c/{conversation}?m={message}#m{message}", message)


def _person(cell: Cell) -> Markup | None:
    ident = cell.get(f"{cell.column}_id")
    here = cell.table is None and isinstance(ident, int)
    return cell.link(f"people/{ident}", cell.value) if here else None


def _body(cell: Cell) -> Markup | None:
    text = cell.value
    if not isinstance(text, str):
        return None
    return body(text if len(text) <= LONGEST_BODY else text[: LONGEST_BODY - 1] + "…")


def _bytes(cell: Cell) -> Markup | None:
    if not isinstance(cell.value, int):
        return None
    return _titled(f"{cell.value:,} bytes", filesize(cell.value))


def _star(cell: Cell) -> Markup | None:
    if cell.value not in (0, 1):
        return None
    return _titled("starred", "★") if cell.value else _titled("not starred", "☆")


def _titled(title: str, text: str) -> Markup:
    return Markup('<span title="{}">{}</span>').format(title, text)


def _name(cell: Cell) -> Markup | None:
    if cell.table == "users" and isinstance(cell.get("id"), int):
        return cell.link(f"people/{cell.get('id')}", cell.value or "")
    if cell.table == "contexts":
        code = cell.get("code")
        return cell.link(f"courses/{code}", cell.value or code)
    return None


def _course(cell: Cell) -> Markup | None:
    # A query may call a column so that holds a name.
    is_code = isinstance(cell.value, str) and context_parts(cell.value)[1] is not None
    return cell.link(f"courses/{cell.value}", cell.value) if is_code else None


def _file(cell: Cell) -> Markup | None:
    stored = cell.table == "attachments" and cell.get("state") == "stored"
    return cell.link(f"files/{cell.get('id')}", cell.value or "file") if stored else None


RENDERERS: dict[str, Renderer] = {
    "subject": _subject,
    "conversation_id": _conversation,
    "message_id": _message,
    "person": _person,
    "author": _person,
    "body": _body,
    "size": _bytes,
    "stored_size": _bytes,
    "bytes": _bytes,
    "starred": _star,
    "name": _name,
    "context_code": _course,
    "course": _course,
    "display_name": _file,
}
"""By column: what renders it. ``None`` from a renderer leaves the cell to Datasette."""


@hook
def render_cell(
    row: Any, value: Any, column: str, table: str | None, database: str | None, datasette: Any
) -> Markup | None:
    """Return what a cell shows; ``None`` leaves it to Datasette."""
    renderer = RENDERERS.get(column)
    if renderer is None or database is None or isinstance(value, (bytes, dict)):
        return None
    if not is_archive(datasette, database):
        return None
    return renderer(Cell(row, value, column, table, database, datasette))
