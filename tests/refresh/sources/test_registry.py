from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from api.account import SERVES, SecretAccount
from contract.reference import PROVIDERS
from refresh.sources.aws_client import Keys
from refresh.sources.aws_role import UnderRole
from refresh.sources.aws_secrets_manager import AwsSecretsManager
from refresh.sources.file import FileSource
from refresh.sources.protocol import Material
from refresh.sources.registry import UnsupportedAccountError, open_source
from tests.refresh.sources.harness import REGION, one

if TYPE_CHECKING:
    from pathlib import Path

    from tests.refresh.sources.harness import Scripted

KEYS = Keys(access_key="a", secret_key="b")


def account(provider: str, block: dict[str, Any]) -> SecretAccount:
    """An account named `main`."""
    return SecretAccount.model_validate(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": "main"},
            "spec": {
                "provider": provider,
                provider: block,
                "budget": {"callsPerSecond": 1, "burst": 2},
            },
        }
    )


ACCOUNTS = {
    "aws-sm": (account("aws", {"regions": [REGION]}), AwsSecretsManager),
    "file": (account("file", {"root": "/none"}), FileSource),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_that_a_reference_may_name_opens(provider: str) -> None:
    """A provider in the contract without a source would hold its pods for ever."""
    given, kind = ACCOUNTS[provider]
    source = open_source(given, provider, keys=KEYS, monotonic=time.monotonic)
    assert isinstance(source, kind)
    source.close()


def test_every_account_serves_providers_of_the_contract() -> None:
    """Policy's table and the contract's agree."""
    assert {name for names in SERVES.values() for name in names} == set(PROVIDERS)


def test_an_account_opens_no_other_provider() -> None:
    """The message names both."""
    with pytest.raises(UnsupportedAccountError, match="main is of provider file, it serves no aws"):
        open_source(ACCOUNTS["file"][0], "aws-sm", monotonic=time.monotonic)


def test_a_role_is_not_passed_over() -> None:
    """Going on with the controller's own identity would be another identity than the admin's."""
    role = account("aws", {"regions": [REGION], "roleARN": "arn:aws:iam::123456789012:role/r"})
    source = open_source(role, "aws-sm", keys=KEYS, monotonic=time.monotonic)
    assert isinstance(source, UnderRole)
    source.close()


def test_the_accounts_endpoint_and_root_are_used(tmp_path: Path, script: Scripted) -> None:
    """And nothing else."""
    script.say("GetSecretValue", {})
    aws = account("aws", {"regions": [REGION], "endpoint": f"http://{script.address}"})
    one(open_source(aws, "aws-sm", keys=KEYS, monotonic=time.monotonic), "a")
    assert script.asked[0][1] == {"SecretId": "a", "VersionStage": "AWSCURRENT"}
    (tmp_path / "a").write_bytes(b"x")
    file = open_source(account("file", {"root": str(tmp_path)}), "file", monotonic=time.monotonic)
    assert isinstance(one(file, "/a"), Material)
