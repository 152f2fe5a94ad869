"""Logins at a real OpenBao, and how often there is one."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from providers.credentials import AGAIN_S, DOUBT_S, RENEW_SHARE
from providers.protocol import Again, Failed, Material
from tests.providers.vault.bao import account
from tests.providers.vault.scripted import value
from tests.providers.vault.tokens import SUBJECT, Issuer, reviewing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from providers.protocol import FetchResult
    from tests.providers.vault.bao import Bao, Given
    from tests.providers.vault.scripted import Script

TTL_S = 1200
RULES = 'path "secret/data/login/*" { capabilities = ["read"] }'


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """The cluster."""
    return Issuer()


@pytest.fixture(scope="session")
def methods(bao: Bao, issuer: Issuer) -> Iterator[dict[str, Any]]:
    """The auth of an account, by method, as docs/providers/vault.md sets them up."""
    bao.api("PUT", "sys/policies/acl/lastgood", {"policy": RULES})
    role = {"token_policies": ["lastgood"], "token_ttl": TTL_S}
    for method in ("kubernetes", "jwt", "approle"):
        bao.api("POST", f"sys/auth/{method}", {"type": method})
    bao.api("POST", "auth/approle/role/lastgood", role)
    bao.api("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [issuer.public]})
    of_jwt = {"role_type": "jwt", "bound_audiences": ["vault"], "bound_subject": SUBJECT}
    bao.api("POST", "auth/jwt/role/lastgood", role | of_jwt | {"user_claim": "sub"})
    bound = {
        "bound_service_account_names": ["lastgood-controller"],
        "bound_service_account_namespaces": ["lastgood-system"],
        "audience": "vault",
    }
    bao.api("POST", "auth/kubernetes/role/lastgood", role | bound)
    found = bao.api("GET", "auth/approle/role/lastgood/role-id")["data"]["role_id"]
    with reviewing("vault") as url:
        config = {
            "kubernetes_host": url,
            "disable_local_ca_jwt": True,
            "kubernetes_ca_cert": issuer.public,
        }
        bao.api("POST", "auth/kubernetes/config", config)
        yield {
            "kubernetes": {"role": "lastgood", "tokenFile": "jwt", "audience": "vault"},
            "jwt": {"role": "lastgood", "tokenFile": "jwt"},
            "appRole": {"roleID": found, "secretIDFile": "secret-id"},
        }


def logged_in(given: Given, bao: Bao, token: str) -> Given:
    """With the files that the chart mounts."""
    (given.folder / "jwt").write_text(token)
    made = bao.api("POST", "auth/approle/role/lastgood/secret-id")
    (given.folder / "secret-id").write_text(made["data"]["secret_id"] + "\n")
    return given


@pytest.fixture
def name(bao: Bao) -> str:
    """A secret that the role may read."""
    name = f"secret/login/{uuid.uuid4()}"
    bao.put(name, {"a": "b"})
    return name


@pytest.mark.parametrize("method", ["kubernetes", "jwt", "appRole"])
def test_p4_each_method_logs_in_once(
    *,
    bao: Bao,
    issuer: Issuer,
    methods: dict[str, Any],
    opened: Callable[..., Given],
    name: str,
    method: str,
) -> None:
    """And not again until three quarters of the lease have passed."""
    auth = {method: methods[method]}
    given = logged_in(opened(account(bao.address, auth=auth)), bao, issuer.token("vault"))
    assert given.once(name) == Again()
    for _ in range(5):
        assert isinstance(given.once(name), Material)
    assert given.asked() == ["login", *["read"] * 5]
    given.clock.now += TTL_S * RENEW_SHARE - 1
    assert isinstance(given.once(name), Material)
    given.clock.now += 1
    assert (given.once(name), given.asked()) == (Again(), ["read", "login"])
    assert given.troubles == []


WRONG = {
    "another audience": ("kubernetes", {"token": ("api",)}, "TokenAudience"),
    "another audience, which Vault finds": ("jwt", {"token": ("api",)}, "Http400"),
    "a token that ended": ("jwt", {"token": ("vault",), "lasts_s": -400}, "Http400"),
    "no such role": ("jwt", {"role": "nobody"}, "Http400"),
    "no such mount": ("jwt", {"mount": "nowhere"}, "Http403"),
    "another secret": ("appRole", {"secret": "wrong"}, "Http400"),
    "a token of two lines": ("jwt", {"raw": "one\ntwo"}, "NotAToken"),
    "an empty file": ("jwt", {"raw": ""}, "NotAToken"),
    "a token that is none": ("kubernetes", {"raw": "abc"}, "NotAToken"),
}


@pytest.mark.parametrize(("method", "wrong", "code"), WRONG.values(), ids=WRONG)
def test_a_login_that_is_refused_is_a_denial(
    *,
    bao: Bao,
    issuer: Issuer,
    methods: dict[str, Any],
    opened: Callable[..., Given],
    method: str,
    wrong: dict[str, Any],
    code: str,
) -> None:
    """Never absent or invalid, which are said of secrets. The admin is told once what to do."""
    fields = {key: wrong[key] for key in ("role", "mount") if key in wrong}
    auth = {method: methods[method] | fields}
    token = issuer.token(*wrong.get("token", ("vault",)), lasts_s=wrong.get("lasts_s", 600))
    given = logged_in(opened(account(bao.address, auth=auth)), bao, token)
    written: str = wrong.get("raw", wrong.get("secret", token))
    if written != token:
        (given.folder / "jwt").write_text(written)
        (given.folder / "secret-id").write_text(written)
    denied = Failed(reason=FetchFailure.DENIED, code=f"Login:{code}")
    assert [given.once("secret/login/a") for _ in range(3)] == [denied] * 3
    assert len(given.calls) == (1 if code.startswith("Http") else 0)
    [told] = given.troubles
    assert told.startswith(f"it cannot log in to Vault ({code}). The role of the auth method")
    assert token not in told


def test_p7_a_token_of_another_audience_is_not_sent(
    server: Script, issuer: Issuer, opened: Callable[..., Given]
) -> None:
    """Who gets it could use it at the API server."""
    auth = {"kubernetes": {"role": "lastgood", "tokenFile": "jwt", "audience": "vault"}}
    given = opened(account(server.address, auth=auth))
    (given.folder / "jwt").write_text(issuer.token("https://kubernetes.default.svc"))
    given.once("secret/a")
    assert server.asked == []


def test_p2_a_missing_file_is_trouble_and_not_a_denial(
    bao: Bao, opened: Callable[..., Given], name: str
) -> None:
    """The kubelet may write it yet; it is read at each login."""
    given = opened(account(bao.address), token="")
    away = Failed(reason=FetchFailure.UNAVAILABLE, code="Login:NoTokenFile")
    assert given.once(name) == away
    (given.folder / "token").write_text(bao.token("secret/data/login/*"))
    assert given.once(name) == away
    given.clock.now += AGAIN_S
    assert isinstance(given.ask(name), Material)


def test_a_token_in_a_file_is_read_again_before_it_ends(
    bao: Bao, opened: Callable[..., Given], name: str
) -> None:
    """As a Vault Agent writes it; `ttl` says how long it lasts."""
    given = opened(account(bao.address), token=bao.token("secret/data/login/*", ttl="20m"))
    given.ask(name)
    (given.folder / "token").write_text(bao.token("secret/data/login/*"))
    given.clock.now += TTL_S * RENEW_SHARE
    assert isinstance(given.ask(name), Material)
    assert given.asked() == ["lookup-self", "read", "lookup-self", "read"]


def test_p1_vault_away_changes_nothing_while_the_token_lasts(
    server: Script, opened: Callable[..., Given]
) -> None:
    """A login that fails is tried again now and then; reads go on."""
    server.say("auth/approle/login", {"auth": {"client_token": "s.one", "lease_duration": TTL_S}})
    server.say("secret/data/a", value())
    auth = {"appRole": {"roleID": "r", "secretIDFile": "id"}}
    given = opened(account(server.address, auth=auth))
    (given.folder / "id").write_text("s")
    given.ask("secret/a")
    server.say("auth/approle/login", {"errors": ["sealed"]}, 503)
    given.clock.now += TTL_S * RENEW_SHARE
    given.asked()
    assert given.once("secret/a") == Again()
    assert [type(given.once("secret/a")) for _ in range(3)] == [Material] * 3
    assert given.asked() == ["login", *["read"] * 3]
    given.clock.now += TTL_S
    assert given.once("secret/a") == Failed(reason=FetchFailure.UNAVAILABLE, code="Login:Http503")


LOGINS: dict[str, tuple[int, object, str]] = {
    "throttled": (429, b"", "throttled Login:Http429"),
    "redirected": (307, b"", "unavailable Login:Http3xx"),
    "a proxy's page": (403, b"<html>", "unavailable Login:ForeignAnswer"),
    "no mount, as root": (404, {"errors": ["no handler"]}, "denied Login:Http404"),
    "not configured": (500, {"errors": ["could not load"]}, "unavailable Login:Http500"),
    "half an answer": (200, b'{"auth":{"client_', "unavailable Login:UnreadableAnswer"),
    "no token": (200, {"auth": None}, "unavailable Login:UnreadableAnswer"),
    "a token for two lines": (
        200,
        {"auth": {"client_token": "s.\r\nX-A: b", "lease_duration": 1}},
        "unavailable Login:UnreadableAnswer",
    ),
    "a second factor": (
        200,
        {"auth": {"client_token": "", "mfa_requirement": {}}},
        "denied Login:MfaRequired",
    ),
    "wrapped": (200, {"auth": None, "wrap_info": {"token": "s.w"}}, "denied Login:WrappedAnswer"),
}


@pytest.mark.parametrize(("status", "body", "means"), LOGINS.values(), ids=LOGINS)
def test_each_answer_to_a_login_has_its_meaning(
    server: Script, opened: Callable[..., Given], status: int, body: object, means: str
) -> None:
    """Denial is told apart from trouble."""
    server.say("auth/jwt/login", body, status)
    given = opened(account(server.address, auth={"jwt": {"role": "r", "tokenFile": "token"}}))
    failed = given.once("secret/a")
    assert isinstance(failed, Failed)
    assert f"{failed.reason} {failed.code}" == means


def test_p4_many_fetches_at_the_start_log_in_once(
    server: Script, opened: Callable[..., Given]
) -> None:
    """Those that have to wait for it share what came."""
    server.say("auth/jwt/login", {"errors": ["no"]}, 403)
    given = opened(account(server.address, auth={"jwt": {"role": "r", "tokenFile": "token"}}))
    results: list[FetchResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(given.once("secret/a"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(repr, results))) == 1
    assert given.asked() == ["login"]


def test_another_address_is_asked_when_the_first_is_away(
    server: Script, second: Script, opened: Callable[..., Given]
) -> None:
    """What an address refuses is not asked for elsewhere."""
    auth = {"jwt": {"role": "r", "tokenFile": "token"}}
    given = opened(account(server.address, second.address, auth=auth))
    server.say("auth/jwt/login", b"", 502)
    second.say("auth/jwt/login", {"auth": {"client_token": "s.two", "lease_duration": TTL_S}})
    second.say("secret/data/a", value())
    server.say("secret/data/a", b"", 502)
    assert given.once("secret/a") == Again()
    assert isinstance(given.once("secret/a"), Material)
    assert [path for path, *_ in server.asked] == ["auth/jwt/login", "secret/data/a"]
    server.say("auth/jwt/login", {"errors": ["no"]}, 403)
    given.clock.now += TTL_S
    given.asked()
    given.once("secret/a")
    assert given.asked() == ["login"]


def test_p4_a_denial_logs_in_again_at_most_once_in_a_while(
    bao: Bao, opened: Callable[..., Given], name: str
) -> None:
    """A token keeps the policies of its login: one that was given a path later needs a new one."""
    given = opened(account(bao.address), token=bao.token("secret/data/login/*"))
    given.ask(name)
    given.asked()
    for _ in range(4):
        given.ask("secret/other")
    given.clock.now += DOUBT_S
    assert given.once("secret/other") == Again()
    given.asked()
    for _ in range(4):
        given.once("secret/other")
    assert "login" not in given.asked()
