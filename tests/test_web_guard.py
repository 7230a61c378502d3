"""Who gets in: host names, origins, the one-use link, sessions, headers, and standing aside."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette

from canvas_archive.errors import BadInput, GuardRefused, NoArchive
from canvas_archive.store import Archive
from canvas_archive.store.config import powers
from canvas_archive.web import forms, login, queries, server
from canvas_archive.web.gate import archives
from canvas_archive.web.guard import refusal
from canvas_archive.web.login import AccessPolicy, access_policy
from tests.web_support import SteadyClock, Visitor, change, column, make_archive, open_visitor

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("guard") / "archive")


@pytest.fixture
def visitor(folder: Path) -> Iterator[Visitor]:
    visitor = open_visitor(folder)
    yield visitor
    visitor.close()


@pytest.fixture
def locked(folder: Path) -> Iterator[Visitor]:
    visitor = Visitor(server.build(folder, host="127.0.0.1", port=4321, login=True))
    yield visitor
    visitor.close()


def test_an_invented_method_is_refused() -> None:
    assert refusal("BREW", {}, host_known=True, mail=True) == (405, "There is no such method here.")


@pytest.mark.parametrize(
    "path",
    ["/mail", "/", "/archive.json?sql=select+body+from+messages", "/archive/messages.csv?_stream=on",
     "/mail/static/mail.css", "/-/databases.json", "/mail/login?token=x"],
)  # fmt: skip
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8001", "127.0.0.1.evil.example", "", "192.168.1.7"]
)
def test_a_foreign_host_name_reads_nothing(visitor: Visitor, path: str, host: str) -> None:
    answer = visitor.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert "school" not in answer.text and len(answer.text) < 100


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.1:8001", "LOCALHOST:9", "[::1]", "[::1]:8001"]
)
def test_the_loopback_s_names_are_known(visitor: Visitor, host: str) -> None:
    assert visitor.get("/mail", headers={"host": host}).status_code == 200


def test_beyond_the_loopback_addresses_are_known_but_names_are_not(folder: Path) -> None:
    change_config(folder, "allowed_hosts = ['mail.school.example']\n")
    with Archive.open(folder, write=True) as archive:
        archive.adopt(powers(archive.config_as_written))
    visitor = Visitor(server.build(folder, host="0.0.0.0", port=1, login=True))
    try:
        for host, status in (
            ("192.168.1.7:8001", 403),
            ("[fe80::1]:8001", 403),
            ("mail.school.example", 403),
            ("evil.example", 421),
            ("1.2.3.4.evil.example", 421),
        ):
            assert visitor.get("/mail", headers={"host": host}).status_code == status
    finally:
        visitor.close()


def change_config(folder: Path, line: str) -> None:
    path = folder / "config.toml"
    text = path.read_text()
    if line not in text:
        path.write_text(text + line)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({b"sec-fetch-site": "same-origin"}, False),
        ({b"sec-fetch-site": "same-site"}, True),  # another port of 127.0.0.1
        ({b"sec-fetch-site": "cross-site"}, True),
        ({b"sec-fetch-site": "none"}, True),
        ({b"origin": "http://127.0.0.1:8001"}, False),
        ({b"origin": "https://127.0.0.1:8001"}, False),
        ({b"origin": "http://127.0.0.1:8002"}, True),
        ({b"origin": "http://evil.example"}, True),
        ({b"origin": "null"}, True),
        ({b"sec-fetch-site": "cross-site", b"origin": "http://127.0.0.1:8001"}, True),
        ({}, True),
    ],
)
def test_only_the_same_origin_writes(headers: dict[bytes, str], refused: bool) -> None:
    head = {b"host": "127.0.0.1:8001", **headers}
    assert (refusal("POST", head, host_known=True, mail=True) is not None) == refused
    assert refusal("GET", head, host_known=True, mail=True) is None


def test_a_script_without_cookies_may_post_to_datasette_s_own_pages() -> None:
    head = {b"host": "127.0.0.1:8001"}
    assert refusal("POST", head, host_known=True, mail=False) is None
    assert refusal("POST", {**head, b"cookie": "a=b"}, host_known=True, mail=False) is not None


def test_a_forged_form_changes_nothing(visitor: Visitor, folder: Path) -> None:
    fields = {"do": "star:700005", "csrf": visitor.token()}
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "same-site"}):
        answer = visitor.ask("post", "/mail/edit", data=fields, headers=headers)
        assert answer.status_code == 403
    for token in ("", "0" * 64):
        assert visitor.post("/mail/edit", {"do": "star:700005"}, token=token).status_code == 403
    assert column(folder, "SELECT count(*) FROM edits") == [0]


def test_every_answer_carries_the_headers(visitor: Visitor) -> None:
    for path in (
        "/mail",
        "/mail/static/mail.css",
        "/archive/messages",
        "/archive.json?sql=select+1",
        "/mail/nope",
    ):
        headers = visitor.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    policy = visitor.get("/mail").headers["content-security-policy"]
    assert "unsafe" not in policy and "http" not in policy and "default-src 'none'" in policy


def test_static_files_are_cached_for_ever_even_with_a_cookie(visitor: Visitor) -> None:
    answer = visitor.get("/mail/static/mail.css", cookies={"a": "b"})
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert visitor.get("/mail/static/..%2fguard.py").status_code in (400, 404)
    assert visitor.get("/mail/static/guard.py").status_code == 404


def sign_in(visitor: Visitor) -> Any:
    link = access_policy(visitor.datasette).new_link()
    answer = visitor.get(f"/mail/login?token={link}")
    found = re.match(r"(canvas_archive_4321)=([^;]+)", answer.headers.get("set-cookie", ""))
    if found:
        visitor.cookies[found[1]] = found[2]
    return answer, link


def test_without_the_link_nothing_is_shown(locked: Visitor) -> None:
    for path in ("/mail", "/mail/c/800001", "/mail/files/9001", "/mail/c/800001.eml", "/mail/search?q=proof",
                 "/archive", "/archive/messages", "/archive/conversations/800001", "/mail/nope",
                 "/archive?sql=select+1", "/-/metadata.json", "/-/databases.json"):  # fmt: skip
        answer = locked.get(path)
        assert answer.status_code == 403, path
        assert "Midterm" not in answer.text and "Chen" not in answer.text
    assert "canvas-archive serve" in locked.get("/mail").text
    answer = locked.get("/archive/messages.json?_shape=array")
    assert answer.status_code == 403
    assert "room has changed" not in answer.text


def test_the_link_works_once_and_the_cookie_is_closed_to_scripts(locked: Visitor) -> None:
    answer, link = sign_in(locked)
    assert answer.status_code == 200
    assert answer.headers["refresh"] == "0; url=/mail"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Max-Age=" in cookie
    assert locked.get("/mail").status_code == 200
    assert locked.get("/archive/messages").status_code == 200
    again = locked.get(f"/mail/login?token={link}", cookies={})
    assert again.status_code == 403 and "used already" in again.text
    assert "set-cookie" not in again.headers
    assert locked.get("/mail/login?token=wrong", cookies={}).status_code == 403
    assert locked.get(f"/mail/login?token={link}").headers["refresh"] == "0; url=/mail"


def test_a_look_at_the_link_does_not_use_it_up(locked: Visitor) -> None:
    link = access_policy(locked.datasette).new_link()
    assert locked.ask("head", f"/mail/login?token={link}").status_code == 405
    assert locked.get(f"/mail/login?token={link}").status_code == 200


def test_signing_out_ends_the_session(locked: Visitor) -> None:
    sign_in(locked)
    assert locked.post("/mail/logout", {}, token="0" * 64).status_code == 403
    assert locked.get("/mail/logout").status_code == 405
    answer = locked.post("/mail/logout", {})
    assert answer.status_code == 303
    assert locked.get("/mail").status_code == 403


def test_a_session_ends_a_day_after_its_last_use() -> None:
    clock = SteadyClock()
    policy = AccessPolicy(locked=True, clock=clock)
    session = policy.redeem(policy.new_link())
    assert session is not None
    clock.seconds += 80_000
    assert policy.admits(session)
    clock.seconds += 80_000
    assert policy.admits(session)
    clock.seconds += 90_000
    assert not policy.admits(session)
    assert "secret" not in repr(policy) and session not in repr(policy)


def test_another_archive_s_cookie_opens_nothing(locked: Visitor) -> None:
    sign_in(locked)
    value = locked.cookies["canvas_archive_4321"]
    access_policy.install(locked.datasette, AccessPolicy(locked=True, cookie="canvas_archive_4321"))
    assert locked.get("/mail", cookies={"canvas_archive_4321": value}).status_code == 403


def test_an_odd_cookie_of_another_program_shuts_nobody_out(locked: Visitor) -> None:
    """Cookies ignore ports, and Python's parser refuses all of a header for one name like these."""
    policy = access_policy(locked.datasette)
    session = policy.redeem(policy.new_link())
    for odd in ("a/b=1", "user@host=x", "a/b=1; c:d=2"):
        for header in (f"{odd}; {policy.cookie}={session}", f"{policy.cookie}={session}; {odd}"):
            for path in ("/mail", "/-/databases.json", "/archive"):
                answer = locked.get(path, cookies=None, headers={"cookie": header})
                assert answer.status_code == 200, (header, path)
        assert locked.get("/mail", cookies=None, headers={"cookie": odd}).status_code == 403


