"""Which client certificates may ask for admissions. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def is_named(certificate: Mapping[str, Any] | None, names: Collection[str]) -> bool:
    """Whether a certificate, as `SSLSocket.getpeercert` gives it once its CA is verified, has one
    of `names` as its common name or as a DNS name.
    """
    if certificate is None:
        return False
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    shown = [text for key, text in subject if key == "commonName"]
    shown += [text for key, text in certificate.get("subjectAltName", ()) if key == "DNS"]
    return any(name in names for name in shown)
