"""What a source may read of the cluster that the controller runs on. The controller implements it,
so that sources know no API server (docs/design/028).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.secret_bytes import SecretBytes
    from providers.protocol import Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretObject:
    """One Secret, as it was read. Times in seconds since the epoch."""

    kind: str
    """Its `type`, for example Opaque."""
    data: Mapping[str, SecretBytes] = field(repr=False)
    """Decoded."""
    read_at: float
    """When the API server was asked, or before."""
    created_at: float
    """When the Secret was made, so no value of it is known to be older; 0.0: it is not known."""
    written_at: float
    """When a writer of `data` last wrote anything, its annotations too, as the API server noted it,
    or when the Secret was made; 0.0: it is not known. The data may be older."""
    managed: bool
    """Whether it has the marks of External Secrets Operator, no matter who set them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSecret:
    """What one ExternalSecret (external-secrets.io/v1) says. Nothing in it is trusted beyond its
    namespace: who may write its status there can set all of it.
    """

    name: str
    target: str
    """The Secret that it keeps."""
    generation: int
    deleting: bool = False
    ready: bool = False
    """Whether its condition Ready is True."""
    reason: str = ""
    """Of that condition, one word; empty: it has none."""
    synced: str = ""
    """status.syncedResourceVersion, `<generation>-<hash>`."""
    bound: str | None = None
    """status.binding.name. None: it is bound to no Secret."""
    refreshed_at: float | None = None
    """status.refreshTime, in seconds since the epoch; None: never."""
    weak: str | None = None
    """Why being in sync does not prove that the provider has the value, a word; None: it does."""


class Cluster(Protocol):
    """Threads that fetch share it."""

    def secret(self, namespace: str, name: str) -> SecretObject | Failed:
        """One Secret. Blocks for at most the time-out of a request."""
        ...

    def external_secrets(self, namespace: str, name: str) -> tuple[ExternalSecret, ...] | None:
        """Those that keep this Secret, from a local copy; None: it is not known yet."""
        ...
