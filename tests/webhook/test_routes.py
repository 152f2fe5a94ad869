"""The webhook as a process, over TLS, as an API server meets it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jsonpatch
import pytest

from tests import make
from tests.make.waiting import until
from tests.webhook.given import CONFIG, POLICY, admitted, review

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LIMIT = 3 << 20


def write_pair(folder: Path) -> None:
    """A new CA and pair for this machine."""
    command = [sys.executable, ROOT / "certs/dev_ca.py", folder, "--san", "127.0.0.1"]
    subprocess.run([*map(str, command)], check=True, timeout=60)


class Running:
    """A webhook that serves."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self.port = int(self.event("webhook.listening")["port"])

    def event(self, name: str) -> dict[str, Any]:
        """The next log line of that event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == name:
                return found
        raise AssertionError(name)

    def client(self) -> httpx.Client:
        """A keep-alive client that trusts the CA written last."""
        trust = ssl.create_default_context(cafile=self.folder / "ca.crt")
        return httpx.Client(base_url=f"https://127.0.0.1:{self.port}", verify=trust, timeout=10)

    def post(self, body: bytes) -> httpx.Response:
        """One review on a connection of its own."""
        with self.client() as client:
            return client.post("/mutate?timeout=5s", content=body)


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[Running]:
    """A webhook with POLICY."""
    write_pair(folder)
    (folder / "policy").mkdir()
    (folder / "policy/policy.yaml").write_text(POLICY, encoding="utf-8")
    given = {
        "LISTEN": "127.0.0.1:0",
        "CERT_FILE": str(folder / "tls.crt"),
        "KEY_FILE": str(folder / "tls.key"),
        "POLICY_DIR": str(folder / "policy"),
        "AGENT_IMAGE": CONFIG.image,
        "RELOAD_S": "0.1",
        "DRAIN_S": "0",
        **settings,
    }
    environment = {f"LASTGOOD_WEBHOOK_{name}": text for name, text in given.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "webhook"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
    )
    try:
        yield Running(folder, process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for the tests that leave it as it is."""
    with running(tmp_path_factory.mktemp("webhook")) as found:
        yield found


@pytest.mark.usefixtures("ipv6")
def test_it_listens_on_both_families(tmp_path: Path) -> None:
    """With the default's address, over TLS, as an API server of an IPv6-only cluster calls it."""
    with running(tmp_path, LISTEN="[::]:0") as found:
        trust = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        for loopback in ("127.0.0.1", "::1"):
            with (
                socket.create_connection((loopback, found.port), timeout=10) as plain,
                trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
            ):
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


POD = make.pod(None, namespace=None)
ANSWERED: dict[str, dict[str, Any]] = {
    "generateName without a name": {},
    "named": {"name": "web-1"},
    "dry run": {"dryRun": True},
    "equivalent kind asked": {"requestKind": {"group": "", "version": "v1", "kind": "Pod"}},
}


@pytest.mark.parametrize("request_", ANSWERED.values(), ids=ANSWERED)
def test_an_opted_in_pod_is_patched(webhook: Running, request_: dict[str, Any]) -> None:
    """The patch in the answer, applied by another engine, is what `render` would say."""
    answer = webhook.post(review(POD, **request_))
    assert answer.status_code == 200
    response = answer.json()["response"]
    assert response["uid"] == "uid-1"
    assert response["allowed"] is True
    assert response["patchType"] == "JSONPatch"
    assert response["warnings"]
    patched = jsonpatch.apply_patch(POD, json.loads(base64.b64decode(response["patch"])))
    assert patched == admitted(POD).pod


def test_a_pod_without_annotations_is_allowed_as_it_is(webhook: Running) -> None:
    """No patch, and its type neither."""
    response = webhook.post(review(make.pod(annotations={}))).json()["response"]
    assert response == {"uid": "uid-1", "allowed": True}


def test_a_mistake_is_a_denial_with_a_status(webhook: Running) -> None:
    """403, a reason from the closed set, the message, and a cause per mistake."""
    keys = {"lastgood.dev/mod": "x", "lastgood.dev/mode": "x"}
    pod = make.pod(annotations=make.asking(db="aws-sm:/prod/payments/db") | keys)
    response = webhook.post(review(pod)).json()["response"]
    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    assert response["status"]["reason"] == "unknown-annotation"
    assert response["status"]["message"] == admitted(pod).message
    assert [cause["field"] for cause in response["status"]["details"]["causes"]] == list(keys)
    assert "patch" not in response


