"""Statements with their signatures, as they lie in a folder ``signatures`` of an archive, a bag or a list.

    0000000042-20261201T021500Z.txt     the statement
    0000000042-20261201T021500Z.sig     its SSH signature, where a key signed it
    0000000042-20261201T021500Z.tsr     its time stamp, where an authority gave one

The statement is written last. Without it the other two are left over from a crash, and count for nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from canvas_archive.clock import iso
from canvas_archive.errors import BadInput, ItemsFailed, MachineTrouble
from canvas_archive.signing import ssh, stamps
from canvas_archive.signing.statement import Statement, parse
from canvas_archive.store.folder import SIGNATURES_NAME
from canvas_archive.store.private import make_folder, read_regular, require_folder, write_private

STATEMENT, SIGNATURE, STAMP = ".txt", ".sig", ".tsr"
MOST_BYTES = stamps.MOST_BYTES


@dataclass(frozen=True, slots=True)
class Means:
    """What signs: a key, an authority's address, or both. ``may_ask``: a passphrase may be asked for."""

    key: Path | None = None
    timestamp: str | None = None
    may_ask: bool = False

    def __bool__(self) -> bool:
        return self.key is not None or self.timestamp is not None

    def check(self) -> None:
        """Raise BadInput or MachineTrouble for what cannot sign in any case."""
        if self.timestamp is not None:
            stamps.require_library()
            stamps.require_address(self.timestamp)
        if self.key is not None:
            ssh.require_key(self.key)

    def require(self) -> None:
        """Raise BadInput when there is nothing to sign with."""
        if not self:
            raise BadInput(
                "Sign with what? Give --key FILE (an SSH key), --timestamp URL (an authority), or both."
            )


@dataclass(frozen=True, slots=True)
class Signed:
    """What came of signing: the statement's file, what is beside it, and why a time stamp is missing."""

    statement: Path
    signature: Path | None
    stamp: Path | None
    without_stamp: str | None = None


def sign_into(folder: Path, statement: Statement, means: Means) -> Signed:
    """Sign a statement and keep it in the folder's ``signatures``.

    A key's signature is kept also when no time stamp comes. Raises BadInput for a key or an address that
    cannot be used, MachineTrouble when a program is missing, ItemsFailed when there is nothing to keep.
    """
    means.check()
    data = statement.text()
    signature = ssh.sign(means.key, data, may_ask=means.may_ask) if means.key is not None else None
    stamp, missing = None, None
    if means.timestamp is not None:
        try:
            stamp = stamps.ask(means.timestamp, data)
        except ItemsFailed as error:
            if signature is None:
                raise
            missing = str(error)
    place = folder / SIGNATURES_NAME
    make_folder(place)
    written: dict[str, Path] = {}
    for ending, content in ((SIGNATURE, signature), (STAMP, stamp), (STATEMENT, data)):
        if content is not None:
            written[ending] = place / f"{statement.name}{ending}"
            write_private(written[ending], content)
    return Signed(written[STATEMENT], written.get(SIGNATURE), written.get(STAMP), missing)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the user trusts: a file of allowed signers, and certificates of time stamp authorities."""

    signers: Path | None = None
    authorities: Path | None = None


NOBODY = Trust()


@dataclass(frozen=True, slots=True)
class Judged:
    """What a statement and its signatures are worth. ``problem``: something was changed.

    ``unchecked`` says what could not be checked here, and why.
    """

    name: str
    statement: Statement | None = None
    problem: str | None = None
    signature: ssh.SshFinding | None = None
    stamp: stamps.StampFinding | None = None
    unchecked: tuple[str, ...] = ()


def judge_all(folder: Path, trust: Trust, differs: Callable[[Statement], str | None]) -> Iterator[Judged]:
    """Yield a judgement of each statement in the folder's ``signatures``, the oldest first.

    ``differs`` says what a statement says that is not so here. Raises BadInput for a file of ``trust`` that
    cannot be used, UnusableFile when ``signatures`` is no folder.
    """
    place = folder / SIGNATURES_NAME
    if not os.path.lexists(place):
        return
    require_folder(place)
    for path in sorted(place.glob(f"*{STATEMENT}")):
        yield _judged(path, trust, differs)


def _judged(path: Path, trust: Trust, differs: Callable[[Statement], str | None]) -> Judged:
    name = path.name
    try:
        data = read_regular(path, MOST_BYTES)
        statement = parse(data)
    except (OSError, ValueError) as error:
        return Judged(name, problem=f"it cannot be read ({_why(error)})")
    stamp, signature, unchecked = None, None, []
    try:
        with suppress(FileNotFoundError):
            found = read_regular(path.with_suffix(STAMP), MOST_BYTES)
            stamp = stamps.check(found, data, trust.authorities)
    except MachineTrouble as error:
        unchecked.append(f"its time stamp cannot be checked here: {error}")
    except OSError as error:
        return Judged(name, statement, f"its time stamp cannot be read ({_why(error)})")
    proven = stamp.at if stamp is not None and stamp.fits and stamp.trusted else None
    try:
        with suppress(FileNotFoundError):
            read_regular(path.with_suffix(SIGNATURE), MOST_BYTES)
            at = iso(proven).replace("-", "").replace("T", "").replace(":", "") if proven else None
            signature = ssh.check(path.with_suffix(SIGNATURE), data, trust.signers, at)
    except MachineTrouble as error:
        unchecked.append(f"its signature cannot be checked here: {error}")
    except OSError as error:
        return Judged(name, statement, f"its signature cannot be read ({_why(error)})")
    return Judged(
        name, statement, _problem(signature, stamp, unchecked) or differs(statement), signature, stamp,
        tuple(unchecked),
    )  # fmt: skip


def _why(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error)


def _problem(
    signature: ssh.SshFinding | None, stamp: stamps.StampFinding | None, unchecked: list[str]
) -> str | None:
    if signature is not None and not signature.fits:
        return "its signature does not fit: the statement or the signature was changed"
    if stamp is not None and not stamp.fits:
        return f"its time stamp does not fit: {stamp.why}"
    if signature is None and stamp is None and not unchecked:
        return "nobody signed it: it has neither a signature nor a time stamp"
    return None
