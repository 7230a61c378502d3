"""What the Changes page sends: all that it showed, nothing else, and never a message without a question."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from canvas_archive.store import outbox as store
from canvas_archive.store.addressees import UNKNOWN, addressees, together
from canvas_archive.store.outbox import Draft, OutgoingFile
from canvas_archive.store.writing import brief_write
from canvas_archive.web.pending import named_in_form
from tests.push_support import ADA, BEN, CLEO, Mail
from tests.web_support import Visitor

pytestmark = pytest.mark.thorough

TEXT = {"accept": "text/plain"}
JSON = {"accept": "application/json"}


def fields_of(page: str) -> dict[str, list[str]]:
    """Return what the page's sending form names."""
    form = re.search(r'<form method="post" action="/mail/status/push".*?</form>', page, re.S)
    if form is None:
        return {}
    return {
        name: re.findall(rf'name="{name}" value="([^"]+)"', form[0].replace("&gt;", ">"))
        for name in (
            "edit",
            "message",
        )
    }


def bodies(mail: Mail, conversation_id: int = 101) -> list[str]:
    """Return the owner's messages as Canvas has them."""
    told = mail.sandbox.school.truth()[conversation_id]
    return [one["body"] for one in told["messages"] if one["author_id"] == ADA]


def queue(mail: Mail, draft: Draft) -> int:
    with brief_write(mail.folder / "archive.db") as db:
        return store.queue_message(db, draft)


def reply(body: str = "Yes, Friday.") -> Draft:
    return Draft("reply", body, conversation_id=101)


def states(mail: Mail) -> list[str]:
    return [row[0] for row in mail.sql("SELECT state FROM outbox ORDER BY id")]


@pytest.mark.sampled
def test_a_star_does_not_take_a_queued_message_along(web_mail: Mail, web_visitor: Visitor) -> None:
    web_mail.set(102, starred=1)
    edit = fields_of(web_visitor.get("/mail/edits").text)["edit"]
    queue(web_mail, reply())  # after the page was made
    answer = web_visitor.post("/mail/status/push", {"edit": edit}, headers=TEXT)
    assert answer.text.splitlines()[-1] == "Done."
    assert (
        web_mail.state(102, "starred")
        and states(web_mail) == ["queued"]
        and "Yes, Friday." not in bodies(web_mail)
    )
    assert web_visitor.post("/mail/status/push", {}, headers=TEXT).status_code == 400


def test_the_page_shows_the_message_and_the_button_says_what_it_sends(
    web_mail: Mail, web_visitor: Visitor
) -> None:
    web_mail.set(102, starred=1)
    queue(web_mail, reply("Yes, <b>Friday</b> & R&amp;D."))
    page = web_visitor.get("/mail/edits").text
    assert re.search(r"Send 1 change and 1 message to \d (people|person)</button>", page)
    assert "Yes, &lt;b&gt;Friday&lt;/b&gt;" in page and "Messages waiting (1)" in page
    assert 'title="1 change and 1 message waiting to be sent to Canvas">2</b>' in page
    assert "Look at 1 change and 1 message to send" in web_visitor.get("/mail/status").text


def test_a_message_leaves_only_after_a_question(web_mail: Mail, web_visitor: Visitor) -> None:
    queue(web_mail, reply())
    fields = fields_of(web_visitor.get("/mail/edits").text)
    asked = web_visitor.post("/mail/status/push", fields, headers={"accept": "text/html"}).text
    assert "cannot be taken back" in asked and "Yes, Friday." in asked and states(web_mail) == ["queued"]
    sure = {**fields_of(asked), "sure": "yes"}
    assert web_visitor.post("/mail/status/push", sure, headers=TEXT).text.endswith("Done.\n")
    assert states(web_mail) == ["sent"] and "Yes, Friday." in bodies(web_mail)


