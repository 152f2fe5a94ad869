"""KV stores of a real OpenBao: values, versions, absence, and what only looks like it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from providers.protocol import Again, Failed, Material, NotModified, Unversioned
from providers.vault.source.kv import LOOK_S, PROOF_S
from tests.providers.vault.bao import account

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.protocol import FetchResult
    from tests.providers.vault.bao import Bao, Given


@pytest.fixture
def name() -> str:
    """A path that no other test uses."""
    return f"secret/kv/{uuid.uuid4()}"


def failed(reason: FetchFailure, code: str) -> Failed:
    """A result."""
    return Failed(reason=reason, code=code)


def invalid(code: str) -> Failed:
    """What can't be used, and is there."""
    return failed(FetchFailure.INVALID, code)


def text(result: FetchResult) -> str:
    """The value."""
    assert isinstance(result, Material | Unversioned), result
    return result.value.reveal().decode()


ABSENT = failed(FetchFailure.ABSENT, "NotFound")


def test_a_secret_is_json_with_sorted_members(bao: Bao, given: Given, name: str) -> None:
    """Its members as they are, not as Go escapes them; the version says when it was written."""
    version = bao.put(name, {"b": "<&>pä", "a": {"z": [1, True, None], "y": ""}})
    result = given.ask(name)
    assert text(result) == '{"a":{"y":"","z":[1,true,null]},"b":"<&>pä"}'
    assert isinstance(result, Material)
    assert (result.version, result.incarnation) == (version, None)


def test_p4_a_refresh_is_one_call(bao: Bao, given: Given, name: str) -> None:
    """The value crosses the wire and is dropped: Vault has no cheaper change check."""
    version = bao.put(name, {"a": "b"})
    given.ask(name)
    given.asked()
    assert given.ask(name, known_version=version) == NotModified(version=version)
    assert given.asked() == ["read"]


def test_p5_a_pin_is_of_no_secret_that_was_made_again(bao: Bao, given: Given, name: str) -> None:
    """Vault numbers it 1 again; its name says that it is another."""
    old = bao.put(name, {"a": "old"})
    bao.api("DELETE", name.replace("secret/", "secret/metadata/"))
    new = bao.put(name, {"a": "new"})
    assert old.partition("@")[0] == new.partition("@")[0]
    assert given.ask(name, version=old) == invalid("VersionNotFound")


def test_a_pin_is_the_whole_name(bao: Bao, given: Given, name: str) -> None:
    """An older version by its name; a number alone could mean another secret's version."""
    first = bao.put(name, {"a": "1"})
    bao.put(name, {"a": "2"})
    assert text(given.ask(name, version=first)) == '{"a":"1"}'
    assert given.ask(name, version="1") == invalid("VersionNotFound")
    assert given.ask(name, version="9@2026-11-26T05:42:01Z") == invalid("VersionNotFound")


@pytest.mark.parametrize(
    ("operation", "code"),
    [("delete", "VersionDeleted"), ("destroy", "VersionDestroyed")],
)
def test_p2_a_deleted_version_is_no_absence(
    bao: Bao, given: Given, name: str, operation: str, code: str
) -> None:
    """It can be undeleted, or the one before be current: what is served stays."""
    version = bao.put(name, {"a": "1"})
    path = name.replace("secret/", f"secret/{operation}/")
    bao.api("POST", path, {"versions": [1]})
    assert given.ask(name) == invalid(code)
    assert given.ask(name, version=version) == invalid(code)


def test_version_1_gives_values_without_versions(bao: Bao, given: Given) -> None:
    """The engine names them. Numbers are as they were written."""
    bao.api("POST", "legacy/a/b", {"n": 12345678901234567890, "a": "x"})
    assert text(given.ask("legacy/a/b")) == '{"a":"x","n":12345678901234567890}'
    assert given.ask("legacy/a/none") == ABSENT
    assert given.ask("legacy/a/b", version="1") == invalid("NoVersions")


SWAPPED: list[dict[str, Any]] = [
    {"path": "secret", "version": 1},
    {"path": "legacy", "version": 2},
    {"path": "cubbyhole", "version": 1},
    {"path": "sys", "version": 1},
    {"path": "nowhere", "version": 2},
]


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("secret/x", "MountMismatch"),
        ("legacy/x", "MountMismatch"),
        ("cubbyhole/x", "MountMismatch"),
        ("sys/mounts", "MountMismatch"),
        ("nowhere/x", "NoSuchMount"),
        ("other/x", "MountNotListed"),
    ],
)
def test_p2_below_a_mount_of_another_kind_nothing_is_absent(
    bao: Bao, opened: Callable[..., Given], reference: str, code: str
) -> None:
    """Version 2's path on version 1 is 404 with no errors, as absence is."""
    assert opened(account(bao.address, mounts=SWAPPED)).ask(reference) == invalid(code)


def test_p7_no_dynamic_secret_is_made(bao: Bao, opened: Callable[..., Given]) -> None:
    """A read below such a mount would make one each time: the mount is looked at first, and what
    has a lease is refused.
    """
    given = opened(account(bao.address, mounts=[{"path": "auth/token", "version": 1}]))
    assert isinstance(given.ask("auth/token/create"), Failed)
    assert given.asked() == ["lookup-self", "mounts"]


