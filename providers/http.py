"""HTTP for the sources that have no SDK: one try per call, bounded in time and size. Redirects are
not followed, for they would take the credentials to another host.
"""

from __future__ import annotations

import logging
import re
import ssl
import threading
from base64 import b64encode
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from traceback import clear_frames
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, LocationValueError
from urllib3.util import parse_url

from contract.reasons import FetchFailure
from providers.deadlines import POOLS, Deadline
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from providers.proxies import Proxies

LONGEST_DELAY_S = 3600.0
"""A longer Retry-After is cut to this."""
LIMIT_BYTES = 2 << 20
"""Of an answer's body. A value of 768 KiB, the most that a policy allows, fits as JSON."""
_PIECE = 64 << 10
_CLIENT = "urllib3"
_SCHEMES = ("http", "https")
"""Of proxies."""
_INVALID = (LocationParseError, LocationValueError, UnicodeError)
"""Addresses that are none."""

UNREADABLE = Failed(reason=FetchFailure.UNAVAILABLE, code="UnreadableAnswer")
"""An answer that is not what the provider's API has: cut off, of a proxy, in another encoding."""
TOO_LATE = Failed(reason=FetchFailure.UNAVAILABLE, code="ReadTimeoutError")
TOO_LARGE = Failed(reason=FetchFailure.TOO_LARGE, code="TooLarge")
NO_FILES = Failed(reason=FetchFailure.UNAVAILABLE, code="TlsFiles")
"""The account's certificates or keys can't be read, or are none."""
NO_PROXY = Failed(reason=FetchFailure.UNAVAILABLE, code="ProxyAddress")
"""The proxy's URL is none. It may have a password, so nothing of it is said."""
NO_URL = Failed(reason=FetchFailure.INVALID, code=LocationParseError.__name__)


class ProxyAddressError(Exception):
    """The URL of a proxy is none. `Http.ask` catches it. It says nothing: `NO_PROXY` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How a server is checked. Files are read again when they change."""

    ca_file: Path | None = None
    """None: the bundle, or the system's CAs."""
    ca_bundle: str | None = None
    """PEM. None: the file, or the system's CAs."""
    extra_ca_file: Path | None = None
    """Trusted beside the system's CAs. None: only those."""
    server_name: str | None = None
    """None: the host of the address."""
    certificate_file: Path | None = None
    """With `key_file`, of the client. None: it has none."""
    key_file: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are named."""
        named = (self.ca_file, self.extra_ca_file, self.certificate_file, self.key_file)
        return tuple(path for path in named if path is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whatever status it has. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def delay_s(self) -> float | None:
        """Of Retry-After; None: it has none."""
        return retry_after_s(self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds."""

    connect_s: float = 2.0
    read_s: float = 5.0
    """The longest silence while an answer is awaited or arrives."""
    whole_s: float = 15.0
    """For the whole call, whatever the server sends meanwhile."""