REFUSED: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{", "the body is not JSON, or is nested too deeply"),
    "too deep": (b"[" * 5000 + b"]" * 5000, "the body is not JSON, or is nested too deeply"),
    "no object": (b"[]", "the body is not a JSON object"),
    "an older version": (
        review(POD).replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"),
        "the body is not AdmissionReview of admission.k8s.io/v1",
    ),
    "no request": (
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
        "request must be an object",
    ),
    "no uid": (review(POD, uid=""), "request.uid must be 1 to 64 of A-Z a-z 0-9 -"),
    "another kind": (
        review(POD, kind={"group": "apps", "version": "v1", "kind": "Deployment"}),
        "request.kind and request.resource must be those of pods of v1, without a subResource",
    ),
    "another resource": (
        review(POD, resource={"group": "", "version": "v1", "resource": "services"}),
        "request.kind and request.resource must be those of pods of v1, without a subResource",
    ),
    "a subresource": (
        review(POD, subResource="ephemeralcontainers"),
        "request.kind and request.resource must be those of pods of v1, without a subResource",
    ),
    "an update": (review(POD, operation="UPDATE"), "request.operation must be CREATE"),
    "no pod": (review(None), "request.object is not a pod: it is not an object"),
    "no namespace": (
        review(POD, namespace=""),
        "request.namespace must be the name of a namespace",
    ),
    "a namespace that none has": (
        review(POD, namespace="payments\n" + "x" * 100_000),
        "request.namespace must be the name of a namespace",
    ),
    "a long uid": (review(POD, uid="x" * 65), "request.uid must be 1 to 64 of A-Z a-z 0-9 -"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_pods_creation_is_a_400(webhook: Running, body: bytes, message: str) -> None:
    """Never a silent allow: the API server then obeys failurePolicy."""
    answer = webhook.post(body)
    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_the_namespace_may_come_from_the_pod_alone(webhook: Running) -> None:
    """As older requests did."""
    assert webhook.post(review(make.pod(), namespace=None)).json()["response"]["allowed"] is True


@pytest.mark.parametrize("announced", [True, False], ids=["with a length", "in chunks"])
def test_over_3_mib_is_a_413(webhook: Running, announced: bool) -> None:  # noqa: FBT001 - a table
    """Counted while it streams; a body just at the limit is read."""
    parts = [b" " * (LIMIT // 2)] * 2
    with webhook.client() as client:
        body = b"".join([*parts, b" "]) if announced else iter([*parts, b" "])
        assert client.post("/mutate", content=body).status_code == 413
    with webhook.client() as client:
        assert client.post("/mutate", content=b"".join(parts)).status_code == 400


MANY = {f"lastgood.dev/env.V{at}": "db-password" for at in range(500)}
DEEP = {"lastgood.dev/mount-path": "/" + "m" * 1000}
ASKED = make.asking(db_password="aws-sm:/prod/payments/db")
MOUNTS = [{"name": "v", "mountPath": f"/m{at}"} for at in range(30_000)]
OURS = {"name": "lastgood-cache", "mountPath": "/x"}
ATTACKS: dict[str, dict[str, Any]] = {
    "variables x containers x path": make.pod(
        None, *(make.container(f"c{at}") for at in range(200)), annotations=ASKED | MANY | DEEP
    ),
    "30,000 mounts": make.pod(None, make.container(volumeMounts=[OURS, *MOUNTS])),
    "19,000 mounts": make.pod(None, make.container(volumeMounts=[OURS, *MOUNTS[:19_000]])),
    "30,000 volumes of a marked pod": make.pod(
        annotations=ASKED | {"lastgood.dev/injected": "0.1.0"},
        volumes=[{"name": "lastgood-cache"}, *({"name": f"v{at}"} for at in range(30_000))],
    ),
    "a name of a megabyte in every message": make.pod(
        None, make.container("x" * (1 << 20), volumeMounts=[{**OURS, "name": "v"}] * 20_000)
    ),
    "a million empty objects": make.pod(tolerations=[{}] * 700_000),
}


def test_p10_attacks_at_once_leave_the_webhook_answering(tmp_path: Path) -> None:
    """All are answered by the process that was there before, and so is a usual pod after them. Its
    memory stays below the chart's limit, with room.
    """
    bodies = [review(pod).replace(b", ", b",").replace(b": ", b":") for pod in ATTACKS.values()] * 2
    with running(tmp_path) as webhook, ThreadPoolExecutor(len(bodies)) as pool:
        assert all(len(body) < LIMIT for body in bodies)
        statuses = {answer.status_code for answer in pool.map(webhook.post, bodies)}
        assert statuses <= {200, 413}
        assert webhook.post(review(POD)).json()["response"]["allowed"] is True
        status = Path(f"/proc/{webhook.process.pid}/status").read_text(encoding="ascii")
        assert int(status.partition("VmHWM:")[2].split()[0]) < 200 << 10


def test_health_and_metrics_are_served(webhook: Running) -> None:
    """Every admission is counted once, by verdict and reason."""
    with webhook.client() as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        assert client.get("/mutate").status_code == 405
        count = 'lastgood_admission_total{reason="none",verdict="injected"}'
        before = client.get("/metrics").text.partition(count)[2].split("\n")[0]
        client.post("/mutate", content=review(POD))
        until(
            "the page, which is made once a second, to count it",
            lambda: _value(client, count) == float(before or 0) + 1,
        )
        after = client.get("/metrics").text
        assert 'lastgood_certificate_not_after_timestamp_seconds{kind="leaf"} 1' in after
        assert "/prod/payments" not in after


def _value(client: httpx.Client, series: str) -> float:
    return float(client.get("/metrics").text.partition(series)[2].split("\n")[0] or 0)


def test_the_log_states_the_decision_and_nothing_of_the_pod(tmp_path: Path) -> None:
    """P8: one line per admission; a value that a team wrote into its pod is not in it."""
    env = [{"name": "OLD_PASSWORD", "value": make.CANARY.decode()}]
    with running(tmp_path) as webhook:
        webhook.post(review(make.pod(None, make.container(env=env))))
        line = webhook.event("admission.decided")
        assert line["verdict"] == "injected"
        assert line["namespace"] == "payments"
        assert line["name"] == "web-"
        assert make.leaks(json.dumps(line)) == []


def test_tls_1_1_is_refused(webhook: Running) -> None:
    """Nothing below TLS 1.2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", webhook.port), timeout=10) as raw,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(raw)


def test_p11_a_new_certificate_is_served_without_a_failed_admission(tmp_path: Path) -> None:
    """New connections get the new pair, open ones go on; half a pair changes nothing."""
    with running(tmp_path) as webhook, webhook.client() as old:
        assert old.post("/mutate", content=review(POD)).status_code == 200
        key = (tmp_path / "tls.key").read_bytes()
        (tmp_path / "tls.key").write_bytes(b"half")
        assert "tls.key" in webhook.event("certificate.kept_last_good")["problem"]
        assert webhook.post(review(POD)).status_code == 200
        (tmp_path / "tls.key").write_bytes(key)
        write_pair(tmp_path)
        webhook.event("certificate.loaded")
        assert webhook.post(review(POD)).status_code == 200
        assert old.post("/mutate", content=review(POD)).status_code == 200


def test_policies_are_followed_and_a_broken_file_keeps_the_last_good(tmp_path: Path) -> None:
    """A broken file is said and changes nothing; a repaired one holds at once."""
    with running(tmp_path) as webhook:
        policy = tmp_path / "policy/policy.yaml"
        policy.write_text("kind: SecretPolice", encoding="utf-8")
        assert 'Did you mean "SecretPolicy"?' in webhook.event("policies.kept_last_good")["problem"]
        assert webhook.post(review(POD)).json()["response"]["allowed"] is True
        policy.write_text(POLICY.replace("{namespace}", "nobody"), encoding="utf-8")
        webhook.event("policies.loaded")
        assert webhook.post(review(POD)).json()["response"]["allowed"] is False


def test_p11_sigterm_drains_before_it_ends(tmp_path: Path) -> None:
    """Not ready at once, every answer ends its connection, and then the process ends well."""
    with running(tmp_path, DRAIN_S="2") as webhook, webhook.client() as client:
        assert client.get("/readyz").status_code == 200
        webhook.process.send_signal(signal.SIGTERM)
        while client.get("/readyz").status_code == 200:
            time.sleep(0.01)
        answer = client.post("/mutate", content=review(POD))
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert webhook.process.wait(20) == 0


def test_it_does_not_start_without_what_it_needs() -> None:
    """Every missing setting is named at once, and the nearest spelling of an unknown one."""
    environment = {**os.environ, "LASTGOOD_WEBHOOK_LISTN": "x"}
    command = [sys.executable, "-m", "webhook"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stderr.decode().splitlines() == [
        'webhook: LASTGOOD_WEBHOOK_LISTN is unknown. Did you mean "LISTEN"?',
        "LASTGOOD_WEBHOOK_AGENT_IMAGE must be set",
        (
            "LASTGOOD_WEBHOOK_NAMESPACE must be set, for our own CA;"
            " or LASTGOOD_WEBHOOK_CERT_FILE and KEY_FILE"
        ),
    ]
