"""Reads the Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.kubernetes.account import Kubernetes
from providers.kubernetes.source.secrets import KubernetesSecrets

if TYPE_CHECKING:
    from providers.open_source import Opening
    from providers.protocol import Source

__all__ = ["open_source"]


def open_source(opening: Opening) -> Source:
    """The source behind an account's block `kubernetes`. ValueError: the process can't read the
    cluster's Secrets.
    """
    opening.block_as(Kubernetes)
    if opening.cluster is None:
        raise ValueError("this process does not run on a cluster")
    return KubernetesSecrets(opening.cluster, observer=opening.observer)
