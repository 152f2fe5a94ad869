"""Google's own client and models keep the fake and the tables honest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.api import error_reason_pb2
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import secretmanager
from google.rpc import code_pb2

from providers.gcp.account import Gcp
from providers.gcp.source.answers import REASONS, STATUSES
from providers.gcp.source.crc32c import crc32c
from providers.gcp.source.secret_manager import place_of
from tests.providers.gcp.fake import LOCATION, NUMBER, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.providers.gcp.fake import Google


class Bearer(AnonymousCredentials):  # type: ignore[misc] # google-auth's types are skipped
    """A token that the fake gave."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._given = token

    def before_request(self, _: object, __: str, ___: str, headers: dict[str, str]) -> None:
        headers["Authorization"] = f"Bearer {self._given}"

    def refresh(self, _: object) -> None:
        """There is no other."""


@pytest.fixture
def client(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> Iterator[secretmanager.SecretManagerServiceClient]:
    """The official client before the fake, logged in."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(google.cloud.ca_file))
    token = google.given("somebody")["access_token"]
    client = secretmanager.SecretManagerServiceClient(
        credentials=Bearer(token),
        transport="rest",
        client_options={"api_endpoint": f"https://localhost:{google.cloud.port}"},
    )
    yield client
    client.transport.close()  # type: ignore[no-untyped-call] # Google's is not typed


def name(version: str, secret: str = "db") -> str:
    """Of a version."""
    return f"projects/{PROJECT}/secrets/{secret}/versions/{version}"


def test_the_official_client_reads_from_the_fake(
    google: Google, client: secretmanager.SecretManagerServiceClient
) -> None:
    """Value, number, checksum and state."""
    google.put("db", b"one")
    google.put("db", b"two")
    found = client.access_secret_version(name=name("latest"), retry=None)
    assert found.name == f"projects/{NUMBER}/secrets/db/versions/2"
    assert found.payload.data == b"two"
    assert found.payload.data_crc32c == crc32c(b"two")
    assert client.access_secret_version(name=name("1"), retry=None).payload.data == b"one"
    state = client.get_secret_version(name=name("1"), retry=None).state
    assert state is secretmanager.SecretVersion.State.ENABLED


def test_the_official_client_understands_the_fakes_errors(
    google: Google, client: secretmanager.SecretManagerServiceClient
) -> None:
    """Each is the class that Google's own answer would be."""
    google.put("db", b"one")
    google.put("off", b"one")
    google.secrets[None, "off"][0].state = "DISABLED"
    google.denied.add("db")
    expected = {
        name("latest"): exceptions.Forbidden,
        name("latest", "off"): exceptions.BadRequest,
        name("latest", "none"): exceptions.NotFound,
        name("7", "off"): exceptions.NotFound,
    }
    for asked, kind in expected.items():
        with pytest.raises(kind):
            client.access_secret_version(name=asked, retry=None)
    google.tokens.clear()
    with pytest.raises(exceptions.Unauthorized):
        client.access_secret_version(name=name("latest"), retry=None)


@pytest.mark.parametrize("location", [None, LOCATION])
def test_the_official_client_asks_as_we_do(
    google: Google, client: secretmanager.SecretManagerServiceClient, location: str | None
) -> None:
    """Its paths are of the API's description."""
    google.put("db", b"one", location)
    place = place_of(Gcp(project=PROJECT, location=location))
    asked = f"{place.parent}/secrets/db/versions/latest"
    client.access_secret_version(name=asked, retry=None)
    assert google.cloud.asked[-1].path == f"/v1/{asked}:access"


def test_every_code_of_google_has_a_meaning() -> None:
    """By google/rpc/code.proto."""
    assert set(STATUSES) == set(code_pb2.Code.keys()) - {"OK"}


def test_every_reason_that_is_told_is_googles() -> None:
    """By google/api/error_reason.proto."""
    assert set(error_reason_pb2.ErrorReason.keys()) >= REASONS
