"""AWS, as references and accounts name it. Pure."""

from __future__ import annotations

from providers.aws.account import BURST, BURST_RULE, Aws
from providers.aws.references import check_secret_name
from providers.definition import Provider, Scheme

SECRETS_MANAGER = Scheme(
    name="aws-sm",
    check=check_secret_name,
    revoked={
        "a revoked reference must name the secret itself, not one of another store": (
            "!it.reference.matches('^/?(?i:aws/reference/)')"
        )
    },
)
AWS = Provider(
    name="aws",
    block=Aws,
    about="How to reach AWS.",
    schemes=(SECRETS_MANAGER,),
    burst=(BURST, BURST_RULE),
)
