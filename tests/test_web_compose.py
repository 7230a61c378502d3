"""Writing from the pages: into the outbox, with every mistake said above the text that stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.web import syncing
from tests.push_support import BEN, CLEO, Mail, open_mail
from tests.web_support import Visitor, open_visitor

pytestmark = pytest.mark.thorough


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    with open_mail(tmp_path / "archive", monkeypatch) as opened:
        monkeypatch.setattr(syncing, "SYSTEM", opened.clock)
        yield opened


@pytest.fixture
def visitor(mail: Mail) -> Iterator[Visitor]:
    visitor = open_visitor(mail.folder)
    yield visitor
    visitor.close()


def waiting(mail: Mail) -> list[tuple[str, int | None, dict[str, Any]]]:
    rows = mail.sql("SELECT kind, conversation_id, payload FROM outbox WHERE state = 'queued' ORDER BY id")
    return [(kind, conversation_id, json.loads(payload)) for kind, conversation_id, payload in rows]


@pytest.mark.sampled
def test_a_reply_to_everyone_waits_and_is_sent_after_a_question(mail: Mail, visitor: Visitor) -> None:
    page = visitor.get("/mail/c/101").text
    assert 'action="/mail/c/101/reply"' in page and "/conversations/101" in page
    answer = visitor.post(
        "/mail/c/101/reply", {"all": "1", "body": "Grüße\r\n\r\nA < B & C\r\n", "do": "send"}
    )
    assert answer.status_code == 303
    ((kind, conversation_id, payload),) = waiting(mail)
    assert (kind, conversation_id) == ("reply", 101)
    assert (payload["body"], payload["recipients"]) == ("Grüße\n\nA < B & C", [])
    asked = visitor.get(answer.headers["location"]).text
    assert "Send 1 message to 2 people?" in asked and "A &lt; B &amp; C" in asked
    message = re.findall(r'name="message" value="([^"]+)"', asked)
    visitor.post("/mail/status/push", {"message": message, "sure": "yes"}, headers={"accept": "text/plain"})
    told = mail.sandbox.school.truth()[101]["messages"]
    assert waiting(mail) == [] and any(one["body"].startswith("Grüße\n\nA") for one in told)
    assert visitor.get(answer.headers["location"]).status_code == 404


def test_a_reply_to_some(mail: Mail, visitor: Visitor) -> None:
    visitor.post("/mail/c/101/reply", {"to": str(BEN), "body": "Only you.", "do": "queue"})
    ((_, _, payload),) = waiting(mail)
    assert payload["recipients"] == [str(BEN)]
    page = visitor.get("/mail/edits").text
    assert "Reply to Ben" in page and "Cleo" not in page.split("Only you.")[0].split("Messages waiting")[1]


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/mail/c/101/reply", {"all": "1", "body": "  \n"}),
        ("/mail/c/101/reply", {"body": "To nobody."}),
        ("/mail/c/101/reply", {"to": "4242", "body": "To a stranger."}),
        ("/mail/c/101/reply", {"to": "course_1", "body": "To a course."}),
        ("/mail/c/999999/reply", {"all": "1", "body": "Nowhere."}),
        ("/mail/c/101/reply", {"all": "1", "body": "x" * 65_536}),
        ("/mail/new/queue", {"to": " , ;", "body": "x"}),
        ("/mail/new/queue", {"to": "Nobody Known", "body": "x"}),
        ("/mail/new/queue", {"to": "Ben", "body": ""}),
        ("/mail/new/queue", {"to": "Ben", "body": "x", "subject": "y" * 256}),
        ("/mail/new/queue", {"to": ",".join(["Ben"] * 101), "body": "x"}),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(
    mail: Mail, visitor: Visitor, path: str, form: dict[str, str]
) -> None:
    answer = visitor.post(path, form)
    assert answer.status_code == 400 and waiting(mail) == []


def test_a_refused_form_keeps_what_was_typed(mail: Mail, visitor: Visitor) -> None:
    typed = {"to": "Bne", "subject": "A <b>", "body": "\nLong & <text>", "group": "1"}
    page = visitor.post("/mail/new/queue", typed).text
    assert "Nobody called" in page and 'value="Bne"' in page and 'value="A &lt;b&gt;"' in page
    assert "Long &amp; &lt;text&gt;</textarea>" in page and "checked" in page


def test_a_new_message_to_several(mail: Mail, visitor: Visitor) -> None:
    form = {"to": f"Ben; {CLEO}, course_1_students", "subject": "Plan", "body": "Hello", "group": "1"}
    assert visitor.post("/mail/new/queue", form).status_code == 303
    ((kind, _, payload),) = waiting(mail)
    assert kind == "send" and payload["recipients"] == [str(BEN), str(CLEO), "course_1_students"]
    assert payload["group"] is True and payload["force_new"] is False and payload["subject"] == "Plan"
    visitor.post("/mail/new/queue", {"to": "ben", "body": "Hello"})
    assert waiting(mail)[1][2]["force_new"] is True and waiting(mail)[1][2]["subject"] is None


def test_the_form_suggests_people_and_takes_one_along(visitor: Visitor) -> None:
    page = visitor.get("/mail/new?to=Ben").text
    assert 'value="Ben" required' in page and '<option value="Cleo Stern">' in page
    assert '/mail/new?to=Ben%20Okri"' in visitor.get(f"/mail/people/{BEN}").text


def test_a_custodians_name_stands_before_it_is_sent(mail: Mail, visitor: Visitor) -> None:
    answer = visitor.post("/mail/new/queue", {"to": "Ben", "body": "Hello", "do": "send"})
    mail.update("UPDATE account SET as_user_id = user_id")
    assert "It is sent in the name of" in visitor.get(answer.headers["location"]).text


def test_only_an_address_of_the_web_is_a_link_to_canvas(mail: Mail, visitor: Visitor) -> None:
    assert "Open in Canvas" in visitor.get("/mail/c/101").text
    mail.update("UPDATE account SET base_url = 'javascript:alert(1)//'")
    page = visitor.get("/mail/c/101").text
    assert "Open in Canvas" not in page and 'href="javascript' not in page
