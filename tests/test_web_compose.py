"""Writing from the pages: into the outbox, with every mistake said above the text that stays."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.push_support import BEN, CLEO, Mail
from tests.web_support import Visitor

pytestmark = pytest.mark.thorough


def waiting(mail: Mail) -> list[tuple[str, int | None, dict[str, Any]]]:
    rows = mail.sql("SELECT kind, conversation_id, payload FROM outbox WHERE state = 'queued' ORDER BY id")
    return [(kind, conversation_id, json.loads(payload)) for kind, conversation_id, payload in rows]


@pytest.mark.sampled
def test_a_reply_to_everyone_waits_and_is_sent_after_a_question(web_mail: Mail, web_visitor: Visitor) -> None:
    page = web_visitor.get("/mail/c/101").text
    assert 'action="/mail/c/101/reply"' in page and "/conversations/101" in page
    answer = web_visitor.post(
        "/mail/c/101/reply", {"all": "1", "body": "Grüße\r\n\r\nA < B & C\r\n", "do": "send"}
    )
    assert answer.status_code == 303
    ((kind, conversation_id, payload),) = waiting(web_mail)
    assert (kind, conversation_id) == ("reply", 101)
    assert (payload["body"], payload["recipients"]) == ("Grüße\n\nA < B & C", [])
    asked = web_visitor.get(answer.headers["location"]).text
    assert "Send 1 message to 2 people?" in asked and "A &lt; B &amp; C" in asked
    message = re.findall(r'name="message" value="([^"]+)"', asked)
    web_visitor.post(
        "/mail/status/push", {"message": message, "sure": "yes"}, headers={"accept": "text/plain"}
    )
    told = web_mail.sandbox.school.truth()[101]["messages"]
    assert waiting(web_mail) == [] and any(one["body"].startswith("Grüße\n\nA") for one in told)
    assert web_visitor.get(answer.headers["location"]).status_code == 404


def test_a_reply_to_some(web_mail: Mail, web_visitor: Visitor) -> None:
    web_visitor.post("/mail/c/101/reply", {"to": str(BEN), "body": "Only you.", "do": "queue"})
    ((_, _, payload),) = waiting(web_mail)
    assert payload["recipients"] == [str(BEN)]
    page = web_visitor.get("/mail/edits").text
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
    web_mail: Mail, web_visitor: Visitor, path: str, form: dict[str, str]
) -> None:
    answer = web_visitor.post(path, form)
    assert answer.status_code == 400 and waiting(web_mail) == []


def test_a_refused_form_keeps_what_was_typed(web_mail: Mail, web_visitor: Visitor) -> None:
    typed = {"to": "Bne", "subject": "A <b>", "body": "\nLong & <text>", "group": "1"}
    page = web_visitor.post("/mail/new/queue", typed).text
    assert "Nobody called" in page and 'value="Bne"' in page and 'value="A &lt;b&gt;"' in page
    assert "Long &amp; &lt;text&gt;</textarea>" in page and "checked" in page


def test_a_new_message_to_several(web_mail: Mail, web_visitor: Visitor) -> None:
    form = {"to": f"Ben; {CLEO}, course_1_students", "subject": "Plan", "body": "Hello", "group": "1"}
    assert web_visitor.post("/mail/new/queue", form).status_code == 303
    ((kind, _, payload),) = waiting(web_mail)
    assert kind == "send" and payload["recipients"] == [str(BEN), str(CLEO), "course_1_students"]
    assert payload["group"] is True and payload["force_new"] is False and payload["subject"] == "Plan"
    web_visitor.post("/mail/new/queue", {"to": "ben", "body": "Hello"})
    assert waiting(web_mail)[1][2]["force_new"] is True and waiting(web_mail)[1][2]["subject"] is None


def test_the_form_suggests_people_and_takes_one_along(web_visitor: Visitor) -> None:
    page = web_visitor.get("/mail/new?to=Ben").text
    assert 'value="Ben" required' in page and '<option value="Cleo Stern">' in page
    assert '/mail/new?to=Ben%20Okri"' in web_visitor.get(f"/mail/people/{BEN}").text


def test_a_custodians_name_stands_before_it_is_sent(web_mail: Mail, web_visitor: Visitor) -> None:
    answer = web_visitor.post("/mail/new/queue", {"to": "Ben", "body": "Hello", "do": "send"})
    web_mail.update("UPDATE account SET as_user_id = user_id")
    assert "It is sent in the name of" in web_visitor.get(answer.headers["location"]).text


def test_only_an_address_of_the_web_is_a_link_to_canvas(web_mail: Mail, web_visitor: Visitor) -> None:
    assert "Open in Canvas" in web_visitor.get("/mail/c/101").text
    web_mail.update("UPDATE account SET base_url = 'javascript:alert(1)//'")
    page = web_visitor.get("/mail/c/101").text
    assert "Open in Canvas" not in page and 'href="javascript' not in page
