"""CAs and leaves, as X.509 (RFC 5280): ECDSA P-256, PEM in and out."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contract.secret_bytes import SecretBytes
from webhook.certificates.rotation import Ca

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "lastgood-webhook-ca"
_SKEW_S = 3600.0
"""How far another machine's clock may be behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A CA's certificate, PEM; what it says is in `ca`."""

    ca: Ca
    pem: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A CA that can sign."""

    certified: Certified
    key: SecretBytes
    """PEM, PKCS 8."""


def mint(lifetime_s: float, now: float) -> Authority:
    """A new CA. Its name is its own: two of one name would be taken for each other."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    name = _name(f"{NAME} {serial:x}"[:64])
    certificate = (
        _builder(name, name, key.public_key(), serial, now, now + lifetime_s)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certified=_certified(certificate), key=_private(key))


def sign(
    authority: Authority, names: Sequence[str], now: float, not_after: float
) -> tuple[bytes, SecretBytes]:
    """A leaf for these names and addresses: its certificate and its key, PEM."""
    issuer = x509.load_pem_x509_certificate(authority.certified.pem)
    issuer_key = serialization.load_pem_private_key(authority.key.reveal(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key is not of an elliptic curve")
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    serial = x509.random_serial_number()
    certificate = (
        _builder(_name("lastgood-webhook"), issuer.subject, public, serial, now, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_san(item) for item in names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]  # P-256 by the check above
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _private(key)


def read_bundle(pem: bytes) -> tuple[Certified, ...]:
    """The certificates of a bundle; none when it is not one."""
    if not pem.strip():
        return ()
    try:
        return tuple(map(_certified, x509.load_pem_x509_certificates(pem)))
    except ValueError:
        return ()


def read_authority(certificate: bytes, key: SecretBytes) -> Authority | None:
    """A CA with its key; None when they are no pair that can sign."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key.reveal(), None)
        found.verify_directly_issued_by(found)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return None
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        return None
    if private.public_key() != found.public_key():
        return None
    return Authority(certified=_certified(found), key=key)


def _certified(certificate: x509.Certificate) -> Certified:
    ca = Ca(
        id=certificate.fingerprint(hashes.SHA256()).hex(),
        not_after=certificate.not_valid_after_utc.timestamp(),
    )
    return Certified(ca=ca, pem=certificate.public_bytes(serialization.Encoding.PEM))


def _builder(  # noqa: PLR0917 - the fields of a certificate, in its own order
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    serial: int,
    now: float,
    not_after: float,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(dt.datetime.fromtimestamp(now - _SKEW_S, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(not_after, dt.UTC))
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _san(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _private(key: ec.EllipticCurvePrivateKey) -> SecretBytes:
    return SecretBytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
