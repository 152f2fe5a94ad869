"""The provider, the chart and the team's namespace of the story on a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from contract.annotations import POLICY_LABEL
from tests.chart.rendering import CHART
from tests.e2e.install.kubectl import Json, Place, run, run_helm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.install.settings import Settings

APP = (Path(__file__).parents[1] / "app.py").read_text(encoding="utf-8")
SYSTEM = Place("lastgood-system")
PROVIDER = Place("lastgood-e2e-provider")
TEAM = Place("lastgood-e2e-team")
OTHER = Place("lastgood-e2e-other")
QUICK = Place("payments")
"""Of the README's quick start, with a policy of that name."""
POLICY, OTHER_POLICY = "e2e", "e2e-other"
NARROW_ACCOUNT = "narrow"
"""May be called once a second, by both namespaces."""
VAULT_ACCOUNT = "vault"
"""OpenBao in the cluster, which logs the controller in by its service account."""
DEFINITIONS = [
    f"{name}.lastgood.dev" for name in ("secretsnapshots", "secretpolicies", "secretaccounts")
]
DB = "aws-sm:/e2e/db"
STRICT = "/e2e/strict/old"
"""What will be too old to start with."""
BRIEF = "/e2e/brief/old"
"""What will be stale, and is served all the same."""
SHOWN = "shown-5c1e-in-a-variable"
"""The value of the other namespace's variable: where the runtime keeps that, and nowhere else."""
NOTHING = "/dev/shm"
"""An empty folder that every container has."""
SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
PORT, CONTROL = 4566, 4567
PUT = """
import boto3, json
wanted = json.loads({document!r})
session = boto3.Session("e2e", "e2e", region_name="us-east-1")
client = session.client("secretsmanager", endpoint_url="http://127.0.0.1:5000")
for name, value in wanted.items():
    try:
        answer = client.put_secret_value(SecretId=name, SecretString=value)
    except client.exceptions.ResourceNotFoundException:
        answer = client.create_secret(Name=name, SecretString=value)
    print(json.dumps([name, answer["VersionId"]]))
"""
PUT_PARAMETER = """
import boto3, json
wanted = json.loads({document!r})
session = boto3.Session("e2e", "e2e", region_name="us-east-1")
client = session.client("ssm", endpoint_url="http://127.0.0.1:5000")
for name, value in wanted.items():
    client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
"""
DELETE = """
import boto3
session = boto3.Session("e2e", "e2e", region_name="us-east-1")
client = session.client("secretsmanager", endpoint_url="http://127.0.0.1:5000")
client.delete_secret(SecretId={name!r}, ForceDeleteWithoutRecovery=True)
"""
CLASSES = {
    "steady": {
        "refreshInterval": "10s",
        "freshnessBudget": "10m",
        "maxAge": "24h",
        "onExpired": "serve",
        "propagation": "nudge",
    },
    "quiet": {
        "refreshInterval": "10s",
        "freshnessBudget": "10m",
        "maxAge": "24h",
        "onExpired": "serve",
    },
    "strict": {
        "refreshInterval": "5s",
        "freshnessBudget": "130s",
        "maxAge": "130s",
        "onExpired": "refuse",
        "propagation": "nudge",
    },
    "brief": {
        "refreshInterval": "5s",
        "freshnessBudget": "130s",
        "maxAge": "24h",
        "onExpired": "serve",
    },
}
"""The shortest age and budget that the rules allow are in `strict` and `brief`."""
ASK = """
import json, urllib.request
body = {body!r}
url = "http://127.0.0.1:{port}{path}"
request = urllib.request.Request(url, body and body.encode(), method={verb!r})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


def namespace(name: str, labels: Mapping[str, str] | None = None) -> Json:
    """A Namespace."""
    metadata = {"name": name, "labels": dict(labels or {})}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def deployment(name: str, spec: Json, annotations: Mapping[str, str], replicas: int = 1) -> Json:
    """A Deployment whose pods are labelled `app: <name>`."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": dict(annotations)},
                "spec": {"terminationGracePeriodSeconds": 1, **spec},
            },
        },
    }


