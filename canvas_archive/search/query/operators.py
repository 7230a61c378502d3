"""The operators of a query: their names, the names that other programs have for them, and their values.

A name from another mail program means the operator here that does the same. A name without a counterpart
is refused with a sentence that says what to write.
"""

from __future__ import annotations

import re

from canvas_archive.errors import BadInput
from canvas_archive.search.index.schema import HAS
from canvas_archive.search.query.spelling import edit_distance, listed, nearest_word

OPERATORS = (
    "from", "to", "with", "course", "group", "subject", "filename", "has", "is", "in",
    "before", "after", "on", "larger", "smaller", "id", "thread",
)  # fmt: skip
"""The names that stand in help texts and in queries written by the program."""

ALIASES = {
    "author": "from", "sender": "from", "recipient": "to", "recipients": "to", "cc": "with",
    "person": "with", "people": "with", "participant": "with", "participants": "with", "user": "with",
    "who": "with", "context": "course", "class": "course", "title": "subject", "file": "filename",
    "files": "filename", "attachment": "filename", "attachments": "filename", "type": "has",
    "filetype": "has", "ext": "has", "mime": "has", "mimetype": "has", "kind": "has", "folder": "in",
    "mailbox": "in", "status": "is", "state": "is", "flag": "is", "since": "after", "newer": "after",
    "newer_than": "after", "until": "before", "older": "before", "older_than": "before", "date": "on",
    "during": "on", "year": "on", "month": "on", "day": "on", "larger_than": "larger",
    "smaller_than": "smaller", "conversation": "thread",
}  # fmt: skip

# What another program knows and a Canvas inbox has not, each with what to write instead.
_LABELS = "a Canvas inbox has no labels; is: and in: search by state and folder, such as is:starred"
_REFUSED = {
    "bcc": "Canvas has no blind copies; with: finds everybody who takes part",
    "label": _LABELS, "labels": _LABELS, "tag": _LABELS, "category": _LABELS, "keyword": _LABELS,
    "body": "words alone are searched in the text of messages and in subjects",
    "text": "words alone are searched in the text of messages and in subjects",
    "content": "words alone are searched in the text of messages and in subjects",
    "contains": "words alone are searched in the text of messages and in subjects",
    "list": "Canvas has no mailing lists; course: and group: find what was sent to one",
    "rfc822msgid": "Canvas messages have no such id; id: takes the number of a message or conversation",
    "messageid": "Canvas messages have no such id; id: takes the number of a message or conversation",
    "msgid": "Canvas messages have no such id; id: takes the number of a message or conversation",
    "mid": "Canvas messages have no such id; id: takes the number of a message or conversation",
    "deliveredto": "to: finds the recipients of a message",
    "size": "larger: and smaller: search by the size of an attached file, such as larger:1M",
    "messagesize": "larger: and smaller: search by the size of an attached file, such as larger:1M",
    "sent": "in:sent finds what you sent, on: and after: search by date",
    "received": "is:received finds what others wrote, on: and after: search by date",
    "hasattachment": "has:attachment finds messages with an attached file",
    "hasattachments": "has:attachment finds messages with an attached file",
    "hasflag": "is:starred finds starred conversations",
    "isflagged": "is:starred finds starred conversations",
    "starred": "is:starred finds starred conversations",
    "unread": "is:unread finds unread conversations",
    "archived": "is:archived finds archived conversations",
    "inbox": "in:inbox finds what is in the inbox",
    "isread": "is:read and is:unread search by it",
    "importance": "Canvas knows no importance; is:starred is the nearest",
    "priority": "Canvas knows no priority; is:starred is the nearest",
    "section": "course: and group: find what belongs to one",
    "around": "on: takes a range such as on:2026-03..2026-05",
    "limit": "on the command line --limit sets how many hits are shown",
    "sort": "on the command line --sort sets the order",
    "order": "on the command line --sort sets the order",
    "scope": "in: searches by folder, such as in:sent; without it every message is searched",
    "account": "a search is of one archive; --archive names another",
    "near": 'a phrase in quotes finds words side by side, such as "final exam"',
}  # fmt: skip

