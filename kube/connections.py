"""The connections to one API server, and who we are on them."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import aiohttp

from kube.errors import TooLargeError
from kube.kubernetes_client import ConfigException, Configuration, RESTClientObject
from kube.ndjson import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self


JSON = "application/json"


class WithoutProxy(Configuration):  # type: ignore[misc]  # the package has no types
    """Of an API server that is reached directly, whatever HTTPS_PROXY says."""


class NoCredentialsError(OSError):
    """Caught here; its name is the reason of an UnavailableError."""


class DisconnectedError(aiohttp.ClientError):
    """The connection ended instead of an answer. Caught by who asked."""


class Connections:
    """The connections, and who we are on them."""

    def __init__(
        self,
        configuration: Configuration,
        user_agent: str,
        connector: Callable[[Configuration], aiohttp.BaseConnector],
    ) -> None:
        self._configuration = configuration
        self._connector = connector
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str | None = None,
        total_s: float | None = None,
    ) -> aiohttp.ClientResponse:
        """The answer's head; the caller reads and closes it. `total_s` bounds head and body."""
        configuration = self._configuration
        headers = {"Accept": JSON, "User-Agent": self._user_agent, **await self._credentials()}
        if content_type is not None:
            headers["Content-Type"] = content_type
        if self._session is None:
            self._session = self._open()
        return await self._session.request(
            method,
            configuration.host + path,
            params=query,
            data=None if body is None else json.dumps(body, separators=(",", ":")).encode(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=total_s),
            allow_redirects=False,
            proxy=configuration.proxy,
            server_hostname=configuration.tls_server_name,
        )

    async def _credentials(self) -> dict[str, str]:
        try:
            settings = await self._configuration.auth_settings()
        except ConfigException:
            raise NoCredentialsError("the token's file can't be used now") from None
        return {part["key"]: part["value"] for part in settings.values() if part["value"]}

    def _open(self) -> aiohttp.ClientSession:
        by_proxy = not isinstance(self._configuration, WithoutProxy)
        return aiohttp.ClientSession(
            connector=self._connector(self._configuration), trust_env=by_proxy, middlewares=[_once]
        )


def over_tcp(configuration: Configuration) -> aiohttp.BaseConnector:
    """Opens connections to the API server's address."""
    tls = RESTClientObject(configuration).ssl_context
    return aiohttp.TCPConnector(ssl=tls, limit=0, socket_factory=_socket)


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Sends a request once. aiohttp repeats a GET, PUT or DELETE after errors of its own, and a
    write that was done and then repeated looks like somebody else's: 409 or 404.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise DisconnectedError(str(error)) from error


class ApiSession:
    """What asks one API server. An asynchronous context manager; close it in the loop that used
    it.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        user_agent: str = "lastgood",
        timeout_s: float = 10.0,
        connector: Callable[[Configuration], aiohttp.BaseConnector] = over_tcp,
    ) -> None:
        """`timeout_s` is for each request. `connector` is called in the loop that sends."""
        self._http = Connections(configuration, user_agent, connector)
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every connection."""
        await self._http.close()


async def content(answer: aiohttp.ClientResponse, method: str, path: str) -> bytes:
    """The body of an answer. TooLargeError: it has more than MOST_BYTES."""
    parts = []
    size = 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            answer.close()
            raise TooLargeError(status=0, reason="TooLarge", method=method, path=path)
    return b"".join(parts)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A connection whose other end vanished is noticed within 45 s, also while it is silent."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    return made
