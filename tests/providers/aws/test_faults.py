"""Secrets Manager behind the fault proxy: what tests/providers/conformance does not ask of all."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from demo.fault_proxy import VALUES
from providers.protocol import Failed, FetchRequest, Material, NotModified
from tests.providers.harness import REGION, aws_source, known, one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.provider import DemoProvider, Proxy
    from providers.aws.source.secrets_manager import AwsSecretsManager

IMPATIENT_S = 0.3


@pytest.fixture
def source(proxy: Proxy) -> Iterator[AwsSecretsManager]:
    """A source that loses patience quickly."""
    source = aws_source(proxy.addresses["default"], timeout_s=IMPATIENT_S)
    yield source
    source.close()


@pytest.fixture
def name(provider: DemoProvider) -> str:
    """A secret that exists."""
    name = f"/faults/{uuid.uuid4()}"
    provider.put(name, SecretBytes(b"canary-5f1d3c"))
    return name


def total(proxy: Proxy) -> int:
    """All requests that reached the proxy."""
    return sum(proxy.counts().get("default", {}).values())


def test_p4_the_environment_cannot_turn_retries_on(
    proxy: Proxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_MAX_ATTEMPTS and AWS_RETRY_MODE are the SDK's own switches."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    source = aws_source(proxy.addresses["default"])
    proxy.set("error-500")
    one(source, name)
    assert total(proxy) == 1
    source.close()


@pytest.mark.parametrize("mode", ["empty", "malformed"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_bad_rotation_arrives_as_a_new_version(
    proxy: Proxy,
    source: AwsSecretsManager,
    name: str,
    mode: str,
    count: int,
) -> None:
    """Whether a value may be served is decided by the engine's checks and not here."""
    held = one(source, name)
    assert isinstance(held, Material)
    proxy.set(mode)
    requests = [FetchRequest(reference=name, **known(held))] * count
    bad = source.fetch(requests).results[0]
    assert isinstance(bad, Material)
    assert (bad.value.reveal().decode(), bad.version != held.version) == (VALUES[mode], True)
    proxy.set("pass")
    again = one(source, name, **known(held))
    assert again == NotModified(version=held.version, incarnation=held.incarnation)


def test_nobody_listening_is_unavailable(name: str) -> None:
    """A refused connection."""
    source = aws_source("127.0.0.1:1")
    failed = one(source, name)
    assert failed == Failed(reason=FetchFailure.UNAVAILABLE, code="EndpointConnectionError")
    source.close()


def test_threads_fail_apart(
    proxy: Proxy, provider: DemoProvider, source: AwsSecretsManager, name: str
) -> None:
    """P13: one black-holed secret holds up no other on another thread."""
    other = name + "/other"
    provider.put(other, SecretBytes(b"two"))
    proxy.set("blackhole", secrets=[name])
    found: dict[str, object] = {}
    threads = [
        threading.Thread(target=lambda each=each: found.update({each: one(source, each)}))
        for each in (name, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(found[name], Failed)
    assert isinstance(found[other], Material)


def test_the_observer_hears_of_every_call(proxy: Proxy, name: str) -> None:
    """Once per call, with `ok` or the error's code."""
    heard: list[tuple[str, str]] = []
    source = aws_source(
        proxy.addresses["default"],
        regions=(REGION,),
        timeout_s=IMPATIENT_S,
        observer=lambda operation, code: heard.append((operation, code)),
    )
    one(source, name, known_version="x" * 32)
    proxy.set("truncated")
    one(source, name)
    proxy.set("throttle")
    source.fetch([FetchRequest(reference=name)] * 2)
    assert heard == [
        ("DescribeSecret", "ok"),
        ("GetSecretValue", "ok"),
        ("GetSecretValue", "UnreadableAnswer"),
        ("BatchGetSecretValue", "ThrottlingException"),
    ]
    source.close()
