"""AWS, as references and accounts name it. Pure."""

from __future__ import annotations

from providers.aws.account import BURST, BURST_RULE, Aws
from providers.aws.references import (
    PARAMETER_CEL,
    PARAMETER_LISTED,
    check_parameter_name,
    check_secret_name,
)
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
PARAMETER_STORE = Scheme(
    name="aws-ssm",
    check=check_parameter_name,
    revoked={
        f"a revoked reference of aws-ssm must be a parameter's name: {PARAMETER_LISTED}": (
            f"it.reference.matches('{PARAMETER_CEL}')"
        ),
        "a revoked reference of aws-ssm must not start with aws or ssm, which AWS reserves": (
            "!it.reference.matches('^/?(?i:aws|ssm)')"
        ),
    },
)
AWS = Provider(
    name="aws",
    block=Aws,
    about="AWS settings. Required with provider aws, otherwise not allowed.",
    schemes=(SECRETS_MANAGER, PARAMETER_STORE),
    burst=(BURST, BURST_RULE),
)
