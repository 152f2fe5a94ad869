"""A source of Google Secret Manager before the fake, and what it said."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api.account import SecretAccount
from providers.gcp.source.opening import open_source
from tests.providers.asked import Asked
from tests.providers.conformance.store import Clock, patience
from tests.providers.gcp.fake import AUDIENCE, OTHER, PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from providers.extra_ca import ExtraCa
    from providers.protocol import Source
    from tests.providers.gcp.fake import Google


def account(**gcp: Any) -> SecretAccount:  # noqa: ANN401 - as on the wire
    """An account of the fake's project; a field that is None is left out."""
    block = {"project": PROJECT, "caFile": "ca.crt", "credentialsFile": "gcp.json"} | gcp
    return SecretAccount.model_validate(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": "main"},
            "spec": {
                "provider": "gcp",
                "gcp": {name: value for name, value in block.items() if value is not None},
                "budget": {"callsPerSecond": 1, "burst": 10},
            },
        }
    )


def federated(folder: Path, **changes: object) -> dict[str, Any]:
    """What `gcloud iam workload-identity-pools create-cred-config` writes for a token in a file."""
    found: dict[str, Any] = {
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(folder / "token"), "format": {"type": "text"}},
    }
    return found | changes


def impersonation(principal: str) -> dict[str, str]:
    """Of a configuration."""
    url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    return {"service_account_impersonation_url": f"{url}{principal}:generateAccessToken"}


IMPERSONATION = impersonation(OTHER)


@dataclass
class Given(Asked):
    """The account's files are below `folder`."""

    google: Google
    folder: Path
    account: SecretAccount = field(default_factory=account)
    configuration: dict[str, Any] | None = None
    """Of `gcp.json`; None: federation by the token in the file `token`."""
    limit_s: float = 30.0
    timeout_s: float = 2.0
    direct: tuple[str, ...] = ()
    """Hosts that are reached without the proxy."""
    extra_ca: ExtraCa | None = None
    clock: Clock = field(default_factory=Clock)
    calls: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        said = self.configuration or federated(self.folder)
        (self.folder / "gcp.json").write_text(json.dumps(said))
        opening = self.opening("gcp-sm", self.google.cloud)
        self.source = open_source(opening, patience(self.timeout_s), self.limit_s)
        self.google.cloud.at_end.append(self.source.close)
