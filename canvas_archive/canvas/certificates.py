"""Which certificates prove who a host is: the system's own, and those the user's environment adds.

Schools have authorities of their own, whose certificates are installed in the system or named by one of
``VARIABLES``. The certificates that a variable names are trusted in addition.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_archive.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
OLDEST_TLS = ssl.TLSVersion.TLSv1_2

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/cert.pem",  # Alpine, Arch, BSD
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
"""Where systems keep their certificates, for a Python that was built for another system."""

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
_LOOSE = (".pem", ".crt", ".cer")


def client_context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a context that checks a host's certificate and name, for TLS 1.2 or newer.

    ``SSLKEYLOGFILE`` is not followed: who reads that file reads the token.
    Raises BadInput for a variable that names no certificates.
    """
    context = _of_system()
    context.minimum_version = OLDEST_TLS
    loaded: set[str] = set()
    for variable, path in named(environ):
        real = os.path.realpath(path)
        if real not in loaded:
            _load(context, variable, path)
        loaded.add(real)
    return context


def named(environ: Mapping[str, str] = os.environ) -> Iterator[tuple[str, Path]]:
    """Yield the files and folders of certificates that the environment names, with the variable of each."""
    for variable in VARIABLES:
        value = environ.get(variable, "").strip()
        places = value.split(os.pathsep) if variable == "SSL_CERT_DIR" else [value]
        for place in filter(None, places):
            yield variable, Path(place)


def _of_system() -> ssl.SSLContext:
    if sys.platform in ("win32", "darwin"):  # pragma: no cover - their certificates are in no file
        import truststore

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    source = system_certificates()
    if source.is_dir():
        context.load_verify_locations(capath=source)
    else:
        context.load_verify_locations(cafile=source)
    return context


def system_certificates() -> Path:
    """Return the system's file or folder of certificates; those of ``certifi`` where the system has none."""
    usual = ssl.get_default_verify_paths()
    folder = Path(usual.openssl_capath)
    if folder.is_dir() and _hashed(folder):
        return folder  # OpenSSL reads the few it needs; a bundle would be read whole
    for bundle in (usual.openssl_cafile, *_BUNDLES):
        if Path(bundle).is_file():
            return Path(bundle)
    import certifi

    return Path(certifi.where())


def _hashed(folder: Path) -> bool:
    """Return whether a folder has certificates under the names that OpenSSL looks for."""
    return any(_HASHED.fullmatch(path.name) for path in folder.iterdir())


def _load(context: ssl.SSLContext, variable: str, path: Path) -> None:
    try:
        if path.is_dir() and variable != "SSL_CERT_FILE":
            files = sorted(one for one in path.iterdir() if one.suffix.lower() in _LOOSE)
            if _hashed(path):
                context.load_verify_locations(capath=path)
            elif not [file for file in files if _load_file(context, file)]:
                raise _unusable(variable, path, "holds no certificate")
        elif not path.is_file():
            missing = "is not a file" if path.exists() else "does not exist"
            raise _unusable(variable, path, missing)
        elif not _load_file(context, path):
            raise _unusable(variable, path, "holds no certificate")
    except OSError as error:
        raise _unusable(variable, path, f"cannot be read ({error.strerror or error})") from None


def _load_file(context: ssl.SSLContext, path: Path) -> bool:
    """Load a file of certificates, PEM or DER; return whether it holds any."""
    data = path.read_bytes()
    for given in (data.decode("ascii", "ignore"), data):
        try:
            context.load_verify_locations(cadata=given)
        except (ssl.SSLError, ValueError):
            continue
        return True
    return False


def _unusable(variable: str, path: Path, what: str) -> BadInput:
    return BadInput(
        f"{variable} names {path}, which {what}. Name a file of certificates (PEM or DER), "
        f"or unset {variable}."
    )