@pytest.mark.sampled
def test_writing_needs_the_owner(folder: Path) -> None:
    visitor = Visitor(Datasette([str(folder / "archive.db")]))
    try:
        page = visitor.get("/mail")
        assert page.status_code == 200  # plain Datasette: readable on the loopback, as its users expect
        assert '<form class="list"' in page.text and 'name="do"' not in page.text
        answer = visitor.post("/mail/edit", {"do": "star:700005"})
        assert answer.status_code == 403 and "Sign in first" in answer.text
        assert column(folder, "SELECT count(*) FROM edits") == [0]
        signed = {"ds_actor": visitor.datasette.sign({"a": {"id": "root"}}, "actor")}
        assert 'name="do"' in visitor.get("/mail", cookies=signed).text
    finally:
        visitor.close()


def test_an_immutable_archive_is_read_only(folder: Path) -> None:
    visitor = Visitor(Datasette(immutables=[str(folder / "archive.db")]))
    access_policy.install(visitor.datasette, AccessPolicy(open_to_all=True))
    try:
        assert 'name="do"' not in visitor.get("/mail").text
        answer = visitor.post("/mail/edit", {"do": "star:700005"})
        assert answer.status_code == 403 and "immutable" in answer.text
    finally:
        visitor.close()


def test_an_allow_block_of_datasette_s_is_respected(folder: Path) -> None:
    for metadata in (
        {"allow": {"id": "root"}},
        {"databases": {"archive": {"allow": False}}},
        {"databases": {"archive": {"tables": {"messages": {"allow": False}}}}},
    ):
        visitor = Visitor(Datasette([str(folder / "archive.db")], metadata=metadata))
        try:
            assert visitor.get("/mail/c/800001").status_code == 403
            assert visitor.get("/mail/search?q=proof").status_code == 403
            assert visitor.get("/mail/c/800001.txt").status_code == 403
        finally:
            visitor.close()


