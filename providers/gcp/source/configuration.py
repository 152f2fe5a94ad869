"""What a credential configuration may name. It comes from a file that others may have written, and
google-auth reads any file and asks any host that it names.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NOT_ALLOWED = Failed(
    reason=FetchFailure.DENIED,
    code="FileNotAllowed",
    what_to_do="In the credential configuration, credential_source.file must be below the folder"
    " for accounts, /var/run/secrets/lastgood (docs/providers/gcp-sm.md)",
)
URL_NOT_ALLOWED = Failed(
    reason=FetchFailure.DENIED,
    code="UrlNotAllowed",
    what_to_do="In the credential configuration, token_url, token_uri and"
    " service_account_impersonation_url must start with https://. URLs in credential_source may"
    " start with http:// only for the node's metadata server and for the pod itself"
    " (docs/providers/gcp-sm.md)",
)
KIND_NOT_SUPPORTED = Failed(reason=FetchFailure.DENIED, code="CredentialsType")
RUNS_A_PROGRAM = Failed(reason=FetchFailure.DENIED, code="ExecutableSource")
"""Of a credential configuration that starts a program: the image has none."""

_SENT_TO = ("token_url", "token_uri", "service_account_impersonation_url")
"""Hosts that see tokens."""
_READ_FROM = ("url", "region_url", "imdsv2_session_token_url")
"""What `credential_source` has asked. `regional_cred_verification_url` is asked by Google."""
_HTTPS = re.compile(r"(?i:https)://[^\s/?#\\@]+([/?#][^\s\\]*)?")
_HTTP = re.compile(r"(?i:http)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][^\s\\]*)?")
_NAMES = frozenset({"localhost", "metadata.google.internal"})
_OF_AWS = ip_address("fd00:ec2::254")
"""AWS's metadata server by IPv6, which is no link-local address."""


def refused(found: Mapping[str, object], folder: Path) -> Failed | None:
    """Why a configuration is not used; None: it may. An impersonation's source is judged alone."""
    if not all(_is_secure(found[name]) for name in _SENT_TO if found.get(name) is not None):
        return URL_NOT_ALLOWED
    source = found.get("credential_source")
    if not isinstance(source, dict):
        return None
    if "executable" in source:
        return RUNS_A_PROGRAM
    if "certificate" in source:
        return KIND_NOT_SUPPORTED
    urls = [source[name] for name in _READ_FROM if source.get(name) is not None]
    if not all(_is_secure(url) or _is_near(url) for url in urls):
        return URL_NOT_ALLOWED
    file = source.get("file")
    return None if file is None or _is_below(file, folder) else FILE_NOT_ALLOWED


def token_file(source: Mapping[str, object], folder: Path) -> Path | None:
    """The file that a source names, which is not refused; None: it names none."""
    file = source.get("file")
    return folder / file if isinstance(file, str) else None


def _is_below(file: object, folder: Path) -> bool:
    """Where its links lead: those of a projected volume (`..data`) stay in the folder."""
    if not isinstance(file, str) or "\0" in file:
        return False
    real = Path(os.path.realpath(folder / file))
    return real.is_relative_to(os.path.realpath(folder))


def _is_secure(url: object) -> bool:
    return isinstance(url, str) and _HTTPS.fullmatch(url) is not None


def _is_near(url: object) -> bool:
    """Whether it is http:// of the node or the pod, which no network sees."""
    found = _HTTP.fullmatch(url) if isinstance(url, str) else None
    if found is None:
        return False
    host = found[1].strip("[]").lower()
    if host in _NAMES:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_link_local or address.is_loopback or address == _OF_AWS
