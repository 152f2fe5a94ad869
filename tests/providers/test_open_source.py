from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import grimp
import pytest

from api.account import SecretAccount
from contract.reasons import FetchFailure
from controller.accounts import UnsupportedAccountError
from providers.aws.source.client import Keys
from providers.aws.source.parameter_store import AwsParameterStore
from providers.aws.source.secrets_manager import AwsSecretsManager
from providers.credentials import UnderLogin
from providers.file.source.secret_files import FileSource
from providers.kubernetes.source.secrets import KubernetesSecrets
from providers.open_source import Logins
from providers.protocol import Failed, Material
from providers.registry import PROVIDERS, SCHEMES
from tests.make.waiting import REPOSITORY
from tests.providers.harness import REGION, one, source_of

if TYPE_CHECKING:
    from pathlib import Path

    from providers.cluster import ExternalSecret, SecretObject
    from tests.providers.harness import Scripted

KEYS = Keys(access_key="a", secret_key="b")


class Cluster:
    """One without Secrets."""

    def secret(self, namespace: str, name: str) -> SecretObject | Failed:  # noqa: ARG002 - there is none
        return Failed(reason=FetchFailure.ABSENT, code="NotFound")

    def external_secrets(self, namespace: str, name: str) -> tuple[ExternalSecret, ...] | None:  # noqa: ARG002 - there is none
        return ()


def account(provider: str, block: dict[str, Any], burst: int = 2) -> SecretAccount:
    """An account named `main`."""
    return SecretAccount.model_validate(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": "main"},
            "spec": {
                "provider": provider,
                provider: block,
                "budget": {"callsPerSecond": 1, "burst": burst},
            },
        }
    )


ACCOUNTS = {
    "aws-sm": (account("aws", {"regions": [REGION]}), AwsSecretsManager),
    "aws-ssm": (account("aws", {"regions": [REGION]}), AwsParameterStore),
    "azure-kv": (
        account(
            "azure",
            {
                "vaultURL": "https://payments.vault.azure.net",
                "tenantID": "72f988bf-86f1-41af-91ab-2d7cd011db47",
                "auth": {"managedIdentity": {}},
            },
            burst=3,
        ),
        UnderLogin,
    ),
    "file": (account("file", {"root": "/none"}), FileSource),
    "k8s": (account("kubernetes", {}), KubernetesSecrets),
    "gcp-sm": (account("gcp", {"project": "payments-prod"}, burst=8), UnderLogin),
    "vault": (
        account(
            "vault",
            {
                "addresses": ["https://vault.example:8200"],
                "mounts": [{"path": "secret", "version": 2}],
                "auth": {"kubernetes": {"role": "lastgood"}},
            },
        ),
        UnderLogin,
    ),
}


@pytest.mark.parametrize("provider", SCHEMES)
def test_every_provider_that_a_reference_may_name_opens(provider: str) -> None:
    """A provider in the contract without a source would hold its pods for ever."""
    given, kind = ACCOUNTS[provider]
    logins = Logins()
    source = source_of(
        given, provider, keys=KEYS, monotonic=time.monotonic, cluster=Cluster(), logins=logins
    )
    assert isinstance(source, kind)
    assert logins.needed is isinstance(source, UnderLogin), "the account's status shows its login"
    source.close()


def test_a_provider_is_one_room() -> None:
    """Its folder has its name, and its source is source_of from there."""
    for name in PROVIDERS:
        assert (REPOSITORY / "providers" / name / "definition.py").is_file()
    rooms = {path.parent.name for path in (REPOSITORY / "providers").glob("*/definition.py")}
    assert rooms == set(PROVIDERS)


def test_no_provider_knows_another() -> None:
    """What two of them need stands beside their folders."""
    graph = grimp.build_graph("providers", include_external_packages=False)
    for one_name, other in itertools.permutations(PROVIDERS, 2):
        chains = graph.find_shortest_chains(
            f"providers.{one_name}", f"providers.{other}", as_packages=True
        )
        found = {chain for chain in chains if "providers.registry" not in chain}
        assert found == set()


def test_an_account_opens_no_other_provider() -> None:
    """The message names both."""
    with pytest.raises(UnsupportedAccountError, match="main is of provider file, it serves no aws"):
        source_of(ACCOUNTS["file"][0], "aws-sm", monotonic=time.monotonic)


def test_a_role_is_not_passed_over() -> None:
    """Going on with the controller's own identity would be another identity than the admin's."""
    role = account("aws", {"regions": [REGION], "roleARN": "arn:aws:iam::123456789012:role/r"})
    source = source_of(role, "aws-sm", keys=KEYS, monotonic=time.monotonic)
    assert isinstance(source, UnderLogin)
    source.close()


def test_the_accounts_endpoint_and_root_are_used(tmp_path: Path, script: Scripted) -> None:
    """And nothing else."""
    script.say("GetSecretValue", {})
    aws = account("aws", {"regions": [REGION], "endpoint": f"http://{script.address}"})
    one(source_of(aws, "aws-sm", keys=KEYS, monotonic=time.monotonic), "a")
    assert script.asked[0][1] == {"SecretId": "a", "VersionStage": "AWSCURRENT"}
    (tmp_path / "a").write_bytes(b"x")
    file = source_of(account("file", {"root": str(tmp_path)}), "file", monotonic=time.monotonic)
    assert isinstance(one(file, "/a"), Material)
