"""The proxy as the demo uses it: a process, over sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from contract.secret_bytes import SecretBytes
from demo.fault_proxy import BODY_LIMIT, HEAD_LIMIT, MODES, VALUES, ProxyFault, fault_from_wire
from demo.provider import DemoProvider, NotStartedError, Proxy, launch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "ap-southeast-2"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProvider]:
    """The stand-in of AWS."""
    provider = DemoProvider(log=tmp_path_factory.mktemp("moto") / "log", region=REGION)
    yield provider
    provider.stop()


@pytest.fixture
def proxy(provider: DemoProvider, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy with two callers."""
    proxy = Proxy(log=tmp_path / "log", upstream=provider.address, callers=("controller", "app"))
    yield proxy
    proxy.stop()


@pytest.fixture
def names(provider: DemoProvider) -> tuple[str, str]:
    """Two secrets."""
    found = (f"/proxy/{uuid.uuid4()}", f"/proxy/{uuid.uuid4()}")
    for name in found:
        provider.put(name, SecretBytes(b"good"))
    return found


def client(proxy: Proxy, caller: str = "app", read_timeout_s: float = 20) -> Any:  # noqa: ANN401 - boto3 makes its classes as it runs
    """An app's own client."""
    return boto3.session.Session("a", "b", region_name=REGION).client(
        "secretsmanager",
        endpoint_url=f"http://{proxy.addresses[caller]}",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout_s),
    )


def test_without_a_fault_it_is_the_provider(proxy: Proxy, names: tuple[str, str]) -> None:
    """An AWS SDK notices nothing, and its connection is kept."""
    app = client(proxy)
    for _ in range(3):
        assert app.get_secret_value(SecretId=names[0])["SecretString"] == "good"


def test_calls_are_counted_by_caller_and_operation(proxy: Proxy, names: tuple[str, str]) -> None:
    """So that a table can say: provider calls made by pod starts, 0."""
    client(proxy).get_secret_value(SecretId=names[0])
    client(proxy, "controller").describe_secret(SecretId=names[0])
    client(proxy, "controller").batch_get_secret_value(SecretIdList=list(names))
    assert proxy.counts() == {
        "app": {"GetSecretValue": 1},
        "controller": {"DescribeSecret": 1, "BatchGetSecretValue": 1},
    }
    proxy.reset()
    assert proxy.counts() == {}


def test_calls_that_fail_are_counted_too(proxy: Proxy, names: tuple[str, str]) -> None:
    """Also those that never get an answer."""
    app = client(proxy, read_timeout_s=2)
    for mode in ("blackhole", "throttle", "refuse", "refuse"):
        proxy.set(mode)
        with pytest.raises(Exception, match=r".") as raised:
            app.get_secret_value(SecretId=names[0])
        assert (type(raised.value) is ReadTimeoutError) == (mode == "blackhole")
    assert proxy.counts() == {"app": {"GetSecretValue": 3, "refused": 1}}


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("access-denied", 400, "AccessDeniedException"),
        ("throttle", 400, "ThrottlingException"),
        ("error-500", 500, "InternalServiceError"),
    ],
)
def test_errors_are_as_aws_gives_them(
    proxy: Proxy, names: tuple[str, str], mode: str, status: int, code: str
) -> None:
    """AWS JSON 1.1: the code is `__type` in the body, with a request's id in a header."""
    proxy.set(mode, retry_after=9)
    with pytest.raises(ClientError) as raised:
        client(proxy).get_secret_value(SecretId=names[0])
    response: Any = raised.value.response
    assert response["Error"]["Code"] == code
    metadata = response["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], bool(metadata["RequestId"])) == (status, True)
    assert metadata["HTTPHeaders"]["retry-after"] == "9"
    assert metadata["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize("mode", sorted(VALUES))
def test_a_bad_rotation_is_one_version_in_every_answer(
    proxy: Proxy, names: tuple[str, str], mode: str
) -> None:
    """Check, value and batch agree on it, and the good one is the previous then."""
    app, name = client(proxy), names[0]
    good = app.get_secret_value(SecretId=name)["VersionId"]
    proxy.set(mode, secrets=[name])
    bad = app.get_secret_value(SecretId=name)
    assert (bad["SecretString"], bad["VersionStages"]) == (VALUES[mode], ["AWSCURRENT"])
    stages = app.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert stages == {good: ["AWSPREVIOUS"], bad["VersionId"]: ["AWSCURRENT"]}
    batch = app.batch_get_secret_value(SecretIdList=list(names))["SecretValues"]
    assert [item["SecretString"] for item in batch] == [VALUES[mode], "good"]
    assert batch[0]["VersionId"] == bad["VersionId"] != good


def test_a_fault_may_hit_some_secrets_only(proxy: Proxy, names: tuple[str, str]) -> None:
    """The others are served, in a batch as well."""
    app = client(proxy)
    proxy.set("access-denied", secrets=[names[0]])
    assert app.get_secret_value(SecretId=names[1])["SecretString"] == "good"
    with pytest.raises(ClientError):
        app.get_secret_value(SecretId=names[0])
    answer = app.batch_get_secret_value(SecretIdList=list(names))
    assert [item["Name"] for item in answer["SecretValues"]] == [names[1]]
    assert [item["ErrorCode"] for item in answer["Errors"]] == ["AccessDeniedException"]
    proxy.set("blackhole", secrets=[names[0]])
    assert app.get_secret_value(SecretId=names[1])["SecretString"] == "good"


def test_a_truncated_answer_ends_before_its_length(proxy: Proxy, names: tuple[str, str]) -> None:
    """Half the body that Content-Length promises, then the end of the connection."""
    proxy.set("truncated")
    head, body = exchange(proxy.addresses["app"], request(names[0]))
    [length] = [int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")]
    assert 0 < len(body) < length


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"x" * (HEAD_LIMIT * 3),
        b"",
    ],
    ids=range(6),
)
def test_what_it_cannot_read_ends_the_connection_alone(
    proxy: Proxy, names: tuple[str, str], raw: bytes
) -> None:
    """It is bounded, and stays up."""
    assert exchange(proxy.addresses["app"], raw) == ("", b"")
    assert client(proxy).get_secret_value(SecretId=names[0])["SecretString"] == "good"


def test_without_upstream_it_says_unavailable(tmp_path: Path) -> None:
    """As AWS's own front does."""
    proxy = Proxy(log=tmp_path / "log", upstream="127.0.0.1:1", callers=("app",))
    try:
        with pytest.raises(ClientError) as raised:
            client(proxy).get_secret_value(SecretId="a")
        assert raised.value.response["Error"]["Code"] == "ServiceUnavailable"
    finally:
        proxy.stop()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "blakhole"}, 'Did you mean "blackhole"'),
        ({"mode": "pass", "second": 1}, 'has no second. Did you mean "seconds"'),
        ({"mode": "latency", "seconds": -1}, "seconds must be a number from 0"),
        ({"mode": "latency", "seconds": "1"}, "seconds must be a number from 0"),
        ([], "a fault is a JSON object"),
    ],
)
def test_a_wrong_fault_is_named(given: object, message: str) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match=message):
        fault_from_wire(json.dumps(given).encode())


