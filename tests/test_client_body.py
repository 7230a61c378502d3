"""Bodies within bounds: size, packing, time, nesting, strict JSON."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from itertools import pairwise
from typing import Any

import httpx
import pytest

from canvas_archive.canvas.body import MOST_BODY_BYTES, decode_json
from canvas_archive.canvas.waiting import SLOWEST_BYTES
from canvas_archive.errors import MalformedAnswer, Unanswered, Unreachable
from tests.client_support import ME, AnswersOthers, FakeClock, Script, make_client, me, streamed

BODY = json.dumps(ME).encode()
PACKED = gzip.compress(BODY, mtime=0)


def test_the_bound_is_64_mebibytes_unless_told() -> None:
    assert MOST_BODY_BYTES == 64 * 1024 * 1024


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_body_over_the_bound_is_not_read_on(size: int) -> None:
    read = 0

    def more() -> bytes:
        nonlocal read
        read += 1
        return b" " * 400

    script = Script(streamed(*[more] * (size // 400 + 50)))
    with make_client(script, max_answer_bytes=size) as client:
        with pytest.raises(MalformedAnswer, match="more than"):
            client.conversation(5)
    assert read == size // 400 + 1
    assert len(script.requests) == 1


def test_a_body_at_the_bound_is_read() -> None:
    with make_client(Script(me()), max_answer_bytes=len(BODY)) as client:
        assert client.current_user().id == 7


@pytest.mark.thorough
@pytest.mark.parametrize("rounds", [1, 2])
def test_a_packed_bomb_costs_no_memory(rounds: int) -> None:
    bomb = b"\0" * 50_000_000
    for _ in range(rounds):
        bomb = gzip.compress(bomb)
    encoding = ", ".join(["gzip"] * rounds)
    script = Script(streamed(bomb, Content_Encoding=encoding))
    with make_client(script, max_answer_bytes=1_000_000) as client:
        tracemalloc.start()
        with pytest.raises(MalformedAnswer):
            client.conversation(5)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8_000_000
    assert len(script.requests) == 1


@pytest.mark.parametrize("cuts", [[0], [1, 5, 9], list(range(len(PACKED)))])
def test_packed_bodies_in_any_pieces(cuts: list[int]) -> None:
    edges = [0, *cuts, len(PACKED)]
    pieces = [PACKED[start:end] for start, end in pairwise(edges)]
    with make_client(Script(streamed(*pieces, Content_Encoding="gzip"))) as client:
        assert client.current_user().id == 7
        assert client.stats.bytes == len(PACKED)


def test_a_packed_body_cut_short_is_tried_again() -> None:
    cut = streamed(PACKED[:-9], Content_Encoding="gzip")
    with make_client(Script(cut, me())) as client:
        assert client.current_user().id == 7
    with make_client(Script(cut, endless=True), patience=20.0) as client:
        with pytest.raises(Unreachable, match="packed body stops short"):
            client.conversation(5)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"not packed at all", "gzip"),
        (PACKED + b"more", "gzip"),
        (BODY, "br"),
        (BODY, "deflate"),
        (BODY, "x\x1b"),
    ],
)
def test_damaged_or_unwanted_packing(body: bytes, encoding: str) -> None:
    with make_client(Script(streamed(body, Content_Encoding=encoding))) as client:
        with pytest.raises(MalformedAnswer, match="packed"):
            client.conversation(5)


@pytest.mark.parametrize("encoding", ["identity", "x-gzip", "GZIP"])
def test_other_names_of_packing(encoding: str) -> None:
    body = BODY if encoding == "identity" else PACKED
    with make_client(Script(streamed(body, Content_Encoding=encoding))) as client:
        assert client.current_user().id == 7


def test_an_empty_packed_body_is_an_empty_body() -> None:
    with make_client(Script(streamed(status=204, Content_Encoding="gzip"))) as client:
        assert client.remove_messages(5, []) is None


def test_a_trickling_body_ends() -> None:
    clock = FakeClock()

    def drop() -> bytes:
        clock.advance(20)
        return b" "

    script = Script(streamed(*[drop] * 1000), me())
    with make_client(script, clock, patience=1000.0) as client:
        assert client.current_user().id == 7
    assert 20 <= clock.elapsed < 30
    script = Script(streamed(*[drop] * 1000), endless=True)
    with make_client(AnswersOthers(script), clock, patience=1000.0) as client:
        client.current_user()
        with pytest.raises(Unanswered, match="too slowly"):
            client.conversation(5)
    assert len(script.requests) == 2


def test_a_large_answer_may_take_its_time() -> None:
    clock = FakeClock()

    def portion() -> bytes:
        clock.advance(19)
        return b" " * SLOWEST_BYTES

    with make_client(Script(streamed(*[portion] * 100, BODY)), clock, patience=60.0) as client:
        assert client.current_user().id == 7
    assert clock.elapsed == 1900


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nan",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b"[1,]",
        b"{'a': 1}",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        '"x"'.encode("utf-16"),
        b'"a\nb"',
        b"1" * 5000,
        b"{} {}",
    ],
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(MalformedAnswer, match="not valid JSON"):
        decode_json(body)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000, b"[" * 100_000 + b"]" * 100_000])
def test_nesting_is_bounded(body: bytes) -> None:
    with pytest.raises(MalformedAnswer, match=r"nested too deeply|not valid JSON"):
        decode_json(body)


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'"\\ud83d\\ude00 \\ud83d \\uDE00x"', "\U0001f600 \ufffd \ufffdx"),
        (b'{"\\ud800": ["\\udfff", 1.5, null]}', {"\ufffd": ["\ufffd", 1.5, None]}),
        ('"\U0001f600 é"'.encode(), "\U0001f600 é"),
        (b"9007199254740993", 9007199254740993),
        (b"1.25e2", 125.0),
    ],
)
def test_json_as_it_is_meant(body: bytes, document: Any) -> None:
    assert decode_json(body) == document


def test_bytes_are_counted_as_they_travelled() -> None:
    with make_client(Script(streamed(b"{", httpx.ReadError("")), me())) as client:
        client.current_user()
        assert client.stats.bytes == 1 + len(me().content)
