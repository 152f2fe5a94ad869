"""Each fault of the proxy, and what the source makes of it. Real sockets, one try each."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from demo.fault_proxy import VALUES
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.harness import REGION, aws_source, known, one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.provider import DemoProvider, Proxy
    from providers.aws.source.secrets_manager import AwsSecretsManager

IMPATIENT_S = 0.3


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of the proxy, and what it must look like."""

    mode: str
    reason: FetchFailure = FetchFailure.UNAVAILABLE
    code: str
    fields: dict[str, Any] = field(default_factory=dict)


FAULTS = [
    Fault(mode="latency", code="ReadTimeoutError", fields={"seconds": 2}),
    Fault(mode="blackhole", code="ReadTimeoutError"),
    Fault(mode="refuse", code="ConnectionClosedError"),
    Fault(mode="access-denied", reason=FetchFailure.DENIED, code="AccessDeniedException"),
    Fault(mode="throttle", reason=FetchFailure.THROTTLED, code="ThrottlingException"),
    Fault(mode="error-500", code="InternalServiceError"),
    Fault(mode="truncated", code="UnreadableAnswer"),
]


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


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.mode)
def test_a_fault_has_its_reason_and_is_tried_once(
    proxy: Proxy,
    source: AwsSecretsManager,
    name: str,
    fault: Fault,
) -> None:
    """P4: botocore's own retries are off, and what it says it called is what arrived."""
    proxy.set(fault.mode, **fault.fields)
    fetched = source.fetch([FetchRequest(reference=name)])
    assert fetched.results == (Failed(reason=fault.reason, code=fault.code),)
    assert (fetched.calls, total(proxy)) == (1, 1)


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


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.mode)
def test_a_change_check_meets_the_same(
    proxy: Proxy,
    source: AwsSecretsManager,
    name: str,
    fault: Fault,
) -> None:
    """Where the check alone is denied the value is asked for, so denied costs two calls."""
    proxy.set(fault.mode, **fault.fields)
    fetched = source.fetch([FetchRequest(reference=name, known_version="x" * 32)])
    assert fetched.results == (Failed(reason=fault.reason, code=fault.code),)
    assert fetched.calls == total(proxy) == (2 if fault.mode == "access-denied" else 1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.mode)
def test_a_whole_batch_that_fails(
    proxy: Proxy,
    source: AwsSecretsManager,
    name: str,
    fault: Fault,
) -> None:
    """Trouble with the provider is each item's; a refusal says nothing of any of them."""
    proxy.set(fault.mode, **fault.fields)
    fetched = source.fetch([FetchRequest(reference=name), FetchRequest(reference=name + "x")])
    failed = Failed(reason=fault.reason, code=fault.code)
    expected = Alone() if fault.reason is FetchFailure.DENIED else failed
    assert (fetched.results, fetched.calls, total(proxy)) == ((expected, expected), 1, 1)


def test_one_denied_item_leaves_the_others_of_a_batch(
    proxy: Proxy, provider: DemoProvider, source: AwsSecretsManager, name: str
) -> None:
    """Per-item errors are kept apart (AWS: Errors of BatchGetSecretValue; moto never denies)."""
    other = name + "/other"
    provider.put(other, SecretBytes(b"two"))
    proxy.set("access-denied", secrets=[name])
    requests = [FetchRequest(reference=name), FetchRequest(reference=other)]
    denied, material = source.fetch(requests).results
    assert denied == Failed(reason=FetchFailure.DENIED, code="AccessDeniedException")
    assert isinstance(material, Material)


def test_a_retry_after_is_handed_on(proxy: Proxy, source: AwsSecretsManager, name: str) -> None:
    """The provider's request reaches the engine in seconds."""
    proxy.set("throttle", retry_after=17)
    assert one(source, name) == Failed(
        reason=FetchFailure.THROTTLED, code="ThrottlingException", delay_s=17.0
    )


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


def test_a_source_recovers_by_itself(proxy: Proxy, source: AwsSecretsManager, name: str) -> None:
    """Nothing of a fault stays in the client, its kept connections included."""
    for mode in (*(fault.mode for fault in FAULTS), "pass"):
        proxy.set(mode)
        result = one(source, name)
    assert isinstance(result, Material)


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
