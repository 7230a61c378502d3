"""Files come from public hosts alone: every way to write or resolve an address that is not."""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
import trustme

from canvas_archive.canvas import CanvasClient
from canvas_archive.canvas import reach as module
from canvas_archive.canvas.address import Origin
from canvas_archive.canvas.reach import PrivateAddress, Reach, guard, is_public
from canvas_archive.errors import UnsafeRedirect
from canvas_archive.hosts import is_ip_address
from tests.client_support import URL, Script, make_client

HOME = Origin("https", "school.example", 443)
LOCAL = Origin("http", "127.0.0.1", 3000)
LINK = f"{URL}/files/61/download?verifier=abc"

PRIVATE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.7",
    "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::10.0.0.1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:0:10.1.2.3",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::", "2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1", "fd12::1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.1.1",
    "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


ODD = [
    "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0", "0x0a.0.0.1",
    "localhost", "LOCALHOST", "localhost.", "files.localhost", "127.0.0.1.", "10.0.0.1", "[::1]",
    "[::ffff:127.0.0.1]", "[fd00::1]", "[64:ff9b::a00:1]",
]  # fmt: skip


@pytest.mark.parametrize("host", ODD)
def test_a_redirect_to_such_an_address_is_not_followed_whatever_lies_between(host: str) -> None:
    script = Script(httpx.Response(302, headers={"Location": f"https://{host}/internal"}))
    with make_client(script) as client, pytest.raises(UnsafeRedirect) as caught:
        client.download(LINK, io.BytesIO())
    assert len(script.requests) == 1
    if isinstance(caught.value, PrivateAddress):
        assert "allowed_file_hosts" in str(caught.value)


def test_the_address_of_a_file_itself_and_later_hops_are_checked() -> None:
    hop = httpx.Response(302, headers={"Location": "https://cdn.example/x"})
    bad = httpx.Response(302, headers={"Location": "https://10.0.0.5/x"})
    for replies, url in (([], "https://192.168.1.1/x"), ([hop, bad], LINK)):
        script = Script(*replies)
        with make_client(script) as client, pytest.raises(PrivateAddress):
            client.download(url, io.BytesIO())
        assert len(script.requests) == len(replies)


@pytest.mark.parametrize("allowed", ["10.0.0.5", "https://10.0.0.5:8443/", "10.0.0.5:8443"])
def test_a_host_that_is_allowed_is_asked(allowed: str) -> None:
    whole = httpx.Response(200, content=b"data", headers={"Content-Length": "4"})
    script = Script(httpx.Response(302, headers={"Location": "https://10.0.0.5:8443/x"}), whole)
    sink = io.BytesIO()
    with make_client(script, allowed_file_hosts=(allowed,)) as client:
        client.download(LINK, sink)
    assert sink.getvalue() == b"data"


def test_a_canvas_on_this_machine_keeps_its_files_on_this_machine() -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "127.0.0.2"):
        Reach(LOCAL).check(host)
    with pytest.raises(PrivateAddress):
        Reach(LOCAL).check("10.0.0.1")


# -- names: resolved once, and the connection goes to what was checked ---------------------------------------


class Names:
    """A resolver that answers from a table, and counts; and a backend that only notes where it connects."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **table: list[str]) -> None:
        self.table = table
        self.asked: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.usual = socket.getaddrinfo
        monkeypatch.setattr(module.socket, "getaddrinfo", self.getaddrinfo)

    def getaddrinfo(self, host: str, port: int, *rest: Any, **named: Any) -> list[Any]:
        if is_ip_address(host):
            return self.usual(host, port, *rest, **named)
        self.asked.append(host)
        if host not in self.table:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in self.table[host]]

    def connect_tcp(self, host: str, port: int, **_: Any) -> str:
        import httpcore

        self.connected.append((host, port))
        if host.startswith("8."):
            raise httpcore.ConnectError("refused")
        return "a stream"

    def backend(self, home: Origin = HOME, *allowed: str) -> Any:
        return module._Backend(self, Reach(home, allowed))


def test_a_name_is_resolved_once_and_its_address_is_what_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Names(monkeypatch, files=["8.8.8.8", "1.1.1.1"])
    assert names.backend().connect_tcp("files", 443, timeout=5.0) == "a stream"
    assert names.asked == ["files"] and names.connected == [("8.8.8.8", 443), ("1.1.1.1", 443)]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["fd00::1"]])
def test_a_name_that_leads_to_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    names = Names(monkeypatch, files=addresses)
    with pytest.raises(PrivateAddress, match='add "files" to allowed_file_hosts'):
        names.backend().connect_tcp("files", 443)
    assert names.connected == []
    assert names.backend(HOME, "FILES.").connect_tcp("files", 443) == "a stream"
    assert names.connected == [("files", 443)]


def test_where_canvas_itself_is_files_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(
        monkeypatch, **{"school.example": ["10.0.0.7"], "files": ["10.0.0.7"], "other": ["10.0.0.8"]}
    )
    backend = names.backend()
    assert backend.connect_tcp("school.example", 443) == "a stream"
    assert backend.connect_tcp("files", 443) == "a stream"
    with pytest.raises(PrivateAddress):
        backend.connect_tcp("other", 443)
    assert names.connected == [("school.example", 443), ("10.0.0.7", 443)]


def test_a_name_that_nobody_knows_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpcore

    names = Names(monkeypatch, empty=[])
    for host in ("unknown", "empty"):
        with pytest.raises(httpcore.ConnectError):
            names.backend().connect_tcp(host, 443)


@pytest.fixture(scope="module")
def tls() -> Iterator[tuple[trustme.CA, int, list[bytes]]]:
    """A server on this machine with a certificate for files.example; it notes what it is asked."""
    authority, requests = trustme.CA(), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("files.example").configure_cert(context)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.settimeout(10)
            try:
                with closing(context.wrap_socket(connection, server_side=True)) as stream:
                    requests.append(stream.recv(4096))
                    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndata")
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield authority, listening.getsockname()[1], requests
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(10)


def test_the_certificate_must_be_that_of_the_name(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[trustme.CA, int, list[bytes]]
) -> None:
    authority, port, requests = tls
    context = ssl.create_default_context()
    authority.configure_trust(context)
    Names(monkeypatch, **{"files.example": ["127.0.0.1"], "evil.example": ["127.0.0.1"]})

    def get(host: str) -> httpx.Response:
        with guard(httpx.HTTPTransport(verify=context, trust_env=False), Reach(HOME)) as transport:
            request = httpx.Request(
                "GET", f"https://{host}:{port}/x", extensions={"timeout": {"connect": 10.0}}
            )
            response = transport.handle_request(request)
            response.read()
            return response

    with pytest.raises(PrivateAddress):
        get("files.example")
    assert requests == []
    monkeypatch.setattr(module, "is_public", lambda _: True)  # this machine has no other address to listen on
    assert get("files.example").content == b"data"
    with pytest.raises(httpx.ConnectError, match="certificate"):
        get("evil.example")
    assert len(requests) == 1


def test_every_client_has_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, **{"files.example": ["192.168.0.9"]})
    from canvas_archive.canvas import Token

    for home in ("https://school.example", "http://127.0.0.1:9"):
        with (
            CanvasClient(home, Token("1234~token")) as client,
            pytest.raises(PrivateAddress, match=r"192\.168"),
        ):
            client.download("https://files.example/x", io.BytesIO())
    assert names.asked.count("files.example") == 2
