"""What the admin configured about the containers that are injected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.version import VERSION

if TYPE_CHECKING:
    from api.policy import RunAs


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """How gate and agent run."""

    image: str
    """Of gate and agent, by digest in production."""
    pull_policy: str | None = None
    """None: what Kubernetes derives from the image's name."""
    uid: int = 65532
    """The UID of gate and agent where they needn't share the app's; not 0."""
    run_as: RunAs = "lastgood"
    """The user of gate and agent, where a policy has none: as in `api.policy.Agent.run_as`."""
    version: str = VERSION
    """Written into the mark of injected pods."""