def test_what_was_changed_since_the_page_is_not_sent(web_mail: Mail, web_visitor: Visitor) -> None:
    number = queue(web_mail, reply("First."))
    web_mail.set(101, workflow_state="archived")
    fields = fields_of(web_visitor.get("/mail/edits").text)
    assert web_visitor.post(f"/mail/outbox/{number}", {"body": "Second.\r\n"}, headers=JSON).json()["ok"]
    web_mail.set(101, workflow_state="unread")
    lines = web_visitor.post("/mail/status/push", {**fields, "sure": "yes"}, headers=TEXT).text
    assert "Not sent, because changed since the page showed it: 2." in lines
    assert states(web_mail) == ["queued"] and web_mail.state(101) != "unread"
    assert web_mail.one("SELECT json_extract(payload, '$.body') FROM outbox") == "Second."


def test_a_conflict_is_shown_and_decided(web_mail: Mail, web_visitor: Visitor) -> None:
    mine = "unread" if web_mail.state(101) == "read" else "read"
    web_mail.set(101, workflow_state=mine)
    web_mail.sandbox.school.owner_set(101, workflow_state="archived")
    fields = fields_of(web_visitor.get("/mail/edits").text)  # nobody knows of the conflict yet
    lines = web_visitor.post("/mail/status/push", fields, headers=TEXT).text
    assert "Not sent, because Canvas has changed, too: 1." in lines and lines.endswith("Done.\n")
    assert web_mail.state(101) == "archived" and web_mail.journal() == [
        (101, "workflow_state", mine, "pending", "sql")
    ]
    page = web_visitor.get("/mail/edits").text
    assert "Needs a look" in page and f"Canvas: archived. You: {mine}, in the inbox" in page
    assert fields_of(page) == {}
    edit = re.findall(r'action="/mail/edits/keep".*?name="edit" value="(\d+)"', page, re.S)[0]
    assert (
        web_visitor.post("/mail/edits/keep", {"edit": edit}, headers=JSON)
        .json()["message"]
        .startswith("Yours")
    )
    assert (
        web_visitor.post("/mail/edits/keep", {"edit": edit}, headers=JSON)
        .json()["message"]
        .startswith("That")
    )
    fields = fields_of(web_visitor.get("/mail/edits").text)
    assert web_visitor.post("/mail/status/push", fields, headers=TEXT).text.endswith("Done.\n")
    assert web_mail.state(101) == mine


def test_taking_what_canvas_has_ends_a_conflict(web_mail: Mail, web_visitor: Visitor) -> None:
    other = "unread" if web_mail.state(101) == "read" else "read"
    web_mail.set(101, workflow_state="archived")
    web_mail.sandbox.school.owner_set(101, workflow_state=other)
    web_mail.sync()
    page = web_visitor.get("/mail/edits").text
    assert "Take Canvas&#39;s" in page
    edit = re.findall(r'action="/mail/edits/keep".*?name="edit" value="(\d+)"', page, re.S)[0]
    web_visitor.post("/mail/edits/discard", {"edit": f"{edit}:{other}>archived"})
    assert web_mail.column(101) == other and "Needs a look" not in web_visitor.get("/mail/edits").text


def test_what_was_replaced_is_named(web_mail: Mail, web_visitor: Visitor) -> None:
    web_mail.set(101, workflow_state="unread" if web_mail.state(101) == "read" else "read")
    web_mail.sandbox.school.owner_set(101, workflow_state="archived")
    web_mail.push(policy="local")
    page = web_visitor.get("/mail/edits").text
    assert "replaced what Canvas had" in page and page.index("Needs a look") < page.index("replaced what")
    assert ">sent</span>" not in page