def pod(name: str, spec: Json, annotations: Mapping[str, str]) -> Json:
    """A pod labelled `app: <name>`."""
    metadata = {"name": name, "labels": {"app": name}, "annotations": dict(annotations)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def app(settings: Settings, **environment: str) -> Json:
    """The spec of a pod that `restricted` admits, with nothing of ours in it."""
    container = {
        "name": "app",
        "image": settings.image("agent"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-I", "-S", "-c", APP],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "securityContext": SECURITY,
    }
    return {"securityContext": RESTRICTED, "containers": [container]}


class Provider:
    """moto in a pod, behind the proxy that misbehaves on request."""

    def __init__(self, settings: Settings) -> None:
        self._image = settings.image("provider")
        self.address = ""
        self._pod = ""

    def start(self) -> None:
        run("kubectl", "apply", "-f", "-", given=json.dumps(namespace(PROVIDER.namespace)))
        common = {"image": self._image, "imagePullPolicy": "IfNotPresent"}
        moto = ["moto_server", "-H", "127.0.0.1", "-p", "5000"]
        proxy = ["python3", "-m", "demo.fault_proxy", "--upstream", "127.0.0.1:5000"]
        proxy += ["--listen", f"*=0.0.0.0:{PORT}", "--control", f"127.0.0.1:{CONTROL}"]
        containers = [
            {"name": "moto", **common, "command": moto},
            {
                "name": "proxy",
                **common,
                "command": proxy,
                "readinessProbe": {"tcpSocket": {"port": PORT}},
            },
        ]
        spec = {"securityContext": RESTRICTED, "containers": containers}
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "aws"},
            "spec": {"selector": {"app": "aws"}, "ports": [{"port": PORT}]},
        }
        PROVIDER.apply(deployment("aws", spec, {}), service)
        PROVIDER.rolled_out("aws")
        self.address = f"{PROVIDER.get('service', 'aws')['spec']['clusterIP']}:{PORT}"
        self._pod = PROVIDER.pods("aws")[0]["metadata"]["name"]

    def put(self, name: str, value: str) -> str:
        """Creates or rotates a secret, past the proxy; its version."""
        script = PUT.format(document=json.dumps({name: value}))
        version: str = json.loads(PROVIDER.execute(self._pod, "moto", script))[1]
        return version

    def put_parameter(self, name: str, value: str) -> None:
        """Creates or rotates one of Parameter Store, past the proxy."""
        script = PUT_PARAMETER.format(document=json.dumps({name: value}))
        PROVIDER.execute(self._pod, "moto", script)

    def delete(self, name: str) -> None:
        """The provider then says that there is no such secret."""
        PROVIDER.execute(self._pod, "moto", DELETE.format(name=name))

    def fault(self, mode: str) -> None:
        self._ask("PUT", "/fault", json.dumps({"mode": mode}))

    def forget_calls(self) -> None:
        self._ask("DELETE", "/counts")

    def calls(self) -> dict[str, int]:
        """By the caller's address, since they were forgotten."""
        counts = self._ask("GET", "/counts")
        return {caller: sum(operations.values()) for caller, operations in counts.items()}

    def _ask(self, verb: str, path: str, body: str | None = None) -> dict[str, dict[str, int]]:
        script = ASK.format(verb=verb, path=path, body=body, port=CONTROL)
        answer: dict[str, dict[str, int]] = json.loads(PROVIDER.execute(self._pod, "proxy", script))
        return answer


