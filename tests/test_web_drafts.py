"""Drafts in the pages: what is typed is kept, with its files, and nothing sends it before it is queued."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from canvas_archive.store import drafts
from canvas_archive.store.blobs import blob_path
from tests.push_support import ADA, BEN, CLEO, Mail
from tests.web_support import Visitor, open_visitor

pytestmark = pytest.mark.thorough

JSON = {"accept": "application/json"}
HTML = {"accept": "text/html"}
REPLY = "/mail/c/101/reply"
NEW = "/mail/new/queue"


def fields(page: str) -> dict[str, str]:
    """Return the hidden fields of the form of a message."""
    form = re.search(r'<form[^>]*class="compose" data-draft>.*?</form>', page, re.S)
    assert form is not None
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0]))


def upload(
    visitor: Visitor, path: str, data: dict[str, Any], *files: tuple[str, bytes], accept: str = "text/html"
) -> Any:
    """Post a form with files, as a browser does."""
    return visitor.ask(
        "post",
        path,
        data={"csrf": visitor.token(), **data},
        files=[("file", (name, content)) for name, content in files],
        cookies=visitor.cookies,
        headers={**visitor.origin, "accept": accept},
    )


def waiting(mail: Mail) -> list[dict[str, Any]]:
    rows = mail.sql("SELECT payload FROM outbox WHERE state = 'queued' ORDER BY id")
    return [json.loads(row[0]) for row in rows]


def newest_own(mail: Mail, conversation_id: int) -> dict[str, Any]:
    told = mail.sandbox.school.truth()[conversation_id]["messages"]
    found: dict[str, Any] = next(one for one in told if one["author_id"] == ADA)
    return found


@pytest.mark.sampled
def test_files_travel_with_a_reply(web_mail: Mail, web_visitor: Visitor) -> None:
    form = fields(web_visitor.get("/mail/c/101").text)
    typed = {**form, "all": "1", "body": "See the plan.", "do": "attach"}
    answer = upload(web_visitor, REPLY, typed, ("plan.txt", b"the plan"), ("../../etc/pass\nwd", b"x" * 9))
    assert answer.status_code == 303 and answer.headers["location"].endswith("#reply")
    page = web_visitor.get(answer.headers["location"]).text
    assert "plan.txt" in page and "pass_wd" in page and "See the plan." in page and waiting(web_mail) == []
    assert ">Drafts<" in page
    other = open_visitor(web_mail.folder)  # as after a restart
    try:
        page = other.get("/mail/c/101").text
        removed = re.findall(
            r'value="(remove:[0-9a-f]{64})" formnovalidate aria-label="Remove pass_wd"', page
        )
        typed = {**fields(page), "all": "1", "body": "See the plan."}
        other.post(REPLY, {**typed, "do": removed[0]})
        page = other.get("/mail/c/101").text
        assert "pass_wd" not in page
        answer = upload(
            other, REPLY, {**fields(page), "all": "1", "body": "See it.", "do": "queue"}, ("b.csv", b"1")
        )
    finally:
        other.close()
    (payload,) = waiting(web_mail)
    assert [one["name"] for one in payload["enclosures"]] == ["plan.txt", "b.csv"]
    assert drafts.count_drafts(web_mail.folder) == 0
    assert not list((web_mail.folder / "drafts").rglob("*.part"))
    web_mail.push()
    sent = newest_own(web_mail, 101)
    assert (sent["body"], [one["display_name"] for one in sent["attachments"]]) == (
        "See it.",
        ["plan.txt", "b.csv"],
    )


def test_a_draft_is_offered_again_and_no_push_sends_it(web_mail: Mail, web_visitor: Visitor) -> None:
    form = fields(web_visitor.get("/mail/c/101").text)
    saved = web_visitor.post(REPLY, {**form, "all": "1", "body": "Half a", "do": "keep"}, headers=JSON).json()
    assert saved["ok"] and saved["draft"] == form["draft"]
    later = {**form, "version": saved["version"], "all": "1", "body": "Half a sentence", "do": "keep"}
    assert web_visitor.post(REPLY, later, headers=JSON).json()["ok"]
    assert "Half a sentence" in web_visitor.get("/mail/c/101").text
    assert "Half a sentence" not in web_visitor.get("/mail/c/102").text
    listed = web_visitor.get("/mail/drafts").text
    assert "Half a sentence" in listed and f"/mail/c/101?draft={form['draft']}#reply" in listed
    assert web_mail.run("push").err.startswith("Nothing waits") and waiting(web_mail) == []
    assert (
        "1 draft" in web_mail.run("status").out
        and web_mail.run("status", "--json").json["counts"]["drafts"] == 1
    )
    said = web_visitor.post("/mail/drafts/discard", {"draft": form["draft"]}, headers=JSON).json()
    assert said["message"] == "The draft is discarded." and drafts.count_drafts(web_mail.folder) == 0


def test_two_pages_with_one_draft_lose_nothing(web_mail: Mail, web_visitor: Visitor) -> None:
    form = fields(web_visitor.get("/mail/new").text)
    web_visitor.post(NEW, {**form, "body": "Saved.", "do": "keep"}, headers=JSON)
    one = fields(web_visitor.get(f"/mail/new?draft={form['draft']}").text)
    two = fields(web_visitor.get(f"/mail/new?draft={form['draft']}").text)
    assert web_visitor.post(NEW, {**one, "body": "From one.", "do": "keep"}, headers=JSON).json()["ok"]
    answer = web_visitor.post(NEW, {**two, "to": "Ben", "body": "From two.", "do": "queue"})
    assert answer.status_code == 409 and "From two." in answer.text and waiting(web_mail) == []
    assert {one.body for one in drafts.list_drafts(web_mail.folder)} == {"From one.", "From two."}


def test_the_page_that_saved_last_goes_on_whatever_version_it_knows(
    web_mail: Mail, web_visitor: Visitor
) -> None:
    form = fields(web_visitor.get("/mail/new").text)
    web_visitor.post(NEW, {**form, "body": "One", "do": "keep"}, headers=JSON)
    assert web_visitor.post(NEW, {**form, "to": "Ben", "body": "One two"}).status_code == 303
    assert [one["body"] for one in waiting(web_mail)] == ["One two"]


def test_a_button_pressed_twice_queues_once(web_mail: Mail, web_visitor: Visitor) -> None:
    form = {**fields(web_visitor.get("/mail/new").text), "to": "Ben", "body": "Once."}
    first, second = web_visitor.post(NEW, form), web_visitor.post(NEW, form)
    assert first.status_code == second.status_code == 303 and len(waiting(web_mail)) == 1
    late = web_visitor.post(NEW, {**form, "do": "keep"}, headers=JSON)
    assert late.status_code == 409 and drafts.count_drafts(web_mail.folder) == 0


def test_queueing_is_undone_into_a_draft(web_mail: Mail, web_visitor: Visitor) -> None:
    form = {**fields(web_visitor.get("/mail/c/101").text), "to": str(BEN), "body": "Not yet."}
    answer = upload(web_visitor, REPLY, {**form, "do": "queue"}, ("a.txt", b"file"))
    key = answer.headers["location"].rpartition("done=")[2]
    said = web_visitor.post("/mail/undo", {"undo": key}, headers=JSON).json()
    assert said["message"] == "Undone. The message is a draft again." and waiting(web_mail) == []
    (draft,) = drafts.list_drafts(web_mail.folder)
    assert (draft.body, draft.recipients, draft.everyone) == ("Not yet.", (str(BEN),), False)
    page = web_visitor.get("/mail/c/101").text
    assert "a.txt" in page
    again = {**fields(page), "to": str(BEN), "body": "Now.", "do": "queue"}
    assert web_visitor.post(REPLY, again).status_code == 303
    number = web_mail.one("SELECT id FROM outbox WHERE state = 'queued'")
    said = web_visitor.post("/mail/outbox", {"do": f"redraft:{number}"}, headers=JSON).json()
    assert said["message"].startswith("The message is a draft again")
    again = web_visitor.post("/mail/outbox", {"do": f"redraft:{number}"}, headers=JSON).json()
    assert again["message"].startswith("That message no longer waits")
    assert len(drafts.list_drafts(web_mail.folder)) == 1 and waiting(web_mail) == []


def test_a_message_whose_file_is_gone_waits_on_and_leaves_no_half_draft(
    web_mail: Mail, web_visitor: Visitor
) -> None:
    form = {**fields(web_visitor.get("/mail/c/101").text), "to": str(BEN), "body": "Both.", "do": "queue"}
    assert upload(web_visitor, REPLY, form, ("a.txt", b"one"), ("b.txt", b"two")).status_code == 303
    number = web_mail.one("SELECT id FROM outbox WHERE state = 'queued'")
    blob_path(web_mail.folder / "files", waiting(web_mail)[0]["enclosures"][1]["sha256"]).unlink()
    said = web_visitor.post("/mail/outbox", {"do": f"redraft:{number}"}, headers=JSON)
    assert said.status_code == 400 and "b.txt cannot be copied into a draft: No such file" in said.text
    assert len(waiting(web_mail)) == 1 and drafts.count_drafts(web_mail.folder) == 0


def test_people_are_found_step_by_step(web_mail: Mail, web_visitor: Visitor) -> None:
    form = {
        **fields(web_visitor.get("/mail/new").text),
        "to": "Ben, e, Nobody Atall",
        "body": "",
        "do": "find",
    }
    answer = web_visitor.post(NEW, form)
    page = web_visitor.get(answer.headers["location"]).text
    assert re.search(rf'name="who" value="{BEN}" checked', page)
    assert re.search(rf'name="who" value="{CLEO}">', page) and "Which “" in page
    assert "Nobody in this archive is called “<bdi>Nobody Atall</bdi>”" in page
    typed = {**fields(page), "who": [str(BEN), str(CLEO)], "to": "", "body": "Hello", "do": "queue"}
    assert web_visitor.post(NEW, typed).status_code == 303
    assert waiting(web_mail)[0]["recipients"] == [str(BEN), str(CLEO)]


def test_messages_are_forwarded_with_their_files(web_mail: Mail, web_visitor: Visitor) -> None:
    page = web_visitor.get("/mail/new?forward=101").text
    assert 'value="Fwd: Lab"' in page and "Forwarded, with their files" in page
    ids = [row[0] for row in web_mail.sql("SELECT id FROM messages WHERE conversation_id = 101 ORDER BY id")]
    typed = {**fields(page), "to": "Ben", "subject": "Fwd: Lab", "body": "For you.", "message": [str(ids[0])]}
    assert web_visitor.post(NEW, {**typed, "message": ["1030"]}).status_code == 400
    page = web_visitor.post(NEW, {**typed, "message": []}).text
    assert "Choose at least one message" in page and waiting(web_mail) == []
    assert web_visitor.post(NEW, {**fields(page), **typed, **fields(page)}).status_code == 303
    assert "Forwards 1 message" in web_visitor.get("/mail/edits").text
    web_mail.push()
    made = web_mail.outbox()[0].sent_ids[0]
    assert [one["id"] for one in newest_own(web_mail, made)["forwarded_messages"]] == [ids[0]]
    assert web_visitor.get("/mail/new?forward=4242").status_code == 400


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.txt", b"", "empty.txt is empty"),
        ("big.bin", b"x" * 3001, "big.bin is too large"),
    ],
)
def test_a_file_that_cannot_go_along_is_refused(
    web_mail: Mail,
    web_visitor: Visitor,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    sentence: str,
) -> None:
    from canvas_archive.web import forms

    monkeypatch.setattr(forms, "MOST_FILE", 3000)
    form = {**fields(web_visitor.get("/mail/new").text), "to": "Ben", "body": "x", "do": "queue"}
    answer = upload(web_visitor, NEW, form, (name, content))
    assert answer.status_code == 400 and sentence in answer.text and waiting(web_mail) == []
    assert not list((web_mail.folder / "drafts").rglob("*.part"))


def test_there_is_an_end_to_files_and_drafts(
    web_mail: Mail, web_visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {**fields(web_visitor.get("/mail/new").text), "to": "Ben", "body": "x", "do": "attach"}
    answer = upload(web_visitor, NEW, form, *((f"{n}.txt", b"x") for n in range(21)))
    assert answer.status_code == 400 and "20 files" in answer.text
    upload(web_visitor, NEW, form, *((f"{n}.txt", b"%d" % n) for n in range(15)))
    form = {**form, **fields(web_visitor.get(f"/mail/new?draft={form['draft']}").text)}
    answer = upload(web_visitor, NEW, form, *((f"{n}.md", b"m%d" % n) for n in range(15)))
    assert answer.status_code == 400 and len(drafts.list_drafts(web_mail.folder)[0].enclosures) == 15
    monkeypatch.setattr(drafts, "MOST_DRAFTS", 1)
    other = {**fields(web_visitor.get("/mail/new").text), "body": "x", "do": "keep"}
    assert "There are 1 drafts" in web_visitor.post(NEW, other).text
    monkeypatch.setattr(drafts, "MOST_BYTES", 3)
    assert "Send or discard" in upload(web_visitor, NEW, form, ("z.txt", b"z")).text


def test_a_form_that_is_not_ours_leaves_no_file(web_mail: Mail, web_visitor: Visitor) -> None:
    answer = upload(web_visitor, NEW, {"csrf": "0" * 64, "body": "x"}, ("a.txt", b"x"))
    assert answer.status_code == 403 and drafts.count_drafts(web_mail.folder) == 0
    assert not list(web_mail.folder.rglob("*.part"))


@pytest.mark.parametrize("do", ["keep", "find", "attach"])
def test_an_empty_form_makes_no_draft(web_mail: Mail, web_visitor: Visitor, do: str) -> None:
    form = {**fields(web_visitor.get("/mail/new").text), "do": do}
    assert web_visitor.post(NEW, form, headers=HTML).status_code == 200
    assert drafts.count_drafts(web_mail.folder) == 0
    if do == "keep":
        said = web_visitor.post(NEW, form, headers=JSON).json()
        assert said["version"] == ""
        later = {**form, "version": said["version"], "body": "Now."}
        assert web_visitor.post(NEW, later, headers=JSON).json()["ok"]


def test_a_draft_that_somebody_broke_is_passed_over(web_mail: Mail, web_visitor: Visitor) -> None:
    form = {**fields(web_visitor.get("/mail/new").text), "body": "x", "do": "keep"}
    web_visitor.post(NEW, form, headers=JSON)
    place = web_mail.folder / "drafts" / form["draft"] / "draft.json"
    whole = place.read_text()
    for text in ("", "[]", "{}", "nul", whole.replace('"body": "x"', '"enclosures": 7'), "[" * 100_000):
        place.write_text(text)
        assert web_visitor.get("/mail/drafts").status_code == 200
        assert web_visitor.get(f"/mail/new?draft={form['draft']}").status_code == 404
    place.unlink()
    place.symlink_to(web_mail.folder / "config.toml")
    assert web_visitor.get(f"/mail/new?draft={form['draft']}").status_code == 404
    assert web_visitor.get("/mail/c/101").status_code == 200
    assert web_visitor.get("/mail/new?draft=../../config.toml").status_code == 404
