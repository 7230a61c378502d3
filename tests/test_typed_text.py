"""Bodies as people typed them: decoding what a sanitiser encodes, and what a body shows of the server."""

from __future__ import annotations

import pytest

from canvas_archive.model import Conversation, Message
from canvas_archive.typed_text import as_typed, decoded, decoded_preview, evidence_in, typed_by
from tests.growth_support import repeated


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("R&amp;D at AT&amp;T", "R&D at AT&T"),
        ("x &lt; 5 &gt; y, &lt;3", "x < 5 > y, <3"),
        ("&amp;lt;b&amp;gt; and &amp;amp;", "&lt;b&gt; and &amp;"),
        ("a&nbsp;b &quot;c&quot; &#39;d&#x27;", "a\xa0b \"c\" 'd'"),
        ("&copy; &nosuch; &#65; & &amp", "&copy; &nosuch; &#65; & &amp"),
        ("plain", "plain"),
    ],
)
def test_entities_are_decoded_once(sent: str, typed: str) -> None:
    assert decoded(sent) == typed


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Q&amp;A for R&amp;...", "Q&A for R&..."),
        ("Q&amp;A for R&am...", "Q&A for R..."),
        ("x &l...", "x ..."),
        ("so it goes...", "so it goes..."),
        ("&amp;", "&"),
    ],
)
def test_half_of_an_entity_at_the_end_of_a_preview_is_not_shown(sent: str, shown: str) -> None:
    assert decoded_preview(sent) == shown


@pytest.mark.parametrize(
    ("body", "shows"),
    [
        ("R&D", "raw"),
        ("x < 5", "raw"),
        ("I <3 it &amp; you", "raw"),
        ("write <b> for bold &amp;", "raw"),
        ("a &amp; b & c", "raw"),
        ("#include <stdio.h>", "raw"),
        ("R&amp;D", "entities"),
        ("&lt;3", "entities"),
        ("<b>so</b> &amp; <br> <a href='x'>on</a>", None),
        ("nothing > here", None),
        ("&copy; 2026", None),
        ("", None),
    ],
)
def test_what_a_body_shows_of_the_server(body: str, shows: str | None) -> None:
    assert evidence_in(body) == shows


def test_forwarded_messages_are_decoded_and_the_rest_stays() -> None:
    inner = Message(1, 7, "2026-03-01T09:00:00Z", "R&amp;D")
    outer = Message(2, 7, "2026-03-01T09:00:00Z", "see below", forwarded_messages=(inner,))
    given = Conversation(5, "read", subject="A &amp; B", last_message="R&amp;...", messages=(outer,))
    found = as_typed(given)
    assert found.messages is not None
    assert found.messages[0].forwarded_messages[0].body == "R&D"
    assert (found.subject, found.last_message) == ("A &amp; B", "R&amp;...")
    assert as_typed(Conversation(5, "read")) == Conversation(5, "read")
    assert typed_by(given, found.texts) == found and typed_by(given, "raw") == given
    assert typed_by(given, "entities:2") == found and typed_by(given, "entities:9") == given


def test_a_huge_body_of_entities_is_decoded() -> None:
    assert decoded("&amp;" * 2_000_000) == "&" * 2_000_000
    assert evidence_in(repeated("<a", 200_000)) == "raw"
