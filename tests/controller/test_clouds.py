"""The controller with accounts and policies as docs/providers shows them, as a pod's owner and an
operator meet them: Google's and Azure's own host names, answered by our fakes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kube.api_resources import SECRET_ACCOUNTS
from refresh.model import SourceKey
from tests.make.waiting import REPOSITORY, until
from tests.providers.azure.fake import HOSTS as AZURE_HOSTS
from tests.providers.azure.fake import AzureCloud
from tests.providers.cloud import Asked, Cloud, Reply
from tests.providers.gcp.fake import HOSTS as GOOGLE_HOSTS
from tests.providers.gcp.fake import Google
from tests.providers.gcp.given import federated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.make.cluster import World

CANARY = "canary-5f1d3c"
ACCOUNTS = {"gcp-sm": "gcp-prod", "azure-kv": "azure-prod"}
NAMES = {"gcp-sm": "payments_db", "azure-kv": "payments-db"}
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
"""


@dataclass
class Clouds:
    """Both behind one proxy."""

    google: Google
    azure: AzureCloud
    cloud: Cloud

    def put(self, scheme: str, value: str) -> None:
        """A new version of the secret."""
        if scheme == "gcp-sm":
            self.google.put(NAMES[scheme], value.encode())
        else:
            self.azure.put(NAMES[scheme], value)

    def disable(self, scheme: str) -> None:
        """The newest version."""
        if scheme == "gcp-sm":
            self.google.secrets[None, NAMES[scheme]][-1].state = "DISABLED"
        else:
            self.azure.secrets[NAMES[scheme]][-1].enabled = False

    def deny(self, scheme: str) -> None:
        """The secret, and not the login."""
        self.google.denied.add(NAMES[scheme])
        self.azure.denied[NAMES[scheme]] = "ForbiddenByRbac"


@pytest.fixture
def clouds(world: World, tmp_path: Path) -> Iterator[Clouds]:
    """What the controller reaches in the place of both."""
    google, azure = Google(tmp_path / "google"), AzureCloud(tmp_path / "azure")

    def answer(asked: Asked) -> Reply:
        own = asked.host.endswith("googleapis.com") or asked.path.startswith("/computeMetadata/")
        return google.answer(asked) if own else azure.answer(asked)

    cloud = Cloud(tmp_path / "clouds", [*GOOGLE_HOSTS, *AZURE_HOSTS], answer)
    node = f"127.0.0.1:{cloud.port}"
    world.variables |= {
        "HTTPS_PROXY": f"http://{node}",
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": str(cloud.ca_file),
        "GCE_METADATA_HOST": node,
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{node}",
    }
    yield Clouds(google, azure, cloud)
    for server in (google, azure, cloud):
        server.stop()


def documented(scheme: str) -> list[dict[str, Any]]:
    """The account and the policy of the page."""
    page = (REPOSITORY / "docs" / "providers" / f"{scheme}.md").read_text()
    (block,) = re.findall(r"```yaml\n(apiVersion: .*?)```", page, re.DOTALL)
    return list(yaml.safe_load_all(block))


def by_files(scheme: str, account: dict[str, Any], folder: Path) -> None:
    """The page's login with files: what `accountFiles` mounts, and for Google the line that the
    page has in a comment.
    """
    mounted = folder / ("gcp" if scheme == "gcp-sm" else "azure")
    mounted.mkdir()
    (mounted / "token").write_text("header.token-of-the-pod.signature")
    if scheme == "gcp-sm":
        configuration = federated(mounted)
        (mounted / "credentials.json").write_text(json.dumps(configuration))
        account["spec"]["gcp"]["credentialsFile"] = "gcp/credentials.json"


def snapshot(scheme: str) -> str:
    """Its name."""
    return SourceKey(ACCOUNTS[scheme], "controller", scheme, NAMES[scheme]).snapshot


def value(world: World, scheme: str) -> bytes | None:
    """Of the snapshot."""
    return world.keys(snapshot(scheme)).get("value")


