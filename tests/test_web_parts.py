"""A long conversation in parts: every message on exactly one way through it, and each to be found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from canvas_archive.web import thread_parts
from tests.web_support import LONG_COUNT as COUNT
from tests.web_support import Visitor, change, column, make_long, open_visitor


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_long(tmp_path_factory.mktemp("parts") / "archive")


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


@pytest.fixture(scope="module")
def ids(folder: Path) -> list[int]:
    return column(folder, "SELECT id FROM messages WHERE conversation_id = 4 ORDER BY created_at, id")


def shown(text: str) -> list[int]:
    return [
        int(found) for found in re.findall(r'<(?:article|p) class="(?:msg|event)[^"]*" id="m(\d+)"', text)
    ]


def link(text: str, label: str) -> str | None:
    found = re.search(rf'<a class="btn[^"]*" href="([^"]*)">{label}</a>', text)
    return found and found[1].replace("&amp;", "&")


def test_the_newest_part_comes_first_and_says_where_it_is(visitor: Visitor, ids: list[int]) -> None:
    text = visitor.get("/mail/c/4").text
    assert shown(text) == ids[-thread_parts.PAGE :]
    assert "Messages 336 to 435 of 435" in text  # two of the 437 are Canvas's own lines
    assert 'aria-label="Message 435 from Ann"' in text and 'aria-label="Message 336 from' in text
    assert "435 messages" in text and "14 Nov 2026" in text
    assert link(text, "Newer messages") is None
    assert len(text) < 120_000


@pytest.mark.thorough
@pytest.mark.parametrize("context", ["", "in=person%3A2"])
def test_the_way_to_the_oldest_and_back_passes_every_message_once(
    visitor: Visitor, ids: list[int], context: str
) -> None:
    address: str | None = f"?{context}"
    seen: list[int] = []
    pages = 0
    while address is not None:
        text = visitor.get(f"/mail/c/4{address}").text
        part = shown(text)
        assert f'id="m{part[0]}"' in text
        seen = part + seen
        pages += 1
        address = link(text, "Older messages")
        assert address is None or context in address
        if address is not None:  # it leads to the message before, at the end of the older page
            assert address.endswith(f"#m{ids[ids.index(part[0]) - 1]}")
    assert seen == ids
    assert pages == 5
    back = list(part)
    while (address := link(text, "Newer messages")) is not None:
        assert address.endswith(f"#m{ids[ids.index(shown(text)[-1]) + 1]}")
        text = visitor.get(f"/mail/c/4{address}").text
        back += shown(text)
    assert back == ids
    assert link(text, "Newest") is None


def test_every_message_is_on_the_page_its_address_asks_for(visitor: Visitor, ids: list[int]) -> None:
    for place in (0, 1, 4, 5, 6, 99, 100, 101, 250, COUNT - 96, COUNT - 95, COUNT - 2, COUNT - 1):
        part = shown(visitor.get(f"/mail/c/4?m={ids[place]}").text)
        assert ids[place] in part
        assert len(part) == thread_parts.PAGE
        start = ids.index(part[0])
        assert part == ids[start : start + thread_parts.PAGE]


def test_the_links_to_a_message_ask_for_its_part(visitor: Visitor, folder: Path, ids: list[int]) -> None:
    text = visitor.get("/mail/c/4").text
    assert f'class="perma" href="/mail/c/4?m={ids[-1]}#m{ids[-1]}"' in text
    (only,) = column(folder, "SELECT id FROM messages WHERE conversation_id = 1")
    assert f'class="perma" href="#m{only}"' in visitor.get("/mail/c/1").text


def test_all_on_one_page(visitor: Visitor, ids: list[int]) -> None:
    assert '<a href="?all=1">all on one page</a>' in visitor.get("/mail/c/4").text
    text = visitor.get("/mail/c/4?all=1").text
    assert shown(text) == ids
    assert 'class="way"' not in text


@pytest.mark.parametrize("ident", [1, 2])
def test_what_fits_on_a_page_is_not_parted(visitor: Visitor, ident: int) -> None:
    text = visitor.get(f"/mail/c/{ident}").text
    assert len(shown(text)) == (1 if ident == 1 else thread_parts.WHOLE)
    assert 'class="way"' not in text and "data-part" not in text


def test_one_more_than_fits_is_parted(visitor: Visitor) -> None:
    assert len(shown(visitor.get("/mail/c/3").text)) == thread_parts.PAGE


@pytest.mark.parametrize(
    "address",
    ["?m=1", "?m=99999999999999999999", "?m=abc", "?before=nonsense", "?before=2001-01-01T00:00:00Z~1",
     "?after=2031-01-01T00:00:00Z~1", "?all=0"],
)  # fmt: skip
def test_an_address_that_leads_nowhere_shows_the_newest(
    visitor: Visitor, ids: list[int], address: str
) -> None:
    assert shown(visitor.get(f"/mail/c/4{address}").text) == ids[-thread_parts.PAGE :]


def test_the_files_of_the_whole_conversation_are_listed_once(visitor: Visitor) -> None:
    text = visitor.get("/mail/c/4").text
    rail = text[text.index("<h2>Attachments</h2>") : text.index("<h2>Save</h2>")]
    names = re.findall(r"<bdi>([^<]*)</bdi>", rail)
    assert sorted(names) == sorted(
        [*(f"file {n}.txt" for n in range(0, COUNT, 13)), "forwarded.txt", "Spoken"]
    )
    assert "<summary>12 more</summary>" in rail


def test_the_saved_conversation_is_whole(visitor: Visitor) -> None:
    assert visitor.get("/mail/c/4.txt").text.count("Line ") == COUNT


def test_a_conversation_without_messages_is_no_part(visitor: Visitor, folder: Path) -> None:
    change(
        folder,
        "INSERT INTO conversations (id, subject, workflow_state, remote_workflow_state, first_seen_at)"
        " VALUES (9, 'Nothing yet', 'read', 'read', '2026-11-01T00:00:00Z')",
    )
    text = visitor.get("/mail/c/9?m=1").text
    assert "holds no message of this conversation" in text and "0 messages" in text
