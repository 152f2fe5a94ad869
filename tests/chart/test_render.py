"""What the chart makes of values. Golden files are written again by `GOLDEN=write pytest`."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from contract import annotations as keys
from contract import layout
from controller import selfcheck
from tests.chart.rendering import CHART, NAMESPACE, named, of_kind, render, run_template
from webhook import settings

if TYPE_CHECKING:
    from tests.chart.rendering import Manifest

GOLDEN = Path(__file__).parent / "golden"
AGENT = {"image": {"repository": "registry.example/agent", "digest": "sha256:" + "0" * 64}}
PROVIDED = {"mode": "provided", "provided": {"secretName": "mine", "caBundle": "PEM"}}
ADMIN = {
    "accounts": {"aws-prod": {"provider": "aws", "aws": {"regions": ["eu-west-1"]}}},
    "policies": {"payments": {"namespaces": ["payments"]}},
}
CASES: dict[str, Manifest] = {
    "default": {},
    "cert-manager": {"certificates": {"mode": "certManager"}},
    "provided": {"certificates": PROVIDED},
    "monitored": {"monitoring": {"monitors": "always", "labels": {"release": "prometheus"}}},
    "namespaces": {"controller": {"namespaces": ["payments", "orders"]}},
    "proxy-and-ca": {
        "controller": {
            "proxy": {
                "https": "http://proxy.example.com:3128",
                "noProxy": ["vault.vault.svc", ".corp"],
            },
            "extraCA": {"configMap": "corporate-ca"},
        }
    },
    "reads-elsewhere": {"controller": {"readsElsewhere": "refuse"}},
    "everything": {
        **ADMIN,
        "agent": {**AGENT, "acceptedRepositories": ["old.example/agent"]},
        "imagePullSecrets": [{"name": "registry"}],
        "enforcement": {"restoreUsers": ["system:serviceaccount:velero:velero"]},
        "webhook": {
            "excludedNamespaces": ["gatekeeper-system"],
            "clientVerification": {"enabled": True, "caBundle": "PEM", "names": ["one", "two"]},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"operator": "Exists"}],
            "priorityClassName": "high",
            "podAnnotations": {"a": "b"},
        },
        "controller": {
            "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"},
            "podLabels": {"azure.workload.identity/use": "true"},
            "extraEnv": [{"name": "AWS_REGION", "value": "eu-west-1"}],
        },
        "networkPolicies": {"metricsFrom": [{"podSelector": {}}]},
    },
}


def _text(documents: list[Manifest]) -> str:
    """All but the CRDs, which are generated and compared elsewhere."""
    found = [item for item in documents if item["kind"] != "CustomResourceDefinition"]
    found.sort(key=lambda item: (item["kind"], item["metadata"]["name"]))
    return yaml.safe_dump_all(found, sort_keys=True, width=120)


@pytest.mark.parametrize("case", CASES)
def test_the_chart_renders_as_before(case: str) -> None:
    """A change of the chart shows in a golden file; beyond `default` only what differs is kept."""
    documents = render(values=CASES[case])
    if case != "default":
        plain = render()
        documents = [item for item in documents if item not in plain]
    file, text = GOLDEN / f"{case}.yaml", _text(documents)
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text


def _containers(documents: list[Manifest]) -> list[tuple[str, Manifest, Manifest]]:
    found = []
    for item in of_kind(documents, "Deployment", "Pod"):
        spec = item["spec"]["template"]["spec"] if item["kind"] == "Deployment" else item["spec"]
        found += [(item["metadata"]["name"], spec, each) for each in spec["containers"]]
    return found


@pytest.mark.parametrize("case", CASES)
def test_p9_every_pod_of_ours_is_restricted(case: str) -> None:
    """All that Pod Security `restricted` asks for, a read-only root, and bounded memory."""
    found = _containers(render(values=CASES[case]))
    assert [name for name, _, _ in found] == [
        "lastgood-controller",
        "lastgood-webhook",
        "lastgood-test",
    ]
    for _, spec, container in found:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"]["cpu"]


def test_the_platform_may_assign_every_user() -> None:
    """On OpenShift neither our own pods nor what is injected says one; nothing else is loosened."""
    documents = render(values={"runAs": "platform", "agent": {"runAs": "platform"}})
    for _, spec, _ in _containers(documents):
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    (webhook,) = named(documents, "Deployment", "lastgood-webhook")["spec"]["template"]["spec"][
        "containers"
    ]
    variables = {item["name"]: item.get("value") for item in webhook["env"]}
    assert variables["LASTGOOD_WEBHOOK_AGENT_RUN_AS"] == "platform"


def test_p11_the_loss_of_one_replica_is_planned_for() -> None:
    """Two of each, spread, never both drained, and a new webhook before an old one goes."""
    documents = render()
    for name in ("lastgood-webhook", "lastgood-controller"):
        deployment = named(documents, "Deployment", name)["spec"]
        assert deployment["replicas"] == 2
        selector = deployment["selector"]
        assert named(documents, "PodDisruptionBudget", name)["spec"]["selector"] == selector
        spread = deployment["template"]["spec"]["topologySpreadConstraints"]
        assert {item["labelSelector"] == selector for item in spread} == {True}
    rolling = named(documents, "Deployment", "lastgood-webhook")["spec"]["strategy"]
    assert rolling["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_p10_the_webhook_is_called_for_opted_in_pods_alone() -> None:
    """Fail, but for pods with an annotation of ours that is no mark; never in its own namespace."""
    (webhook,) = named(render(), "MutatingWebhookConfiguration", "lastgood-webhook")["webhooks"]
    assert webhook["failurePolicy"] == "Fail"
    (expression, mirror) = [item["expression"] for item in webhook["matchConditions"]]
    assert f"lowerAscii().startsWith('{keys.PREFIX}')" in expression
    assert all(f"'{mark}'" in expression for mark in keys.MARKS)
    assert "kubernetes.io/config.mirror" in mirror
    (selector,) = webhook["namespaceSelector"]["matchExpressions"]
    assert {"kube-system", "kube-node-lease", NAMESPACE} == set(selector["values"])


def test_the_certificate_is_not_the_templates() -> None:
    """In mode self the webhook publishes its CA, and an upgrade that named one would wipe it."""
    (webhook,) = named(render(), "MutatingWebhookConfiguration", "lastgood-webhook")["webhooks"]
    assert "caBundle" not in webhook["clientConfig"]


def test_p11_a_ca_that_was_provided_stays_while_replicas_change_to_self() -> None:
    """Until it is taken out of the values."""
    values = {"certificates": {**PROVIDED, "mode": "self"}}
    documents = render(values=values)
    (webhook,) = named(documents, "MutatingWebhookConfiguration", "lastgood-webhook")["webhooks"]
    assert webhook["clientConfig"]["caBundle"] == base64.b64encode(b"PEM").decode()


def test_the_policies_know_the_marks_and_names() -> None:
    """The chart's text and the contract's constants say the same."""
    policy = str(named(render(), "ValidatingAdmissionPolicy", "lastgood-guard-pods"))
    for name in (*layout.CONTAINERS, *layout.VOLUMES, *keys.MARKS, layout.CODE_PATH, layout.PYTHON):
        assert f"'{name}'" in policy.replace('\\"', '"').replace("\\'", "'"), name


@pytest.mark.parametrize("case", CASES)
def test_the_webhook_is_given_settings_that_it_knows(case: str) -> None:
    """Every variable of its own that the chart sets is one that it reads."""
    deployment = named(render(values=CASES[case]), "Deployment", "lastgood-webhook")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = [item["name"].removeprefix(settings.PREFIX) for item in container["env"]]
    known = {*settings.REQUIRED, *settings.DEFAULTS}
    assert [name for name in given if name not in known] == []


def test_accounts_and_policies_are_part_of_the_release() -> None:
    """No hook: Helm installs the definitions before it looks up kinds, from the folder crds."""
    found = of_kind(render(values=ADMIN), "SecretAccount", "SecretPolicy")
    assert [_note(item, "helm.sh/hook") for item in found] == [None] * 2
    assert [_note(item, "helm.sh/resource-policy") for item in found] == ["keep"] * 2
    kinds = of_kind(render(), "CustomResourceDefinition")
    first = [yaml.safe_load(path.read_text()) for path in (CHART / "crds").glob("*.yaml")]
    assert sorted(map(str, kinds)) == sorted(map(str, first))


def _note(item: Manifest, key: str) -> Any:  # noqa: ANN401 - whatever YAML made of it
    return item["metadata"].get("annotations", {}).get(key)


def test_p11_the_definitions_stay() -> None:
    """Uninstalling the chart takes no snapshot from a running fleet."""
    found = of_kind(render(), "CustomResourceDefinition")
    assert len(found) == 3
    assert [_note(item, "helm.sh/resource-policy") for item in found] == ["keep"] * 3


def test_common_labels_are_everywhere() -> None:
    """On all but the definitions, which are generated."""
    found = render(values={"commonLabels": {"team": "platform"}})
    for item in found:
        if item["kind"] != "CustomResourceDefinition":
            assert item["metadata"]["labels"]["team"] == "platform"


def test_monitors_come_with_their_api() -> None:
    """Auto looks; never is never."""
    kinds = ("ServiceMonitor", "PodMonitor")
    api = ("--api-versions", "monitoring.coreos.com/v1")
    assert of_kind(render(), *kinds) == []
    assert [item["kind"] for item in of_kind(render(*api), *kinds)] == ["ServiceMonitor"] * 2
    with_agents = {"monitoring": {"agents": True}}
    assert len(of_kind(render(*api, values=with_agents), *kinds)) == 3
    never = {"monitoring": {"monitors": "never"}}
    assert of_kind(render(*api, values=never), *kinds) == []


def test_only_the_controllers_series_keep_their_namespace() -> None:
    """They name the namespace of a secret."""
    found = of_kind(render("--api-versions", "monitoring.coreos.com/v1"), "ServiceMonitor")
    honored = {
        item["metadata"]["name"]: [
            end.get("honorLabels", False) for end in item["spec"]["endpoints"]
        ]
        for item in found
    }
    assert honored == {"lastgood-controller": [True], "lastgood-webhook": [False]}


def test_series_of_each_secret_are_a_setting() -> None:
    """Four for each, which are most of a page of thousands of secrets."""
    for wanted in (False, True):
        found = render(values={"monitoring": {"perSecret": wanted}})
        (container,) = named(found, "Deployment", "lastgood-controller")["spec"]["template"][
            "spec"
        ]["containers"]
        assert ("--metrics-per-secret" in container["command"]) == wanted


@pytest.mark.parametrize(
    ("webhook", "controller", "namespace", "classes"),
    [
        (None, None, NAMESPACE, ["system-cluster-critical"]),
        ("system-node-critical", "", NAMESPACE, ["system-node-critical"]),
        ("high", "high", NAMESPACE, None),
        ("", "", NAMESPACE, None),
        (None, None, "kube-system", None),
    ],
    ids=["default", "another one", "the cluster's own", "none", "in kube-system"],
)
def test_critical_pods_are_allowed_by_a_quota(
    webhook: str | None, controller: str | None, namespace: str, classes: list[str] | None
) -> None:
    """GKE refuses them elsewhere than in kube-system without one; there it would limit others."""
    given = {"webhook": webhook, "controller": controller}
    names = {name: item for name, item in given.items() if item is not None}
    values = {name: {"priorityClassName": item} for name, item in names.items()}
    documents = render(values=values, namespace=namespace)
    for name in given:
        spec = named(documents, "Deployment", f"lastgood-{name}")["spec"]["template"]["spec"]
        wanted = names.get(name, "system-cluster-critical")
        assert spec.get("priorityClassName", "") == wanted
    quotas = [item["spec"] for item in of_kind(documents, "ResourceQuota")]
    scopes = [item["scopeSelector"]["matchExpressions"][0]["values"] for item in quotas]
    assert scopes == ([] if classes is None else [classes])
    assert [item["hard"] for item in quotas] == [{"pods": "1G"}] * len(quotas)


def test_an_old_cluster_is_refused() -> None:
    """ValidatingAdmissionPolicies are on from Kubernetes 1.30."""
    done = run_template("--kube-version", "1.29.0")
    assert done.returncode != 0
    assert "kubeVersion" in done.stderr


def test_the_manifests_for_cert_manager_are_what_the_chart_makes_itself() -> None:
    """certs/cert-manager differs from the chart's own issuer in names and labels only."""
    folder = CHART.parents[1] / "certs" / "cert-manager"
    (text,) = [path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")]
    chart = of_kind(render(values=CASES["cert-manager"]), "Issuer", "Certificate")
    made = [item for item in chart if "dnsNames" not in item["spec"]]
    shapes = [
        sorted((item["kind"], sorted(item["spec"])) for item in found)
        for found in (made, yaml.safe_load_all(text))
    ]
    assert shapes[0] == shapes[1]


def test_the_self_check_looks_for_what_the_chart_wrote() -> None:
    """The content of its Secret, which is no secret."""
    probe = named(render(), "Secret", selfcheck.PROBE)
    assert base64.b64decode(probe["data"]["k"]).decode() == selfcheck.MARKER
    assert probe["type"] == "Opaque"


def test_the_refusal_of_a_bare_copy_says_how_to_copy() -> None:
    """`kubectl debug --copy-to` drops annotations unless it is told to keep them."""
    policy = named(render(), "ValidatingAdmissionPolicy", "lastgood-guard-pods")
    said = policy["spec"]["validations"][0]["messageExpression"]
    assert "kubectl debug --copy-to=NAME --keep-annotations" in said
