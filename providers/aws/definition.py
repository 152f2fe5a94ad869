"""AWS, as references and accounts name it. Pure."""

from __future__ import annotations

from providers.aws.account import BURST, BURST_RULE, Aws
from providers.aws.references import check_secret_name
from providers.definition import Provider, Scheme

SECRETS_MANAGER = Scheme(
    name="aws-sm",
    check=check_secret_name,
    revoked={
        "a revoked reference must not start with aws/reference/, which is another store": (
            "!it.reference.matches('^/?(?i:aws/reference/)')"
        )
    },
)
AWS = Provider(
    name="aws",
    block=Aws,
    about="AWS settings. Required with provider aws, otherwise not allowed.",
    schemes=(SECRETS_MANAGER,),
    burst=(BURST, BURST_RULE),
)