def test_a_wrong_fault_changes_nothing(proxy: Proxy, names: tuple[str, str]) -> None:
    """The control endpoint says what was wrong."""
    with pytest.raises(ValueError, match="no mode"):
        proxy.set("denied")
    assert client(proxy).get_secret_value(SecretId=names[0])["SecretString"] == "good"


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_can_be_set(mode: str) -> None:
    """By its name alone."""
    assert fault_from_wire(json.dumps({"mode": mode}).encode()) == ProxyFault(mode=mode)


def test_the_store_rotates_and_keeps_what_was_before(provider: DemoProvider) -> None:
    """`put` creates and rotates; versions follow each other."""
    name = f"/proxy/{uuid.uuid4()}"
    versions = [provider.put(name, SecretBytes(value)) for value in (b"1", b"2")]
    stages = provider.client().describe_secret(SecretId=name)["VersionIdsToStages"]
    assert stages == {versions[0]: ["AWSPREVIOUS"], versions[1]: ["AWSCURRENT"]}


def test_a_process_that_does_not_start_is_named(tmp_path: Path) -> None:
    """With its log."""
    with pytest.raises(NotStartedError, match=r"demo.fault_proxy ended with 2; see .*log"):
        launch("demo.fault_proxy", "--nonsense", log=tmp_path / "log")


@pytest.mark.parametrize(
    "words",
    [["demo.provider"], ["demo.fault_proxy", "--upstream", "127.0.0.1:1"]],
    ids=lambda words: words[0],
)
def test_no_process_outlives_its_parent(words: list[str]) -> None:
    """Even one that is killed and can end nobody."""
    code = (
        "import subprocess,sys,time\n"
        f"child = subprocess.Popen([sys.executable, '-m', *{words!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    while os.path.exists(f"/proc/{pid}") and not _is_zombie(pid):  # noqa: PTH110 - no file but the kernel
        time.sleep(0.05)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - no file but the kernel
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def request(name: str) -> bytes:
    """A GetSecretValue, unsigned."""
    body = json.dumps({"SecretId": name}).encode()
    return (
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: secretsmanager.GetSecretValue\r\n"
        b"Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/ap-southeast-2/secretsmanager/"
        b"aws4_request, SignedHeaders=host, Signature=0\r\n"
        b"Content-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )


def exchange(address: str, raw: bytes) -> tuple[str, bytes]:
    """Head and body of what comes back until the connection ends."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        received = b""
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except OSError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    return head.decode(), body
