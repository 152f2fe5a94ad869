"""Each shape of an answer, and what it means; nothing but Vault's own word is absence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import FetchFailure
from providers.http import Answer
from providers.protocol import Failed, Material, NotModified
from providers.vault.source import answers
from tests.providers.vault.bao import account
from tests.providers.vault.scripted import CREATED, MOUNT, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.vault.bao import Given
    from tests.providers.vault.scripted import Script

CANARY = "canary-5f1d3c"
DELETED = {"created_time": CREATED, "deletion_time": CREATED, "destroyed": False, "version": 1}
WRAPPED = {"data": None, "lease_id": "", "wrap_info": {"token": f"s.{CANARY}", "ttl": 60}}
LEASED = {"data": {"password": CANARY}, "lease_id": "database/creds/a/1", "wrap_info": None}

SHAPES: dict[str, tuple[int, object, str]] = {
    "absent": (404, {"errors": []}, "absent NotFound"),
    "no such mount": (404, {"errors": ["no handler for route"]}, "invalid NoSuchMount"),
    "of a mount of version 2": (
        404,
        {"data": None, "warnings": ["Invalid path for a versioned K/V secrets engine"]},
        "invalid MountMismatch",
    ),
    "deleted": (404, {"data": {"data": None, "metadata": DELETED}}, "invalid VersionDeleted"),
    "destroyed": (
        404,
        {"data": {"data": None, "metadata": DELETED | {"destroyed": True}}},
        "invalid VersionDestroyed",
    ),
    "a page of a load balancer": (404, b"<html>no backend</html>", "unavailable ForeignAnswer"),
    "another service": (404, {"message": "not found"}, "unavailable ForeignAnswer"),
    "absence with more to it": (404, {"errors": [], "data": {}}, "unavailable ForeignAnswer"),
    "denied": (403, {"errors": ["permission denied"]}, "denied Http403"),
    "denied by a firewall": (403, b"<html>blocked</html>", "unavailable ForeignAnswer"),
    "not ours to ask": (400, {"errors": ["bad"]}, "invalid Http400"),
    "behind the leader": (412, {"errors": []}, "unavailable Http412"),
    "throttled": (429, {"errors": ["slow down"]}, "throttled Http429"),
    "throttled by a proxy": (429, b"slow down", "throttled Http429"),
    "a standby": (473, {"errors": []}, "unavailable Http473"),
    "sealed": (503, {"errors": ["Vault is sealed"]}, "unavailable Http503"),
    "a fault": (500, {"errors": [CANARY]}, "unavailable Http500"),
    "another fault": (599, b"", "unavailable Http5xx"),
    "redirected": (307, b"", "unavailable Http3xx"),
    "wrapped": (200, WRAPPED, "invalid WrappedAnswer"),
    "dynamic": (200, LEASED, "invalid DynamicSecret"),
    "empty": (200, value() | {"data": {"data": {}, "metadata": {}}}, "invalid MountMismatch"),
    "null": (200, {"data": {"data": None, "metadata": DELETED}}, "invalid VersionDeleted"),
    "of version 1": (200, {"data": {"password": CANARY}}, "invalid MountMismatch"),
    "cut off": (200, json.dumps(value()).encode()[:-20], "unavailable UnreadableAnswer"),
    "no envelope": (200, {"password": CANARY}, "unavailable UnreadableAnswer"),
    "no object": (200, [1], "unavailable UnreadableAnswer"),
    "not JSON": (200, b"<html>welcome</html>", "unavailable UnreadableAnswer"),
    "nothing": (200, b"", "unavailable UnreadableAnswer"),
    "too deep": (200, b"[" * 100_000, "unavailable UnreadableAnswer"),
    "no number": (200, b'{"data":{"data":{"a":NaN}}}', "unavailable UnreadableAnswer"),
    "a time that is none": (200, value(1, "yesterday"), "unavailable UnreadableAnswer"),
}


@pytest.mark.parametrize(("status", "body", "means"), SHAPES.values(), ids=SHAPES)
def test_each_shape_has_its_meaning(
    server: Script, opened: Callable[..., Given], status: int, body: object, means: str
) -> None:
    """By status and members; the text of an error is not read and goes nowhere."""
    server.say("secret/data/a", body, status)
    source = opened(account(server.address))
    result = source.ask("secret/a")
    assert isinstance(result, Failed), result
    assert f"{result.reason} {result.code}" == means
    assert CANARY not in repr((result, source.calls, source.troubles))


def test_p8_the_canary_is_in_no_result(server: Script, opened: Callable[..., Given]) -> None:
    """Of a value that arrived: in neither repr, calls nor troubles."""
    server.say("secret/data/a", value(password=CANARY))
    source = opened(account(server.address), token=f"s.{CANARY}")
    result = source.ask("secret/a")
    assert isinstance(result, Material)
    assert CANARY in result.value.reveal().decode()
    login = vars(source.source)["_login"]
    shown = (result, source.calls, source.troubles, source.source, login.session, vars(login))
    assert CANARY not in repr(shown)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "errors", "metadata", "warnings", "version", "wrap_info", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    status=st.sampled_from([200, 204, 301, 400, 403, 404, 412, 429, 500, 503]),
    body=documents.map(lambda it: json.dumps(it).encode()) | st.binary(max_size=40),
    pinned=st.booleans(),
)
def test_p2_no_other_answer_is_absence(status: int, body: bytes, pinned: bool) -> None:  # noqa: FBT001 - drawn
    """Nothing raises, whatever comes; a version by name is never absent."""
    answer = Answer(status=status, headers={}, body=body)
    for found in (answers.of_version_2(answer, pinned=pinned), answers.of_version_1(answer)):
        if isinstance(found, Failed) and found.reason is FetchFailure.ABSENT:
            assert (status, json.loads(body)) == (404, {"errors": []})
    if pinned:
        found = answers.of_version_2(answer, pinned=True)
        assert not isinstance(found, Failed) or found.reason is not FetchFailure.ABSENT


@given(st.dictionaries(st.text(), documents, min_size=1, max_size=4))
def test_a_value_is_the_json_that_came(members: dict[str, Any]) -> None:
    """Parsed again it is the same, and equal objects are equal bytes."""
    body = json.dumps({"data": members}).encode()
    found = answers.of_version_1(Answer(status=200, headers={}, body=body))
    if isinstance(found, Failed):
        return
    assert json.loads(answers.canonical(found.members)) == members


LAGS = Failed(reason=FetchFailure.UNAVAILABLE, code="ReplicaLags")


@pytest.mark.parametrize(
    ("number", "created", "lags"),
    [
        (4, "2026-11-26T05:42:00.9Z", True),
        (9, "2026-11-25T05:42:01.461812958Z", True),
        (6, "2026-11-26T05:42:01.461812959Z", False),
        (1, "2026-11-27T00:00:00Z", False),
        (6, "2026-11-26T05:42:01.5Z", False),
        (5, "2026-11-26T05:42:01.4618Z", True),
    ],
)
def test_p5_a_version_never_goes_back(
    server: Script,
    opened: Callable[..., Given],
    number: int,
    created: str,
    lags: bool,  # noqa: FBT001 - a table
) -> None:
    """A standby that lags behind, or a snapshot of last week that was restored: by the time of
    creation, so a secret made again goes forward. Go writes no zeros at a fraction's end.
    """
    source = opened(account(server.address))
    server.say("secret/data/a", value(number, created))
    result = source.ask("secret/a", known_version=f"5@{CREATED}")
    assert (result == LAGS) == lags
    if not lags:
        assert isinstance(result, Material)


def test_p5_what_was_seen_is_remembered(server: Script, opened: Callable[..., Given]) -> None:
    """Also where the engine wants the value in any case, and names none that it holds."""
    source = opened(account(server.address))
    server.say("secret/data/a", value(5))
    source.ask("secret/a")
    server.say("secret/data/a", value(4, "2026-11-26T05:41:00Z"))
    assert source.ask("secret/a") == LAGS
    server.say("secret/data/b", value(4, "2026-11-26T05:41:00Z"))
    assert isinstance(source.ask("secret/b"), Material)


def test_p2_a_lagging_absence_below_a_proven_mount_is_still_absence(
    server: Script, opened: Callable[..., Given]
) -> None:
    """One answer can't tell; the engine's grace time is for that."""
    server.say("secret/data/a", {"errors": []}, 404)
    server.say("sys/internal/ui/mounts/secret/", MOUNT)
    result = opened(account(server.address)).ask("secret/a", known_version=f"5@{CREATED}")
    assert result == answers.ABSENT


BLOCKED = Failed(reason=FetchFailure.INVALID, code="NamespacesUnsupported")


def test_p13_a_server_that_ignores_namespaces_is_refused(
    server: Script, opened: Callable[..., Given]
) -> None:
    """Vault Community serves the root namespace's secret under that name, as if it were right."""
    server.say("secret/data/a", value(password=CANARY))
    server.say("sys/health", {"sealed": False, "enterprise": False})
    source = opened(account(server.address, namespace="team-a"))
    assert source.ask("secret/a") == BLOCKED
    server.say("sys/health", {"sealed": False})
    assert source.ask("secret/a") == BLOCKED
    server.say("secret/data/a", value(), headers={"X-Vault-Namespace": "other/"})
    assert source.ask("secret/a") == BLOCKED
    server.say("secret/data/a", {"errors": []}, 404)
    assert source.ask("secret/a") == BLOCKED