def test_where_there_is_no_archive_the_plugin_stands_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "plain.db") as db:
        db.execute("CREATE TABLE conversations (id INTEGER PRIMARY KEY, subject TEXT)")
        db.execute("INSERT INTO conversations VALUES (1, 'tea')")
    db.close()
    visitor = Visitor(Datasette([str(tmp_path / "plain.db")]))
    try:
        assert archives(visitor.datasette) == ()
        front = visitor.get("/")
        assert front.status_code == 200 and "mail" not in front.text.lower()
        table = visitor.get("/plain/conversations", headers={"host": "any.example"})
        assert table.status_code == 200
        assert "tables.css" not in table.text and "/mail/c/1" not in table.text and ">tea<" in table.text
        for name in (
            "content-security-policy",
            "x-frame-options",
            "x-content-type-options",
            "permissions-policy",
        ):
            assert name not in table.headers
        assert visitor.get("/-/metadata.json").json() == {}
        assert visitor.get("/mail").status_code == 404
        assert visitor.get("/mail/static/mail.css").status_code == 404
        assert visitor.get("/mail/login?token=x").status_code == 404
        assert (
            visitor.run(visitor.datasette.permission_allowed({"id": "root"}, "view-instance", default=None))
            is None
        )
        assert visitor.get("/-/permissions").status_code == 403
        assert "Canvas" not in visitor.get("/-/permissions").text
    finally:
        visitor.close()


