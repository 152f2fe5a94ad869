"""Google Cloud, as references and accounts name it. Pure."""

from __future__ import annotations

from providers.definition import Provider, Scheme
from providers.gcp.account import BURST, BURST_RULE, Gcp
from providers.gcp.references import CEL, check_secret_id

SECRET_MANAGER = Scheme(
    name="gcp-sm",
    check=check_secret_id,
    revoked={
        "with provider gcp, a revoked reference must be a secret's ID: 1 to 255 characters of"
        " A-Z a-z 0-9 _ -": f"it.reference.matches('{CEL}')"
    },
)
GCP = Provider(
    name="gcp",
    block=Gcp,
    about="Google Cloud settings. Required with provider gcp, otherwise not allowed.",
    schemes=(SECRET_MANAGER,),
    burst=(BURST, BURST_RULE),
)
