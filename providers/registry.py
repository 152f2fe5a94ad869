"""The providers. A new one is a folder beside this file, and its line in `PROVIDERS`. Pure."""

from __future__ import annotations

from providers.aws.definition import AWS
from providers.azure.definition import AZURE
from providers.file.definition import FILE
from providers.gcp.definition import GCP
from providers.kubernetes.definition import KUBERNETES
from providers.vault.definition import VAULT

PROVIDERS = {it.name: it for it in (AWS, AZURE, FILE, GCP, KUBERNETES, VAULT)}
"""By the `provider` of an account."""
SCHEMES = {scheme.name: scheme for it in PROVIDERS.values() for scheme in it.schemes}
"""By what stands before a reference's colon."""
