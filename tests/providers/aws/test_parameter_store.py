"""Parameter Store against moto, behind the fault proxy that counts."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from demo.fault_proxy import VALUES
from providers.aws.account import CALLS_OF_A_FETCH
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.harness import REGION, known, one, ssm_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.provider import DemoProvider, Proxy
    from providers.aws.source.parameter_store import AwsParameterStore

ELSEWHERE = "us-west-2"
GONE = Failed(reason=FetchFailure.INVALID, code="VersionNotFound")


@pytest.fixture
def source(proxy: Proxy) -> Iterator[AwsParameterStore]:
    """A source of one region."""
    source = ssm_source(proxy.addresses["default"])
    yield source
    source.close()


@pytest.fixture
def name() -> str:
    """A name that no other test uses, of the characters that AWS allows."""
    return f"/aw.s/a_b-{uuid.uuid4()}"


def operations(proxy: Proxy) -> dict[str, int]:
    """Calls that reached the provider, by operation."""
    return proxy.counts().get("default", {})


@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
@pytest.mark.parametrize("count", [1, 2])
def test_each_type_arrives_as_its_text(
    provider: DemoProvider, source: AwsParameterStore, name: str, kind: str, count: int
) -> None:
    """A SecureString is never served as the ciphertext of the change check."""
    provider.put_parameter(name, SecretBytes(b"a,b"), kind=kind)
    requests = [FetchRequest(reference=name), FetchRequest(reference=name)][:count]
    result = source.fetch(requests).results[0]
    assert isinstance(result, Material)
    assert (result.value.reveal(), result.version) == (b"a,b", "1")


def test_p4_ten_parameters_that_are_held_are_one_call_and_nothing_is_decrypted(
    proxy: Proxy, provider: DemoProvider, source: AwsParameterStore, name: str
) -> None:
    """And of ten where two moved it is two calls: the second decrypts."""
    names = [f"{name}/{index}" for index in range(10)]
    for each in names:
        provider.put_parameter(each, SecretBytes(b"one"))
    cold = source.fetch([FetchRequest(reference=each) for each in names])
    assert cold.calls == 2
    requests = [
        FetchRequest(reference=each, **known(it))
        for each, it in zip(names, cold.results, strict=True)
    ]
    proxy.reset()
    assert {type(it) for it in source.fetch(requests).results} == {NotModified}
    assert operations(proxy) == {"GetParameters": 1}
    for each in names[2:4]:
        provider.put_parameter(each, SecretBytes(b"two"))
    moved = source.fetch(requests)
    assert [type(it) for it in moved.results].count(Material) == 2
    assert moved.calls == source.most_calls(requests) == 2


def test_a_single_parameter_that_is_held_is_one_call(
    proxy: Proxy, provider: DemoProvider, source: AwsParameterStore, name: str
) -> None:
    """And two where it moved; a plain one is read by the check itself."""
    provider.put_parameter(name, SecretBytes(b"one"))
    held = known(one(source, name))
    proxy.reset()
    assert isinstance(one(source, name, **held), NotModified)
    assert operations(proxy) == {"GetParameter": 1}
    provider.put_parameter(name, SecretBytes(b"two"))
    fetched = source.fetch([FetchRequest(reference=name, **held)])
    assert isinstance(fetched.results[0], Material)
    assert fetched.calls == 2
    plain = name + "/plain"
    provider.put_parameter(plain, SecretBytes(b"one"), kind="String")
    fetched = source.fetch([FetchRequest(reference=plain, known_version="9")])
    assert (type(fetched.results[0]), fetched.calls) == (Material, 1)


def test_p5_a_parameter_with_a_lower_number_that_was_made_again_is_served(
    provider: DemoProvider, source: AwsParameterStore, name: str
) -> None:
    """It is newer than what is held."""
    for value in (b"one", b"two", b"three"):
        provider.put_parameter(name, SecretBytes(value))
    held = known(one(source, name))
    provider.client(service="ssm").delete_parameter(Name=name)
    provider.put_parameter(name, SecretBytes(b"again"))
    after = one(source, name, **held)
    assert isinstance(after, Material)
    assert (held["known_version"], after.version, after.value.reveal()) == ("3", "1", b"again")


def test_an_older_version_can_be_pinned(
    proxy: Proxy, provider: DemoProvider, source: AwsParameterStore, name: str
) -> None:
    """By its number, in one call; in a batch it is asked for alone."""
    for value in (b"one", b"two"):
        provider.put_parameter(name, SecretBytes(value))
    pinned = one(source, name, version="1")
    assert isinstance(pinned, Material)
    assert (pinned.version, pinned.value.reveal()) == ("1", b"one")
    assert operations(proxy) == {"GetParameter": 1}
    request = FetchRequest(reference=name, version="1")
    assert source.fetch([request, request]).results == (Alone(), Alone())
    assert (source.most_calls([request]), source.most_calls([request] * 2)) == (1, 0)
    mixed = source.fetch([request, FetchRequest(reference=name)]).results
    assert [type(it) for it in mixed] == [Alone, Material]


@pytest.mark.parametrize("version", ["prod", "0", "01", "-1", "1:prod", "1" * 20, "1\n", "\u0661"])
def test_a_label_is_no_version(
    proxy: Proxy, provider: DemoProvider, source: AwsParameterStore, name: str, version: str
) -> None:
    """It moves between versions, so nothing but a number goes on the wire."""
    provider.put_parameter(name, SecretBytes(b"one"))
    ssm = provider.client(service="ssm")
    ssm.label_parameter_version(Name=name, ParameterVersion=1, Labels=["prod"])
    assert one(source, name, version=version) == GONE
    assert operations(proxy) == {}


@pytest.mark.parametrize("mode", ["empty", "malformed"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_bad_rotation_arrives_as_a_new_version(
    proxy: Proxy,
    provider: DemoProvider,
    source: AwsParameterStore,
    name: str,
    *,
    mode: str,
    count: int,
) -> None:
    """Whether a value may be served is decided by the engine's checks and not here."""
    provider.put_parameter(name, SecretBytes(b"one"))
    held = one(source, name)
    proxy.set(mode)
    requests = [FetchRequest(reference=name, **known(held)) for _ in range(count)]
    bad = source.fetch(requests).results[0]
    assert isinstance(bad, Material)
    assert (bad.version, bad.value.reveal().decode()) == ("2", VALUES[mode])