def test_p1_p2_p8_documented_accounts_serve_and_keep_the_last_good_value(
    world: World, clouds: Clouds
) -> None:
    """A newest version that is off says what to do; a denied secret and a login that fails are told
    apart; nothing of it takes the value, and no credential or value is in the log.
    """
    (google, policy), (azure, other) = map(documented, NAMES)
    azure["spec"]["azure"]["auth"] = {"managedIdentity": {}}
    policy["spec"]["sources"] += other["spec"]["sources"]
    world.apply(NAMESPACE, *map(yaml.safe_dump, (google, azure, policy)))
    for scheme, name in NAMES.items():
        clouds.put(scheme, CANARY)
        world.pod(f"pod-{scheme}", name, account=ACCOUNTS[scheme], provider=scheme)
    world.start()
    served = {CANARY.encode()}
    until("the values", lambda: {value(world, scheme) for scheme in NAMES} == served)
    told = [_turned_off(world, clouds, scheme) for scheme in NAMES]
    told += [_denied(world, clouds, scheme) for scheme in NAMES]
    assert "cannot log in" not in world.log()
    until("the status", lambda: logins(world) == {"LoggedIn"})
    clouds.google.tokens.clear()
    clouds.azure.tokens.clear()
    clouds.cloud.faults["127.0.0.1/"] = Reply({"error": "invalid_request"}, 400)
    for scheme, name in NAMES.items():
        world.refresh(name, ACCOUNTS[scheme], scheme)
        assert value(world, scheme) == CANARY.encode()
    assert "it cannot log in to Google Cloud (invalid_request)" in world.log()
    assert "it cannot log in to Azure (invalid_request)" in world.log()
    until("the status", lambda: logins(world) == {"Denied"})
    for secret in (CANARY, "ya29", "eyJ0"):
        assert secret not in "".join(told) + world.log()


@pytest.mark.parametrize("scheme", NAMES)
def test_p1_the_documented_logins_by_files_work(world: World, clouds: Clouds, scheme: str) -> None:
    """Workload identity federation and workload identity, as the pages set them up."""
    account, policy = documented(scheme)
    by_files(scheme, account, world.folder)
    world.apply(NAMESPACE, *map(yaml.safe_dump, (account, policy)))
    clouds.put(scheme, CANARY)
    world.pod("api-1", NAMES[scheme], account=ACCOUNTS[scheme], provider=scheme)
    world.start()
    until("the value", lambda: value(world, scheme) == CANARY.encode())
    until("the status", lambda: "LoggedIn" in logins(world))
    assert not any(asked.path.startswith("/computeMetadata/") for asked in clouds.cloud.asked)
    assert "token-of-the-pod" not in world.log()


def logins(world: World) -> set[str | None]:
    """What `kubectl get sacc` says of both."""
    found = [world.server.get(SECRET_ACCOUNTS, name) or {} for name in ACCOUNTS.values()]
    return {(it.get("status") or {}).get("login") for it in found}


def _turned_off(world: World, clouds: Clouds, scheme: str) -> str:
    """The newest version; the Event's note."""
    clouds.put(scheme, "two")
    clouds.disable(scheme)
    world.refresh(NAMES[scheme], ACCOUNTS[scheme], scheme)
    (note,) = until("the Event", lambda: world.told("VersionNotUsable", snapshot(scheme)))
    assert "lastgood rollback" in note
    return note


def _denied(world: World, clouds: Clouds, scheme: str) -> str:
    """What the commands say then."""
    clouds.deny(scheme)
    world.refresh(NAMES[scheme], ACCOUNTS[scheme], scheme)
    words = ("status", f"{scheme}:{NAMES[scheme]}", "-n", "payments", "-o", "json")
    status = world.lastgood(*words).stdout
    assert "denied" in status
    return status + world.lastgood("explain", f"pod-{scheme}", "-n", "payments").stdout
