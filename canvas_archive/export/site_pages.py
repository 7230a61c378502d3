"""The markup of the static site's pages. Whatever comes from a message passes ``text`` or ``attribute``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from canvas_archive.clock import parse_iso
from canvas_archive.export.context import GENERATOR, ExportContext
from canvas_archive.export.links import web_addresses
from canvas_archive.export.names import content_type
from canvas_archive.export.records import MessageRecord, StoredFile, ThreadRecord
from canvas_archive.store.cells import visible

# Scripts and styles of the site itself alone. A page opened from a disk has no origin in every browser,
# hence ``file:``, which means nothing on a web server.
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:; "
    "base-uri 'none'; form-action 'self' file:"
)
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_LARGEST_IMAGE = 20 << 20
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A conversation in a list."""

    thread_id: int
    latest: str
    subject: str
    people: str
    preview: str
    unread: bool

    @property
    def path(self) -> str:
        """Return where its page is, from the site's root."""
        return thread_path(self.thread_id)


def thread_path(number: int) -> str:
    """Return the path of a conversation's page from the site's root."""
    return f"threads/{number % 256:02x}/{number}.html"


def person_path(number: int, page: int = 1) -> str:
    """Return the path of a person's page from the site's root."""
    return f"people/{number % 256:02x}/{number}{'' if page == 1 else f'-{page}'}.html"


def text(value: str | None) -> str:
    """Return text as HTML."""
    return escape(visible(value or ""), quote=False)


def attribute(value: str) -> str:
    """Return text as the inside of a quoted attribute."""
    return escape(visible(value), quote=True)


def day(moment: str) -> str:
    """Return a date for people: ``9 Mar 2026``; what is no date stays as it is."""
    try:
        date = parse_iso(moment)
    except ValueError:
        return moment
    return f"{date.day} {_MONTHS[date.month - 1]} {date.year}"


def minute(moment: str) -> str:
    """Return a time for people: ``9 Mar 2026, 14:05 UTC``."""
    try:
        date = parse_iso(moment)
    except ValueError:
        return moment
    return f"{day(moment)}, {date.hour:02}:{date.minute:02} UTC"


def month(moment: str) -> str:
    """Return the month of a moment as a heading: ``Mar 2026``."""
    try:
        date = parse_iso(moment)
    except ValueError:
        return "Undated"
    return f"{_MONTHS[date.month - 1]} {date.year}"


