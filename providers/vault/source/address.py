"""One call to one address of an account."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from providers.http import Answer, Http
    from providers.protocol import CallCounter

_Read = TypeVar("_Read")
NAMESPACE = "x-vault-namespace"


@dataclass(frozen=True, slots=True)
class VaultToken:
    """What Vault knows us by after a login."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of Vault's API (https://developer.hashicorp.com/vault/api-docs)."""

    operation: str
    """For metrics: a word of a closed set."""
    path: str
    """After `/v1/`, not encoded."""
    token: VaultToken | None = None
    """None: it needs none."""
    version: int | None = None
    """The query `?version=`. None: none."""
    body: Mapping[str, str] | None = field(default=None, repr=False)
    """None: it is a GET."""
    of_namespace: bool = True
    """Whether it is asked of the account's namespace; otherwise of the root one."""


class VaultServer:
    """An address, in the account's namespace."""

    def __init__(
        self, address: str, http: Http, *, namespace: str | None, observer: CallCounter | None
    ) -> None:
        self._address = address
        self._http = http
        self._namespace = namespace
        self._observer = observer

    def ask(self, call: Call, read: Callable[[Answer], _Read | Failed]) -> _Read | Failed:
        """What `read` makes of the answer, or why there is none."""
        headers = {"X-Vault-Request": "true"}
        if call.token is not None:
            headers["X-Vault-Token"] = call.token.text
        if self._namespace is not None and call.of_namespace:
            headers["X-Vault-Namespace"] = self._namespace
        body = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(dict(call.body)).encode()
        method = "GET" if body is None else "POST"
        answer = self._http.ask(method, self._url(call), headers=headers, body=body)
        found = answer if isinstance(answer, Failed) else read(answer)
        if self._observer is not None:
            self._observer(call.operation, found.code if isinstance(found, Failed) else "ok")
        return found

    def honours_namespace(self, answer: Answer) -> bool:
        """Whether the answer says of which namespace it is: OpenBao's do. An answer of a server
        that knows no namespaces is of the root one, whatever was asked.
        """
        if self._namespace is None:
            return True
        return answer.headers.get(NAMESPACE, "").strip("/") == self._namespace

    def _url(self, call: Call) -> str:
        query = "" if call.version is None else f"?version={call.version}"
        return f"{self._address}/v1/{quote(call.path)}{query}"
