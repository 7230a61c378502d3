"""Bodies: read within bounds, unpacked within bounds, decoded strictly."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, cast

import httpx

from canvas_archive.errors import MalformedAnswer
from canvas_archive.model import Json

MOST_BODY_BYTES = 64 * 1024 * 1024
_PIECE = 256 * 1024
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class Truncated(Exception):
    """A body was cut short by the connection, so another try may succeed."""


class TooSlow(Truncated):
    """A body was not read to its end, because it arrived too slowly."""


def encoding_of(headers: httpx.Headers) -> str:
    """Return the ``Content-Encoding`` in lower case, empty for none."""
    encoding: str = headers.get("Content-Encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding


def unpacked(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the content of a body in pieces of at most 256 KiB, however far it was packed.

    Raises Truncated when a packed body stops short, MalformedAnswer for a damaged one or an encoding
    that was not asked for.
    """
    if not encoding:
        yield from chunks
        return
    if encoding not in ("gzip", "x-gzip"):
        raise MalformedAnswer(f"Canvas sent a body packed as {encoding[:40]!r}, which was not asked for.")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    seen = False
    for chunk in chunks:
        data = chunk
        while data:
            seen = True
            if unpacker.eof:
                raise MalformedAnswer("Canvas sent a packed body with something behind its end.")
            try:
                piece = unpacker.decompress(data, _PIECE)
            except zlib.error:
                raise MalformedAnswer("Canvas sent a packed body that cannot be unpacked.") from None
            if piece:
                yield piece
            data = unpacker.unconsumed_tail or unpacker.unused_data
    # Behind the content come its checksum and length: with these taken in, nothing can be left to unpack.
    if seen and not unpacker.eof:
        raise Truncated("the packed body stops short")


def read_body(
    response: httpx.Response, most: int, too_slow: Callable[[int], bool], received: Callable[[int], None]
) -> bytes:
    """Read a whole body of at most ``most`` bytes, packed or not.

    Calls ``received`` and ``too_slow`` with the size of every chunk as it travelled. The latter ends a body
    that trickles.
    Raises Truncated, MalformedAnswer and httpx's transport errors.
    """
    whole = bytearray()
    for piece in unpacked(_arriving(response, too_slow, received), _packing(response)):
        if len(whole) + len(piece) > most:
            raise MalformedAnswer(
                f"Canvas sent more than {most / 1048576:g} MiB in one answer. The rest was not read."
            )
        whole += piece
    return bytes(whole)


def _packing(response: httpx.Response) -> str:
    # A transport that hands over a finished answer has unpacked it already.
    return "" if response.is_stream_consumed else encoding_of(response.headers)


def _arriving(
    response: httpx.Response, too_slow: Callable[[int], bool], received: Callable[[int], None]
) -> Iterator[bytes]:
    if response.is_stream_consumed:
        received(len(response.content))
        yield response.content
        return
    for chunk in response.iter_raw():
        received(len(chunk))
        if too_slow(len(chunk)):
            raise TooSlow("the body arrived too slowly")
        yield chunk


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("number out of range")
    return value


def decode_json(body: bytes) -> Json:
    """Return the document in a body: strict JSON in UTF-8, numbers finite, text storable.

    Half surrogate pairs become U+FFFD, as they have no UTF-8. Raises MalformedAnswer.
    """
    try:
        text = body.decode("utf-8-sig")
        document = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        return cast("Json", _storable(document) if _SURROGATE_ESCAPE.search(text) else document)
    except (ValueError, RecursionError) as error:
        kind = (
            "JSON nested too deeply"
            if isinstance(error, RecursionError)
            else "something that is not valid JSON"
        )
        raise MalformedAnswer(f"Canvas answered with {kind}.") from None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value
