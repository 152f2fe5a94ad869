"""Secrets of Vault's KV stores, `vault`.

Policy: `read` on `<mount>/data/<path>`, or on `<mount>/<path>` of version 1. Blocks for at most
`providers.http.Patience` per call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from contract.reasons import FetchFailure
from contract.reference import ReferenceRejected
from contract.secret_bytes import SecretBytes
from providers.http import UNREADABLE
from providers.protocol import (
    Again,
    Failed,
    Fetched,
    Material,
    NotModified,
    Unversioned,
)
from providers.references import canonicalise
from providers.vault.references import mount_of
from providers.vault.source import answers
from providers.vault.source.address import Call
from providers.vault.source.login import LOOK_UP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from providers.http import Answer
    from providers.protocol import FetchRequest, FetchResult
    from providers.vault.source.address import VaultServer, VaultToken
    from providers.vault.source.answers import KvValue

PROVIDER = "vault"
READ = "read"
MOUNTS = "mounts"
HEALTH = "health"
PROOF_S = 3600.0
"""How long what a server said of a mount is believed."""
LOOK_S = 30.0
"""At most one denial in this time is looked into: was it the token?"""

NOT_CANONICAL = Failed(reason=FetchFailure.INVALID, code="ReferenceRejected")
NOT_LISTED = Failed(reason=FetchFailure.INVALID, code="MountNotListed")
NO_VERSIONS = Failed(reason=FetchFailure.INVALID, code="NoVersions")
NO_NAMESPACES = Failed(reason=FetchFailure.INVALID, code="NamespacesUnsupported")
LAGGING = Failed(reason=FetchFailure.UNAVAILABLE, code="ReplicaLags")
TOKEN_ENDED = Failed(reason=FetchFailure.DENIED, code="TokenEnded")
_DENIED = frozenset({"Http401", "Http403"})

_Said = TypeVar("_Said")
_Order = tuple[tuple[str, str], int]
"""Of versions: the time of creation, then the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _KvRequest:
    """One request, read."""

    request: FetchRequest
    mount: str
    kind: int
    """The mount's version."""
    pin: tuple[int, str] | None = None
    """Number and time of creation. None: the current version."""

    @property
    def path(self) -> str:
        """Of the read, after `/v1/`."""
        below = self.request.reference.removeprefix(self.mount + "/")
        return f"{self.mount}/data/{below}" if self.kind == 2 else self.request.reference  # noqa: PLR2004 - of KV


@dataclass(slots=True, kw_only=True)
class _KvCalls:
    """The calls of one fetch. Beside a read at each address it may make one more."""

    calls: int = 0
    extra: bool = False


