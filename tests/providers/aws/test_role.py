"""An account's role: assumed over HTTP, renewed in time, and never mixed up with another's."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from contract.secret_bytes import SecretBytes
from providers.aws.source.role import DURATION_S
from providers.credentials import LEAST_S, RENEW_SHARE
from providers.protocol import Again, FetchRequest, Material
from tests.providers.aws.roles import OWN, Given, account, hold
from tests.providers.conformance.store import Clock
from tests.providers.harness import REGION, one, source_of

if TYPE_CHECKING:
    from demo.provider import DemoProvider
    from providers.protocol import FetchResult
    from tests.providers.harness import Scripted


def test_p7_each_account_reads_as_its_own_role(provider: DemoProvider) -> None:
    """The same name in two AWS accounts is two secrets; each account sees its role's, also when
    both are asked in turn.
    """
    name = f"/roles/{uuid.uuid4()}"
    sources = {}
    for owner in (111, 222):
        hold(provider, owner, name, f"of {owner}")
        sources[owner] = source_of(
            account(provider.address, name=f"a{owner}", owner=owner),
            "aws-sm",
            monotonic=Clock(),
            keys=OWN,
        )
    for owner in (111, 222, 111, 222):
        results = [one(sources[owner], name) for _ in range(2)]
        values = [result.value.reveal() for result in results if isinstance(result, Material)]
        assert set(values) == {f"of {owner}".encode()}
    for source in sources.values():
        source.close()


def test_the_role_is_asked_for_by_name_and_signed_by_the_controller(script: Scripted) -> None:
    """The session says who we are and for which account; the secret is asked for as the role."""
    given = Given(script, externalID="tenant-7")
    given.value()
    operation, asked, agent = script.asked[0]
    assert operation == "AssumeRole"
    assert asked["RoleArn"] == "arn:aws:iam::000000000001:role/reader"
    assert asked["RoleSessionName"] == "lastgood-main"
    assert asked["ExternalId"] == "tenant-7"
    assert agent.endswith(" lastgood")
    assert script.signed == ["own", "key1"]
    given.source.close()


def test_the_longest_accounts_name_is_still_a_session(script: Scripted) -> None:
    """STS takes 64 characters."""
    given = Given(script)
    long = source_of(
        account(script.address, name="a" * 63), "aws-sm", monotonic=given.clock, keys=OWN
    )
    one(long, "a")
    assert script.asked[0][1]["RoleSessionName"] == "lastgood-" + "a" * 55
    long.close()


def test_p4_logins_are_calls(given: Given) -> None:
    """A fetch makes a login or asks; either is counted, and neither costs more than was paid."""
    requests = [FetchRequest(reference="a")]
    assert given.source.most_calls(requests) == 1
    login, value = given.source.fetch(requests), given.source.fetch(requests)
    assert (login.results, login.calls) == ((Again(),), 1)
    assert (value.calls, type(value.results[0])) == (1, Material)
    assert given.calls == [("AssumeRole", "ok"), ("GetSecretValue", "ok")]


def test_p4_credentials_serve_until_three_quarters_of_their_time(given: Given) -> None:
    """By the clock of who gave them; then the next fetch renews them."""
    given.value()
    given.clock.now += DURATION_S * RENEW_SHARE - 1
    assert isinstance(given.ask(), Material)
    assert given.asked() == ["AssumeRole", "GetSecretValue", "GetSecretValue"]
    given.gives(2)
    given.clock.now += 1
    given.value()
    assert given.asked() == ["AssumeRole", "GetSecretValue"]
    assert given.script.signed[-1] == "key2"


@pytest.mark.parametrize(
    ("ends", "lasts_s"),
    [
        ("2026-11-24T04:20:00Z", 1200.0),
        ("2026-11-24T23:00:00Z", DURATION_S),
        ("2020-01-01T00:00:00Z", LEAST_S),
    ],
)
def test_how_long_they_last_is_for_sts_to_say(given: Given, ends: str, lasts_s: float) -> None:
    """Within what was asked for, and never so short that each call renews."""
    given.gives(1, ends=ends)
    given.value()
    given.clock.now += lasts_s * RENEW_SHARE - 1
    given.ask()
    assert given.asked().count("AssumeRole") == 1
    given.clock.now += 1
    given.ask()
    assert given.asked() == ["AssumeRole"]


def test_one_renewal_is_under_way_while_the_others_go_on(given: Given) -> None:
    """Also while STS is slow: credentials that last are used meanwhile."""
    given.value()
    given.clock.now += DURATION_S * RENEW_SHARE
    arrived, release = threading.Event(), threading.Event()

    def slow(operation: str) -> None:
        if operation == "AssumeRole":
            arrived.set()
            release.wait(10)

    given.asked()
    given.script.before = slow
    renewing = threading.Thread(target=given.ask)
    renewing.start()
    assert arrived.wait(10)
    assert [type(given.ask()) for _ in range(3)] == [Material] * 3
    assert renewing.is_alive()
    release.set()
    renewing.join()
    assert given.asked() == ["AssumeRole", *["GetSecretValue"] * 3]


def test_p4_many_fetches_at_the_start_log_in_once(given: Given) -> None:
    """Those that have to wait for it share what came, also when it failed."""
    given.refuses("AccessDenied")
    results: list[FetchResult] = []
    threads = [threading.Thread(target=lambda: results.append(given.ask())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(repr, results))) == 1
    assert given.asked() == ["AssumeRole"]


def test_p8_credentials_are_not_shown(given: Given) -> None:
    """Neither by the role's session nor by anything that holds it."""
    given.value()
    role = vars(given.source)["_login"]
    for item in (role, role.session, role.session.credential, vars(role), given.source):
        assert "canary" not in repr(item)
    assert "canary" not in repr((given.calls, given.troubles))


def test_p7_the_environment_cannot_choose_where_roles_are_assumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The region's own endpoint unless the account names one; not that of Secrets Manager, which
    may be an interface endpoint that serves nothing else.
    """
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    given = account("127.0.0.1:1", stsEndpoint=None)
    source = source_of(given, "aws-sm", monotonic=Clock(), keys=OWN)
    [client] = vars(vars(vars(source)["_login"])["_asking"])["_clients"]
    assert vars(client)["_endpoint"].host == f"https://sts.{REGION}.amazonaws.com"
    source.close()


def test_a_secret_fetched_as_a_role_is_the_secret(provider: DemoProvider) -> None:
    """The value of moto's other account, through a batch."""
    names = [f"/batch/{uuid.uuid4()}" for _ in range(2)]
    for name in names:
        hold(provider, 333, name, f"value of {name}")
    source = source_of(account(provider.address, owner=333), "aws-sm", monotonic=Clock(), keys=OWN)
    requests = [FetchRequest(reference=name) for name in names]
    assert source.fetch(requests).results == (Again(), Again())
    values = [
        result.value for result in source.fetch(requests).results if isinstance(result, Material)
    ]
    assert values == [SecretBytes(f"value of {name}".encode()) for name in names]
    source.close()
