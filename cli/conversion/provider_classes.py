"""SecretProviderClass of the Secrets Store CSI driver: the files of its volume, and its synced
Secrets. Read at secrets-store-csi-driver's v1 CRD.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cli.conversion.aws_objects import read_aws
from cli.conversion.azure_objects import read_azure
from cli.conversion.gcp_objects import read_gcp
from cli.conversion.vault_objects import read_vault
from cli.conversion.wanted import Supply
from contract.quoted import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.conversion.fields import Fields
    from cli.conversion.options import Given
    from cli.conversion.wanted import DraftAccounts

    Reader = Callable[[Fields, DraftAccounts, Given, Supply], None]

CSI_DRIVER = "secrets-store.csi.k8s.io"
GROUP = "secrets-store.csi.x-k8s.io"
KIND = "SecretProviderClass"
TLS, DOCKER = "kubernetes.io/tls", "kubernetes.io/dockerconfigjson"

_READERS: dict[str, Reader] = {
    "aws": read_aws,
    "azure": read_azure,
    "gcp": read_gcp,
    "gke": read_gcp,
    "vault": read_vault,
    "openbao": read_vault,
}


@dataclass(slots=True, kw_only=True)
class ProviderClass:
    """One SecretProviderClass."""

    volume: Supply
    """By the files of its volume."""
    synced: dict[str, Supply] = field(default_factory=dict)
    """By the Secrets that the driver makes."""


def read_class(spec: Fields, accounts: DraftAccounts, given: Given) -> ProviderClass:
    """What it has; its losses are reported."""
    volume = Supply(of=spec.ledger.of)
    found = ProviderClass(volume=volume)
    provider = spec.text("provider")
    reader = _READERS.get(provider)
    if reader is None:
        volume.complete = False
        spec.lost(
            "provider",
            f'lastgood has no provider for "{shown(provider)}". Known: {", ".join(_READERS)}.'
            " Leave this class with the driver",
        )
        spec.close()
        return found
    spec.mapped("provider", "the provider of a SecretAccount")
    reader(spec.child("parameters"), accounts, given, volume)
    for item in spec.items("secretObjects"):
        name = item.text("secretName")
        found.synced[name] = _synced(item, volume)
    if spec.finish():
        volume.complete = False
    return found


def _synced(item: Fields, volume: Supply) -> Supply:
    supply = Supply(of=volume.of)
    name, kind = item.text("secretName"), item.text("type")
    item.drop_all(
        {
            "labels": "lastgood makes no Secret of this name",
            "annotations": "lastgood makes no Secret of this name",
        }
    )
    if kind in {TLS, DOCKER}:
        item.lost(
            "type",
            f"a Secret of type {kind} is for an Ingress, a Gateway or imagePullSecrets. lastgood"
            " makes no Secret of this name. Keep this class and a pod with its volume for them",
        )
        supply.complete = False
    else:
        item.dropped("type", "lastgood makes no Secret of this name")
    item.decide(
        "secretName",
        f"pods in these files get its keys as variables or files. If anything else uses Secret"
        f" {shown(name)}, keep this class and a pod with its volume for it",
    )
    for entry in item.items("data"):
        key, file = entry.text("key"), entry.text("objectName")
        value = volume.files.get(file)
        if value is None:
            supply.complete = False
            entry.lost("objectName", f"the volume has no file {shown(file)} that could be mapped")
            entry.dropped("key", "its object could not be mapped")
        else:
            supply.files[key] = value
            entry.mapped("key", value.text(qualified=False))
            entry.mapped("objectName", value.text(qualified=False))
    return supply