@pytest.mark.parametrize("status", [200, 429, 473])
def test_an_enterprise_server_need_not_echo_it(
    server: Script, opened: Callable[..., Given], status: int
) -> None:
    """It says what it is, once, without a token and without the namespace; standbys too."""
    server.say("secret/data/a", value())
    server.say("sys/health", {"enterprise": True}, status)
    source = opened(account(server.address, namespace="team-a"))
    for _ in range(2):
        assert isinstance(source.ask("secret/a"), Material)
    assert source.asked() == ["lookup-self", "read", "health", "read"]
    [health] = [headers for path, headers, _ in server.asked if path == "sys/health"]
    assert not {"X-Vault-Token", "X-Vault-Namespace"} & set(health)
    reads = [headers for path, headers, _ in server.asked if path.startswith("secret/")]
    assert {it["X-Vault-Namespace"] for it in reads} == {"team-a"}
    assert {it["X-Vault-Request"] for it in reads} == {"true"}


def test_p4_a_check_of_both_is_two_fetches(server: Script, opened: Callable[..., Given]) -> None:
    """An absence on a server that has to prove both: no fetch costs more than was paid."""
    server.say("sys/health", {"enterprise": True})
    source = opened(account(server.address, namespace="team-a"))
    assert source.ask("secret/a") == answers.ABSENT
    assert source.asked() == ["lookup-self", "read", "health", "read", "mounts"]


