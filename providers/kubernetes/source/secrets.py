"""Secrets of one cluster. The value is a JSON object of all keys; a key is a property."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from contract.quoted import shown
from contract.reasons import FetchFailure
from contract.reference import ReferenceRejected
from contract.secret_bytes import SecretBytes
from providers.kubernetes.source.evidence import evidence
from providers.protocol import Failed, Fetched, Unversioned
from providers.references import canonicalise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from providers.cluster import Cluster
    from providers.protocol import CallCounter, FetchRequest, FetchResult

PROVIDER = "k8s"
GET = "get"
BINARY = ".base64"
"""Ends the name under which a value that is not UTF-8 stands in the object."""

_REFUSED = frozenset(
    {"lastgood.dev/snapshot", "lastgood.dev/record", "kubernetes.io/service-account-token"}
)
"""A snapshot is a copy already; a token of a service account is Kubernetes' own to renew."""
NOT_CANONICAL = Failed(reason=FetchFailure.INVALID, code="ReferenceRejected")
NO_VERSIONS = Failed(reason=FetchFailure.INVALID, code="NoVersions")
REFUSED_TYPE = Failed(reason=FetchFailure.DENIED, code="SecretType")
COLLIDING = "KeysCollide"
EMPTY = Failed(reason=FetchFailure.EMPTY, code="EmptySecret")


class KubernetesSecrets:
    """Blocks for at most the time-out of one request to the API server."""

    batch_limit = 1

    def __init__(self, cluster: Cluster, *, observer: CallCounter | None = None) -> None:
        self._cluster = cluster
        self._observer = observer

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return len(requests)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        calls = 0
        results: list[FetchResult] = []
        for request in requests:
            refused = _refused(request)
            calls += refused is None
            results.append(refused or self._observed(request.reference))
        return Fetched(results=tuple(results), calls=calls)

    def close(self) -> None:
        """The controller closes the connections, which all its parts share."""

    def _observed(self, reference: str) -> Unversioned | Failed:
        result = self._read(reference)
        if self._observer is not None:
            self._observer(GET, result.code if isinstance(result, Failed) else "ok")
        return result

    def _read(self, reference: str) -> Unversioned | Failed:
        namespace, _, name = reference.partition("/")
        # Before the Secret is read: so a status never speaks of a value that is older than itself.
        keepers = self._cluster.external_secrets(namespace, name)
        found = self._cluster.secret(namespace, name)
        if isinstance(found, Failed):
            return found
        if found.kind in _REFUSED:
            return REFUSED_TYPE
        if not found.data:
            return EMPTY
        value = document(found.data)
        if isinstance(value, Failed):
            return value
        return Unversioned(value=value, evidence=evidence(found, name, keepers))


def document(data: Mapping[str, SecretBytes]) -> SecretBytes | Failed:
    """The keys as one JSON object, in order. A value that is no UTF-8 stands there in base64, with
    BINARY at the end of its key. Where that is a key of the Secret too, there is no value: pods of
    either would be given the other.
    """
    members: dict[str, str] = {}
    for key in sorted(data):
        try:
            members[key] = data[key].reveal().decode("utf-8")
        except UnicodeDecodeError:
            if key + BINARY in data:
                return _colliding(key)
            members[key + BINARY] = base64.b64encode(data[key].reveal()).decode("ascii")
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return SecretBytes(text.encode("utf-8"))


def _colliding(key: str) -> Failed:
    named, binary = shown(key), shown(key + BINARY)
    return Failed(
        reason=FetchFailure.INVALID,
        code=COLLIDING,
        what_to_do=(
            f'The keys "{named}" and "{binary}" of the Secret have one name: the value of "{named}"'
            f' is no UTF-8, so lastgood gives it as "{binary}". Rename one of them'
        ),
    )


def _refused(request: FetchRequest) -> Failed | None:
    """Why a request is answered without a call."""
    try:
        canonicalise(PROVIDER, request.reference)
    except ReferenceRejected:
        return NOT_CANONICAL
    return None if request.version is None else NO_VERSIONS