class Http:
    """Connections under one account's TLS. Threads may share it.

    A call blocks for at most `Patience.whole_s`. DNS, and connecting to each of the addresses that
    it gives, come on top where they take longer.
    """

    def __init__(
        self,
        *,
        tls: TlsSettings,
        proxies: Proxies,
        connections: int = 10,
        patience: Patience | None = None,
    ) -> None:
        self._tls = tls
        self._proxies = proxies
        self._connections = connections
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._stamp: tuple[tuple[int, int, int], ...] = ()
        quiet_urllib3()

    def ask(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer | Failed:
        """One request. No exception leaves: some hold the URL or a header."""
        try:
            proxy = self._proxies.of(url)
        except ValueError:
            return NO_URL
        try:
            pool = self._pool(proxy)
        except ProxyAddressError:
            return NO_PROXY
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            return NO_FILES
        with Deadline(self._patience.whole_s) as deadline:
            found = self._asked(pool, method, url, headers, body)
        return TOO_LATE if deadline.over else found

    def _asked(
        self,
        pool: urllib3.PoolManager,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Answer | Failed:
        try:
            response = pool.request(
                method,
                url,
                headers={"Accept-Encoding": "identity", "User-Agent": "lastgood", **headers},
                body=body,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                return self._read(response)
            finally:
                response.close()
        except _INVALID as error:
            return _failed(FetchFailure.INVALID, error)
        except (HTTPError, OSError, ValueError) as error:
            return _failed(FetchFailure.UNAVAILABLE, error)

    def close(self) -> None:
        """Closes the connections. A fetch in progress, or a later one, opens its own again."""
        with self._lock:
            pools = tuple(self._pools.values())
        for pool in pools:
            pool.clear()

    def _read(self, response: urllib3.BaseHTTPResponse) -> Answer | Failed:
        headers = {name.lower(): text for name, text in response.headers.items()}
        if headers.get("content-encoding", "identity") != "identity":
            return UNREADABLE
        if not {"content-length", "transfer-encoding"} & headers.keys():
            return (
                UNREADABLE  # it ends where the connection does, so nobody knows whether it is whole
            )
        body = bytearray()
        while piece := response.read1(_PIECE):
            body += piece
            if len(body) > LIMIT_BYTES:
                return TOO_LARGE
        response.release_conn()
        return Answer(status=response.status, headers=headers, body=bytes(body))

    def _pool(self, proxy: str | None) -> urllib3.PoolManager:
        """Under the certificates as they are now. ProxyAddressError, OSError, ValueError."""
        with self._lock:
            stamp = tuple(map(_stamp, self._tls.files))
            if stamp != self._stamp:
                self._pools, self._stamp = {}, stamp
            if proxy not in self._pools:
                self._pools[proxy] = self._opened(proxy)
            return self._pools[proxy]

    def _opened(self, proxy: str | None) -> urllib3.PoolManager:
        if proxy is not None and not _is_proxy(proxy):
            raise ProxyAddressError
        found: dict[str, Any] = {
            "maxsize": self._connections,
            "timeout": urllib3.Timeout(
                connect=self._patience.connect_s, read=self._patience.read_s
            ),
            "ssl_context": _context(self._tls),
            "server_hostname": self._tls.server_name,
        }
        opened = (
            urllib3.PoolManager(**found)
            if proxy is None
            else urllib3.ProxyManager(_bare(proxy), proxy_headers=_basic(proxy), **found)
        )
        opened.pool_classes_by_scheme = POOLS
        return opened


def _is_proxy(proxy: str) -> bool:
    """Whether it is the URL of one: not where its password has a `#`, `/` or `?` as it is."""
    try:
        parts = urlsplit(proxy)
        _basic(proxy)
        parse_url(_bare(proxy))
        bare = not (parts.path.strip("/") or parts.query or parts.fragment)
        return bare and bool(parts.hostname) and parts.port != 0 and parts.scheme in _SCHEMES
    except ValueError:
        return False


def _basic(proxy: str) -> dict[str, str]:
    """The header for the user and password of a proxy's URL."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    given = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(given.encode()).decode()}"}


def _bare(proxy: str) -> str:
    """The URL without them."""
    parts = urlsplit(proxy)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _failed(reason: FetchFailure, error: Exception) -> Failed:
    forget(error)
    return Failed(reason=reason, code=type(error).__name__)


def forget(error: BaseException) -> None:
    """Parts an exception from the frames that it came through. Clients keep it in these frames, so
    answers and connections would stay in memory until the garbage collector runs.
    """
    seen: BaseException | None = error
    while seen is not None:
        clear_frames(seen.__traceback__)
        seen.__traceback__ = None
        seen = seen.__context__


def quiet_urllib3() -> None:
    """Lets nothing out of the client: it logs URLs, and what it can't read of an answer's head."""
    known = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == _CLIENT]
    for name in ("connection", "connectionpool", "poolmanager", "util.retry"):
        logging.getLogger(f"{_CLIENT}.{name}").addFilter(_nothing)
    for name in known:
        logging.getLogger(name).addFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _context(tls: TlsSettings) -> ssl.SSLContext:
    """OSError or ValueError: a file is missing, or holds no certificate or key."""
    own = None if tls.ca_file is None else str(tls.ca_file)
    context = ssl.create_default_context(cafile=own, cadata=tls.ca_bundle)
    if tls.extra_ca_file is not None and not (tls.ca_file or tls.ca_bundle):
        context.load_verify_locations(str(tls.extra_ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate_file is not None and tls.key_file is not None:
        # An empty password: an encrypted key is an error, not a question at the terminal.
        context.load_cert_chain(str(tls.certificate_file), str(tls.key_file), password="")
    return context


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size


def retry_after_s(headers: Mapping[str, object]) -> float | None:
    """Seconds of Retry-After (RFC 9110 10.2.3), a date in it counted from the answer's own Date."""
    raw = headers.get("retry-after")
    if not isinstance(raw, str):
        return None
    if re.fullmatch(r"[0-9]{1,9}", raw):
        return min(float(raw), LONGEST_DELAY_S)
    try:
        delay = parsedate_to_datetime(raw) - parsedate_to_datetime(str(headers.get("date")))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(delay.total_seconds(), 0.0), LONGEST_DELAY_S)
