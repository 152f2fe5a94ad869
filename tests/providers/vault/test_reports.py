"""What users of other readers of Vault reported, tried here on a real OpenBao."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from providers.credentials import DOUBT_S
from providers.protocol import Failed, Material, Unversioned
from providers.vault.source.kv import PROOF_S
from tests.providers.vault.bao import account

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.vault.bao import Bao, Given

MISMATCH = Failed(reason=FetchFailure.INVALID, code="MountMismatch")


@pytest.fixture
def mount(bao: Bao) -> str:
    """A mount of this test, of version 1, with slashes in its path."""
    mount = f"non-prod/staging/{uuid.uuid4().hex[:8]}"
    bao.api("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "1"}})
    return mount


def test_a_mount_that_was_upgraded_is_no_deletion(
    bao: Bao, opened: Callable[..., Given], mount: str
) -> None:
    """external-secrets#2455: the account still says version 1, and the value was emptied."""
    bao.api("POST", f"{mount}/db", {"a": "b"})
    given = opened(account(bao.address, mounts=[{"path": mount, "version": 1}]))
    assert isinstance(given.ask(f"{mount}/db"), Unversioned)
    bao.api("POST", f"sys/mounts/{mount}/tune", {"options": {"version": "2"}})
    while bao.tried("GET", f"{mount}/data/db")[0] == 400:
        pass  # it says that it is being upgraded
    assert given.ask(f"{mount}/db") == MISMATCH


def test_a_mount_that_was_replaced_is_no_deletion(
    bao: Bao, opened: Callable[..., Given], mount: str
) -> None:
    """Not for longer than what was said of the mount is believed, and a value outlives that."""
    versioned = {"type": "kv", "options": {"version": "2"}}
    bao.api("DELETE", f"sys/mounts/{mount}")
    bao.api("POST", f"sys/mounts/{mount}", versioned)
    given = opened(account(bao.address, mounts=[{"path": mount, "version": 2}]))
    given.ask(f"{mount}/none")
    bao.api("DELETE", f"sys/mounts/{mount}")
    bao.api("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "1"}})
    given.clock.now += PROOF_S
    assert given.ask(f"{mount}/none") == MISMATCH


def test_a_mount_may_have_slashes(bao: Bao, opened: Callable[..., Given], mount: str) -> None:
    """medusa#70 and teller#277 took the first segment for it."""
    bao.api("POST", f"{mount}/app/db", {"a": "b"})
    mounts = [{"path": "non-prod", "version": 2}, {"path": mount, "version": 1}]
    given = opened(account(bao.address, mounts=mounts))
    assert isinstance(given.ask(f"{mount}/app/db"), Unversioned)


@pytest.mark.parametrize(
    "path", ["a=b@c+d!e", "description=servercontrolpanel.de", "a+b", "data/x"]
)
def test_signs_of_a_path_arrive(bao: Bao, given: Given, path: str) -> None:
    """hvac#1117: a path with `=`; and `data` can be a part of a path."""
    name = f"secret/{uuid.uuid4()}/{path}"
    bao.put(name, {"a": "b"})
    assert isinstance(given.ask(name), Material)


def test_a_policy_that_was_given_later_is_used(bao: Bao, opened: Callable[..., Given]) -> None:
    """vault-secrets-operator#1185: a token keeps the policies of its login, and lives for days."""
    name = f"secret/late/{uuid.uuid4()}"
    bao.put(name, {"a": "b"})
    bao.tried("POST", "sys/auth/late", {"type": "approle"})
    bao.api("POST", "auth/late/role/late", {"token_policies": ["default"], "token_ttl": "768h"})
    role = bao.api("GET", "auth/late/role/late/role-id")["data"]["role_id"]
    secret = bao.api("POST", "auth/late/role/late/secret-id")["data"]["secret_id"]
    auth = {"appRole": {"roleID": role, "secretIDFile": "token", "mount": "late"}}
    given = opened(account(bao.address, auth=auth), token=secret)
    denied = Failed(reason=FetchFailure.DENIED, code="Http403")
    assert given.ask(name) == denied
    rule = 'path "secret/data/late/*" { capabilities = ["read"] }'
    bao.api("PUT", "sys/policies/acl/late", {"policy": rule})
    bao.api("POST", "auth/late/role/late", {"token_policies": ["late"]})
    assert given.ask(name) == denied
    given.clock.now += DOUBT_S
    assert isinstance(given.ask(name), Material)


def test_a_token_of_few_uses_is_replaced(bao: Bao, opened: Callable[..., Given]) -> None:
    """A role with token_num_uses: each login is good for that many calls."""
    name = f"secret/few/{uuid.uuid4()}"
    bao.put(name, {"a": "b"})
    bao.tried("POST", "sys/auth/few", {"type": "approle"})
    rule = 'path "secret/data/few/*" { capabilities = ["read"] }'
    bao.api("PUT", "sys/policies/acl/few", {"policy": rule})
    few = {"token_policies": ["few"], "token_num_uses": 2}
    bao.api("POST", "auth/few/role/few", few)
    role = bao.api("GET", "auth/few/role/few/role-id")["data"]["role_id"]
    secret = bao.api("POST", "auth/few/role/few/secret-id")["data"]["secret_id"]
    auth = {"appRole": {"roleID": role, "secretIDFile": "token", "mount": "few"}}
    given = opened(account(bao.address, auth=auth), token=secret)
    for _ in range(6):
        assert isinstance(given.ask(name), Material)
        given.clock.now += 30
    assert given.asked().count("login") <= 3
