"""Keys of SSH, and a time stamp authority on this machine: ``openssl ts`` behind a small HTTP server."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CONFIGURATION = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Root of the tests
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[stamps]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256,sha512
ess_cert_id_alg = sha256
"""


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a program that must succeed."""
    return subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, timeout=60, **options
    )  # type: ignore[call-overload,no-any-return]


def make_key(folder: Path, name: str = "key", passphrase: str = "") -> Path:
    """Make an SSH key and return its file."""
    key = folder / name
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", key)
    return key


def allow(folder: Path, key: Path, principal: str = "clerk@school.edu") -> Path:
    """Write a file of allowed signers with that key."""
    path = folder / f"allowed-{key.name}"
    public = key.with_name(f"{key.name}.pub").read_text()
    path.write_text(f'{principal} namespaces="canvas-archive-statement" {public}')
    return path


@dataclass
class Authority:
    """A certificate authority, and a time stamp authority that it vouches for."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """Return the root's certificate."""
        return self.folder / "ca.pem"

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """Make keys and certificates in a folder."""
        configuration = folder / "openssl.cnf"
        configuration.write_text(_CONFIGURATION.format(folder=folder))
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", configuration]
        names = {name: folder / name for name in ("ca.pem", "ca.key", "tsa.pem", "tsa.key", "tsa.csr")}
        run(
            "openssl", "req", "-x509", *new, "-keyout", names["ca.key"], "-out", names["ca.pem"],
            "-days", "30", "-extensions", "ca",
        )  # fmt: skip
        run(
            "openssl", "req", *new, "-keyout", names["tsa.key"], "-out", names["tsa.csr"],
            "-subj", "/CN=Clock of the tests",
        )  # fmt: skip
        run(
            "openssl", "x509", "-req", "-in", names["tsa.csr"], "-CA", names["ca.pem"],
            "-CAkey", names["ca.key"], "-set_serial", "2", "-out", names["tsa.pem"], "-days", "30",
            "-extfile", configuration, "-extensions", "stamps",
        )  # fmt: skip
        (folder / "serial").write_text("01\n")
        return cls(folder)

    def answer(self, query: bytes) -> bytes:
        """Return the time stamp that a query asks for."""
        asked, given = self.folder / "query", self.folder / "answer"
        asked.write_bytes(query)
        run(
            "openssl", "ts", "-reply", "-queryfile", asked, "-signer", self.folder / "tsa.pem",
            "-inkey", self.folder / "tsa.key", "-out", given, "-config", self.folder / "openssl.cnf",
            "-section", "tsa",
        )  # fmt: skip
        return given.read_bytes()


class Handler(BaseHTTPRequestHandler):
    """Answers a POST as ``respond`` of the server says."""

    def do_POST(self) -> None:
        """Answer one query."""
        query = self.rfile.read(int(self.headers["Content-Length"]))
        with contextlib.suppress(OSError):  # whoever asked may be gone
            self.server.respond(self, query)  # type: ignore[attr-defined]

    def reply(self, body: bytes, status: int = 200) -> None:
        """Send an answer of the kind that a time stamp has."""
        self.send_response(status)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(respond: Callable[[Handler, bytes], None]) -> Iterator[str]:
    """Serve on a free port of this machine during the block; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.respond = respond  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextlib.contextmanager
def authority_served(authority: Authority) -> Iterator[str]:
    """Serve time stamps of an authority."""
    with served(lambda handler, query: handler.reply(authority.answer(query))) as address:
        yield address
