"""Time stamp authorities that answer badly, and signing that nobody asked for each time: after a sync."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from canvas_archive.cli import main
from canvas_archive.errors import BadInput, ItemsFailed, MachineTrouble
from canvas_archive.sandbox import Sandbox
from canvas_archive.signing import stamps
from canvas_archive.signing.statement import Statement
from canvas_archive.signing.stored import Means, sign_into
from tests.signing_support import Authority, Handler, authority_served, make_key, served

STATEMENT = Statement("https://x.edu", "2026-12-01T02:15:00Z", 7, 1, "a" * 64)

BAGGED = ["export", "--bag", "--format", "jsonl", "--allow-incomplete"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def ending() -> Iterator[threading.Event]:
    """What lets servers end that keep somebody waiting."""
    event = threading.Event()
    yield event
    event.set()


def huge(handler: Handler, query: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(64):
        handler.wfile.write(b"0" * (1 << 16))


def moved(handler: Handler, query: bytes) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://169.254.169.254/")
    handler.end_headers()


@pytest.mark.parametrize(
    ("respond", "why"),
    [
        (lambda handler, query: handler.reply(b""), "that is no time stamp"),
        (lambda handler, query: handler.reply(b"<html>Sign in</html>"), "that is no time stamp"),
        (lambda handler, query: handler.reply(query), "that is no time stamp"),
        (lambda handler, query: handler.reply(b"\x30\x05\x30\x03\x02\x01\x02"), "it refused"),
        (lambda handler, query: handler.reply(b"", 503), "the status 503"),
        (moved, "the status 302"),
        (huge, "more than 262,144 bytes"),
        (lambda handler, query: handler.connection.close(), ""),
    ],
    ids=["empty", "page", "echo", "refusal", "failure", "redirect", "huge", "cut"],
)
def test_no_stamp_is_one_sentence(respond: Callable[[Handler, bytes], None], why: str) -> None:
    with served(respond) as address, pytest.raises(ItemsFailed) as caught:
        stamps.ask(address, b"text")
    sentence = str(caught.value)
    assert sentence.startswith(f"No time stamp came from {address}: ")
    assert why in sentence
    assert "\n" not in sentence and len(sentence) < 400


@pytest.mark.parametrize("with_header", [False, True])
def test_a_slow_authority_is_not_waited_for(ending: threading.Event, with_header: bool) -> None:
    def trickle(handler: Handler, query: bytes) -> None:
        if with_header:
            handler.send_response(200)
            handler.end_headers()
        while not ending.wait(0.02):
            handler.wfile.write(b"0")

    with served(trickle) as address, pytest.raises(ItemsFailed, match=r"within 0\.3 seconds"):
        stamps.ask(address, b"text", seconds=0.3)
    ending.set()


def test_a_stamp_of_something_else_is_refused(authority: Authority) -> None:
    kept: list[bytes] = []

    def replay(handler: Handler, query: bytes) -> None:
        kept.append(authority.answer(query) if not kept else kept[0])
        handler.reply(kept[0])

    with served(replay) as address:
        stamp = stamps.ask(address, b"text")
        with pytest.raises(ItemsFailed, match="to another request"):
            stamps.ask(address, b"text")
    assert stamps.check(stamp, b"text", authority.certificate).trusted
    assert stamps.check(stamp, b"other", authority.certificate).why == "it is of another statement"


@pytest.mark.parametrize("address", ["ftp://x", "x", "", "https://", "https://me:pass@x.edu", "http://[::1"])
def test_such_addresses_are_not_asked(address: str) -> None:
    with pytest.raises(BadInput) as caught:
        stamps.require_address(address)
    assert "pass@" not in str(caught.value)


def test_a_signature_is_kept_when_no_stamp_comes(tmp_path: Path) -> None:
    with served(lambda handler, query: handler.reply(b"")) as address:
        signed = sign_into(tmp_path, STATEMENT, Means(make_key(tmp_path), address))
        assert signed.signature is not None and signed.stamp is None
        assert "no time stamp" in (signed.without_stamp or "")
        with pytest.raises(ItemsFailed):
            sign_into(tmp_path / "other", STATEMENT, Means(timestamp=address))
    assert not (tmp_path / "other").exists()


def test_without_the_library_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(MachineTrouble, match=r"canvas-archive\[timestamp\]"):
        stamps.ask("https://x.edu", b"text")
    with pytest.raises(MachineTrouble):
        stamps.check(b"", b"text", None)


def test_each_sync_with_news_is_signed(
    tmp_path: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CANVAS_ARCHIVE", str(tmp_path / "archive"))
    key, place = make_key(tmp_path), tmp_path / "archive" / "signatures"
    with Sandbox(conversations=4) as sandbox, authority_served(authority) as address:
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
        assert main.run(["init", "--sign-key", str(key), "--timestamp-url", address]) == 0
        assert main.run(["sync", "--no-attachments"]) == 0
        names = sorted(path.suffix for path in place.iterdir())
        assert names == [".sig", ".tsr", ".txt"]
        assert (
            main.run(["sync", "--no-attachments"]) == 0
        )  # which asks for the unread list for the first time
        assert len(list(place.iterdir())) == 6
        assert main.run(["sync", "--no-attachments"]) == 0
        assert len(list(place.iterdir())) == 6, "nothing arrived, and nothing is signed again"
        assert (
            main.run(["export", str(tmp_path / "bag"), "--bag", "--format", "jsonl", "--allow-incomplete"])
            == 0
        )
        assert len(list((tmp_path / "bag" / "signatures").iterdir())) == 3


def test_no_missing_signature_fails_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The authority is gone, and then the key: it is noted."""
    key, gone, place = make_key(tmp_path), "http://127.0.0.1:9/", tmp_path / "archive" / "signatures"
    monkeypatch.setenv("CANVAS_ARCHIVE", str(tmp_path / "archive"))
    with Sandbox(conversations=4) as sandbox:
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
        monkeypatch.setenv("CANVAS_API_TOKEN", sandbox.token)
        assert main.run(["init", "--sign-key", str(key), "--timestamp-url", gone]) == 0
        assert main.run(["sync", "--no-attachments"]) == 0
        assert f"No time stamp came from {gone}" in capsys.readouterr().err
        assert sorted(path.suffix for path in place.iterdir()) == [".sig", ".txt"]
        for path in place.iterdir():
            path.unlink()
        key.unlink()
        assert main.run(["sync", "--no-attachments"]) == 0
        assert "The head of the chain was not signed." in capsys.readouterr().err
        assert list(place.iterdir()) == []
        assert (
            main.run(
                ["export", str(tmp_path / "unsigned"), "--bag", "--format", "jsonl", "--allow-incomplete"]
            )
            == 0
        )
        assert "The bag was not signed." in capsys.readouterr().err
        assert main.run(["sign", "--key", str(key)]) == 2
