"""What a provider is to those who write and check references and accounts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.strict_model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Block(Model):
    """The part of a SecretAccount that says how to reach one provider."""

    def smallest_burst(self) -> int:
        """The smallest `budget.burst` that pays for any one fetch: `Source.most_calls`."""
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One kind of reference, named by what stands before its colon."""

    name: str
    check: Callable[[str], None]
    """Raises ReferenceRejected for a reference that is none of this scheme."""
    revoked: Mapping[str, str] = field(default_factory=dict)
    """CEL over `it.reference`, by the message, of a reference in an account's `revoked`: what
    `check` refuses and the rules of every reference do not."""
    local: Callable[[str], None] | None = None
    """Of objects in the pod's namespace: raises ReferenceRejected for a name that an annotation may
    not give. The canonical reference is `<namespace>/<name>` (docs/design/028). None: annotations
    give the canonical reference."""
    never_allowed: tuple[tuple[str, str], ...] = ()
    """Expressions that no pattern of a policy may match, each with the message."""
    advice: Callable[[str, str, str], str | None] | None = None
    """What to do, by reference, reason and the source's code; None: what is said of the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One secret store: the value of an account's `provider`, and the name of its block."""

    name: str
    block: type[Block]
    about: str
    """What `kubectl explain` says of the block."""
    schemes: tuple[Scheme, ...]
    """The first one takes every reference that another takes: it judges a revoked reference that
    names none of them."""
    burst: tuple[str, str] | None = None
    """The message and the CEL rule, over the account's spec, for `Block.smallest_burst`; None: it
    is always 1."""
    only_for_tests: str | None = None
    """Why the controller on a cluster refuses such an account; None: it does not."""
