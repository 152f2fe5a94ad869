"""Where things are in the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Locations:
    """Of one installation."""

    namespace: str
    """Of the Secret."""
    configuration: str
    """The name of the MutatingWebhookConfiguration."""
    names: Sequence[str]
    """Names and addresses under which we are reached."""
