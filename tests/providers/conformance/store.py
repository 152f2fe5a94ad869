"""What a source is to the conformance suite: a store that a test can change, and what the source
must report of it. A new source is one class that fills this in, and its line in `registry.py`.
"""

from __future__ import annotations

import abc
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from providers.http import Patience
from tests.providers.conformance.wire import Reply, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from providers.protocol import Source

PATIENCE_S = 0.6
"""Of a source that is to lose patience."""


def patience(timeout_s: float) -> Patience:
    """Of a source, with this for each time-out; as usual for the whole, if it is a long one."""
    usual = Patience()
    whole_s = usual.whole_s if timeout_s > PATIENCE_S else timeout_s
    return Patience(connect_s=timeout_s, read_s=timeout_s, whole_s=whole_s)


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server(Protocol):
    """A server that is started once for all tests of a session (of each worker)."""

    def stop(self) -> None: ...


_Server = TypeVar("_Server", bound=Server)


class Servers:
    """The servers of a session. `of(start)` gives the one that `start(folder)` starts, the folder
    being empty and its own.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._running: dict[object, Server] = {}

    def of(self, start: Callable[[Path], _Server]) -> _Server:
        if start not in self._running:
            self._running[start] = start(self._folder())
        return self._running[start]  # type: ignore[return-value]  # it is what `start` gave

    def stop(self) -> None:
        for server in self._running.values():
            server.stop()


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a store is made with. Its source has to use clock, observer and trouble."""

    servers: Servers
    folder: Path
    """Empty, and of this test."""
    impatient: bool = False
    """Whether the source's time-outs are PATIENCE_S; otherwise they are as usual."""
    clock: Clock = field(default_factory=Clock)
    calls: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def observer(self, operation: str, code: str) -> None:
        self.calls.append((operation, code))

    def trouble(self, text: str) -> None:
        self.troubles.append(text)


@dataclass(frozen=True, slots=True)
class Says:
    """What a source reports. `word` is a FetchFailure, `value` or `unchanged`."""

    word: str
    note: str = ""
    """Why, where a reader would expect another word. It stands in the table."""


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The behaviour can't exist at this source. `why` stands in the table: a few words."""

    why: str


Reports = Says | NotApplicable
_Method = TypeVar("_Method")


def unsupported(method: _Method) -> _Method:
    """Marks a method of a store as one that its provider has not."""
    method.unsupported = True  # type: ignore[attr-defined]  # ours
    return method


class Store(abc.ABC):
    """One kind of provider with its source. References are made by `reference`.

    What a provider does not have stays as it is here, unsupported, and `reports` says why it is not
    applicable. The suite checks that both agree.
    """

    scheme: ClassVar[str]
    """Of its references."""
    title: ClassVar[str]
    """Of its column."""
    server: ClassVar[str]
    """What it runs against, for the docs: `moto`."""
    reports: ClassVar[Mapping[str, Reports]] = {}
    """By a behaviour's name, where it differs from what the behaviour expects of all."""
    codes: ClassVar[Mapping[str, str]] = {}
    """By a behaviour's name, the codes of all failures that its test meets, in this order."""
    gone = "0" * 32
    """A version as the provider would name it, and that no secret has."""
    source: Source

    def reference(self, name: str) -> str:
        """The reference of a secret, of a name of letters, digits, `-` and `/`."""
        return f"/{name}"

    def on_wire(self, reference: str) -> str:
        """What of a reference stands in a request."""
        return reference.removeprefix("/")

    @abc.abstractmethod
    def put(self, reference: str, value: bytes) -> None:
        """Creates the secret, or replaces its value. `value` is UTF-8."""

    @abc.abstractmethod
    def remove(self, reference: str) -> None:
        """Deletes the secret for good."""

    def read(self, value: bytes) -> bytes:
        """What the source gives for a value that was put."""
        return value

    @unsupported
    def delete(self, reference: str) -> None:
        """Deletes the secret in a way that can be undone."""
        raise NotImplementedError

    @unsupported
    def disable(self, reference: str) -> None:
        """Makes the current value unreadable, without deleting it."""
        raise NotImplementedError

    @unsupported
    def deny(self, reference: str) -> None:
        """Takes the permission to read this one secret."""
        raise NotImplementedError

    @unsupported
    def recreate(self, reference: str, value: bytes) -> None:
        """Deletes the secret for good and creates it again under the same version name."""
        raise NotImplementedError

    @unsupported
    def put_binary(self, reference: str, value: bytes) -> None:
        """As `put`, with bytes that are no UTF-8."""
        raise NotImplementedError

    @unsupported
    def put_empty(self, reference: str) -> None:
        """As `put`, with nothing."""
        raise NotImplementedError

    def put_large(self, reference: str, value: bytes) -> None:
        """As `put`, with 1 MiB, where the provider takes less in a way of its own."""
        self.put(reference, value)

    @unsupported
    def expire(self) -> None:
        """Ends the credentials that the source holds. A new login gets good ones."""
        raise NotImplementedError

    @unsupported
    def rotate(self) -> None:
        """Replaces the credentials, and moves the clock to when the source renews its own. The old
        ones end.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Closes the source and what else is of this test alone."""
        self.source.close()


class HttpStore(Store):
    """A store that is reached by HTTP. Its source's address is `wire.address`, for logins too."""

    wire: Wire

    @abc.abstractmethod
    def error(
        self, kind: Literal["throttled", "unavailable"], message: str = "by the test"
    ) -> Reply:
        """The provider's own error answer, whose text is `message`."""

    def close(self) -> None:
        super().close()
        self.wire.close()


def json_reply(status: int, document: Any, **headers: str) -> Reply:  # noqa: ANN401 - any JSON
    """An answer in JSON."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Reply(status=status, body=body, headers={"Content-Type": "application/json"} | headers)
