"""Certificates: the system's, a school's own, and what is said of a file that holds none."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from canvas_archive.canvas import CanvasClient, Token
from canvas_archive.canvas.certificates import VARIABLES, client_context, system_certificates
from canvas_archive.errors import BadInput, Unreachable
from tests.client_support import SECRET, FakeClock
from tests.network_support import tls_canvas


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def pem(authority: trustme.CA) -> bytes:
    return bytes(authority.cert_pem.bytes())


def ask(port: int) -> int:
    with CanvasClient(f"https://127.0.0.1:{port}", Token(SECRET), patience=0.0, clock=FakeClock()) as client:
        return client.current_user().id


def test_a_school_with_an_authority_of_its_own(
    authority: trustme.CA, pem: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variable, each way to keep a certificate: a bundle, DER, a folder, a hashed folder."""
    other = trustme.CA().cert_pem.bytes()
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    (tmp_path / "bundle.pem").write_bytes(b"\xef\xbb\xbf# Caf\xc3\xa9\n" + other + b"\r\n# ours\r\n" + pem)
    (tmp_path / "school.crt").write_bytes(der)
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "school.cer").write_bytes(der)
    (tmp_path / "loose" / "README.pem").write_text("not one")
    (tmp_path / "hashed").mkdir()
    name = (
        subprocess.run(["openssl", "x509", "-hash", "-noout"], input=pem, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )
    (tmp_path / "hashed" / f"{name}.0").write_bytes(pem)
    with tls_canvas(authority) as port:
        with pytest.raises(
            Unreachable, match=r"no valid certificate .*name its certificate in SSL_CERT_FILE"
        ):
            ask(port)
        for variable, place in (
            ("SSL_CERT_FILE", "bundle.pem"),
            ("SSL_CERT_FILE", "school.crt"),
            ("SSL_CERT_DIR", "hashed"),
            ("SSL_CERT_DIR", f"loose:{tmp_path}/hashed"),
            ("REQUESTS_CA_BUNDLE", "bundle.pem"),
            ("REQUESTS_CA_BUNDLE", "loose"),
            ("CURL_CA_BUNDLE", "school.crt"),
        ):
            with monkeypatch.context() as patch:
                patch.setenv(variable, f"{tmp_path}/{place}")
                assert ask(port) == 7, (variable, place)


def test_what_a_variable_names_is_trusted_beside_the_systems_own(pem: bytes, tmp_path: Path) -> None:
    (tmp_path / "school.pem").write_bytes(pem)
    alone = len(client_context({"SSL_CERT_FILE": ""}).get_ca_certs())
    both = client_context({"SSL_CERT_FILE": str(tmp_path / "school.pem")})
    assert len(both.get_ca_certs()) == alone + 1
    assert both.verify_mode is ssl.CERT_REQUIRED and both.check_hostname
    assert both.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_system_without_certificates_uses_those_of_certifi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert system_certificates().exists()
    paths = ssl.get_default_verify_paths()._replace(
        openssl_cafile=str(tmp_path / "none.pem"), openssl_capath=str(tmp_path)
    )
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr("canvas_archive.canvas.certificates._BUNDLES", ())
    assert system_certificates().name == "cacert.pem"
    assert len(client_context({}).get_ca_certs()) > 50


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_holds_no_certificate_is_named(
    variable: str, tmp_path: Path, pem: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pem").touch()
    (tmp_path / "garbage.pem").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "broken.pem").write_bytes(pem[:200] + b"\n" + pem[300:])
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (tmp_path / "folder").mkdir()
    for name, what in (
        ("missing.pem", "does not exist"),
        ("empty.pem", "holds no certificate"),
        ("garbage.pem", "holds no certificate"),
        ("broken.pem", "holds no certificate"),
        ("key.pem", "holds no certificate"),
        ("folder", "is not a file" if variable == "SSL_CERT_FILE" else "holds no certificate"),
        ("garbage.pem/below", "does not exist"),
    ):
        with pytest.raises(BadInput) as caught:
            client_context({variable: str(tmp_path / name)})
        assert str(caught.value).startswith(f"{variable} names {tmp_path / name}, which {what}. ")
    monkeypatch.setattr(Path, "read_bytes", _refused)
    with pytest.raises(BadInput, match=f"^{variable} names .*cannot be read .Permission denied."):
        client_context({variable: str(tmp_path / "garbage.pem")})


def _refused(path: Path) -> bytes:
    raise PermissionError(13, "Permission denied", str(path))


def test_the_sessions_keys_are_not_written_down(
    authority: trustme.CA, pem: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "school.pem").write_bytes(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "school.pem"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with tls_canvas(authority) as port:
        assert ask(port) == 7
    assert not (tmp_path / "keys").exists()