def test_a_message_is_withdrawn_or_tried_again(web_mail: Mail, web_visitor: Visitor) -> None:
    number = queue(web_mail, reply())
    with brief_write(web_mail.folder / "archive.db") as db:
        store.mark_failed(db, number, "Canvas said <no>.")
    page = web_visitor.get("/mail/edits").text
    assert "Canvas said &lt;no&gt;." in page and "Needs a look" in page and fields_of(page) == {}
    assert web_visitor.post("/mail/outbox", {"do": f"again:{number}"}, headers=JSON).json()["ok"]
    assert states(web_mail) == ["queued"]
    web_visitor.post("/mail/outbox", {"do": f"withdraw:{number}"})
    assert states(web_mail) == ["discarded"]
    for do in (f"withdraw:{number}", f"again:{number}", "withdraw:999"):
        assert (
            web_visitor.post("/mail/outbox", {"do": do}, headers=JSON)
            .json()["message"]
            .startswith("That message")
        )
    for do in ("", "send:1", "withdraw:x"):
        assert web_visitor.post("/mail/outbox", {"do": do}, headers=JSON).status_code == 400
    late = web_visitor.post(f"/mail/outbox/{number}", {"body": "x"}, headers=JSON).json()
    assert late["message"].startswith("That message") and states(web_mail) == ["discarded"]
    assert web_visitor.post(f"/mail/outbox/{number}", {"body": "  "}, headers=JSON).status_code == 400


def test_a_queued_reply_stands_in_its_thread(web_mail: Mail, web_visitor: Visitor) -> None:
    queue(web_mail, reply("See you."))
    page = web_visitor.get("/mail/c/101").text
    assert "See you." in page and "Waits to be sent." in page
    assert "See you." not in web_visitor.get("/mail/c/102").text


def test_a_form_names_only_what_a_page_can_show() -> None:
    assert named_in_form(["12:read>archived", "3:0>1"]) == {12: "read>archived", 3: "0>1"}
    for field in ("", "12", "12:", ":x", "x:1", "1:\x00", f"1:{'a' * 41}", "1234567890123456789:a"):
        with pytest.raises(Exception, match="out of date"):
            named_in_form([field])


def test_an_upload_does_not_undo_a_change_of_the_text(web_mail: Mail) -> None:
    file = OutgoingFile("0" * 64, "a.txt", "text/plain", 3)
    number = queue(web_mail, replace(reply("Old."), enclosures=(file,)))
    with brief_write(web_mail.folder / "archive.db") as db:
        read = store.outbox_row(db, number)
        assert read is not None and store.change_message(db, number, body="New.", subject=None)
        store.note_upload(db, read, 0, 77)
        now = store.outbox_row(db, number)
    assert now is not None and now.draft.body == "New." and now.draft.enclosures[0].file_id is None


def test_a_message_changed_during_its_push_waits(web_mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    from canvas_archive.sync.outbox import Outbox

    number = queue(web_mail, reply("Old."))
    read: Any = Outbox._read_baseline

    def read_slowly(self: Outbox, draft: Draft) -> Any:
        with brief_write(web_mail.folder / "archive.db") as db:
            assert store.change_message(db, number, body="New.", subject=None)
        return read(self, draft)

    monkeypatch.setattr(Outbox, "_read_baseline", read_slowly)
    report = web_mail.push()
    assert report.notes == [f"Message {number} was changed or withdrawn meanwhile: it was not sent."]
    assert states(web_mail) == ["queued"] and not {"Old.", "New."} & set(bodies(web_mail))


@pytest.mark.parametrize(
    ("draft", "named", "counted"),
    [
        (Draft("send", "x", recipients=(str(BEN),)), "Ben", "1 person"),
        (Draft("send", "x", recipients=(str(BEN), str(CLEO), "999")), "Ben", "3 people"),
        (
            Draft("send", "x", recipients=("course_999_students",)),
            "the students of course 999",
            "the students",
        ),
        (
            Draft("send", "x", recipients=("group_5", str(BEN))),
            "everyone in group 5 and Ben",
            "everyone in group 5",
        ),
        (Draft("send", "x", recipients=("uuid:abc",)), "user uuid:abc", "1 person"),
        (Draft("reply", "x", conversation_id=424242), UNKNOWN, UNKNOWN),
    ],
)
def test_whom_a_message_goes_to(web_mail: Mail, draft: Draft, named: str, counted: str) -> None:
    with brief_write(web_mail.folder / "archive.db") as db:
        to = addressees(db, draft)
        whole = together([to, to])
    assert to.named().startswith(named) and to.counted().startswith(counted)
    assert whole.counted() == to.counted()
