"""Whom the agent believes: servers whose certificate fits their name and comes from a known authority."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from seafleet_agent import Server, Unreachable
from tests.agent.desk import Desk
from tests.agent.fake_server import CODE, FakeServer


def certificate(folder: Path, address: str, *, days: int = 1) -> tuple[ssl.SSLContext, str]:
    """Return what serves TLS at an address with a certificate of its own, and the file that holds it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, str(folder / "cert.pem")


def test_a_private_authority_is_believed_when_it_is_named_and_then_always(tmp_path: Path) -> None:
    context, ca_file = certificate(tmp_path, "127.0.0.1")
    with FakeServer(context) as server:
        desk = Desk(server.url, tmp_path)
        desk.enrol("--ca-file", ca_file, secret=CODE)
        desk.round()
        assert len(server.reports) == 1
        assert server.complaints == []


def test_a_certificate_of_an_unknown_authority_ends_the_talk_before_a_secret_is_told(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path, "127.0.0.1")
    with FakeServer(context) as server:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            Desk(server.url, tmp_path).enrol(secret=CODE)
        assert server.requests == []


@pytest.mark.parametrize(("address", "days"), [("192.0.2.1", 1), ("127.0.0.1", -1)])
def test_a_certificate_of_another_name_or_of_yesterday_is_refused(
    tmp_path: Path, address: str, days: int
) -> None:
    context, ca_file = certificate(tmp_path, address, days=days)
    with FakeServer(context) as server:
        with pytest.raises(Unreachable, match="certificate"):
            Server(server.url, ca_file=ca_file).call("POST", "ping/", authorization="Device secret")
        assert server.requests == []
