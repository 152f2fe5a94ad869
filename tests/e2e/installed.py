"""The chart as Helm installs it on an API server that may have no node: its controller is a process
on this machine, with the identity and the rights that the chart gives.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from policy.load import load_texts
from tests import make
from tests.chart.rendering import CHART, helm
from tests.e2e import needs
from tests.e2e.controlled import PATIENCE_S, Controlled, Json
from tests.make.manifests import container
from tests.make.waiting import until
from webhook.admit import admit
from webhook.inject import strip
from webhook.injection_settings import Injection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SYSTEM, RELEASE = "lastgood-system", "lastgood"
IMAGE = "ghcr.io/lastgood/agent:dev"
NOT_IN_FORCE = "The chart's ValidatingAdmissionPolicies must be in force"
KINDS = ("customresourcedefinitions", "secretpolicies", "secretaccounts")


@dataclass
class Installed(Controlled):
    """A release, a team's namespace, and an account and a policy of the namespace's name."""

    ending: list[Callable[[], None]] = field(default_factory=list)
    """Called once the release is gone and its policies with it, before the namespaces are deleted.
    """

    @property
    def system(self) -> str:
        return SYSTEM

    def values(self) -> Json:
        """What an admin gives the chart."""
        _, account, policy = self.admin()
        named = {"accounts": account, "policies": policy}
        return {key: {item["metadata"]["name"]: item["spec"]} for key, item in named.items()}

    def helm(self, *words: str, code: int = 0) -> str:
        """What Helm says; it has to end with `code`."""
        done = subprocess.run(
            [helm() or "helm", *words, "--namespace", SYSTEM],
            input=json.dumps(self.values()),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stderr if code else done.stdout

    def install(self) -> None:
        """As the README says it, but for no `--wait`: nothing runs here."""
        self.helm("install", RELEASE, str(CHART), "--create-namespace", "--values", "-")
        self.kubectl("label", "namespace", self.name, f"lastgood.dev/policy={self.name}")

    def upgrade(self, *words: str) -> None:
        """The same chart and values once more."""
        self.helm("upgrade", RELEASE, str(CHART), "--values", "-", *words)

    def uninstall(self) -> None:
        """What it was is gone when this ends."""
        self.helm("uninstall", RELEASE, "--wait", "--timeout=60s")

    def forgotten(self) -> bool:
        """Deletes policy and account; False: that was refused."""
        words = ["kubectl", "delete", ",".join(KINDS[1:]), self.name, "--ignore-not-found"]
        words += ["--timeout=30s"]
        return subprocess.run(words, check=False, capture_output=True, timeout=60).returncode == 0

    def let_go(self) -> None:
        """Takes a finalizer off that a test which failed has left on its policy."""
        if self.get("secretpolicy", self.name) is not None:
            self.patch("secretpolicy", self.name, {"metadata": {"finalizers": None}})

    def pod(self, name: str, *references: str) -> None:
        """As `lastgood render` makes it, which needs no webhook; no node ever takes it."""
        notes = {
            f"lastgood.dev/secret.s{number}": f"file:{reference}"
            for number, reference in enumerate(references)
        }
        self.create(strip(self._injected(opted_in(name, notes))))

    def _injected(self, body: Json) -> Json:
        policies = load_texts({"admin": make.as_file(*self.admin())})
        verdict = admit(body, self.name, policies, Injection(image=IMAGE))
        assert verdict.plan is not None, verdict
        return verdict.pod

    def lead(self) -> None:
        """Starts a controller with the chart's identity and waits until it leads: its own check of
        what must be refused is passed by then. Right after an installation the API server's own
        copy of the policies can be older: a controller that ends for that is started again, as a
        kubelet does.
        """
        until("the controller to lead", self._leads, PATIENCE_S)

    def _leads(self) -> bool:
        process = self.start()
        until("it to lead or end", lambda: process.poll() is not None or self.leads(), PATIENCE_S)
        if process.poll() is not None:
            assert NOT_IN_FORCE in self.logs[-1].read_text(), self.logs[-1].read_text()
        return process.poll() is None

    def kubeconfig(self) -> str:
        """With a token of the chart's service account."""
        shown = self.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
        found: Json = json.loads(shown)
        token = self.kubectl("create", "token", "lastgood-controller", "-n", SYSTEM).strip()
        found["users"][0]["user"] = {"token": token}
        file = self.folder / "kubeconfig"
        file.write_text(json.dumps(found), encoding="utf-8")
        file.chmod(0o600)
        return str(file)


def opted_in(name: str, notes: dict[str, str]) -> Json:
    """A pod with annotations of ours, which no node takes."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": notes},
        "spec": {"schedulerName": "nobody", "containers": [container("app")]},
    }


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    """A team's namespace; nothing is installed yet."""
    needs.helm()
    needs.no_chart()
    made = Installed(name=f"lgi-{secrets.token_hex(4)}", folder=tmp_path)
    made.provider.mkdir()
    if made.get("crd", "secretpolicies.lastgood.dev") is not None:
        made.kubectl("apply", "-f", str(CHART / "crds"))
    made.kubectl("create", "namespace", made.name)
    until("its account", lambda: made.get("serviceaccount", "default"), PATIENCE_S)
    try:
        yield made
    finally:
        made.end()
        made.helm("uninstall", RELEASE, "--wait", "--timeout=60s", "--ignore-not-found")
        if made.get("crd", "secretpolicies.lastgood.dev") is not None:
            made.let_go()
            # The API server's own copy of the policies is a moment older.
            until("what is left to be deleted", made.forgotten, PATIENCE_S)
        for act in made.ending:
            act()
        made.kubectl("delete", "namespace", made.name, SYSTEM, "--ignore-not-found")
