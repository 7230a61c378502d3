"""docs/canvas-behaviour.md 4.1: how newer servers send the bodies of messages."""

from __future__ import annotations

import pytest

from tests.sandbox_support import BEN, running


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("no\xa0break", "no&nbsp;break"),
        ("&lt;b&gt; and &amp;", "&amp;lt;b&amp;gt; and &amp;amp;"),
        ("before<script>alert('x')</script>after", "beforeafter"),
        ("<STYLE type='a'>b { c }</STYLE >rest <b>bold</b>", "rest &lt;b&gt;bold&lt;/b&gt;"),
        ("<script>never closed", ""),
        ("<scripted> \"quoted\" 'too'", "&lt;scripted&gt; \"quoted\" 'too'"),
    ],
)
def test_a_body_is_sanitised(typed: str, sent: str) -> None:
    with running() as canvas:
        number = canvas.school.start_conversation(BEN, [1], "A & B", typed)
        told = canvas.client.show(number)
        assert (told["messages"][0]["body"], told["last_message"]) == (sent, sent)
        assert told["subject"] == "A & B"


def test_a_preview_is_cut_after_sanitising_and_a_raw_server_sends_what_was_typed() -> None:
    with running() as canvas:
        number = canvas.school.start_conversation(BEN, [1], None, "x" * 95 + "&" * 9)
        told = canvas.client.show(number)
        assert told["last_message"] == "x" * 95 + "&a..."
        canvas.school.texts = "raw"
        told = canvas.client.show(number)
        assert told["messages"][0]["body"] == "x" * 95 + "&" * 9
        assert told["last_message"] == "x" * 95 + "&&..."