IS = {
    "starred": "starred", "unstarred": "unstarred", "unread": "unread", "read": "read",
    "archived": "archived", "removed": "removed", "private": "private", "group": "group",
    "subscribed": "subscribed",
    "unsubscribed": "unsubscribed", "sent": "sent", "received": "received",
}  # fmt: skip
# A folder holds no removed conversation (see store.folders); a state is one of removed conversations, too.
IN = {
    "inbox": "inbox", "sent": "sent", "archived": "in archived", "archive": "in archived",
    "starred": "in starred", "unread": "in unread", "removed": "removed", "trash": "removed",
}  # fmt: skip
_FOLDERS = ("inbox", "sent", "archived", "starred", "unread", "removed", "attachments")

_HAS_NAMES = {name: name for name in HAS} | {
    "attachments": "attachment", "file": "attachment", "files": "attachment", "links": "link",
    "forward": "forwarded",
}  # fmt: skip

KINDS = {
    "pdf": (("application/pdf",), ("pdf",)),
    "image": (("image/",), ("png", "jpg", "jpeg", "gif", "webp", "svg", "heic", "heif", "bmp", "tiff")),
    "audio": (("audio/",), ("mp3", "m4a", "wav", "ogg", "oga", "opus", "flac", "aac")),
    "video": (("video/",), ("mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg", "mpeg")),
    "document": (
        ("application/msword", "application/vnd.openxmlformats-officedocument.wordprocessingml",
         "application/vnd.oasis.opendocument.text", "application/rtf", "text/rtf"),
        ("doc", "docx", "odt", "rtf", "pages"),
    ),
    "spreadsheet": (
        ("application/vnd.ms-excel", "application/vnd.openxmlformats-officedocument.spreadsheetml",
         "application/vnd.oasis.opendocument.spreadsheet", "text/csv"),
        ("xls", "xlsx", "ods", "csv", "numbers"),
    ),
    "presentation": (
        ("application/vnd.ms-powerpoint", "application/vnd.openxmlformats-officedocument.presentationml",
         "application/vnd.oasis.opendocument.presentation"),
        ("ppt", "pptx", "odp", "key"),
    ),
    "zip": (
        ("application/zip", "application/x-zip-compressed", "application/gzip", "application/x-tar",
         "application/x-7z-compressed", "application/vnd.rar", "application/x-rar"),
        ("zip", "gz", "tgz", "tar", "7z", "rar"),
    ),
    "text": (("text/plain", "text/markdown"), ("txt", "md", "text")),
}  # fmt: skip
"""The kinds of attached files: how their content types begin, and the endings of their names."""

_KIND_NAMES = {name: name for name in KINDS} | {
    "images": "image", "picture": "image", "photo": "image", "png": "image", "jpg": "image",
    "jpeg": "image", "gif": "image", "videos": "video", "movie": "video", "mp4": "video", "mov": "video",
    "mp3": "audio", "sound": "audio", "doc": "document", "docx": "document", "word": "document",
    "odt": "document", "xls": "spreadsheet", "xlsx": "spreadsheet", "excel": "spreadsheet",
    "sheet": "spreadsheet", "ods": "spreadsheet", "csv": "spreadsheet", "ppt": "presentation",
    "pptx": "presentation", "powerpoint": "presentation", "slides": "presentation", "odp": "presentation",
    "txt": "text", "archive": "zip", "pdfs": "pdf", "application/pdf": "pdf",
}  # fmt: skip

_LIKE_OPERATOR = re.compile(r"([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z]+)?):(?=\S)")
_NEAR_FROM = 4  # letters: of shorter words nearly any is near
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([kmg]?)(?:i?b|bytes)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_EXAMPLES = {
    "from": 'from:chen or from:"Astrid Chen"', "to": "to:me", "with": "with:chen", "course": "course:bio101",
    "group": "group:study", "subject": "subject:exam", "filename": "filename:syllabus",
    "has": "has:attachment", "is": "is:unread", "in": "in:inbox", "before": "before:2025-03",
    "after": "after:7d", "on": "on:2025-03-09", "larger": "larger:1M", "smaller": "smaller:200K",
    "id": "id:123", "thread": "thread:123",
}  # fmt: skip
TAKES_TEXT = frozenset({"from", "to", "with", "course", "group", "subject", "filename"})

OPERATOR = re.compile(rf"({'|'.join(sorted({*OPERATORS, *ALIASES}, key=len, reverse=True))}):", re.IGNORECASE)
"""An operator as it is typed, by any of its names."""


