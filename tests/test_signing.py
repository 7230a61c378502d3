"""Signed heads and bags: what proves what, what was changed is named, and what cannot sign says so."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from canvas_archive.cli import main
from canvas_archive.errors import BadInput, MachineTrouble
from canvas_archive.export.bag import ALGORITHMS
from canvas_archive.signing import heads, ssh, stamps
from canvas_archive.signing.statement import Statement, parse
from canvas_archive.signing.stored import Means, sign_into
from canvas_archive.store.config import Config
from tests.fleet_support import local_fleet
from tests.signing_support import Authority, allow, authority_served, make_key

AT = "2026-12-01T02:15:00Z"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an SSH key and another one."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("key", "other"):
        make_key(folder, name)
    return folder


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stamping(authority: Authority) -> Iterator[str]:
    with authority_served(authority) as address:
        yield address


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The folder of an archive with one conversation."""
    return local_fleet(tmp_path / "root", {7: ("Ann", "Art")}) / "7"


def signatures(folder: Path, ending: str = "txt") -> list[Path]:
    return sorted((folder / "signatures").glob(f"*.{ending}"))


def verified(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Run ``verify`` and return its exit code and what it printed."""
    capsys.readouterr()
    code = main.run(["verify", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


# -- the statement -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        Statement("https://x.edu", AT, 7, 42, "a" * 64),
        Statement("https://x.edu", AT, 7, 0, "0" * 64, (("manifest-sha256.txt", "b" * 64),)),
        Statement("https://x.edu", AT, hashes=(("fleet.json", "c" * 64),)),
    ],
)
def test_a_statement_has_one_text(statement: Statement) -> None:
    text = statement.text()
    assert parse(text) == statement
    for changed in (text[:-1], text + b"\n", text.replace(b": ", b":  ", 1), text.replace(b"\n", b"\r\n")):
        with pytest.raises(ValueError, match="not a statement"):
            parse(changed)


@pytest.mark.parametrize("text", [b"", b"\xff", b"canvas-archive statement 1\n", b"x" * 999, b": \n" * 9])
def test_other_texts_are_no_statements(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)


# -- an archive --------------------------------------------------------------------------------------------


def test_a_signed_head_is_proven(
    archive: Path, place: Path, authority: Authority, stamping: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sign", "--archive", str(archive), "--key", str(place / "key"), "--timestamp", stamping]
    assert main.run([*arguments, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert {Path(file).suffix for file in made.values()} == {".txt", ".sig", ".tsr"}
    if os.name == "posix":
        assert all(Path(file).stat().st_mode & 0o077 == 0 for file in made.values())
    (statement,) = signatures(archive)
    with closing(sqlite3.connect(archive / "archive.db")) as db:
        head = db.execute("SELECT seq, chain FROM evidence_chain ORDER BY seq DESC").fetchone()
    stated = parse(statement.read_bytes())
    assert (stated.records, stated.head, stated.custodian) == (*head, 7)

    code, said = verified(capsys, archive)
    assert code == 0
    assert "nothing is proven without --allowed-signers or --timestamp-ca" in said
    assert "signed by an unknown key, SHA256:" in said
    assert "not later than" not in said
    trust = ["--allowed-signers", allow(place, place / "key"), "--timestamp-ca", authority.certificate]
    code, said = verified(capsys, archive, *trust)
    assert code == 0
    assert "existed not later than 2" in said
    assert "by CN=Clock of the tests; signed by clerk@school.edu" in said


def test_others_that_are_trusted_prove_nothing(
    archive: Path, place: Path, stamping: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_archive(archive, place / "key", stamping)
    other = tmp_path / "other"
    other.mkdir()
    trust = ["--allowed-signers", allow(place, place / "other")]
    trust += ["--timestamp-ca", Authority.make(other).certificate]
    code, said = verified(capsys, archive, *trust)
    assert code == 0
    assert "nothing is proven" in said
    assert f"(not in {trust[1]})" in said
    code, said = verified(capsys, archive, "--timestamp-ca", place / "key")
    assert code == 2
    assert "holds no certificates" in said


def sign_archive(folder: Path, key: Path | None, timestamp: str | None = None) -> None:
    arguments = ["sign", "--archive", str(folder)]
    arguments += ["--key", str(key)] if key else []
    assert main.run([*arguments, *(["--timestamp", timestamp] if timestamp else [])]) == 0


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        ("txt", "its signature does not fit"),
        ("sig", "its signature does not fit"),
        ("tsr", "its time stamp does not fit"),
    ],
)
def test_one_changed_byte_is_found(
    ending: str,
    sentence: str,
    archive: Path,
    place: Path,
    authority: Authority,
    stamping: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sign_archive(archive, place / "key", stamping)
    (file,) = signatures(archive, ending)
    data = bytearray(file.read_bytes())
    # In the statement a digit of the head, which stays one; in a stamp the end of its own signature.
    spot = data.index(b"head: ") + 9 if ending == "txt" else -40
    data[spot] = ord("1" if data[spot] == ord("0") else "0") if ending == "txt" else data[spot] ^ 1
    file.write_bytes(bytes(data))
    code, said = verified(capsys, archive, "--timestamp-ca", authority.certificate)
    assert code == 8
    assert sentence in said
    assert file.with_suffix(".txt").name in said


def test_a_head_that_was_signed_and_is_gone_is_tampering(
    archive: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_into(archive, Statement("https://school.example", AT, 7, 1, "e" * 64), Means(place / "key"))
    code, said = verified(capsys, archive)
    assert code == 8
    assert "signatures: 1 signed statements do not fit" in said
    assert f"the head {'e' * 64} was signed and is not in the chain" in said


def test_a_statement_of_another_mailbox_or_of_nobody_is_named(
    archive: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_into(archive, Statement("https://school.example", AT, 8, 0, "0" * 64), Means(place / "key"))
    (archive / "signatures" / "unsigned.txt").write_bytes(
        Statement("https://school.example", AT, 7, 0, "0" * 64).text()
    )
    code, said = verified(capsys, archive)
    assert code == 8
    assert "another mailbox" in said
    assert "unsigned.txt: nobody signed it" in said


@pytest.mark.skipif(os.name != "posix", reason="FIFOs")
@pytest.mark.parametrize("ending", [".txt", ".sig", ".tsr"])
def test_a_fifo_is_named_and_not_waited_for(
    ending: str, archive: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_archive(archive, place / "key")
    (statement,) = signatures(archive)
    statement.with_suffix(ending).unlink(missing_ok=True)
    os.mkfifo(statement.with_suffix(ending))
    code, said = verified(capsys, archive)
    assert code == 8
    assert "cannot be read (is a named pipe (FIFO), not a file)" in said


def test_a_backup_keeps_what_was_signed(
    archive: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_archive(archive, place / "key")
    for _ in range(2):
        assert main.run(["backup", str(tmp_path / "vault"), "--archive", str(archive)]) == 0
    assert verified(capsys, tmp_path / "vault")[0] == 0
    assert main.run(["restore", str(tmp_path / "vault"), str(tmp_path / "again"), "--no-index"]) == 0
    assert [path.read_bytes() for path in signatures(tmp_path / "again")] == [
        path.read_bytes() for path in signatures(archive)
    ]
    shutil.rmtree(archive / "signatures")
    assert main.run(["backup", str(tmp_path / "vault"), "--archive", str(archive)]) == 0
    assert len(signatures(tmp_path / "vault")) == 1, "what was signed once stays"
    assert verified(capsys, tmp_path / "vault")[0] == 0


# -- a bag -------------------------------------------------------------------------------------------------


def test_a_signed_bag_stays_valid_and_its_payload_is_bound(
    archive: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = tmp_path / "bag"
    assert main.run(["export", str(bag), "--bag", "--format", "jsonl", "--archive", str(archive)]) == 0
    assert main.run(["sign", str(bag), "--key", str(place / "key")]) == 0
    import bagit

    bagit.Bag(str(bag)).validate()
    signers = ["--allowed-signers", allow(place, place / "key")]
    code, said = verified(capsys, bag, *signers)
    assert code == 0
    assert "signed by clerk@school.edu" in said
    # Somebody changes the payload and makes every manifest anew, as only a signature can show.
    (bag / "data" / "gaps.csv").write_bytes(b"kind\r\n")
    made = bagit.Bag(str(bag))
    made.save(manifests=True)
    code, said = verified(capsys, bag, *signers)
    assert code == 8
    assert "payload sha256: every payload file is as it was collected" in said
    assert f"manifest-{ALGORITHMS[0]}.txt was changed since it was signed" in said


def test_only_what_has_a_chain_is_signed(tmp_path: Path, place: Path) -> None:
    for folder in (tmp_path, place):
        assert main.run(["sign", str(folder), "--key", str(place / "key")]) == 2
        assert not (folder / "signatures").exists()


# -- keys that cannot sign ---------------------------------------------------------------------------------


def test_a_key_that_cannot_sign_is_named(archive: Path, place: Path, tmp_path: Path) -> None:
    make_key(tmp_path, "locked", passphrase="secret words")
    (tmp_path / "nonsense").write_text("no key\n")
    for name in ("locked", "nonsense", "missing"):
        with pytest.raises(BadInput, match=name):
            ssh.sign(tmp_path / name, b"text", may_ask=False)
        assert main.run(["sign", "--archive", str(archive), "--key", str(tmp_path / name)]) == 2
    assert main.run(["sign", "--archive", str(archive)]) == 2
    assert not (archive / "signatures").exists()


def test_without_ssh_keygen_nothing_is_claimed(
    archive: Path, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_archive(archive, place / "key")
    monkeypatch.setenv("PATH", str(archive))
    with pytest.raises(MachineTrouble, match="no ssh-keygen"):
        ssh.sign(place / "key", b"text", may_ask=False)
    code, said = verified(capsys, archive, "--allowed-signers", allow(place, place / "key"))
    assert code == 0
    assert "its signature cannot be checked here" in said
    assert "signed by" not in said


@pytest.mark.skipif(os.name != "posix", reason="a script takes the program's place")
def test_ssh_keygen_sees_no_token_and_ends_in_time(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh-keygen"
    program.write_text(f"#!/bin/sh\n/usr/bin/env > {tmp_path}/seen\necho '-----BEGIN SSH SIGNATURE-----'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CANVAS_API_TOKEN", "secret")
    assert ssh.sign(place / "key", b"text", may_ask=False).startswith(b"-----BEGIN")
    seen = (tmp_path / "seen").read_text()
    assert "CANVAS_API_TOKEN" not in seen
    assert "SSH_ASKPASS_REQUIRE=never" in seen
    program.write_text("#!/bin/sh\nwhile :; do echo endless; done\n")
    monkeypatch.setattr(ssh, "SECONDS", 0.2)
    with pytest.raises(BadInput, match=r"did not sign with .* within 0 seconds"):
        ssh.sign(place / "key", b"text", may_ask=False)


# -- what verify shows of the very files -------------------------------------------------------------------


def test_the_files_are_those_of_ssh_keygen_and_openssl(
    archive: Path, place: Path, authority: Authority, stamping: str
) -> None:
    sign_archive(archive, place / "key", stamping)
    (statement,) = signatures(archive)
    done = subprocess.run(
        [
            "ssh-keygen", "-Y", "verify", "-f", str(allow(place, place / "key")), "-I", "clerk@school.edu",
            "-n", "canvas-archive-statement", "-s", str(statement.with_suffix(".sig")),
        ],
        input=statement.read_bytes(), check=False, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = stamps.check(
        statement.with_suffix(".tsr").read_bytes(), statement.read_bytes(), authority.certificate
    )
    assert found.trusted
    assert hashlib.sha256(statement.read_bytes()).digest() in statement.with_suffix(".tsr").read_bytes()


def test_a_head_is_signed_once_for_what_is_in_the_archive(archive: Path, place: Path) -> None:
    heads.sign_archive(archive, Means(place / "key"))
    assert [path.suffix for path in sorted((archive / "signatures").iterdir())] == [".sig", ".txt"]
    assert heads.sign_after_sync(archive, Config("https://school.example")) == [], (
        "nothing says that a sync is signed"
    )
    assert heads.sign_after_sync(archive, Config("https://school.example", sign_key=str(place / "key"))) == []
    assert len(signatures(archive)) == 1, "nothing is new since"
