"""A small checker of Pod Security `restricted` (kubernetes.io, Pod Security Standards, v1.34)."""

from __future__ import annotations

from typing import Any

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(pod: dict[str, Any]) -> list[str]:
    """What keeps a pod from passing; empty when it passes."""
    spec = pod["spec"]
    found = [f"spec.{name}" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    for volume in spec.get("volumes") or []:
        found += [f"volume {volume['name']}"] if set(volume) - {"name"} - VOLUMES else []
    whole = spec.get("securityContext") or {}
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        found += [f"{container['name']}: {item}" for item in _container(container, whole)]
    return found


def _container(container: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    own = container.get("securityContext") or {}
    user = own.get("runAsUser", whole.get("runAsUser"))
    seccomp = own.get("seccompProfile", whole.get("seccompProfile", {})).get("type")
    capabilities = own.get("capabilities") or {}
    checks = {
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
        "privileged": not own.get("privileged"),
        "capabilities": "ALL" in capabilities.get("drop", ())
        and set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"},
        "runAsNonRoot": own.get("runAsNonRoot", whole.get("runAsNonRoot")) is True,
        "runAsUser": user != 0,
        "seccompProfile": seccomp in {"RuntimeDefault", "Localhost"},
        "hostPort": not any(port.get("hostPort") for port in container.get("ports") or []),
    }
    return [name for name, passed in checks.items() if not passed]
