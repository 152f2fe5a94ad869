"""What all references to secrets have in common; `providers.references` reads them."""

from __future__ import annotations

import re

from contract.frozen import Record

SHAPE = "provider[@account]:reference[#property]"

_SIGNS = "/_+=.@!-"
CHARACTERS = f"A-Za-z0-9{_SIGNS}"
"""What a reference may have, for a regular expression to put in brackets. Secrets Manager takes
these and no others in a name. `!` stands in the names that AWS services give the secrets they
manage, as `rds!cluster-1fcd41b2` and `events!connection/orders/5b3a`: CreateSecret refuses it.
"""
CHARACTERS_LISTED = f"A-Z a-z 0-9 {' '.join(_SIGNS)}"
"""The same, for people."""
ACCOUNT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PROPERTY = re.compile(
    r"(?!.*(\.\.|\./|/\.))"  # so that snapshot_format.property_key never gives two one key
    r"[A-Za-z0-9_.-]{1,128}(/[A-Za-z0-9_.-]{1,128}){0,15}"
)
MOST_PROPERTY = 251
"""Characters in a property, each `/` counted twice: a Secret's key has at most 253, and ours starts
with `p.`.
"""


class ReferenceRejected(ValueError):  # noqa: N818 - it is a verdict on input, not a fault
    """A reference that is not accepted; the message says what is wrong and what is allowed. Caught
    by the webhook, policy and CLI.
    """


class SourceRequest(Record):
    """What one `secret.<name>` annotation asks for."""

    scheme: str
    account: str | None
    """None: the one account of this provider that policy allows."""
    reference: str
    """Canonical, without the provider."""
    property: str | None
    """None: the whole value. Steps into an object are divided by `/`."""


def is_property(name: str) -> bool:
    """Whether that is a property, steps divided by `/`: no two properties share a data key."""
    return len(name) + name.count("/") <= MOST_PROPERTY and _PROPERTY.fullmatch(name) is not None
