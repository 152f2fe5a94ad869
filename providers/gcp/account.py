"""The block `gcp` of a SecretAccount. As `api.policy` says: a field's docstring is what `kubectl
explain` says.
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import model_validator

from providers.definition import Block
from schema.constraints import Text
from schema.fields import Endpoint, File
from schema.strict_model import rules

CALLS_OF_A_LOGIN = 8
"""The dearest: five to the metadata server of AWS, an exchange, and two impersonations."""
BURST = (
    f"budget.burst must be at least {CALLS_OF_A_LOGIN} with provider gcp: one login can need that"
    " many calls"
)
BURST_RULE = f"!has(self.gcp) || self.budget.burst >= {CALLS_OF_A_LOGIN}"
_HTTPS = "endpoint must start with https://"

Project = Annotated[
    str,
    Text(
        pattern="(([a-z][a-z0-9.-]{0,60}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[1-9][0-9]{0,18})",
        says=(
            'a project must be the ID or the number of a project, for example "payments-prod" or'
            ' "123456789012"'
        ),
        most=92,
    ),
]
ProjectNumber = Annotated[
    str,
    Text(
        pattern="[1-9][0-9]{0,18}",
        says='a projectNumber must be 1 to 19 digits, for example "123456789012"',
        most=19,
    ),
]


def _region(value: str) -> str | None:
    """Who writes a zone is told its region."""
    zone = re.fullmatch("([a-z][a-z0-9-]{0,26}[a-z0-9])-[a-z]", value)
    return zone and f'"{value}" is a zone. Did you mean "{zone[1]}"?'


Location = Annotated[
    str,
    Text(
        pattern="[a-z][a-z0-9-]{0,28}[a-z0-9]",
        says='a location must be the name of a Google Cloud location, for example "europe-west3"',
        most=30,
        never=(
            ("^global$", 'a location must not be "global": omit it for global secrets'),
            (
                "-[a-z]$",
                'a location must be a region, as "europe-west3", not a zone, as "europe-west3-a"',
            ),
        ),
        helped=_region,
    ),
]
ServiceAccount = Annotated[
    str,
    Text(
        pattern="[a-z0-9][a-z0-9.-]{0,62}@[a-z0-9][a-z0-9.-]{0,120}[.]gserviceaccount[.]com",
        says=(
            "a service account must be its email address, for example"
            ' "lastgood@payments-prod.iam.gserviceaccount.com"'
        ),
        most=210,
    ),
]


class Gcp(Block):
    """Google Cloud settings. Identities are configured only here. A pod cannot choose one."""

    model_config = rules({_HTTPS: "!has(self.endpoint) || self.endpoint.startsWith('https://')"})

    project: Project
    """ID or number of the project whose secrets are read."""
    project_number: ProjectNumber | None = None
    """Number of the project. Google answers with it. Secrets of a project with another number are
    refused. Default: not checked, unless project is a number."""
    location: Location | None = None
    """Location of regional secrets, for example "europe-west3". Default: global secrets."""
    credentials_file: File | None = None
    """File with a credential configuration of Google Cloud, relative to /var/run/secrets/lastgood,
    where the chart mounts controller.accountFiles: for workload identity federation
    (external_account), impersonation (impersonated_service_account), or a service account key.
    Default: the metadata server, as on GKE."""
    impersonate: ServiceAccount | None = None
    """Service account that the controller impersonates for this account. Default: none."""
    endpoint: Endpoint | None = None
    """Custom Secret Manager endpoint URL, without a path. Default: Google's endpoint, global or of
    the location."""
    ca_file: File | None = None
    """File with the certificates to trust, in PEM, relative to /var/run/secrets/lastgood. Default:
    the CAs of the controller's image."""

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self.endpoint is not None and not self.endpoint.startswith("https://"):
            raise ValueError(_HTTPS)
        return self

    def smallest_burst(self) -> int:
        return CALLS_OF_A_LOGIN