def test_a_later_address_confirms_or_moves_forward(
    server: Script, second: Script, opened: Callable[..., Given]
) -> None:
    """While the preferred one is away. What the other lacks or refuses proves nothing."""
    server.say("secret/data/", {"errors": ["sealed"]}, 503)
    source = opened(account(server.address, second.address))
    away = Failed(reason=FetchFailure.UNAVAILABLE, code="Http503")
    known = f"5@{CREATED}"
    assert source.ask("secret/a", known_version=known) == away
    second.say("secret/data/", {"errors": ["no"]}, 403)
    assert source.ask("secret/a", known_version=known) == away
    second.say("secret/data/", value(4, "2026-01-01T00:00:00Z"))
    assert source.ask("secret/a", known_version=known) == away
    second.say("secret/data/", value(5))
    assert source.ask("secret/a", known_version=known) == NotModified(version=known)
    second.say("secret/data/", value(6, "2027-01-01T00:00:00Z"))
    assert isinstance(source.ask("secret/a", known_version=known), Material)
    server.say("secret/data/", {"errors": ["no"]}, 403)
    assert source.ask("secret/a") == Failed(reason=FetchFailure.DENIED, code="Http403")


def test_version_1_at_a_later_address_only_confirms(
    server: Script, second: Script, opened: Callable[..., Given]
) -> None:
    """Nothing tells whether it lags."""
    mount = {"data": {"path": "legacy/", "type": "kv", "options": None}}
    for each in (server, second):
        each.say("sys/internal/ui/mounts/legacy/", mount)
        each.say("legacy/a", {"data": {"a": "b"}})
    source = opened(account(server.address, second.address))
    result = source.ask("legacy/a")
    assert getattr(result, "confirms_only", None) is False
    server.say("legacy/a", b"", 502)
    result = source.ask("legacy/a")
    assert getattr(result, "confirms_only", None) is True
