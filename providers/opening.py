"""Opens the source behind an account. Only the controller imports this, and `source/` of a provider
only when an account of it is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from providers.definition import Block

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.protocol import Observer, Source


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

    def block_as(self, kind: type[_Block]) -> _Block:
        """The block, which is of the provider's own kind. TypeError: it is another's."""
        if not isinstance(self.block, kind):
            raise TypeError(f"the block is a {type(self.block).__name__}, not a {kind.__name__}")
        return self.block


def open_source(provider: str, opening: Opening) -> Source:
    """The source of `provider`, the name of its folder here."""
    open_it: Callable[[Opening], Source] = import_module(f"providers.{provider}.source").open_source
    return open_it(opening)
