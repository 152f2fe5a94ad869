"""What the source makes of what Key Vault has and says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from providers.protocol import Failed, Material, NotModified
from tests.providers.azure.fake import VAULT, error
from tests.providers.azure.given import Given, account
from tests.providers.cloud import Reply

if TYPE_CHECKING:
    from pathlib import Path

    from providers.protocol import FetchResult
    from tests.providers.azure.fake import AzureCloud

DB = f"{VAULT}/secrets/db"


def material(result: FetchResult) -> Material:
    """The result, which must be a value."""
    assert isinstance(result, Material), result
    return result


def failed(result: FetchResult) -> tuple[FetchFailure, str]:
    """Reason and code of a result that is a failure."""
    assert isinstance(result, Failed), result
    return result.reason, result.code


def test_a_value_comes_with_its_version(azure: AzureCloud, given: Given) -> None:
    """In one call after the login; the next one confirms it."""
    version = azure.put("db", "pässword\n").name
    found = material(given.ask("db"))
    assert (found.version, found.value.reveal()) == (version, "pässword\n".encode())
    assert given.ask("db", known_version=version) == NotModified(version=version)
    assert [call for call in given.calls if call[0] == "get"] == [("get", "ok")] * 2


def test_a_new_version_costs_one_call_more(azure: AzureCloud, given: Given) -> None:
    """The held one is asked about: it was created before."""
    held = azure.put("db", "one").name
    azure.put("db", "two")
    assert material(given.ask("db", known_version=held)).value.reveal() == b"two"
    assert [call for call in given.calls if call[0] == "get"] == [("get", "ok")] * 2


def test_a_replica_that_lags_takes_nothing_back(azure: AzureCloud, given: Given) -> None:
    """After a failover of the vault. It knows the version that is held, or says nothing of it."""
    azure.put("db", "one")
    held = azure.put("db", "two")
    azure.secrets["db"].reverse()
    result = given.ask("db", known_version=held.name)
    assert failed(result) == (FetchFailure.UNAVAILABLE, "ReplicaLags")


def test_a_version_that_is_held_and_gone_is_replaced(azure: AzureCloud, given: Given) -> None:
    """After a purge, or in another vault."""
    azure.put("db", "one")
    assert material(given.ask("db", known_version="0" * 32)).value.reveal() == b"one"


def test_a_rotation_that_disables_the_old_version_is_seen(azure: AzureCloud, given: Given) -> None:
    """A disabled version says nothing of its time."""
    held = azure.put("db", "one", enabled=False).name
    azure.put("db", "two")
    assert material(given.ask("db", known_version=held)).value.reveal() == b"two"


def test_nothing_is_believed_while_the_held_version_is_not_answered(
    azure: AzureCloud, given: Given
) -> None:
    """It is asked again later."""
    held = azure.put("db", "one").name
    azure.put("db", "two")
    azure.cloud.faults[f"{DB}/{held}"] = Reply({}, 429)
    result = given.ask("db", known_version=held)
    assert failed(result) == (FetchFailure.THROTTLED, "Throttled")


DOUBTS = {
    "another secret": (
        Reply({"id": f"https://{VAULT}/secrets/other/{'0' * 32}", "value": "x"}),
        (FetchFailure.INVALID, "NameMismatch"),
    ),
    "bad parameter": (
        error(400, "BadParameter", "The request URI contains an invalid name."),
        (FetchFailure.INVALID, "BadParameter"),
    ),
    "denied": (
        error(403, "Forbidden", "Caller is not authorized.", "ForbiddenByRbac"),
        (FetchFailure.DENIED, "Forbidden:ForbiddenByRbac"),
    ),
}


@pytest.mark.parametrize(("reply", "means"), DOUBTS.values(), ids=DOUBTS)
def test_only_a_version_that_is_gone_or_off_makes_way(
    azure: AzureCloud, given: Given, reply: Reply, means: tuple[FetchFailure, str]
) -> None:
    """Another answer about the held one says nothing of which is newer."""
    held = azure.put("db", "one").name
    azure.put("db", "two")
    azure.cloud.faults[f"{DB}/{held}"] = reply
    assert failed(given.ask("db", known_version=held)) == means


def test_a_pinned_version_is_that_version(azure: AzureCloud, given: Given) -> None:
    """And one that is not there is no absence of the secret."""
    held = azure.put("db", "one").name
    azure.put("db", "two")
    assert material(given.ask("db", version=held)).value.reveal() == b"one"
    assert failed(given.ask("db", version="0" * 32)) == (FetchFailure.INVALID, "VersionNotFound")


@pytest.mark.parametrize("pin", ["", "latest", "../keys/a", "A" * 32, "0" * 31])
def test_p7_a_version_that_is_no_name_is_not_asked_for(given: Given, pin: str) -> None:
    """Key Vault's are 32 hexadecimal digits."""
    result = given.ask("db", version=pin)
    assert failed(result) == (FetchFailure.INVALID, "VersionNotFound")
    assert "get" not in [operation for operation, _ in given.calls]


