"""Azure, as references and accounts name it. Pure."""

from __future__ import annotations

from providers.azure.account import BURST, BURST_RULE, Azure
from providers.azure.references import CEL, check_secret_name
from providers.definition import Provider, Scheme

KEY_VAULT = Scheme(
    name="azure-kv",
    check=check_secret_name,
    revoked={
        "with provider azure, a revoked reference must be a secret's name: 1 to 127 characters of"
        " a-z 0-9 -": f"it.reference.matches('{CEL}')"
    },
)
AZURE = Provider(
    name="azure",
    block=Azure,
    about="Azure settings. Required with provider azure, otherwise not allowed.",
    schemes=(KEY_VAULT,),
    burst=(BURST, BURST_RULE),
)
