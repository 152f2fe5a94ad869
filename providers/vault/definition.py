"""Vault, as references and accounts name it. Pure."""

from __future__ import annotations

from providers.definition import Provider, Scheme
from providers.vault.account import BURST, BURST_RULE, Vault
from providers.vault.references import check_path

KV = Scheme(
    name="vault",
    check=check_path,
    revoked={
        "with provider vault, a revoked reference must be a mount, / and a path": (
            "it.reference.matches('^[^/]+/')"
        )
    },
)
VAULT = Provider(
    name="vault",
    block=Vault,
    about="Vault or OpenBao settings. Required with provider vault, otherwise not allowed.",
    schemes=(KV,),
    burst=(BURST, BURST_RULE),
)
