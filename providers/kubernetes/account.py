"""The block `kubernetes` of a SecretAccount."""

from __future__ import annotations

from providers.definition import Block


class Kubernetes(Block):
    """Settings of provider kubernetes: Secrets of the pod's own namespace. It has no fields. Each
    namespace grants the controller `get` on the Secrets that its pods use.
    """
