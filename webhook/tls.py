"""The serving certificate, and the CA of the clients that are verified: read again when files
change, and swapped whole.

A pair that does not fit is never loaded into a context in use: OpenSSL would leave it half changed
and every later handshake would fail. So a fresh context is made, tried by a handshake with itself
in memory, and then given to new connections; open ones keep theirs. What fails leaves the old one.
"""

from __future__ import annotations

import os
import ssl
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.secret_bytes import SecretBytes

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: with forward secrecy, and none in CBC mode (RFC 9325, section 4.2). Those of TLS 1.3
are OpenSSL's.
"""


class CertificateError(Exception):
    """Files that are no pair to serve with. Caught at the start by main, later by `refresh`'s
    caller.
    """


class ServingCertificate:
    """What new connections are served with."""

    def __init__(self, make: Callable[[], ssl.SSLContext], client_ca: Path | None = None) -> None:
        """`make` gives a new context for the pair. `client_ca`: PEM of the CA of the clients that
        are verified; None: none are. CertificateError.
        """
        self._make = make
        self._client_ca = client_ca
        self._client_pem = _client_pem(client_ca)
        self.context = self._made(make)

    def swap(self, make: Callable[[], ssl.SSLContext]) -> None:
        """New connections get another pair. CertificateError: they don't."""
        self.context = self._made(make)
        self._make = make

    def refresh(self) -> bool:
        """Take over files that have changed. True when they were; CertificateError when they can't
        be used yet.
        """
        seen = _client_pem(self._client_ca)
        if seen == self._client_pem:
            return False
        before, self._client_pem = self._client_pem, seen
        try:
            self.swap(self._make)
        except CertificateError:
            self._client_pem = before
            raise
        return True

    def _made(self, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Clients may show no certificate: the kubelet has none. Who needs one is asked later."""
        context = make()
        if self._client_pem:
            try:
                context.load_verify_locations(cadata=self._client_pem)
            except (ssl.SSLError, ValueError) as error:
                raise CertificateError(f"{self._client_ca} has no CA certificates") from error
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


class Certificate(ServingCertificate):
    """The pair of two files, and the context that serves it."""

    def __init__(self, cert_file: Path, key_file: Path, client_ca: Path | None = None) -> None:
        """Raises CertificateError when the files can't be served."""
        self._files = (cert_file, key_file)
        self._seen = _read(self._files)
        super().__init__(partial(_of_files, *self._files), client_ca)
        self.not_after = _not_after(*self._files)

    def refresh(self) -> bool:
        seen = _read(self._files)
        if seen == self._seen:
            return super().refresh()
        not_after = _not_after(*self._files)
        self.swap(partial(_of_files, *self._files))
        self._seen, self.not_after = seen, not_after
        super().refresh()
        return True


def of_memory(certificate: bytes, key: SecretBytes) -> ssl.SSLContext:
    """A context for a pair, PEM. OpenSSL's binding reads files only, so it gets one that lies in
    this process's memory and is nowhere linked (memfd_create(2)).
    """
    descriptor = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, certificate + key.reveal())
        pair = Path(f"/proc/self/fd/{descriptor}")
        return _of_files(pair, pair)
    finally:
        os.close(descriptor)


def _read(files: tuple[Path, Path]) -> tuple[bytes, bytes]:
    try:
        return files[0].read_bytes(), files[1].read_bytes()
    except OSError as error:
        raise CertificateError(f"{error.filename} can't be read: {error.strerror}") from error


def _client_pem(file: Path | None) -> str:
    """Text of the CA's file; "": no clients are verified."""
    if file is None:
        return ""
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not PEM"
        raise CertificateError(f"{file} can't be read: {reason}") from error
    if not text.strip():
        raise CertificateError(f"{file} has no CA certificates")
    return text


def _of_files(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """A context for the pair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # The API server resumes no session, so tickets would only be made.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    try:
        context.load_cert_chain(cert_file, key_file)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _unusable(cert_file, key_file, error) from error
    return context


def _unusable(cert_file: Path, key_file: Path, error: Exception) -> CertificateError:
    reason = getattr(error, "reason", None) or type(error).__name__
    return CertificateError(f"{cert_file} and {key_file} can't be served: {reason}")


def _not_after(cert_file: Path, key_file: Path) -> float:
    """When the certificate ends, in seconds since the epoch, learned by a handshake in memory that
    trusts just this certificate. CertificateError.
    """
    try:
        return _end_shown(_of_files(cert_file, key_file), cert_file)
    except (ssl.SSLError, OSError, ValueError, KeyError) as error:
        raise _unusable(cert_file, key_file, error) from error


def _end_shown(context: ssl.SSLContext, cert_file: Path) -> float:
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