class SiteFrame:
    """What surrounds every page of one export."""

    def __init__(self, context: ExportContext) -> None:
        self._context = context
        custodian = context.custodian
        self._title = f"Canvas inbox of {custodian.name}"
        scope = context.scope
        self.state = f'<p class="note">{text(context.collection.sentence)}</p>\n'
        """How complete the collection is, as a line of the front page."""
        self._footer = (
            f"{scope.messages:,} messages in {scope.conversations:,} conversations · "
            f"{text(custodian.host)} · collected {minute(custodian.collected_at)} · {text(GENERATOR)}"
        )

    def page(self, title: str, root: str, main: str, current: str = "", *, script: bool = False) -> bytes:
        """Return a whole page; ``root`` leads to the site's root (``../`` for each folder)."""
        places = (("index.html", "Conversations"), ("people.html", "People"), ("search.html", "Search"))
        links = "".join(
            f'<a href="{root}{path}"{" aria-current=page" if name == current else ""}>{name}</a>'
            for path, name in places
        )
        loaded = f'<script src="{root}assets/site.js" defer></script>\n' if script else ""
        return (
            "<!doctype html>\n"
            '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
            '<meta name="referrer" content="no-referrer">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{text(title)} · {text(self._title)}</title>\n"
            f'<link rel="stylesheet" href="{root}assets/site.css">\n{loaded}</head>\n<body>\n'
            '<a class="skip" href="#main">Skip to content</a>\n'
            f'<header class="top"><div><strong>{text(self._title)}</strong><nav>{links}</nav>'
            f'<form action="{root}search.html" role="search"><input type="search" name="q" '
            'aria-label="Search conversations" placeholder="Search conversations">'
            f'<button>Search</button></form></div></header>\n<main id="main">\n{main}\n</main>\n'
            f"<footer>{self._footer}</footer>\n</body>\n</html>\n"
        ).encode("utf-8", "replace")

    def thread(self, thread: ThreadRecord) -> bytes:
        """Return the page of one conversation."""
        root = "../../"
        people = ", ".join(
            f'<a href="{root}{person_path(person.id)}"><bdi>{text(person.full_name)}</bdi></a>'
            for person in thread.participants
        )
        facts = [text(thread.context_name)] if thread.context_name else []
        count = len(thread.messages)
        facts += ["1 message" if count == 1 else f"{count:,} messages", text(", ".join(thread.folders))]
        left_out = len(thread.message_ids) - len(thread.messages)
        notes = []
        if thread.removed_at:
            notes.append(f"Gone from Canvas since {day(thread.removed_at)}; kept here.")
        if left_out:
            notes.append(f"{left_out:,} more messages of this conversation are not part of this export.")
        main = (
            f'<h1 dir="auto">{text(thread.subject) or "(no subject)"}</h1>\n'
            f'<p class="meta">{" · ".join(filter(None, facts))}</p>\n<p class="meta">{people}</p>\n'
            + "".join(f'<p class="note">{note}</p>\n' for note in notes)
            + "\n".join(self._message(message) for message in thread.messages)
        )
        return self.page(thread.subject or "(no subject)", root, main)

    def _message(self, message: MessageRecord) -> str:
        removed = (
            f'<p class="note">Removed on Canvas; kept here since {day(message.removed_at)}.</p>'
            if message.removed_at
            else ""
        )
        generated = " class=generated" if message.generated else ""
        return (
            f'<article id="m{message.id}" data-message="{message.id}"{generated}>{self._head(message)}'
            f"{removed}{self._body(message)}</article>"
        )

    def _head(self, message: MessageRecord) -> str:
        return (
            f'<header><span class="from"><bdi>{text(message.author.full_name)}</bdi></span><time '
            f'datetime="{attribute(message.created_at)}">{text(minute(message.created_at))}</time></header>'
        )

    def _body(self, message: MessageRecord) -> str:
        files = "".join(f"<li>{self._file(file)}</li>" for file in message.files)
        listed = f'<ul class="files">{files}</ul>' if files else ""
        forwarded = "".join(
            f'<blockquote data-forwarded="{inner.id}">{self._head(inner)}{self._body(inner)}</blockquote>'
            for inner in message.forwarded
        )
        return f'<div class="body" dir="auto">{linked(message.body)}</div>{listed}{forwarded}'

    def _file(self, file: StoredFile) -> str:
        name = f"<bdi>{text(file.name)}</bdi>"
        path = self._context.copy_path(file)
        if path is None:
            return f'<span class="missing">{name} ({text(file.absence)})</span>'
        where = attribute(quote(f"../../../{path}", safe="/."))
        size = f" <small>{_size(file.stored_size or 0)}</small>"
        image = content_type(file.content_type) in _IMAGES and (file.stored_size or 0) <= _LARGEST_IMAGE
        shown = f'<img src="{where}" alt="" loading="lazy">' if image else ""
        return f'<a href="{where}">{name}{shown}</a>{size}'


def rows(listed: Iterable[SiteRow], root: str) -> str:
    """Return a list of conversations with the months as headings."""
    parts: list[str] = []
    heading = ""
    for row in listed:
        if (latest := month(row.latest)) != heading:
            parts.append(f'{"</ul>" if parts else ""}<h2>{latest}</h2><ul class="rows">')
            heading = latest
        unread = " unread" if row.unread else ""
        parts.append(
            f'<li><div class="who{unread}"><a href="{root}{row.path}" dir="auto">'
            f'{text(row.subject) or "(no subject)"}</a></div><div class="what" dir="auto">'
            f"<bdi>{text(row.people)}</bdi>{' — ' if row.preview else ''}"
            f"<bdi>{text(row.preview)}</bdi></div>"
            f'<time datetime="{attribute(row.latest)}">{text(day(row.latest))}</time></li>'
        )
    return "".join(parts) + ("</ul>" if parts else "<p>Nothing here.</p>")


def pager(page: int, last: int, path: str, first: str) -> str:
    """Return links to the page before and after; ``path`` has ``{}`` for the number of a later page."""
    if last <= 1:
        return ""
    links = []
    if page > 1:
        links.append(f'<a rel="prev" href="{first if page == 2 else path.format(page - 1)}">Newer</a>')
    links.append(f"<span>Page {page:,} of {last:,}</span>")
    if page < last:
        links.append(f'<a rel="next" href="{path.format(page + 1)}">Older</a>')
    return f'<div class="pages">{"".join(links)}</div>'


def linked(body: str) -> str:
    """Return a message's text as HTML with web addresses as links (which are followed only by a click)."""
    parts = []
    done = 0
    for start, address in web_addresses(body):
        parts.append(text(body[done:start]))
        parts.append(f'<a href="{attribute(address)}" rel="noreferrer noopener">{text(address)}</a>')
        done = start + len(address)
    parts.append(text(body[done:]))
    return "".join(parts)


def _size(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