def test_a_disabled_secret_is_invalid(azure: AzureCloud, given: Given) -> None:
    """azure-sdk-for-java#17991: it is 403, and no denial. The version before does not come back."""
    azure.put("db", "one")
    azure.put("db", "two", enabled=False)
    assert failed(given.ask("db")) == (FetchFailure.INVALID, "SecretDisabled")


FAR = 4_000_000_000
"""Seconds since the epoch, in 2096."""


@pytest.mark.parametrize(
    ("window", "warning"),
    [
        ({"expires": 1}, "expired"),
        ({"not_before": FAR}, "not-yet-valid"),
        ({"expires": FAR, "not_before": 1}, None),
        ({}, None),
    ],
)
def test_a_secret_outside_its_window_is_a_value_with_a_warning(
    azure: AzureCloud, given: Given, window: dict[str, int], warning: str | None
) -> None:
    """Azure/AzureKeyVault#19: `exp` and `nbf` are for information only. It is said once."""
    version = azure.put("db", "one", **window).name
    found = material(given.ask("db"))
    assert (found.value.reveal(), found.warning) == (b"one", warning)
    assert given.ask("db", known_version=version) == NotModified(version=version)


def test_a_version_whose_time_ends_while_it_is_held_is_told(
    azure: AzureCloud, given: Given
) -> None:
    """By the server's clock, once."""
    held = azure.put("db", "one", expires=FAR)
    assert material(given.ask("db")).warning is None
    held.expires = 1
    told = [given.ask("db", known_version=held.name) for _ in range(2)]
    assert told == [
        NotModified(version=held.name, warning="expired"),
        NotModified(version=held.name),
    ]


def test_an_identifier_may_have_the_usual_port(azure: AzureCloud, given: Given) -> None:
    """Older answers have it; a host has any case, and a name too."""
    full = f"https://Payments.Vault.Azure.Net:443/secrets/DB/{'0' * 32}"
    azure.cloud.faults[DB] = Reply({"id": full, "value": "one"})
    assert material(given.ask("db")).version == "0" * 32


def test_a_name_has_one_spelling(given: Given) -> None:
    """Key Vault takes any case. A revocation covers all who read it."""
    result = given.ask("DB")
    assert failed(result) == (FetchFailure.INVALID, "ReferenceRejected")


