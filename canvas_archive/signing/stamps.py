"""Time stamps of RFC 3161: asked of an authority of the user's choice, read and checked.

An authority sees the hash of a statement and nothing else. Its answer is read within bounds of time and size.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_archive.clock import iso
from canvas_archive.errors import ArchiveError, BadInput, ItemsFailed, MachineTrouble

if TYPE_CHECKING:
    import cryptography.x509
    import httpx
    from rfc3161_client import TimeStampResponse

SECONDS = 20.0
MOST_BYTES = 256 << 10
_MISSING = "Time stamps need rfc3161-client: install it with `pip install 'canvas-archive[timestamp]'`."
_NO_ISSUER = "certificate verify error"


@dataclass(frozen=True, slots=True)
class StampFinding:
    """What a time stamp shows. ``fits``: it is of the statement. ``trusted``: a given certificate proves it.

    ``at`` and ``authority`` are what the stamp itself says, and ``why`` is what does not fit.
    """

    fits: bool
    at: datetime | None = None
    authority: str = ""
    trusted: bool = False
    why: str = ""

    @property
    def said(self) -> str:
        """Return when and by whom the stamp says it was made."""
        when = iso(self.at) if self.at is not None else "an unknown time"
        return f"{when}, by {self.authority or 'an authority without a name'}"


def require_address(url: str) -> str:
    """Return the address of an authority. Raises BadInput for one that cannot be asked."""
    import httpx

    from canvas_archive.canvas.address import origin_of

    try:
        parsed = httpx.URL(url)
        origin_of(parsed)
        if not parsed.userinfo:
            return str(parsed)
    except (httpx.InvalidURL, ValueError):
        pass
    raise BadInput(
        "The address of a time stamp authority begins with http:// or https:// and holds no password."
    )


def require_library() -> None:
    """Raise MachineTrouble when time stamps can be neither asked for nor read here."""
    try:
        import rfc3161_client  # noqa: F401
    except ImportError:
        raise MachineTrouble(_MISSING) from None


def ask(url: str, data: bytes, *, seconds: float = SECONDS) -> bytes:
    """Return an authority's time stamp of ``data``.

    Raises ItemsFailed when none could be had, BadInput for an address that cannot be asked.
    """
    require_library()
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    address = require_address(url)
    request = TimestampRequestBuilder(data=data, hash_algorithm=HashAlgorithm.SHA256).build()
    answer = _post(address, request.as_bytes(), seconds)
    try:
        response = _decoded(answer)
        if response.status != 0:
            said = "; ".join(response.status_string)[:200]
            raise ValueError(f"it refused{f': {said}' if said else ''}")
        if response.tst_info.nonce != request.nonce:
            raise ValueError("its answer is to another request")
        if not _is_of(response, data):
            raise ValueError("its time stamp is of something else")
    except ValueError as error:
        raise ItemsFailed(_no_stamp(address, str(error))) from None
    return answer


def check(stamp: bytes, data: bytes, authorities: Path | None) -> StampFinding:
    """Check a time stamp of ``data``; ``authorities`` is a PEM file of certificates that are trusted.

    Raises BadInput when that file cannot be used, MachineTrouble when nothing can be checked here.
    """
    require_library()
    roots = _certificates(authorities) if authorities is not None else []
    try:
        response = _decoded(stamp)
        if response.status != 0:
            raise ValueError("it is a refusal")
        if not _is_of(response, data):
            raise ValueError("it is of another statement")
        at, authority = response.tst_info.gen_time, _authority(response)
    except ValueError as error:
        return StampFinding(False, why=str(error))
    if not roots:
        return StampFinding(True, at, authority)
    from rfc3161_client import VerificationError, VerifierBuilder

    try:
        VerifierBuilder(roots=roots).build().verify_message(response, data)
    except (VerificationError, ValueError) as error:
        if _NO_ISSUER in str(error):
            return StampFinding(True, at, authority)
        return StampFinding(False, at, authority, why="its signature does not fit")
    return StampFinding(True, at, authority, trusted=True)


def _decoded(answer: bytes) -> TimeStampResponse:
    from rfc3161_client import decode_timestamp_response

    try:
        response = decode_timestamp_response(answer)
        if response.status == 0:
            response.tst_info.gen_time  # noqa: B018 (a stamp without one is found here)
    except Exception:  # whatever the parser makes of a stranger's bytes
        raise ValueError("that is no time stamp") from None
    return response


def _is_of(response: TimeStampResponse, data: bytes) -> bool:
    digest = hashlib.sha256(data).digest()
    imprint = response.tst_info.message_imprint
    return imprint.hash_algorithm.dotted_string == "2.16.840.1.101.3.4.2.1" and imprint.message == digest


def _authority(response: TimeStampResponse) -> str:
    """Return the name of who made the stamp, as the certificate inside says it."""
    import cryptography.x509

    with suppress(Exception):  # a name that cannot be read is none
        signer = next(iter(response.signed_data.signer_infos))
        for encoded in response.signed_data.certificates:
            one = cryptography.x509.load_der_x509_certificate(encoded)
            if (one.issuer, one.serial_number) == (signer.issuer, signer.serial_number):
                name = one.subject.rfc4514_string()
                return "".join(letter if letter.isprintable() else "?" for letter in name)[:200]
    return ""


def _certificates(path: Path) -> list[cryptography.x509.Certificate]:
    import cryptography.x509

    from canvas_archive.store.private import read_regular

    try:
        return cryptography.x509.load_pem_x509_certificates(read_regular(path.resolve(), 16 << 20))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} holds no certificates in PEM form ({_short(error)}).") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120].rstrip(".")


def _no_stamp(address: str, why: str) -> str:
    return f"No time stamp came from {address}: {why}. Try 'canvas-archive sign --timestamp URL' again."


def _post(address: str, request: bytes, seconds: float) -> bytes:
    """Send a request and return the answer. It ends in time, even when its header trickles."""
    import httpx

    from canvas_archive.canvas.address import origin_of
    from canvas_archive.canvas.connections import Connections
    from canvas_archive.canvas.failures import describe
    from canvas_archive.canvas.reach import Reach

    late = threading.Event()
    limits = httpx.Limits(max_connections=1)
    transport = Connections(limits, Reach(origin_of(httpx.URL(address))))
    client = httpx.Client(transport=transport, timeout=min(seconds, 10.0), trust_env=False)
    received = bytearray()
    failure: list[Exception] = []

    def exchange() -> None:
        try:
            _read_answer(client, address, request, received, late)
        except Exception as error:  # it is judged by whoever waits for this thread
            failure.append(error)
        finally:
            client.close()

    thread = threading.Thread(target=exchange, name="time stamp", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        late.set()
        raise ItemsFailed(_no_stamp(address, f"it did not answer within {seconds:g} seconds"))
    if failure:
        error = failure[0]
        if isinstance(error, ArchiveError):
            raise error
        if isinstance(error, (httpx.HTTPError, OSError, ValueError)):
            why = describe(error) if isinstance(error, httpx.TransportError) else _short(error)
            raise ItemsFailed(_no_stamp(address, why)) from None
        raise error
    return bytes(received)


def _read_answer(
    client: httpx.Client, address: str, request: bytes, received: bytearray, late: threading.Event
) -> None:
    headers = {
        "Content-Type": "application/timestamp-query",
        "Accept": "application/timestamp-reply",
        "Accept-Encoding": "identity",
    }
    with client.stream("POST", address, content=request, headers=headers) as response:
        if response.status_code != 200:
            raise ValueError(f"it answered with the status {response.status_code}")
        for chunk in response.iter_raw():
            received += chunk
            if len(received) > MOST_BYTES:
                raise ValueError(f"its answer has more than {MOST_BYTES:,} bytes")
            if late.is_set():
                return