def values(settings: Settings, provider: Provider) -> Json:
    """What an admin gives the chart: images, accounts, policies."""
    keys = {"AWS_ACCESS_KEY_ID": "e2e", "AWS_SECRET_ACCESS_KEY": "e2e"}

    def account(calls_per_second: float, burst: int) -> Json:
        url = f"http://{provider.address}"
        return {
            "provider": "aws",
            "aws": {"regions": ["us-east-1"], "endpoint": url, "ssmEndpoint": url},
            "budget": {"callsPerSecond": calls_per_second, "burst": burst},
        }

    def narrow(pattern: str) -> Json:
        return {"account": NARROW_ACCOUNT, "allow": [f"aws-sm:{pattern}"], "class": "steady"}

    def image(name: str) -> Json:
        return {
            "repository": f"{settings.repository}{name}",
            "tag": settings.tag,
            "pullPolicy": "IfNotPresent",
        }

    return {
        "agent": {"image": image("agent")},
        "webhook": {"image": image("webhook")},
        "controller": {
            "image": image("controller"),
            "extraEnv": [{"name": name, "value": value} for name, value in keys.items()],
            # Providers here are at http:// addresses. The API server must be reached beside it.
            "proxy": {"https": "http://192.0.2.1:3128"},
            "accountFiles": [{"serviceAccountToken": {"audience": "vault", "path": "vault/token"}}],
        },
        "accounts": {"moto": account(20, 40), NARROW_ACCOUNT: account(1, 2)},
        "policies": {
            POLICY: {
                "namespaces": [TEAM.namespace],
                "sources": [
                    {"account": "moto", "allow": ["aws-sm:/e2e/*"], "class": "steady"},
                    {"account": "moto", "allow": ["aws-ssm:/e2e/*"], "class": "steady"},
                    {"account": "moto", "allow": ["aws-sm:/e2e/quiet/*"], "class": "quiet"},
                    {"account": "moto", "allow": ["aws-sm:/e2e/strict/*"], "class": "strict"},
                    {"account": "moto", "allow": ["aws-sm:/e2e/brief/*"], "class": "brief"},
                    narrow("/e2e/narrow/*"),
                ],
                "classes": CLASSES,
            },
            OTHER_POLICY: {
                "namespaces": [OTHER.namespace],
                "sources": [
                    {"account": "moto", "allow": ["aws-sm:/other/*"], "class": "steady"},
                    {"account": "moto", "allow": ["aws-sm:/other/brief/*"], "class": "brief"},
                    narrow("/other/narrow/*"),
                ],
                "classes": {name: CLASSES[name] for name in ("steady", "brief")},
                "allowEnvValue": True,
            },
        },
    }


def install(settings: Settings, provider: Provider) -> None:
    """`helm install`, and the namespaces that the admin opens to the team and to another."""
    run_helm(
        "upgrade",
        "--install",
        "lastgood",
        str(CHART),
        "--namespace",
        SYSTEM.namespace,
        "--create-namespace",
        "--take-ownership",
        "--wait",
        "--timeout=180s",
        values=values(settings, provider),
    )
    for place, policy in ((TEAM, POLICY), (OTHER, OTHER_POLICY)):
        labels = {POLICY_LABEL: policy, "pod-security.kubernetes.io/enforce": "restricted"}
        run("kubectl", "apply", "-f", "-", given=json.dumps(namespace(place.namespace, labels)))


def upgrade(*words: str) -> None:
    """`helm upgrade` to what `words` change of the values."""
    options = ("--namespace", SYSTEM.namespace, "--reuse-values", "--wait", "--timeout=180s")
    run_helm("upgrade", "lastgood", str(CHART), *options, *words)


def remove() -> None:
    """What `install`, `start` and the README's quick start made, the CRDs apart."""
    _uninstall()
    _delete(PROVIDER)
    kinds = run("kubectl", "api-resources", "--cached=false").lower()
    admins = (
        ("secretpolicy", POLICY, OTHER_POLICY, QUICK.namespace),
        ("secretaccount", "moto", NARROW_ACCOUNT, VAULT_ACCOUNT, "aws-prod"),
    )
    for kind, *names in admins:
        if kind in kinds:
            run("kubectl", "delete", kind, *names, "--ignore-not-found", "--timeout=30s")


def forget() -> None:
    """All of ours, with the CRDs and so every account, policy and snapshot: the cluster is new to
    us. The provider stays.
    """
    _uninstall()
    run("kubectl", "delete", "crd", *DEFINITIONS, "--ignore-not-found", "--timeout=60s")


def _uninstall() -> None:
    _delete(TEAM, OTHER, QUICK)
    run_helm(
        "uninstall", "lastgood", "--namespace", SYSTEM.namespace, "--wait", "--ignore-not-found"
    )
    _delete(SYSTEM)


def _delete(*places: Place) -> None:
    """Namespaces; their pods first, which the namespace controller would give half their grace."""
    names = [place.namespace for place in places]
    for name in names:
        words = ("--all", "--grace-period=1", "--ignore-not-found", "--timeout=90s")
        run("kubectl", "-n", name, "delete", "cronjobs,jobs,deployments,pods", *words)
    run("kubectl", "delete", "namespace", "--ignore-not-found", "--timeout=120s", *names)
