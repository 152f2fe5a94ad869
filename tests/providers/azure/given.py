"""A source of Azure Key Vault before the fake, and what it said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api.account import SecretAccount
from providers.azure.source.opening import open_source
from tests.providers.asked import Asked
from tests.providers.azure.fake import CLIENT, SECRET, TENANT, VAULT
from tests.providers.conformance.store import Clock, patience

if TYPE_CHECKING:
    from pathlib import Path

    from providers.extra_ca import ExtraCa
    from providers.protocol import Source
    from tests.providers.azure.fake import AzureCloud

WORKLOAD = {"workloadIdentity": {"clientID": CLIENT, "tokenFile": "token"}}


def account(**azure: Any) -> SecretAccount:  # noqa: ANN401 - as on the wire
    """An account of the fake's vault."""
    block = {
        "vaultURL": f"https://{VAULT}",
        "tenantID": TENANT,
        "auth": WORKLOAD,
        "caFile": "ca.crt",
    }
    return SecretAccount.model_validate(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": "main"},
            "spec": {
                "provider": "azure",
                "azure": {
                    name: value for name, value in (block | azure).items() if value is not None
                },
                "budget": {"callsPerSecond": 1, "burst": 10},
            },
        }
    )


@dataclass
class Given(Asked):
    """The account's files are below `folder`."""

    azure: AzureCloud
    folder: Path
    account: SecretAccount = field(default_factory=account)
    timeout_s: float = 2.0
    direct: tuple[str, ...] = ()
    """Hosts that are reached without the proxy."""
    extra_ca: ExtraCa | None = None
    clock: Clock = field(default_factory=Clock)
    calls: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "secret").write_text(f"{SECRET}\n")
        opening = self.opening("azure-kv", self.azure.cloud)
        self.source = open_source(opening, patience(self.timeout_s))
        self.azure.cloud.at_end.append(self.source.close)
