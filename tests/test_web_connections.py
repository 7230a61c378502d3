"""Connections whose client does not go on are closed, and the owner is answered meanwhile."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator

import httpx
import pytest

from canvas_archive.web.connections import BoundedConnection
from tests.web_support import Running, make_archive

BOUND = 60.0
"""How long a test waits for what has to happen at once."""

GOOD = b"GET /mail HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = b"POST /mail/edit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BoundedConnection, "limit", 0.2)
        running = Running(make_archive(tmp_path_factory.mktemp("connections") / "archive"))
        yield running
        running.stop()


def connect(server: Running) -> socket.socket:
    port = int(server.base.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=BOUND)


def read_to_the_end(connection: socket.socket) -> bytes:
    """Return what comes until the server closes; a test that waits too long fails."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(100_000):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /ma",
        GOOD[:-2],
        GOOD[:-2] + b"X: " + b"y" * 10_000,
        GOOD,
        GOOD + GOOD[:-2],
        POST + b"\r\n",
        POST + b"\r\nhalf of it",
        POST + b"Expect: 100-continue\r\n\r\n",
        POST[:-22] + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
def test_what_is_not_finished_is_closed(server: Running, sent: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(sent)
        answer = read_to_the_end(connection)
    assert answer.count(b"HTTP/1.1 ") <= sent.count(b"\r\n\r\n") + 1


@pytest.mark.parametrize("begin", [b"GET /mail HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", POST + b"\r\n"])
def test_one_byte_after_the_other_gains_no_time(server: Running, begin: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(begin)
        with contextlib.suppress(ConnectionError):
            for _ in range(int(BOUND / 0.02)):
                connection.sendall(b"y")
                if select.select([connection], [], [], 0.02)[0] and not connection.recv(100_000):
                    break
            else:
                pytest.fail("the connection is still open")


def test_whoever_does_not_read_is_cut_off(server: Running) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", int(server.base.rpartition(":")[2])))
        # Until neither side takes any more, and then until the server ends it.
        with contextlib.suppress(ConnectionError):
            while select.select([], [connection], [], BOUND)[1]:
                connection.send(GOOD.replace(b"/mail", b"/mail/static/mail.css") * 100)
            pytest.fail("the connection is still open")


@pytest.mark.thorough
def test_three_hundred_half_open_connections_end_and_the_owner_is_answered(server: Running) -> None:
    with contextlib.ExitStack() as open_ones:
        half = [open_ones.enter_context(connect(server)) for _ in range(300)]
        for at, connection in enumerate(half):
            with contextlib.suppress(ConnectionError):
                connection.sendall([b"", b"GET /mail HT", POST + b"\r\nhalf"][at % 3])
        with httpx.Client(timeout=BOUND) as owner:
            assert owner.get(server.link()).status_code == 200
            assert owner.get(f"{server.base}/mail").status_code == 200
            for connection in half:
                read_to_the_end(connection)
            assert owner.get(f"{server.base}/mail").status_code == 200
    assert len(server.served.server.server_state.connections) <= 1


def test_beyond_the_most_connections_the_one_that_waited_longest_ends(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedConnection, "limit", BOUND * 100)
    monkeypatch.setattr(BoundedConnection, "most", 5)
    with contextlib.ExitStack() as open_ones:
        for _ in range(20):
            newest = open_ones.enter_context(connect(server))
            newest.sendall(GOOD[:-2])
        answer = httpx.get(f"{server.base}/mail", timeout=BOUND)
        assert answer.status_code == 403
        newest.sendall(b"\r\n")
        assert newest.recv(100).startswith(b"HTTP/1.1 403")
        assert len(server.served.server.server_state.connections) <= 6
