"""What single connections may do to the webhook, as a process, and which clients it verifies."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests import make
from tests.make.waiting import until
from tests.webhook.given import review
from tests.webhook.test_routes import POD, Running, running
from webhook.client_certificates import is_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 60.0
"""For what a limit of at most ten seconds ends; a busy machine may take longer."""


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for the tests that leave it as it is."""
    with running(tmp_path_factory.mktemp("webhook")) as found:
        yield found


def connected(webhook: Running, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """A connection, verified by neither side unless a context says so."""
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", webhook.port), timeout=PATIENCE_S)
    return context.wrap_socket(raw)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except (ConnectionError, ssl.SSLError):
        pass
    return found


REFUSED: dict[str, tuple[bytes, bytes]] = {
    "no HTTP": (b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 400 "),
    "too many headers": (
        b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 65 + b"\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a head without end": (b"GET /healthz HTTP/1.1\r\na: " + b"x" * 40_000, b""),
    "a URL without end": (b"GET /" + b"x" * 40_000, b""),
    "trailers without end": (
        b"POST /mutate HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: " + b"x" * 40_000,
        b"",
    ),
    "chunks of nothing but extensions": (
        b"POST /mutate HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 40_000,
        b"",
    ),
    "another request before the answer": (
        b"POST /mutate HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET /healthz HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a body that nobody reads": (
        b"POST /healthz HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 405 ",
    ),
}


@pytest.mark.parametrize(("sent", "begins"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_request_ends_its_connection(
    webhook: Running, sent: bytes, begins: bytes
) -> None:
    """With an answer where one can be given; and the process serves on."""
    with connected(webhook) as connection:
        connection.sendall(sent)
        assert answer(connection).startswith(begins)
    assert webhook.post(review(POD)).status_code == 200


SLOW: dict[str, tuple[bytes, bool]] = {
    "a handshake": (b"\x16\x03\x01\x02\x00\x01", False),
    "a handshake that does not begin": (b"", False),
    "a request that does not begin": (b"", True),
    "a head": (b"POST /mutate HTTP/1.1\r\nx:", True),
    "a body": (b"POST /mutate HTTP/1.1\r\nContent-Length: 300\r\n\r\nx", True),
}


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "secure"), SLOW.values(), ids=SLOW)
def test_what_does_not_come_to_its_end_is_closed(
    webhook: Running, sent: bytes, *, secure: bool
) -> None:
    """By the server, without an answer, though a byte more came now and then."""
    raw = socket.create_connection(("127.0.0.1", webhook.port), timeout=PATIENCE_S)
    with connected(webhook) if secure else raw as connection:
        raw.close() if secure else None
        connection.sendall(sent)
        connection.settimeout(1.0)
        for _ in range(int(PATIENCE_S)):
            try:
                assert connection.recv(1) == b""
                return
            except TimeoutError:
                connection.sendall(b"x" if sent else b"")
            except (ConnectionError, ssl.SSLError):
                return
        raise AssertionError("it is still open")


def test_no_stranger_writes_to_the_log(tmp_path: Path) -> None:
    """What is no HTTP, and clients that go away at any point, leave no line."""
    with running(tmp_path) as webhook:
        pipelined = "another request before the answer"  # the first is answered, and logged
        for name, (sent, _) in REFUSED.items():
            if name == pipelined:
                continue
            with connected(webhook) as connection:
                connection.sendall(sent)
        for count in (1, 20, 200):
            raw = socket.create_connection(("127.0.0.1", webhook.port), timeout=PATIENCE_S)
            raw.sendall(b"\x16\x03\x01\x02\x00\x01".ljust(count, b"x"))
            raw.close()
        gone = connected(webhook)
        gone.sendall(b"POST /mutate HTTP/1.1\r\nContent-Length: 99\r\n\r\n")
        gone.close()
        webhook.post(review(POD))
        assert webhook.process.stdout is not None
        lines = []
        for line in webhook.process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "admission.decided":
                break
        said = [line for line in lines if line["event"] != "admission.decided"]
        assert {line.get("logger") for line in said} <= {"uvicorn.error"}, said
        assert not [line for line in said if line["level"] != "info"]
        assert "Traceback" not in json.dumps(lines)


CBC = (
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
)
CBC += ":ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:AES128-SHA:AES256-SHA256"
GCM = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"


def tls_1_2(ciphers: str) -> ssl.SSLContext:
    """A client that offers nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    return context


def test_tls_1_2_has_no_cbc(webhook: Running) -> None:
    """A client that has nothing else is refused; one with AEAD is served."""
    with connected(webhook, tls_1_2(GCM)) as connection:
        cipher = connection.cipher()
        assert cipher is not None
        assert "GCM" in cipher[0]
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        connected(webhook, tls_1_2(CBC))


# Client certificates


class Authority:
    """A CA, and certificates of clients that it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(self._name, self._key, ca=True)
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def client(self, name: str) -> Path:
        """One file with a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        file = self._folder / f"{name}-{key.public_key().public_numbers().x}.pem"
        pem = serialization.Encoding.PEM
        shape = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        signed = self._signed(subject, key, ca=False).public_bytes(pem)
        file.write_bytes(signed + key.private_bytes(pem, *shape))
        return file

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            built = built.add_extension(usage, critical=False)
        return built.sign(self._key, hashes.SHA256())


def test_p13_only_a_verified_client_is_told_patterns(tmp_path: Path) -> None:
    """Any pod may ask as any namespace; the API server asks as the one that the pod is for."""
    ours = Authority(tmp_path, "ours")
    file = tmp_path / "clients.crt"
    file.write_bytes(ours.pem)
    asked = review(make.pod(annotations=make.asking(db="aws-sm:/nobody/has/it")))
    folders = [tmp_path / "open", tmp_path / "verified"]
    for folder in folders:
        folder.mkdir()
    with running(folders[0]) as webhook:
        assert b"/prod/" not in webhook.post(asked).content
    names = {"CLIENT_CA_FILE": str(file), "CLIENT_NAMES": "kube-apiserver"}
    with running(folders[1], **names) as webhook:
        context = ssl.create_default_context(cafile=webhook.folder / "ca.crt")
        context.load_cert_chain(ours.client("kube-apiserver"))
        with httpx.Client(verify=context, timeout=PATIENCE_S) as asking:
            address = f"https://127.0.0.1:{webhook.port}/mutate"
            assert b"/prod/" in asking.post(address, content=asked).content


def status(webhook: Running, client: Path | None, path: str = "/mutate") -> int | None:
    """Of an answer to a client with this certificate; None: its handshake fails."""
    context = ssl.create_default_context(cafile=webhook.folder / "ca.crt")
    if client is not None:
        context.load_cert_chain(client)
    address = f"https://127.0.0.1:{webhook.port}{path}"
    try:
        with httpx.Client(verify=context, timeout=PATIENCE_S) as asking:
            if path == "/mutate":
                return asking.post(address, content=review(POD)).status_code
            return asking.get(address).status_code
    except httpx.TransportError:
        return None


def test_only_the_api_server_asks_where_it_is_verified(tmp_path: Path) -> None:
    """By its CA and its name; probes and scrapes need no certificate. A new CA is taken over."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    file = tmp_path / "clients.crt"
    file.write_bytes(ours.pem)
    names = "other, kube-apiserver"
    with running(tmp_path, CLIENT_CA_FILE=str(file), CLIENT_NAMES=names) as webhook:
        server = ours.client("kube-apiserver")
        assert status(webhook, server) == 200
        assert status(webhook, None) == 403
        assert status(webhook, ours.client("somebody")) == 403
        assert status(webhook, theirs.client("kube-apiserver")) is None
        for path in ("/healthz", "/readyz", "/metrics"):
            assert status(webhook, None, path) == 200
        renewed = Authority(tmp_path, "ours")
        file.write_bytes(b"half")
        assert webhook.event("certificate.kept_last_good")
        assert status(webhook, server) == 200
        file.write_bytes(renewed.pem)
        until("the new CA", lambda: status(webhook, renewed.client("kube-apiserver")) == 200)
        assert status(webhook, server) is None


def test_a_name_is_a_common_name_or_a_dns_name() -> None:
    """As `getpeercert` gives them; nothing else of a certificate counts."""
    certificate = {
        "subject": ((("organizationName", "system:masters"),), (("commonName", "one"),)),
        "subjectAltName": (("DNS", "two"), ("URI", "three")),
    }
    assert is_named(certificate, {"one"})
    assert is_named(certificate, {"two", "x"})
    for name in ("three", "system:masters", "", "on"):
        assert not is_named(certificate, {name})
    assert not is_named(None, {"one"})
    assert not is_named({}, {"one"})
