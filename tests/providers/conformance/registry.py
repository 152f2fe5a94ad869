"""The stores that the suite runs over. A new source gets a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.providers.aws.stores import SecretsManager, SecureParameters, TextParameters
from tests.providers.azure.store import KeyVault
from tests.providers.file.store import Folder
from tests.providers.gcp.store import GoogleSecrets
from tests.providers.kubernetes.store import Secrets
from tests.providers.vault.store import VaultKv1, VaultKv2

if TYPE_CHECKING:
    from tests.providers.conformance.store import Store

STORES: tuple[type[Store], ...] = (
    SecretsManager,
    SecureParameters,
    TextParameters,
    VaultKv2,
    VaultKv1,
    GoogleSecrets,
    KeyVault,
    Secrets,
    Folder,
)
