# ruff: noqa: INP001 - a script, not a package
"""A throw-away CA and serving certificate for this machine: demo, tests and benches.

`python certs/dev_ca.py DIR --san localhost --san 127.0.0.1` writes ca.crt, tls.crt and tls.key into
DIR. The CA's key is not kept, so nothing else can be signed with it. Not for a cluster.
"""

from __future__ import annotations

import argparse
import datetime as dt
import ipaddress
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_FILE, CERT_FILE, KEY_FILE = "ca.crt", "tls.crt", "tls.key"
LIFETIME = dt.timedelta(days=7)
_SKEW = dt.timedelta(hours=1)


def write_pair(folder: Path, sans: list[str], now: dt.datetime) -> None:
    """Write ca.crt, tls.crt and tls.key (mode 0600) for these names and addresses, valid from
    `now`.
    """
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = _name("lastgood dev CA")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        _builder(_name("lastgood dev"), ca_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_san(item) for item in sans]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / KEY_FILE, _private(key), mode=0o600)
    _write(folder / CERT_FILE, leaf.public_bytes(serialization.Encoding.PEM), mode=0o644)
    _write(folder / CA_FILE, ca.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _san(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace a file whole; it is never readable by more than `mode` says."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    new.replace(path)


def main(argv: list[str]) -> int:
    """Exit code 0."""
    parser = argparse.ArgumentParser(description="Write ca.crt, tls.crt and tls.key into a folder.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--san", action="append", required=True, help="a name or an address; repeat"
    )
    given = parser.parse_args(argv)
    write_pair(given.folder, given.san, dt.datetime.now(dt.UTC))  # noqa: TID251 - root
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
