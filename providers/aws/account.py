"""The block `aws` of a SecretAccount. As `api.policy` says: a field's docstring is what `kubectl
explain` says.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from providers.definition import Block
from schema.constraints import Text
from schema.fields import Endpoint
from schema.strict_model import LIST, SOME, rules

CALLS_OF_A_FETCH = 2
"""In each region: a change check, and the value. `most_calls` of the sources."""
BURST = (
    f"budget.burst must be at least {CALLS_OF_A_FETCH} per region in aws.regions: one fetch can"
    " need a change check and a read in each region"
)
BURST_RULE = f"!has(self.aws) || self.budget.burst >= {CALLS_OF_A_FETCH} * self.aws.regions.size()"
_NEEDS_ROLE = "externalID and stsEndpoint require roleARN: they configure how it is assumed"
Region = Annotated[
    str,
    Text(
        pattern="[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        says='a region must be 1 to 63 characters of a-z, 0-9 and -, for example "eu-west-1"',
        most=63,
    ),
]
RoleArn = Annotated[
    str,
    Text(
        pattern="arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}",
        says=(
            "a role ARN must be arn:aws:iam::, 12 digits, :role/, and the role's path and name,"
            ' for example "arn:aws:iam::123456789012:role/lastgood"'
        ),
        most=640,
    ),
]
ExternalId = Annotated[
    str,
    Text(
        pattern="[A-Za-z0-9_+=,.@:/-]+",
        says="an externalID must be 2 to 1224 characters of A-Z a-z 0-9 _ + = , . @ : / and -",
        least=2,
        most=1224,
    ),
]


class Aws(Block):
    """AWS settings. Identities are configured only here. A pod cannot choose one."""

    model_config = rules(
        {_NEEDS_ROLE: "has(self.roleARN) || !(has(self.externalID) || has(self.stsEndpoint))"}
    )

    regions: Annotated[tuple[Region, ...], LIST, Field(max_length=16), SOME]
    """AWS regions to read secrets from, in order of preference."""
    role_arn: RoleArn | None = Field(default=None, alias="roleARN")
    """IAM role that the controller assumes for this account. Default: none, the controller uses its
    own identity."""
    external_id: ExternalId | None = Field(default=None, alias="externalID")
    """External ID (sts:ExternalId) that the role's trust policy requires. Default: none."""
    endpoint: Endpoint | None = None
    """Custom Secrets Manager endpoint URL, without a path. Default: the regional endpoint."""
    ssm_endpoint: Endpoint | None = Field(default=None, alias="ssmEndpoint")
    """Custom Parameter Store (Systems Manager) endpoint URL, without a path. Default: the regional
    endpoint."""
    parameters_mirrored: bool | None = None
    """Whether all regions have the same parameters with the same values. AWS does not copy
    parameters between regions. If true, a parameter without a value yet can be read from a later
    region while the preferred one is unavailable. Default: parameters are read from the first
    region only."""
    sts_endpoint: Endpoint | None = None
    """Custom STS endpoint URL for assuming roleARN, without a path. Default: the regional endpoint.
    """

    @model_validator(mode="after")
    def _of_a_role(self) -> Self:
        if self.role_arn is None and (self.external_id or self.sts_endpoint):
            raise ValueError(_NEEDS_ROLE)
        return self

    def smallest_burst(self) -> int:
        return CALLS_OF_A_FETCH * len(self.regions)