REPLIES = {
    "absent": (
        error(404, "SecretNotFound", "A secret with (name/id) db was not found."),
        (FetchFailure.ABSENT, "SecretNotFound"),
    ),
    "rbac": (
        error(403, "Forbidden", "Caller is not authorized.", "ForbiddenByRbac"),
        (FetchFailure.DENIED, "Forbidden:ForbiddenByRbac"),
    ),
    "firewall": (
        error(403, "Forbidden", "Client address is not authorized.", "ForbiddenByFirewall"),
        (FetchFailure.DENIED, "Forbidden:ForbiddenByFirewall"),
    ),
    "policy": (
        error(403, "Forbidden", "The policy requires the caller.", "ForbiddenByPolicy"),
        (FetchFailure.DENIED, "Forbidden:ForbiddenByPolicy"),
    ),
    "unknown inner code": (
        error(403, "Forbidden", "New.", "canary-5f1d3c"),
        (FetchFailure.DENIED, "Forbidden"),
    ),
    "in camel case": (
        Reply({"error": {"code": "Forbidden", "innerError": {"code": "SecretDisabled"}}}, 403),
        (FetchFailure.INVALID, "SecretDisabled"),
    ),
    "challenge": (
        Reply(b"", 401, {"WWW-Authenticate": 'PoP, bearer resource="https://vault.azure.net"'}),
        (FetchFailure.DENIED, "Unauthorized"),
    ),
    "refused token": (
        error(401, "Unauthorized", "[BearerReadAccessTokenFailed] canary-5f1d3c"),
        (FetchFailure.DENIED, "Unauthorized"),
    ),
    "proxy's 401": (
        Reply(b"<html>proxy login", 401, {"WWW-Authenticate": 'Basic realm="Bearer"'}),
        (FetchFailure.UNAVAILABLE, "ForeignAnswer"),
    ),
    "bare 401": (Reply(b"", 401), (FetchFailure.UNAVAILABLE, "ForeignAnswer")),
    "proxy's 403": (Reply(b"<html>", 403), (FetchFailure.UNAVAILABLE, "ForeignAnswer")),
    "proxy's 404": (Reply(b"<html>", 404), (FetchFailure.UNAVAILABLE, "ForeignAnswer")),
    "another 404": (
        error(404, "KeyNotFound", "A key was not found."),
        (FetchFailure.UNAVAILABLE, "ForeignAnswer"),
    ),
    "no JSON object": (Reply([], 404), (FetchFailure.UNAVAILABLE, "ForeignAnswer")),
    "bad parameter": (
        error(400, "BadParameter", "The request URI contains an invalid name."),
        (FetchFailure.INVALID, "BadParameter"),
    ),
    "throttled": (
        error(429, "Throttled", "Request was not processed because too many requests."),
        (FetchFailure.THROTTLED, "Throttled"),
    ),
    "redirect": (
        Reply(b"", 301, {"Location": "https://login.evil.example/"}),
        (FetchFailure.UNAVAILABLE, "Http3xx"),
    ),
    "5xx": (error(503, "ServiceUnavailable", "Busy."), (FetchFailure.UNAVAILABLE, "Http503")),
    "hung up": (None, (FetchFailure.UNAVAILABLE, "ProxyError")),
    "no value": (
        Reply({"id": f"https://{VAULT}/secrets/db/{'0' * 32}"}),
        (FetchFailure.EMPTY, "NoValue"),
    ),
    "empty value": (
        Reply({"id": f"https://{VAULT}/secrets/db/{'0' * 32}", "value": ""}),
        (FetchFailure.EMPTY, "NoValue"),
    ),
    "another secret": (
        Reply({"id": f"https://{VAULT}/secrets/other/{'0' * 32}", "value": "x"}),
        (FetchFailure.INVALID, "NameMismatch"),
    ),
    "another vault": (
        Reply({"id": f"https://other.vault.azure.net/secrets/db/{'0' * 32}", "value": "x"}),
        (FetchFailure.INVALID, "NameMismatch"),
    ),
    "no id": (Reply({"value": "x"}), (FetchFailure.UNAVAILABLE, "UnreadableAnswer")),
    "a list": (Reply([1]), (FetchFailure.UNAVAILABLE, "UnreadableAnswer")),
    "a number": (
        Reply({"id": f"https://{VAULT}/secrets/db/{'0' * 32}", "value": 5}),
        (FetchFailure.UNAVAILABLE, "UnreadableAnswer"),
    ),
    "page": (Reply(b"<html>sign in"), (FetchFailure.UNAVAILABLE, "UnreadableAnswer")),
    "surrogate": (
        Reply(b'{"id":"https://%s/secrets/db/%s","value":"\\ud800"}' % (VAULT.encode(), b"0" * 32)),
        (FetchFailure.UNAVAILABLE, "UnreadableAnswer"),
    ),
}


@pytest.mark.parametrize(("reply", "means"), REPLIES.values(), ids=REPLIES)
def test_each_answer_has_its_meaning(
    azure: AzureCloud, given: Given, reply: Reply | None, means: tuple[FetchFailure, str]
) -> None:
    """And no word of it gets out."""
    azure.cloud.faults[DB] = reply
    result = given.ask("db")
    assert failed(result) == means
    assert "canary" not in repr((result, given.calls))


def test_a_real_429_has_no_retry_after(azure: AzureCloud, given: Given) -> None:
    """AzureSignTool#219. One that has is heard all the same."""
    azure.cloud.faults[DB] = error(429, "Throttled", "Too many requests.")
    result = given.ask("db")
    assert isinstance(result, Failed)
    assert result.delay_s is None
    azure.cloud.faults[DB] = error(429, "Throttled", "Again.", headers={"Retry-After": "9"})
    result = given.ask("db")
    assert isinstance(result, Failed)
    assert result.delay_s == 9.0


def test_a_vault_whose_name_is_gone_is_unavailable(azure: AzureCloud, tmp_path: Path) -> None:
    """A deleted vault loses its name (terraform-provider-azurerm#2396): that is no absence."""
    here = f"https://localhost:{azure.cloud.port}"
    gone = account(vaultURL="https://gone.vault.invalid", authorityHost=here)
    given = Given(azure, tmp_path, gone, direct=("vault.invalid",))
    assert failed(given.ask("db")) == (FetchFailure.UNAVAILABLE, "NameResolutionError")
