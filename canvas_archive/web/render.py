"""How things look as text: names, initials, colours, sizes, links in bodies; and the templates.

The templates are rendered by an environment of their own: synchronous, so that a page is made in the
database's thread in one go. Datasette's asynchronous environment takes several times as long for a list.
"""

from __future__ import annotations

import functools
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
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


Shown: TypeAlias = Callable[[str], Markup]
"""Escapes a piece of people's text, and may mark words in it."""


def linkify(text: str, shown: Shown = escape) -> Markup:
    """Escape ``text`` and make http(s) and mail addresses in it clickable; nothing else ever is."""
    if "://" not in text and "@" not in text:
        return shown(text)
    out: list[str] = []
    position = 0
    for match in _LINK.finditer(text):
        if match["url"]:
            target = found = trimmed(match["url"])
            if found.endswith("//"):
                continue
            rel = ' rel="noopener noreferrer nofollow" target="_blank"'
        else:
            found, rel = match["mail"], ""
            target = f"mailto:{quote(found, safe='@+')}"
        out.append(str(shown(text[position : match.start()])))
        out.append(f'<a href="{escape(target)}"{rel}>{shown(found)}</a>')
        position = match.start() + len(found)
    out.append(str(shown(text[position:])))
    return Markup("".join(out))  # noqa: S704 (every piece above is escaped)


FENCE = re.compile(r" {0,3}(?P<marks>`{3,}|~{3,})(?P<rest>[^`]{0,80})")
INDENT = re.compile(r" {4}|\t")
CODE_SIGN = re.compile(r"[{}<>=;\[\]$#|]|\w\(|:$")


@dataclass(slots=True)
class Block:
    """Lines of one kind: ``text``, ``quote`` or ``code``."""

    kind: str
    lines: list[str]


def body(text: str, shown: Shown = escape) -> Markup:
    """Return a message's text as paragraphs, with quoted lines (``> …``) and code set apart."""
    out = []
    for block in _blocks(text):
        content = "\n".join(block.lines)
        if block.kind == "code":
            out.append(f'<pre class="code" tabindex="0" dir="ltr"><code>{shown(content)}</code></pre>')
            continue
        paragraph = f'<p dir="auto">{linkify(content, shown)}</p>'
        out.append(f"<blockquote>{paragraph}</blockquote>" if block.kind == "quote" else paragraph)
    return Markup("".join(out))  # noqa: S704 (linkify and ``shown`` escape)


def _blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a message. A fence without an end is text, so that no sign of it is lost."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    ends = _fence_ends(lines)
    block: Block | None = None
    at = 0
    while at < len(lines):
        line = lines[at]
        if at in ends:
            if block:
                yield block
            yield Block("code", lines[at + 1 : ends[at]])
            block, at = None, ends[at] + 1
            continue
        kind = "quote" if line.startswith(">") else "text"
        if not line.strip():
            if block:
                yield block
            block = None
        elif block is None and INDENT.match(line) and (end := _end_of_code(lines, at)) > at:
            yield Block("code", [INDENT.sub("", indented, count=1) for indented in lines[at:end]])
            at = end
            continue
        else:
            if block is not None and block.kind != kind:
                yield block
                block = None
            block = block or Block(kind, [])
            block.lines.append(line.lstrip("> ") if kind == "quote" else line.rstrip())
        at += 1
    if block:
        yield block


def _fence_ends(lines: list[str]) -> dict[int, int]:
    """Return the lines that begin fenced code, each with the line that ends it."""
    ends: dict[int, int] = {}
    begun, marks = -1, ""
    for at, line in enumerate(lines):
        match = FENCE.fullmatch(line.rstrip())
        if match is None:
            continue
        if begun < 0:
            begun, marks = at, match["marks"]
        elif match["marks"].startswith(marks) and not match["rest"].strip():
            ends[begun] = at
            begun = -1
    return ends


def _end_of_code(lines: list[str], at: int) -> int:
    """Return where indented code that begins here ends; ``at`` itself where it is an indented paragraph."""
    end = at
    while end < len(lines) and lines[end].strip() and INDENT.match(lines[end]):
        end += 1
    is_code = end - at > 1 and any(CODE_SIGN.search(line) for line in lines[at:end])
    return end if is_code else at


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