class VaultKv:
    """One account under one login. A later address is asked only when those before are
    unavailable. It may confirm a value or move it forward. What it refuses or lacks proves
    nothing.

    No answer takes a version back: a standby may lag behind. What was newest is remembered for as
    long as the source is open, and the engine names what it holds.
    """

    batch_limit = 1

    def __init__(
        self,
        servers: Sequence[VaultServer],
        mounts: Mapping[str, int],
        *,
        token: Callable[[], VaultToken],
        monotonic: Callable[[], float],
    ) -> None:
        self._servers = tuple(servers)
        self._mounts = dict(mounts)
        self._token = token
        self._monotonic = monotonic
        self._proven: dict[tuple[VaultServer, str], float] = {}
        """Until when a mount counts as what the account says of it, by server."""
        self._enterprise: set[VaultServer] = set()
        """Those that know namespaces and do not echo them."""
        self._newest: dict[str, _Order] = {}
        self._looked_at = float("-inf")

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:  # noqa: ARG002 - the same for all
        """A read at each address and one check."""
        return len(self._servers) + 1

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        [request] = requests
        spent = _KvCalls()
        wanted = self._wanted(request)
        result = wanted if isinstance(wanted, Failed) else self._one(wanted, spent)
        return Fetched(results=(result,), calls=spent.calls)

    def close(self) -> None:
        """The login closes the connections, which both use."""

    def _wanted(self, request: FetchRequest) -> _KvRequest | Failed:
        try:
            canonicalise(PROVIDER, request.reference)
        except ReferenceRejected:
            return NOT_CANONICAL
        mount = mount_of(request.reference, tuple(self._mounts))
        if mount is None:
            return NOT_LISTED
        kind = self._mounts[mount]
        if request.version is None:
            return _KvRequest(request=request, mount=mount, kind=kind)
        if kind == 1:
            return NO_VERSIONS
        pin = _named(request.version)
        if pin is None:
            return answers.NOT_FOUND
        return _KvRequest(request=request, mount=mount, kind=kind, pin=pin)

    def _one(self, wanted: _KvRequest, spent: _KvCalls) -> FetchResult:
        preferred = self._at(self._servers[0], wanted, spent)
        if not _unavailable(preferred):
            return preferred
        for server in self._servers[1:]:
            result = self._at(server, wanted, spent)
            if isinstance(result, Unversioned):
                return Unversioned(value=result.value, confirms_only=True)
            if isinstance(result, Material | NotModified | Again):
                return result
        return preferred

    def _at(self, server: VaultServer, wanted: _KvRequest, spent: _KvCalls) -> FetchResult:
        """From one server. A read below a mount of another kind could make a dynamic secret, so
        of version 1 the mount is looked at first.
        """
        if wanted.kind == 1 and not self._is_proven(server, wanted):
            return self._proven_first(server, wanted, spent)
        spent.calls += 1
        echoed: list[bool] = []

        def read(answer: Answer) -> KvValue | Failed:
            echoed.append(server.honours_namespace(answer))
            if wanted.kind == 1:
                return answers.of_version_1(answer)
            return answers.of_version_2(answer, pinned=wanted.pin is not None)

        number = None if wanted.pin is None else wanted.pin[0]
        token = self._token()
        call = Call(operation=READ, path=wanted.path, token=token, version=number)
        found = server.ask(call, read)
        if isinstance(found, Failed) and found.reason is not FetchFailure.ABSENT:
            return self._denied(server, found, token, spent)
        doubt = self._doubt(server, wanted, spent, found, echoed=all(echoed))
        if doubt is not None:
            return doubt
        return found if isinstance(found, Failed) else self._material(wanted, found)

    def _doubt(
        self,
        server: VaultServer,
        wanted: _KvRequest,
        spent: _KvCalls,
        found: KvValue | Failed,
        *,
        echoed: bool,
    ) -> Again | Failed | None:
        """What speaks against an answer: another namespace's, or a mount of another kind, which
        has nothing of this name.
        """
        if not echoed and server not in self._enterprise:
            refused = self._of_namespace(server, spent)
            if refused is not None:
                return refused
        if isinstance(found, Failed) and not self._is_proven(server, wanted):
            return self._prove(server, wanted, spent)
        return None

    def _of_namespace(self, server: VaultServer, spent: _KvCalls) -> Again | Failed | None:
        """None: the server knows namespaces."""
        call = Call(operation=HEALTH, path="sys/health", of_namespace=False)
        known = self._extra(spent, lambda: server.ask(call, answers.is_enterprise))
        if isinstance(known, Again | Failed):
            return known
        if not known:
            return NO_NAMESPACES
        self._enterprise.add(server)
        return None

    def _proven_first(
        self, server: VaultServer, wanted: _KvRequest, spent: _KvCalls
    ) -> Again | Failed:
        """In the place of a read."""
        spent.calls += 1
        return self._looked_at_mount(server, wanted) or Again()

    def _prove(
        self, server: VaultServer, wanted: _KvRequest, spent: _KvCalls
    ) -> Again | Failed | None:
        """None: the mount is what the account says."""
        return self._extra(spent, lambda: self._looked_at_mount(server, wanted))

    def _looked_at_mount(self, server: VaultServer, wanted: _KvRequest) -> Failed | None:
        call = Call(
            operation=MOUNTS,
            path=f"sys/internal/ui/mounts/{wanted.request.reference}",
            token=self._token(),
        )
        read = partial(answers.of_mount, mount=wanted.mount, version=wanted.kind)
        said = server.ask(call, read)
        if isinstance(said, Failed):
            return said
        self._proven[server, wanted.mount] = self._monotonic() + PROOF_S
        return None

    def _is_proven(self, server: VaultServer, wanted: _KvRequest) -> bool:
        until = self._proven.get((server, wanted.mount), float("-inf"))
        return self._monotonic() < until

    def _extra(self, spent: _KvCalls, ask: Callable[[], _Said]) -> _Said | Again:
        """The one call beside the reads; Again: it was made already, and what it said is known."""
        if spent.extra:
            return Again()
        spent.extra = True
        spent.calls += 1
        return ask()

    def _denied(
        self, server: VaultServer, failed: Failed, token: VaultToken, spent: _KvCalls
    ) -> FetchResult:
        """A token that has ended is denied like a path that it may not read, so it is asked about
        itself.
        """
        now = self._monotonic()
        if failed.code not in _DENIED or spent.extra or now < self._looked_at + LOOK_S:
            return failed
        self._looked_at = now
        call = Call(operation=LOOK_UP, path="auth/token/lookup-self", token=token)
        said = self._extra(spent, lambda: server.ask(call, answers.of_look_up))
        ended = isinstance(said, Failed) and said.code in _DENIED
        return TOKEN_ENDED if ended else failed

    def _material(self, wanted: _KvRequest, found: KvValue) -> FetchResult:
        request = wanted.request
        if wanted.pin is not None and (found.number, found.created) != wanted.pin:
            return answers.NOT_FOUND
        try:
            value = SecretBytes(answers.canonical(found.members).encode())
        except (RecursionError, UnicodeError):
            return UNREADABLE
        if wanted.kind == 1:
            return Unversioned(value=value)
        version = f"{found.number}@{found.created}"
        if wanted.pin is not None:
            return Material(version=version, value=value)
        order = answers.moment(found.created), found.number
        if order < max(self._newest.get(request.reference, order), _order(request.known_version)):
            return LAGGING
        self._newest[request.reference] = order
        if version == request.known_version:
            return NotModified(version=version)
        return Material(version=version, value=value)


def _named(version: str) -> tuple[int, str] | None:
    """Number and time of creation of a version's name; None: it is none of ours."""
    number, at, created = version.partition("@")
    digits = number.isascii() and number.isdigit() and len(number) <= 9  # noqa: PLR2004 - a bound
    known = at and digits and answers.moment(created) != ("", "")
    return (int(number), created) if known else None


def _order(version: str | None) -> _Order:
    named = None if version is None else _named(version)
    return (("", ""), 0) if named is None else (answers.moment(named[1]), named[0])


def _unavailable(result: object) -> bool:
    return isinstance(result, Failed) and result.reason is FetchFailure.UNAVAILABLE
