"""How things look as text: names, initials, colours, sizes, links in bodies; and the templates.

The templates are rendered by an environment of their own: synchronous, so that a page is made in the
database's thread in one go. Datasette's asynchronous environment takes several times as long for a list.
"""

from __future__ import annotations

import functools
import hashlib
import re
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from canvas_archive.export.links import ADDRESS, trimmed
from canvas_archive.unicode import SHOWN_NAME, filtered
from canvas_archive.web.per_datasette import PerDatasette

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
MARKER = "mail/base.html"
HUES = 7
LONGEST_NAME = 400
"""Characters of a name that its initials are taken from. Canvas allows 255."""


_LINK = re.compile(
    rf"(?P<url>{ADDRESS})"
    r"|(?<![\w.+-])(?P<mail>[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})"
)
_TITLE = re.compile(r"^(?:dr|prof|mr|mrs|ms|mx)\.?\s+", re.IGNORECASE)


def linkify(text: str) -> Markup:
    """Escape ``text`` and make http(s) and mail addresses in it clickable; nothing else ever is."""
    if "://" not in text and "@" not in text:
        return escape(text)
    out: list[str] = []
    position = 0
    for match in _LINK.finditer(text):
        if match["url"]:
            target = shown = trimmed(match["url"])
            if shown.endswith("//"):
                continue
            rel = ' rel="noopener noreferrer nofollow" target="_blank"'
        else:
            shown, rel = match["mail"], ""
            target = f"mailto:{quote(shown, safe='@+')}"
        out.append(str(escape(text[position : match.start()])))
        out.append(f'<a href="{escape(target)}"{rel}>{escape(shown)}</a>')
        position = match.start() + len(shown)
    out.append(str(escape(text[position:])))
    return Markup("".join(out))  # noqa: S704 (every piece above is escaped)


def body(text: str) -> Markup:
    """Return a message's text as paragraphs, with quoted lines (``> …``) set apart."""
    blocks: list[tuple[bool, list[str]]] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        quoted = line.startswith(">")
        if not line.strip():
            if blocks and blocks[-1][1]:
                blocks.append((False, []))
            continue
        if not blocks or blocks[-1][0] != quoted or not blocks[-1][1]:
            blocks.append((quoted, []))
        blocks[-1][1].append(line.lstrip("> ") if quoted else line.rstrip())
    out = []
    for quoted, lines in blocks:
        if not lines:
            continue
        paragraph = f'<p dir="auto">{linkify(chr(10).join(lines))}</p>'
        out.append(f"<blockquote>{paragraph}</blockquote>" if quoted else paragraph)
    return Markup("".join(out))  # noqa: S704 (linkify escapes)


def initials(name: str | None) -> str:
    """Return one or two letters for an avatar: two where the script has capitals, else one."""
    return _initials((name or "").strip()[:LONGEST_NAME])


@functools.lru_cache(maxsize=4096)
def _initials(name: str) -> str:
    words = [word for word in re.split(r"\s+", _TITLE.sub("", name)) if word[:1].isalnum()]
    if not words:
        return "?"
    first = words[0][0]
    if len(words) == 1 or first.upper() == first.lower():
        return first.upper()[:1]
    return (first + words[-1][0]).upper()[:2]


def hue(key: object) -> int:
    """Return which of the seven dulled colours belongs to a person or course."""
    return zlib.crc32(str(key).encode()) % HUES


def filesize(size: int | None) -> str:
    """Return bytes as people read them: ``931 kB``, ``3.7 MB``; empty when unknown."""
    if size is None:
        return ""
    for unit, scale in (("B", 1), ("kB", 1_000)):
        if size < 999.5 * scale:
            return f"{size / scale:.0f} {unit}"
    unit, scale = ("MB", 1_000_000) if size < 999_500_000 else ("GB", 1_000_000_000)
    return f"{size / scale:.1f} {unit}"


def number(value: int) -> str:
    """Return a count with thousands separated."""
    return f"{value:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return ``1 message`` or ``2,000 messages``."""
    return f"{count:,} {one if count == 1 else (many or one + 's')}"


def file_name(name: str | None) -> str:
    """Return a file's name for showing: without the marks that turn ``exe.pdf`` around."""
    return filtered(name or "", SHOWN_NAME) or "unnamed file"


def extension(name: str | None) -> str:
    """Return the short label of a file's kind, from its name."""
    tail = file_name(name).rpartition(".")[2] if "." in (name or "") else ""
    return tail[:4].lower() if tail.isalnum() else "file"


def folder_of_templates() -> Path:
    """Return where the templates are: inside an installed package, beside it in a source tree."""
    for folder in (HERE / "templates", HERE.parent.parent / "templates"):
        if (folder / MARKER).is_file():
            return folder
    raise FileNotFoundError(f"{MARKER} is missing from this installation")


@functools.cache
def asset(name: str) -> str:
    """Return the address of a static file, with a hash so that it may be cached for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/mail/static/{name}?v={digest}"


@PerDatasette
def _environment(datasette: Any) -> Environment:
    folders = [datasette.template_dir] if datasette.template_dir else []
    environment = Environment(
        loader=FileSystemLoader([*folders, str(folder_of_templates())]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    path = datasette.urls.path
    environment.globals.update(
        path=path,
        asset=lambda name: path(asset(name)),
        plural=plural,
    )
    environment.filters.update(
        body=body,
        linkify=linkify,
        initials=initials,
        hue=hue,
        filesize=filesize,
        number=number,
        file_name=file_name,
        extension=extension,
    )
    return environment


def render(datasette: Any, template: str, **context: Any) -> str:
    """Render one of our templates; a template of the same name in ``--template-dir`` replaces it."""
    return _environment(datasette).get_template(template).render(**context)
