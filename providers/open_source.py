"""Opens the source behind an account. Only the controller imports this, and `source/` of a provider
only when an account of it is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from providers.definition import Block
from providers.proxies import NO_PROXIES, Proxies

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.cluster import Cluster
    from providers.protocol import Observer, Source


FOLDER = Path("/var/run/secrets/lastgood")
"""Where the chart mounts what accounts name as files: tokens, certificates, keys."""
_Block = TypeVar("_Block", bound=Block)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a provider's `open_source` is given."""

    account: str
    """Its name."""
    block: Block
    """Of the account, and the provider's own."""
    scheme: str
    """Of the references that will be fetched, one of the provider's."""
    monotonic: Callable[[], float]
    """Seconds that never go back."""
    observer: Observer | None = None
    trouble: Callable[[str], None] | None = None
    """Is told, in the thread that fetches, why the account can't log in."""
    connections: int = 10
    """How many threads fetch at a time."""
    folder: Path = FOLDER
    """The files that an account names are below it, and no others."""
    proxies: Proxies = NO_PROXIES
    """For sources that have no SDK."""
    cluster: Cluster | None = None
    """Where this runs. None: not on a cluster, as a command or a test."""

    def block_as(self, kind: type[_Block]) -> _Block:
        """The block, which is of the provider's own kind. TypeError: it is another's."""
        if not isinstance(self.block, kind):
            raise TypeError(f"the block is a {type(self.block).__name__}, not a {kind.__name__}")
        return self.block


def open_source(provider: str, opening: Opening) -> Source:
    """The source of `provider`, the name of its folder here."""
    open_it: Callable[[Opening], Source] = import_module(f"providers.{provider}.source").open_source
    return open_it(opening)
