"""The block `vault`: what it means, and in which words it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from providers.vault.account import Vault
from providers.vault.references import mount_of
from schema.error_messages import explain

SHORT: dict[str, Any] = {
    "addresses": ["https://vault.example:8200"],
    "mounts": [{"path": "secret", "version": 2}],
    "auth": {"kubernetes": {"role": "lastgood"}},
}


def test_the_shortest_account_logs_in_by_kubernetes() -> None:
    """Where Vault's own documentation mounts it, with the token that the chart mounts."""
    login = Vault.model_validate(SHORT).auth.kubernetes
    assert login is not None
    assert (login.mount, login.token_file, login.audience) == ("kubernetes", "vault/token", None)


def test_p4_a_burst_pays_for_every_address_and_a_check() -> None:
    """What `most_calls` of the source says."""
    block = Vault.model_validate(SHORT | {"addresses": ["https://a", "https://b", "https://c"]})
    assert block.smallest_burst() == 4


WRONG = {
    "an unknown login": (
        {"auth": {"kubernets": {"role": "a"}}},
        'auth.kubernets: unknown field. Did you mean "kubernetes"?',
    ),
    "no login": ({"auth": {}}, "auth: auth must have exactly one of"),
    "a version that is none": (
        {"mounts": [{"path": "secret", "version": 3}]},
        "mounts[0].version: Input should be less than or equal to 2",
    ),
    "an API path for a mount": (
        {"mounts": [{"path": "/secret/", "version": 2}]},
        "mounts[0].path: a path in Vault must be 1 to 256 characters",
    ),
    "a file of the controller's own": (
        {"auth": {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}},
        "auth.tokenFile: a file must be a path relative to /var/run/secrets/lastgood",
    ),
    "a file outside the folder": (
        {"auth": {"tokenFile": "../kubernetes.io/serviceaccount/token"}},
        "auth.tokenFile: a file must be a path relative to /var/run/secrets/lastgood",
    ),
}


@pytest.mark.parametrize(("change", "says"), WRONG.values(), ids=WRONG)
def test_p7_a_wrong_block_is_refused_in_words(change: dict[str, Any], says: str) -> None:
    """What is wrong and what is allowed. No account can have any file of the controller sent."""
    with pytest.raises(ValidationError) as caught:
        Vault.model_validate(SHORT | change)
    assert any(line.startswith(says) for line in explain(Vault, caught.value))


@pytest.mark.parametrize(
    ("reference", "mount"),
    [("secret/db", "secret"), ("secret/team/a/db", "secret/team"), ("secrets/db", None)],
)
def test_a_secret_is_below_the_longest_mount(reference: str, mount: str | None) -> None:
    """As the server routes; a mount is whole segments."""
    assert mount_of(reference, ("secret", "secret/team")) == mount
