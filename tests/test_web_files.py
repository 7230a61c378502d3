"""Attachments: always a download, never a page, never outside of the archive's folder."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from hashlib import sha256
from pathlib import Path

import pytest
from datasette import NotFound

from canvas_archive.web import files
from tests.web_support import Visitor, change, column, make_archive, open_visitor

pytestmark = pytest.mark.thorough


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "archive")


@pytest.fixture
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


@pytest.mark.sampled
def test_a_file_is_a_download(visitor: Visitor, folder: Path) -> None:
    (ident,) = column(folder, "SELECT id FROM attachments WHERE display_name LIKE 'Überblick%'")
    answer = visitor.get(f"/mail/files/{ident}/whatever.html")
    assert answer.content == b"%PDF-1.4 overview"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-length"] == "17"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert "filename*=UTF-8''%C3%9Cberblick" in disposition
    head = visitor.ask("head", f"/mail/files/{ident}")
    assert head.content == b"" and head.headers["content-length"] == "17"


@pytest.mark.sampled
def test_a_large_file_arrives_whole(visitor: Visitor, folder: Path) -> None:
    content = bytes(range(256)) * 3000
    digest = sha256(content).hexdigest()
    path = folder / "files" / digest[:2] / digest
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    change(folder, "UPDATE attachments SET sha256 = ?, stored_size = ? WHERE id = 9001", digest, len(content))
    assert visitor.get("/mail/files/9001").content == content


@pytest.mark.parametrize(
    "name",
    ['a"b.txt', "line\r\nX-Injected: 1.txt", "../../etc/passwd", "日本語.pdf", "a\u202efdp.exe",
     "", "…", "x" * 500, "~*'()%\\;.html"],
)  # fmt: skip
def test_a_name_can_say_nothing_but_a_name(name: str) -> None:
    value = files.disposition(name)
    assert value.isascii() and value.isprintable()
    message = Message()
    message["Content-Disposition"] = value
    assert message.get_content_disposition() == "attachment"
    told = message.get_filename()
    assert told and "/" not in told and "\\" not in told and "\r" not in told and "\u202e" not in told


@pytest.mark.parametrize("digest", [None, "", "zz", "../" * 10, "A" * 64, "0" * 63, "0" * 64])
def test_only_the_bytes_of_a_hash_are_found(folder: Path, digest: str | None) -> None:
    with pytest.raises(NotFound):
        files.blob(folder / "files", digest)


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    digest = "ab" + "0" * 62
    (folder / "files" / "ab").mkdir(exist_ok=True)
    (folder / "files" / "ab" / digest).symlink_to(secret)
    with pytest.raises(NotFound):
        files.blob(folder / "files", digest)


def test_a_file_that_was_not_fetched_is_said_to_be_missing(visitor: Visitor, folder: Path) -> None:
    answer = visitor.get("/mail/files/9002")
    assert answer.status_code == 404 and "not fetched" in answer.text
    (digest,) = column(folder, "SELECT sha256 FROM attachments WHERE id = 9001")
    (folder / "files" / digest[:2] / digest).unlink()
    answer = visitor.get("/mail/files/9001")
    assert answer.status_code == 404 and "canvas-archive verify" in answer.text


def test_a_recording_is_a_download_too(visitor: Visitor, folder: Path) -> None:
    (digest,) = column(folder, "SELECT sha256 FROM attachments WHERE id = 9001")
    (message,) = column(folder, "SELECT message_id FROM media_comments")
    assert visitor.get(f"/mail/media/{message}/m-abc").status_code == 404
    change(folder, "UPDATE media_comments SET state = 'stored', sha256 = ?, stored_size = 8", digest)
    answer = visitor.get(f"/mail/media/{message}/m-abc")
    assert answer.content == b"PK essay"
    assert "Spoken comment.m4a" in answer.headers["content-disposition"]
    assert f'href="/mail/media/{message}/m-abc"' in visitor.get("/mail/c/800001").text


def test_a_conversation_that_is_gone_from_canvas_says_so_in_its_text(visitor: Visitor) -> None:
    assert "No longer on Canvas since 15 Nov 2026" in visitor.get("/mail/c/800008.txt").text


def test_a_conversation_without_messages_is_no_mail(visitor: Visitor, folder: Path) -> None:
    change(
        folder,
        "INSERT INTO conversations (id, private, starred, workflow_state, remote_starred,"
        " remote_workflow_state, message_count, last_message_at, first_seen_at)"
        " VALUES (900001, 0, 0, 'read', 0, 'read', 1, '2026-11-20T00:00:00Z', '2026-11-20T00:00:00Z')",
    )
    answer = visitor.get("/mail/c/900001.eml")
    assert answer.status_code == 400
    assert "The archive holds no message of conversation 900001." in answer.text


def test_a_conversation_whose_last_date_is_none_can_be_saved(visitor: Visitor, folder: Path) -> None:
    change(folder, "UPDATE messages SET created_at = 'zuletzt' WHERE id ="
           " (SELECT max(id) FROM messages WHERE conversation_id = 700004)")  # fmt: skip
    answer = visitor.get("/mail/c/700004.eml")
    assert answer.status_code == 200
    head = answer.text.partition("\r\n\r\n")[0]
    assert "X-Canvas-Unreadable-Date: zuletzt" in head and "\r\nDate:" not in head
    for page in ("/mail/c/700004", "/mail/c/700004.txt", "/mail/c/700004.json"):
        assert visitor.get(page).status_code == 200