def test_p4_a_mount_is_looked_at_once_an_hour(bao: Bao, given: Given, name: str) -> None:
    """Before an absence is believed, and not for each."""
    for _ in range(3):
        assert given.ask(name) == ABSENT
    assert given.asked() == ["lookup-self", "read", "mounts", "read", "read"]
    given.clock.now += PROOF_S
    assert given.ask(name) == ABSENT
    assert given.asked().count("mounts") == 1
    bao.put(name, {"a": "b"})
    given.clock.now += PROOF_S
    given.ask(name)
    assert "mounts" not in given.asked()


def test_p4_a_fetch_costs_no_more_than_was_paid(bao: Bao, given: Given, name: str) -> None:
    """`once` holds each fetch to it; a login, a mount and a read are three fetches at most."""
    bao.api("POST", "legacy/paid", {"a": "b"})
    assert [given.once("legacy/paid") for _ in range(2)] == [Again(), Again()]
    assert text(given.once("legacy/paid")) == '{"a":"b"}'
    assert given.once(name) == ABSENT


def test_what_the_policy_does_not_allow_is_denied(
    bao: Bao, opened: Callable[..., Given], name: str
) -> None:
    """And so is a path below a mount that is not there, as Vault answers it."""
    bao.put(name, {"a": "b"})
    given = opened(account(bao.address), token=bao.token(name.replace("/kv/", "/data/kv/")))
    assert text(given.ask(name)) == '{"a":"b"}'
    denied = failed(FetchFailure.DENIED, "Http403")
    assert given.ask("secret/elsewhere") == denied
    assert given.ask("legacy/elsewhere") == denied


def test_a_token_that_ended_is_told_from_a_denial(
    bao: Bao, opened: Callable[..., Given], name: str
) -> None:
    """It is asked about itself, at most once in a while; then there is a new login."""
    bao.put(name, {"a": "b"})
    path = name.replace("/kv/", "/data/kv/")
    old, new = bao.token(path), bao.token(path)
    given = opened(account(bao.address), token=old)
    given.ask(name)
    bao.api("POST", "auth/token/revoke", {"token": old})
    (given.folder / "token").write_text(new)
    given.asked()
    assert text(given.ask(name)) == '{"a":"b"}'
    assert given.asked() == ["read", "lookup-self", "lookup-self", "read"]
    for _ in range(3):
        given.ask("secret/elsewhere")
    assert given.asked() == ["read"] * 3
    given.clock.now += LOOK_S
    given.ask("secret/elsewhere")
    assert given.asked() == ["read", "lookup-self"]


def test_what_may_be_read_wrapped_only_is_denied(
    bao: Bao, opened: Callable[..., Given], name: str
) -> None:
    """We ask for no wrapped answers: unwrapping is for whom they were wrapped."""
    bao.put(name, {"a": "b"})
    path = name.replace("/kv/", "/data/kv/")
    rule = f'path "{path}" {{\n capabilities = ["read"]\n min_wrapping_ttl = "1s"\n}}'
    bao.api("PUT", "sys/policies/acl/wrapping", {"policy": rule})
    made = bao.api("POST", "auth/token/create", {"policies": ["wrapping"]})
    given = opened(account(bao.address), token=made["auth"]["client_token"])
    assert given.ask(name) == failed(FetchFailure.DENIED, "Http403")


def test_a_namespace_has_its_own_secrets(bao: Bao, opened: Callable[..., Given], name: str) -> None:
    """The same path in two namespaces is two secrets."""
    space = f"team-{uuid.uuid4().hex[:8]}"
    bao.api("POST", f"sys/namespaces/{space}", {})
    kv2 = {"type": "kv", "options": {"version": "2"}}
    bao.api("POST", "sys/mounts/secret", kv2, namespace=space)
    bao.put(name, {"a": "theirs"}, namespace=space)
    bao.put(name, {"a": "roots"})
    given = opened(account(bao.address, namespace=space))
    assert text(given.ask(name)) == '{"a":"theirs"}'
    assert given.ask("secret/kv/none") == ABSENT


def test_a_server_with_quotas_throttles(bao: Bao, opened: Callable[..., Given]) -> None:
    """With Retry-After only where the operator switched it on."""
    bao.api("POST", "sys/mounts/narrow", {"type": "kv", "options": {"version": "2"}})
    bao.api("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": True})
    quota = {"path": "narrow", "rate": 1, "interval": "60s"}
    bao.api("POST", "sys/quotas/rate-limit/narrow", quota)
    given = opened(account(bao.address, mounts=[{"path": "narrow", "version": 2}]))
    results = [given.ask("narrow/a") for _ in range(3)]
    throttled = [it for it in results if isinstance(it, Failed) and it.code == "Http429"]
    assert throttled
    assert throttled[0].reason is FetchFailure.THROTTLED
    assert throttled[0].delay_s is not None


def test_numbers_are_json(bao: Bao, given: Given, name: str) -> None:
    """Version 2 has made floating point of them before we see them: write secrets as texts."""
    bao.put(name, {"big": 12345678901234567890, "small": 1.5e-7})
    assert set(json.loads(text(given.ask(name)))) == {"big", "small"}
