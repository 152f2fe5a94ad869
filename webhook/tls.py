"""The serving certificate: read again when its files change, and swapped whole.

A pair that does not fit is never loaded into a context in use: OpenSSL would leave it half changed
and every later handshake would fail. So a fresh context is made, tried by a handshake with itself
in memory, and then given to new connections; open ones keep theirs. What fails leaves the old one.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract.secret_bytes import SecretBytes


class CertificateError(Exception):
    """Files that are no pair to serve with. Caught at the start by main, later by `refresh`'s
    caller.
    """


class Serving:
    """The context that a server listens with. Each handshake is handed on to the newest one."""

    def __init__(self, first: ssl.SSLContext, current: ssl.SSLContext) -> None:
        """Two contexts of one pair: what is handed on is never what listens."""
        self.context = first
        self._current = current
        self.context.sni_callback = self._hand_on

    def swap(self, context: ssl.SSLContext) -> None:
        """New connections get this one; open ones keep theirs."""
        self._current = context

    def _hand_on(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._current


class Certificate(Serving):
    """The pair of two files, and the context that serves it."""

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        """Raises CertificateError when the files can't be served."""
        self._files = (cert_file, key_file)
        self._seen = _read(self._files)
        current, self.not_after = _load(*self._files)
        super().__init__(_load(*self._files)[0], current)

    def refresh(self) -> bool:
        """Take over files that have changed. True when they were; CertificateError when they can't
        be used yet.
        """
        seen = _read(self._files)
        if seen == self._seen:
            return False
        current, self.not_after = _load(*self._files)
        self.swap(current)
        self._seen = seen
        return True


def of_memory(certificate: bytes, key: SecretBytes) -> ssl.SSLContext:
    """A context for a pair, PEM. OpenSSL's binding reads files only, so it gets one that lies in
    this process's memory and is nowhere linked (memfd_create(2)).
    """
    descriptor = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, certificate + key.reveal())
        pair = Path(f"/proc/self/fd/{descriptor}")
        return _load(pair, pair)[0]
    finally:
        os.close(descriptor)


def _read(files: tuple[Path, Path]) -> tuple[bytes, bytes]:
    try:
        return files[0].read_bytes(), files[1].read_bytes()
    except OSError as error:
        raise CertificateError(f"{error.filename} can't be read: {error.strerror}") from error


def _load(cert_file: Path, key_file: Path) -> tuple[ssl.SSLContext, float]:
    """A context for the pair, and when its certificate ends, in seconds since the epoch."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert_file, key_file)
        return context, _not_after(context, cert_file)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise CertificateError(f"{cert_file} and {key_file} can't be served: {reason}") from error


def _not_after(context: ssl.SSLContext, cert_file: Path) -> float:
    """When the certificate ends, learned by a handshake in memory that trusts just this
    certificate.
    """
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trust.load_verify_locations(cert_file)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(back, there)
    server = context.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    shown = client.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))