@pytest.mark.parametrize("mirrors", [False, True])
def test_a_second_region_is_left_alone_while_the_first_answers(
    proxy: Proxy, provider: DemoProvider, name: str, *, mirrors: bool
) -> None:
    """Also when the first refuses or has no such parameter."""
    source = ssm_source(proxy.addresses["default"], regions=(REGION, ELSEWHERE), mirrors=mirrors)
    provider.put_parameter(name, SecretBytes(b"elsewhere"), region=ELSEWHERE)
    assert one(source, name) == Failed(reason=FetchFailure.ABSENT, code="ParameterNotFound")
    for mode in ("throttle", "access-denied"):
        proxy.reset()
        proxy.set(mode)
        assert isinstance(one(source, name), Failed)
        assert operations(proxy) == {"GetParameter": 1}
    source.close()


@pytest.mark.parametrize("mirrors", [False, True])
@pytest.mark.parametrize("words", [{}, {"known_version": "1"}, {"version": "1"}], ids=str)
@pytest.mark.parametrize("count", [1, 10])
def test_the_smallest_burst_that_an_account_may_have_pays_for_every_fetch(
    proxy: Proxy, name: str, words: dict[str, str], count: int, *, mirrors: bool
) -> None:
    """Of two regions; a region that is down costs one call more only where it is a mirror."""
    source = ssm_source(proxy.addresses["default"], regions=(REGION, ELSEWHERE), mirrors=mirrors)
    requests = [FetchRequest(reference=f"{name}/{at}", **words) for at in range(count)]
    proxy.set("error-500")
    fetched = source.fetch(requests)
    expected = 0 if words.get("version") and count > 1 else 1
    expected += mirrors and not words.get("version")
    assert fetched.calls == sum(operations(proxy).values()) == expected
    assert fetched.calls <= source.most_calls(requests) <= 2 * CALLS_OF_A_FETCH
    source.close()


def test_the_observer_hears_of_every_call(proxy: Proxy, name: str) -> None:
    """Once per call, with `ok` or the error's code."""
    heard: list[tuple[str, str]] = []
    source = ssm_source(proxy.addresses["default"], observer=lambda *call: heard.append(call))
    one(source, name)
    source.fetch([FetchRequest(reference=name), FetchRequest(reference=name)])
    assert heard == [("GetParameter", "ParameterNotFound"), ("GetParameters", "ok")]
    source.close()
