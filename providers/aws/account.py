"""The block `aws` of a SecretAccount. As `api.policy` says: a field's docstring is what `kubectl
explain` says.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from providers.definition import Block
from schema.constraints import Text
from schema.fields import Endpoint
from schema.objects import LIST, SOME, rules

CALLS_OF_A_FETCH = 2
"""Of Secrets Manager, in each region: a change check, and the value. `most_calls` of its source."""
BURST = (
    f"budget.burst must be at least {CALLS_OF_A_FETCH} for each of aws.regions: one fetch can take"
    " a change check and a value in each"
)
BURST_RULE = f"!has(self.aws) || self.budget.burst >= {CALLS_OF_A_FETCH} * self.aws.regions.size()"
_NEEDS_ROLE = "externalID and stsEndpoint say how the role is assumed: they need roleARN"
Region = Annotated[
    str,
    Text(
        pattern="[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        says='a region is 1 to 63 of a-z, 0-9 and -, for example "eu-west-1"',
        most=63,
    ),
]
RoleArn = Annotated[
    str,
    Text(
        pattern="arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}",
        says=(
            "a role is arn:aws:iam::, 12 digits, :role/ and its path and name,"
            ' for example "arn:aws:iam::123456789012:role/lastgood"'
        ),
        most=640,
    ),
]
ExternalId = Annotated[
    str,
    Text(
        pattern="[A-Za-z0-9_+=,.@:/-]+",
        says="an externalID is 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / and -",
        least=2,
        most=1224,
    ),
]


class Aws(Block):
    """How to reach AWS. Identities are here only: a pod can't choose one."""

    model_config = rules(
        {_NEEDS_ROLE: "has(self.roleARN) || !(has(self.externalID) || has(self.stsEndpoint))"}
    )

    regions: Annotated[tuple[Region, ...], LIST, Field(max_length=16), SOME]
    """In order of preference."""
    role_arn: RoleArn | None = Field(default=None, alias="roleARN")
    """A role that the controller's own identity assumes for this account; left out: the
    controller's own identity."""
    external_id: ExternalId | None = Field(default=None, alias="externalID")
    """What the role's trust policy asks for, sts:ExternalId; left out: nothing."""
    endpoint: Endpoint | None = None
    """Another endpoint of Secrets Manager than the region's own, without a path; left out: the
    region's own."""
    sts_endpoint: Endpoint | None = None
    """Another endpoint of STS, where the role is assumed; left out: the region's own."""

    @model_validator(mode="after")
    def _of_a_role(self) -> Self:
        if self.role_arn is None and (self.external_id or self.sts_endpoint):
            raise ValueError(_NEEDS_ROLE)
        return self

    def smallest_burst(self) -> int:
        return CALLS_OF_A_FETCH * len(self.regions)
