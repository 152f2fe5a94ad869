"""Azure's own client and models keep the fake honest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._generated import models

from tests.providers.azure.fake import CLIENT, TENANT, aadsts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.providers.azure.fake import AzureCloud


@pytest.fixture
def client(azure: AzureCloud, tmp_path: Path) -> Iterator[SecretClient]:
    """The official client before the fake, with its own login and its own challenge."""
    (tmp_path / "token").write_text("header.token-of-the-pod.signature")
    here, ca_file = f"https://localhost:{azure.cloud.port}", str(azure.cloud.ca_file)
    credential = WorkloadIdentityCredential(
        tenant_id=TENANT,
        client_id=CLIENT,
        token_file_path=str(tmp_path / "token"),
        authority=here,
        disable_instance_discovery=True,
        connection_verify=ca_file,
        retry_total=0,
    )
    with (
        credential,
        SecretClient(
            here,
            credential,
            verify_challenge_resource=False,
            connection_verify=ca_file,
            retry_total=0,
        ) as client,
    ):
        yield client


def test_the_official_client_reads_from_the_fake(azure: AzureCloud, client: SecretClient) -> None:
    """Value, version and attributes."""
    first = azure.put("db", "one")
    ends = int(time.time()) + 3600
    azure.put("db", "two", expires=ends)
    found = client.get_secret("db")
    assert (found.value, found.name) == ("two", "db")
    assert found.properties.expires_on is not None
    assert int(found.properties.expires_on.timestamp()) == ends
    assert client.get_secret("db", first.name).value == "one"


def test_the_official_client_understands_the_fakes_errors(
    azure: AzureCloud, client: SecretClient
) -> None:
    """By class and code; of a disabled secret by the inner code."""
    azure.put("off", "one", enabled=False)
    azure.put("denied", "one")
    azure.denied["denied"] = "ForbiddenByRbac"
    with pytest.raises(ResourceNotFoundError) as missing:
        client.get_secret("none")
    assert missing.value.error is not None
    assert missing.value.error.code == "SecretNotFound"
    for name, inner in {"off": "SecretDisabled", "denied": "ForbiddenByRbac"}.items():
        with pytest.raises(HttpResponseError) as refused:
            client.get_secret(name)
        assert refused.value.status_code == 403
        error = refused.value.error
        assert error is not None
        assert error.code == "Forbidden"
        assert error.innererror == {"code": inner}


def test_the_official_login_understands_the_fakes_errors(
    azure: AzureCloud, client: SecretClient
) -> None:
    """Entra ID's own number."""
    azure.cloud.faults["localhost/" + TENANT + "/oauth2"] = aadsts(
        401, "invalid_client", 70021, "No matching federated identity record found."
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS70021"):
        client.get_secret("db")


def test_the_fakes_answer_is_of_the_model(azure: AzureCloud, client: SecretClient) -> None:
    """By the model that Azure generates from its API's description."""
    azure.put("db", "one", expires=1, not_before=1)
    client.get_secret("db")
    bundle = {field._rest_name for field in models.SecretBundle()._attr_to_rest_field.values()}
    assert {"value", "id", "attributes", "tags"} <= bundle
    attributes = models.SecretAttributes()._attr_to_rest_field.values()
    names = {field._rest_name for field in attributes}
    assert {"enabled", "created", "updated", "exp", "nbf", "recoverableDays"} <= names
