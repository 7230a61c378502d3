"""Writing in a real browser, with and without its script: exactly these messages arrive, with these files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.push_support import ADA, Mail
from tests.web_support import Running, Watched

pytestmark = [pytest.mark.browser, pytest.mark.uncounted, pytest.mark.thorough]


@pytest.fixture
def running(web_mail: Mail) -> Iterator[Running]:
    server = Running(web_mail.folder)
    yield server
    server.stop()


def sent_by_ada(mail: Mail) -> set[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    """Return what Ada wrote: texts, names of files, ids of forwarded messages."""
    return {
        (
            one["body"],
            tuple(file["display_name"] for file in one["attachments"]),
            tuple(inner["id"] for inner in one["forwarded_messages"]),
        )
        for thread in mail.sandbox.school.truth().values()
        for one in thread["messages"]
        if one["author_id"] == ADA
    }


@pytest.mark.sampled
@pytest.mark.parametrize("scripted", [True, False])
def test_a_day_of_writing(
    chromium: Any, web_mail: Mail, running: Running, tmp_path: Path, scripted: bool
) -> None:
    (tmp_path / "plan.txt").write_text("the plan")
    before = sent_by_ada(web_mail)
    context = chromium.new_context(java_script_enabled=scripted)
    try:
        page = context.new_page()
        watched = Watched(page, running.base)
        page.remove_listener("dialog", watched._dialog)
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(running.link())
        page.wait_for_url("**/mail")

        watched.go("/mail/c/101")
        page.click("#reply summary")
        page.fill("#reply textarea", "See the plan.")
        page.set_input_files("input[type=file]", str(tmp_path / "plan.txt"))
        if not scripted:
            page.click("#reply [value=attach]")
        page.wait_for_selector(".enclosed:has-text('plan.txt')")
        page.reload()
        assert page.input_value("#reply textarea") == "See the plan."
        page.click("#reply [value=queue]")
        page.wait_for_selector(".ledger:has-text('See the plan.')")
        page.click(".toast button")
        page.wait_for_selector(".toast:has-text('Undone')")
        watched.go("/mail/c/101")
        page.click("#reply [value=queue]")
        page.wait_for_selector(".ledger:has-text('See the plan.')")

        watched.go("/mail/c/102")
        page.click("#reply summary")
        page.fill("#reply textarea", "Only a draft.")
        if scripted:
            page.wait_for_selector(".saved:has-text('Draft saved.')")
        else:
            page.click("#reply [value=keep]")
        watched.go("/mail/c/102")
        assert page.input_value("#reply textarea") == "Only a draft."

        watched.go("/mail/new?forward=101")
        page.fill("[name=to]", "Ben")
        page.click("[value=find]")
        page.wait_for_selector("[name=who]")
        page.fill("textarea", "For you.")
        page.click("[value=queue]")
        page.wait_for_selector(".ledger:has-text('For you.')")
        page.click(".stream .pri")
        if not scripted:
            assert "Send 2 messages" in page.inner_text("h1")
            page.click(".stream .pri")
        page.wait_for_selector(".progress:has-text('Messages: 2 sent.')")
        assert watched.complaints == []
    finally:
        context.close()
    last = web_mail.one("SELECT max(id) FROM messages WHERE conversation_id = 101 AND author_id <> ?", ADA)
    assert sent_by_ada(web_mail) - before == {
        ("See the plan.", ("plan.txt",), ()),
        ("For you.", (), (last,)),
    }
