"""P11: what an operator does to the chart fails no admission of an opted-in pod. Pods are created
by dry runs all the while, up to twenty a second, through the API server.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from contract.annotations import INJECTED
from tests.chart.rendering import CHART
from tests.e2e.install.kubectl import run_helm
from tests.e2e.install.world import SYSTEM, TEAM, app, pod
from tests.make import asking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Server
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

THREADS, EVERY_S = 4, 0.2


class Load:
    """Admissions, and what became of them."""

    def __init__(self, server: Server, settings: Settings) -> None:
        body = pod("unused", app(settings), asking(db="aws-sm:/e2e/db"))
        body["metadata"] = {
            "generateName": "load-",
            "annotations": body["metadata"]["annotations"],
        }
        self._server, self._body = server, json.loads(json.dumps(body))
        self._stop = threading.Event()
        self.admitted = 0
        self.failed: list[str] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends."""
        threads = [threading.Thread(target=self._create, daemon=True) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(timeout=40)

    def _create(self) -> None:
        path = f"/api/v1/namespaces/{TEAM.namespace}/pods"
        while not self._stop.wait(EVERY_S):
            answer = self._server.act(None, "POST", path, self._body, dry=True)
            if answer.status != 201:
                self.failed.append(answer.message)
            elif INJECTED not in answer.body["metadata"]["annotations"]:
                self.failed.append("let in without its secrets")
            else:
                self.admitted += 1


@pytest.fixture
def load(installed: Provider, server: Server, settings: Settings) -> Iterator[Load]:
    """Admissions all through a test, none of which may fail."""
    del installed
    made = Load(server, settings)
    with made.running():
        yield made
        time.sleep(2)
    assert made.failed == []
    assert made.admitted > 20


def _revision() -> str:
    shown = json.loads(run_helm("list", "-n", SYSTEM.namespace, "-o", "json"))
    revision: str = shown[0]["revision"]
    return revision


def test_p11_upgrade_and_rollback_fail_no_admission(load: Load) -> None:
    """Upgrade and rollback, each replacing all replicas, fail no admission."""
    del load
    before = _revision()
    words = ["--namespace", SYSTEM.namespace, "--wait", "--timeout=180s"]
    run_helm(
        "upgrade",
        "lastgood",
        str(CHART),
        *words,
        "--reuse-values",
        "--set-string=webhook.podAnnotations.rolled=1",
        "--set-string=controller.podAnnotations.rolled=1",
    )
    run_helm("rollback", "lastgood", before, *words)


def test_p11_the_loss_of_one_replica_fails_no_admission(load: Load) -> None:
    """One of two webhooks deleted fails no admission."""
    del load
    lost = SYSTEM.pods("lastgood-webhook")[0]["metadata"]["name"]
    SYSTEM.kubectl("delete", "pod", lost, "--wait=true")
    SYSTEM.rolled_out("lastgood-webhook")
