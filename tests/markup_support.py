"""Markup as a browser would act on it: only what is ours may be in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

SITE_TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "a",
        "header",
        "div",
        "strong",
        "nav",
        "form",
        "input",
        "button",
        "main",
        "footer",
        "h1",
        "h2",
        "p",
        "article",
        "span",
        "bdi",
        "time",
        "ul",
        "li",
        "small",
        "img",
        "blockquote",
        "noscript",
    ]
)


class _Markup(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def assert_own_markup(page: str, tags: frozenset[str] = SITE_TAGS) -> None:
    """Only our elements, no handlers, no inline script, and links of people only to http(s) and mail."""
    markup = _Markup()
    markup.feed(page)
    for tag, attributes in markup.found:
        assert tag in tags, tag
        assert not any(
            name.startswith("on") or name in ("style", "srcdoc", "formaction") for name in attributes
        )
        for name in ("href", "src", "action"):
            address = attributes.get(name) or ""
            if (tag, address) == ("link", "data:,"):
                continue  # no icon, rather than asking for one
            scheme = re.match(r"[\s\x00-\x20]*([A-Za-z][\w+.-]*):", address)
            assert scheme is None or scheme[1].lower() in ("http", "https", "mailto"), address
            assert tag == "a" or scheme is None, (tag, address)
        if tag == "script":
            assert attributes.get("src") and not (attributes["src"] or "").startswith("//")
        if tag == "meta":
            assert (attributes.get("http-equiv") or "").lower() in ("", "content-security-policy")