def test_a_file_that_is_no_database_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"not a database at all" * 100)
    datasette = Datasette([str(tmp_path / "broken.db")], memory=True)
    assert archives(datasette) == ()
    assert archives(Datasette([str(tmp_path / "missing.db")])) == ()


def test_two_archives_keep_datasette_s_front_page(tmp_path: Path, folder: Path) -> None:
    other = make_archive(tmp_path / "second")
    (other / "archive.db").rename(other / "second.db")
    visitor = Visitor(Datasette([str(folder / "archive.db"), str(other / "second.db")]))
    try:
        assert visitor.get("/").status_code == 200
        assert visitor.get("/mail").status_code == 200
        described = visitor.get("/-/metadata.json").json()["databases"]
        assert set(described) == {"archive", "second"}
    finally:
        visitor.close()


def test_the_front_page_leads_to_the_mail(visitor: Visitor) -> None:
    answer = visitor.get("/")
    assert answer.status_code == 302 and answer.headers["location"] == "/mail"


def test_everything_works_below_a_base_path(folder: Path) -> None:
    datasette = server.build(folder, host="127.0.0.1", port=8001, login=False)
    datasette._settings["base_url"] = "/school/"
    visitor = Visitor(datasette)
    try:
        page = visitor.get("/mail")
        assert page.status_code == 200
        assert 'href="/school/mail/c/' in page.text
        assert 'href="/mail' not in page.text and 'action="/mail' not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert visitor.get("/mail/static/mail.css").status_code == 200
        for path in (
            "/mail/people/4",
            "/mail/timeline",
            "/mail/search?q=proof",
            "/mail/courses",
            "/mail/edits",
        ):
            assert not re.search(r'(?:href|action)="/(?!school/)', visitor.get(path).text)
        assert visitor.get("/").headers["location"] == "/school/mail"
    finally:
        visitor.close()


def test_without_sign_in_only_the_loopback_is_served(folder: Path) -> None:
    with pytest.raises(GuardRefused, match="--no-login"):
        server.prepare(folder, host="0.0.0.0", login=False)


def test_a_port_in_use_is_named(folder: Path) -> None:
    served = server.prepare(folder)
    try:
        port = served.listener.getsockname()[1]
        assert served.url.startswith(f"http://127.0.0.1:{port}/mail/login?token=")
        with pytest.raises(BadInput, match=f"port {port}"):
            server.prepare(folder, port=port)
    finally:
        served.close()


def test_a_folder_without_an_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoArchive):
        server.prepare(tmp_path)


def test_the_database_file_is_not_for_download(visitor: Visitor) -> None:
    assert visitor.get("/archive.db").status_code in (403, 404)


@pytest.mark.sampled
def test_sql_is_read_only(visitor: Visitor, folder: Path) -> None:
    for statement in ("delete from messages", "attach database '/tmp/x' as x", "pragma query_only = off"):
        assert visitor.get("/archive.json", params={"sql": statement}).status_code == 400
    before = column(folder, "SELECT count(*) FROM messages")
    change(folder, "UPDATE account SET name = name")
    assert column(folder, "SELECT count(*) FROM messages") == before


def test_a_form_that_breaks_off_is_refused() -> None:
    class Request:
        """A request whose reader leaves in the middle of its form."""

        def __init__(self) -> None:
            self.messages = [
                {"type": "http.request", "body": b"do=star", "more_body": True},
                {"type": "http.disconnect"},
            ]

        async def receive(self) -> dict[str, Any]:
            return self.messages.pop(0)

    with pytest.raises(BadInput, match="did not arrive whole"):
        asyncio.run(forms._whole(Request()))


def test_a_fault_of_a_page_s_own_is_not_called_slow(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(queries, "ACCOUNT", "SELECT nope FROM account")
    assert visitor.get("/mail").status_code == 500
    assert "no such column: nope" in capsys.readouterr().err


def test_without_an_archive_datasette_s_own_guard_stays() -> None:
    datasette = Datasette(memory=True)
    try:
        assert login.skip_csrf(datasette, {"path": "/mail/edit"}) is False
    finally:
        for database in datasette.databases.values():
            database.close()
        datasette.executor.shutdown()