def canonical(typed: str) -> str:
    """Return the name here of an operator, whatever it was called."""
    lowered = typed.lower()
    return ALIASES.get(lowered, lowered)


def example(name: str) -> str:
    """Return how the operator is written with a value."""
    return _EXAMPLES[canonical(name)]


def is_text(text: str, at: int) -> bool:
    """Return whether what looks like an operator at this place is an address or a name with colons.

    ``file://x`` and ``date::x`` are text.
    """
    return text.startswith(("//", ":"), at)


def is_operator(text: str, at: int) -> bool:
    """Return whether an operator is at this place, or a word that ``refuse_unknown`` refuses."""
    try:
        refuse_unknown(text, at)
    except BadInput:
        return True
    match = OPERATOR.match(text, at)
    return match is not None and not is_text(text, match.end())


def refuse_unknown(text: str, at: int) -> None:
    """Raise BadInput when a word at this place is an operator of another program, or nearly one of these.

    Any other word with a colon is text: ``re:``, ``10:30``, ``https://example.edu``.
    """
    match = _LIKE_OPERATOR.match(text, at)
    if match is None or is_text(text, match.end()):
        return
    name = match.group(1).lower()
    if canonical(name) in OPERATORS:
        return
    reason = _REFUSED.get(name)
    if reason is None:
        near = _near(name)
        if near is None:
            return
        reason = f"did you mean {near}:?"
    piece = re.match(r"[^\s()\"“”„«»]*", text[at:])
    shown = piece.group() if piece else match.group()
    raise BadInput(
        f"'{match.group(1)}:' at character {at + 1} is not an operator: {reason.rstrip('?')}"
        f'{"?" if reason.endswith("?") else "."} To search for it as text, write it in quotes: "{shown}".'
    )


def _near(name: str) -> str | None:
    if len(name) < _NEAR_FROM:
        return None
    known = [word for word in (*OPERATORS, *ALIASES) if len(word) >= _NEAR_FROM]
    return next((word for word in known if edit_distance(name, word, 1) == 1), None)


def has_value(typed: str, value: str) -> tuple[bool, str]:
    """Return what ``has:`` is to find: whether it is a kind of file, and its name."""
    lowered = value.lower().lstrip("*.")
    if lowered in _HAS_NAMES and typed.lower() in ("has", "flag"):
        return False, _HAS_NAMES[lowered]
    if lowered in _KIND_NAMES:
        return True, _KIND_NAMES[lowered]
    return False, choice(typed, value, _HAS_NAMES | _KIND_NAMES, (*HAS, *KINDS))


def is_value(typed: str, value: str) -> str:
    """Return the state that ``is:`` is to find."""
    return choice(typed, value, IS, tuple(IS))


def in_value(typed: str, value: str) -> str:
    """Return the state that stands for the folder of ``in:``."""
    if value.lower() in ("anywhere", "all", "any", "everywhere", "mail", "messages"):
        raise BadInput(f"'{typed}:{value}': every message is searched without it; leave it out.")
    return choice(typed, value, IN, _FOLDERS)


def size_value(typed: str, value: str) -> int:
    """Return a size in bytes: ``200K``, ``1M``, ``1.5 MB``."""
    match = _SIZE.fullmatch(value)
    if match is None:
        raise BadInput(
            f"'{typed}:{value}' is not a size; give one such as {typed}:200K, {typed}:1M or {typed}:1G."
        )
    whole, _, part = match[1].partition(".")
    return int(whole + part) * _UNITS[match[2].lower()] // int("1" + "0" * len(part))


def number_value(typed: str, value: str) -> int:
    """Return the number that ``id:`` and ``thread:`` take."""
    number = value.removeprefix("#")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise BadInput(f"'{typed}:{value}' is not an id; give a number such as {typed}:123.")
    return int(number)


def choice(name: str, value: str, known: dict[str, str], allowed: tuple[str, ...]) -> str:
    """Return what a value stands for. Raises BadInput that names the nearest, for one that is not known."""
    try:
        return known[value.lower()]
    except KeyError:
        near = nearest_word(value.lower(), known)
        meant = f" Did you mean {name}:{near}?" if near is not None else ""
        raise BadInput(
            f"'{name}:{value}' is not a search; after '{name}:' can stand {listed(allowed)}.{meant}"
        ) from None
