"""Every example is loaded, and what a team writes is what the webhook accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import secret_grants
from contract import layout
from contract.annotations import PREFIX
from policy.load import load_folder
from webhook.admit import admit
from webhook.injection_settings import Injection
from webhook.verdict import Outcome

EXAMPLES = Path(__file__).parents[2] / "examples"
WORKLOADS = ("payments/deployment", "payments/job", "external-secrets/deployment")
"""The example and the team's manifest of it."""
CONFIG = Injection(image="registry.example/lastgood-agent:0.1.0")


def _names(containers: list[dict[str, Any]]) -> list[str]:
    return [container["name"] for container in containers]


def _workload(name: str) -> dict[str, Any]:
    example, _, manifest = name.partition("/")
    loaded: dict[str, Any] = yaml.safe_load(
        (EXAMPLES / example / "team" / f"{manifest}.yaml").read_text()
    )
    return loaded


def _admitted(name: str) -> dict[str, Any]:
    workload = _workload(name)
    metadata = workload["metadata"]
    template = workload["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        **template,
        "metadata": {**template["metadata"], "name": "pod", "namespace": metadata["namespace"]},
    }
    policies = load_folder(EXAMPLES / name.partition("/")[0] / "admin")
    verdict = admit(pod, metadata["namespace"], policies, CONFIG)
    assert (verdict.outcome, verdict.message, verdict.warnings) == (Outcome.INJECTED, "", ())
    return verdict.pod


@pytest.mark.parametrize("name", ["payments/deployment", "external-secrets/deployment"])
def test_the_deployment_gets_a_gate_and_an_agent(name: str) -> None:
    """Its app finds the password's path in a variable, and nothing is said against the pod."""
    spec = _admitted(name)["spec"]
    assert _names(spec["initContainers"]) == [layout.GATE]
    assert _names(spec["containers"]) == ["app", layout.AGENT]
    variables = {item["name"]: item["value"] for item in spec["containers"][0]["env"]}
    assert variables["DB_PASSWORD_FILE"] == f"{layout.DEFAULT_MOUNT_PATH}/db-password"


def test_the_job_gets_its_agent_as_a_native_sidecar() -> None:
    """So that the Job ends when its work is done."""
    spec = _admitted("payments/job")["spec"]
    assert _names(spec["initContainers"]) == [layout.GATE, layout.AGENT]
    assert spec["initContainers"][1]["restartPolicy"] == "Always"


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_team_adds_nothing_but_annotations(name: str) -> None:
    """No line of a manifest but its annotations speaks of us."""
    workload = _workload(name)
    workload["spec"]["template"]["metadata"].pop("annotations")
    assert PREFIX not in yaml.safe_dump(workload)
    assert "lastgood" not in yaml.safe_dump(workload)


@pytest.mark.parametrize("name", WORKLOADS)
def test_p9_an_injected_example_still_passes_pod_security_restricted(name: str) -> None:
    """Every container has, of itself or of the pod, what the profile asks for, and no more volumes
    than it allows (Kubernetes, Pod Security Standards, Restricted).
    """
    spec = _admitted(name)["spec"]
    assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(spec)
    assert {key for volume in spec["volumes"] for key in volume} <= {
        "name",
        "emptyDir",
        "projected",
    }
    for container in (*spec["initContainers"], *spec["containers"]):
        context = {**spec["securityContext"], **container["securityContext"]}
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] != 0
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "ports" not in container


def test_the_grant_is_the_one_that_presync_prints() -> None:
    """For the Secret that the operator keeps and the Deployment names."""
    team = EXAMPLES / "external-secrets" / "team"
    kept = yaml.safe_load((team / "external-secret.yaml").read_text())["spec"]["target"]["name"]
    template = _workload("external-secrets/deployment")["spec"]["template"]
    wanted = template["metadata"]["annotations"]["lastgood.dev/secret.db-password"]
    assert wanted == f"k8s:{kept}#password"
    printed = secret_grants.documents(secret_grants.Grant("payments", kept), secret_grants.SYSTEM)
    written = list(yaml.safe_load_all((team / "grant.yaml").read_text()))
    assert written == [body for _, body in printed]
