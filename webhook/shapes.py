"""Our containers and volumes as JSON (docs/contract.md, "What is injected"). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract import ages, layout
from contract.plan import FILE_MODES, FOLLOW, MOUNT, NEEDS_BUNDLE
from contract.snapshot import META, data_key
from schema.quantity import memory
from webhook import resources

if TYPE_CHECKING:
    from contract.plan import PlannedSnapshot
    from webhook.config import Injection
    from webhook.intent import Intent
    from webhook.resources import Amounts

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that is added to a pod. Shared between the pods of a template, so never changed."""

    gate: Json | None
    agent: Json | None
    volumes: list[Json]
    mount: Json
    """Of the app's containers."""
    gate_needs: Amounts
    agent_needs: Amounts


def parts(
    intent: Intent, config: Injection, *, token: bool, native: bool, guaranteed: bool
) -> Parts:
    """`token`: Kubernetes would mount one into ours. `native`: the pod ends, so that the agent is
    an init container that keeps running (KEP-753).
    """
    gate_needs, agent_needs = resources.ours(
        intent.resources, intent.cache_bytes, guaranteed=guaranteed
    )
    return Parts(
        gate=gate(intent, config, gate_needs, token=token) if intent.gate else None,
        agent=agent(intent, config, agent_needs, token=token, native=native)
        if intent.agent
        else None,
        volumes=volumes(intent, token=token),
        mount=app_mount(intent),
        gate_needs=gate_needs,
        agent_needs=agent_needs,
    )


def gate(intent: Intent, config: Injection, needs: Amounts, *, token: bool) -> Json:
    """The init container that seeds the cache. `token`: Kubernetes would mount one into it."""
    return _container(layout.GATE, "gate", intent, config, needs, token=token)


def agent(intent: Intent, config: Injection, needs: Amounts, *, token: bool, native: bool) -> Json:
    """The sidecar; `native`: an init container that keeps running, for pods that end (KEP-753)."""
    container = _container(layout.AGENT, "follow", intent, config, needs, token=token)
    if intent.listen:
        container["args"] += ["--listen", f"[::]:{layout.AGENT_PORT}"]  # IPv4 too
    if native:
        container["restartPolicy"] = "Always"
    return container


def _container(
    name: str, verb: str, intent: Intent, config: Injection, needs: Amounts, *, token: bool
) -> Json:
    container: Json = {
        "name": name,
        "image": config.image,
        "command": list(layout.COMMAND),
        "args": [
            verb,
            "--plan",
            intent.wire,
            "--cache",
            layout.CACHE_MOUNT,
            "--snapshots",
            layout.SNAPSHOTS_MOUNT,
            "--freshness",
            layout.FRESHNESS_MOUNT,
            *(() if intent.plan.bundle is None else ("--needs", NEEDS_BUNDLE)),
        ],
        "resources": needs,
        "securityContext": _security(intent),
        "volumeMounts": _mounts(intent, token=token),
    }
    if config.pull_policy is not None:
        container["imagePullPolicy"] = config.pull_policy
    return container


def _security(intent: Intent) -> Json:
    """All that Pod Security `restricted` asks for, and a read-only root."""
    security: Json = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if intent.access.uid is not None:
        security["runAsUser"] = intent.access.uid
    if intent.access.gid is not None:
        security["runAsGroup"] = intent.access.gid
    return security


def _mounts(intent: Intent, *, token: bool) -> list[Json]:
    mounts: list[Json] = []
    if intent.plan.mode == FOLLOW:
        mounts.append({"name": layout.CACHE_VOLUME, "mountPath": layout.CACHE_MOUNT})
    mounts += [
        {"name": layout.SNAPSHOTS_VOLUME, "mountPath": layout.SNAPSHOTS_MOUNT, "readOnly": True},
        {"name": layout.FRESHNESS_VOLUME, "mountPath": layout.FRESHNESS_MOUNT, "readOnly": True},
    ]
    if token:
        mounts.append(
            {"name": layout.NO_TOKEN_VOLUME, "mountPath": layout.TOKEN_PATH, "readOnly": True}
        )
    return mounts


def app_mount(intent: Intent) -> Json:
    """How the app sees its files."""
    if intent.plan.mode == MOUNT:
        return {"name": layout.SNAPSHOTS_VOLUME, "mountPath": intent.mount_path, "readOnly": True}
    return {
        "name": layout.CACHE_VOLUME,
        "mountPath": intent.mount_path,
        "subPath": layout.FILES,
        "readOnly": True,
    }


def volumes(intent: Intent, *, token: bool) -> list[Json]:
    """Those that the pod's containers mount."""
    found: list[Json] = []
    if intent.plan.mode == FOLLOW:
        limit = memory(intent.cache_bytes)
        found.append(
            {"name": layout.CACHE_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": limit}}
        )
    found.append({"name": layout.SNAPSHOTS_VOLUME, "projected": _projected(intent)})
    if intent.gate or intent.agent:
        found.append({"name": layout.FRESHNESS_VOLUME, "projected": _freshness(intent)})
        if token:
            empty = {"medium": "Memory", "sizeLimit": "4Ki"}
            found.append({"name": layout.NO_TOKEN_VOLUME, "emptyDir": empty})
    return found


def _projected(intent: Intent) -> Json:
    """The snapshots' keys that this pod asked for, each Secret once. Readable by the fsGroup, else
    by who mounts it.
    """
    whole = intent.plan.mode == MOUNT
    sources = [_whole(item) if whole else _keyed(item) for item in intent.plan.snapshots]
    mode = FILE_MODES["world" if intent.access.gid is None else "group"]
    return {"defaultMode": mode, "sources": sources}


def _keyed(planned: PlannedSnapshot) -> Json:
    """For the gate: `<snapshot>/<key>`."""
    keys = dict.fromkeys([META, *(data_key(file.property) for file in planned.files)])
    items = [{"key": key, "path": f"{planned.snapshot}/{key}"} for key in keys]
    return {"secret": {"name": planned.snapshot, "items": items, "optional": True}}


def _whole(planned: PlannedSnapshot) -> Json:
    """For the app: each file under its own name."""
    items = [{"key": data_key(file.property), "path": file.file} for file in planned.files]
    items.append({"key": META, "path": f"{layout.MOUNT_META}/{planned.snapshot}/{META}"})
    return {"secret": {"name": planned.snapshot, "items": items}}


def _freshness(intent: Intent) -> Json:
    items = [
        {"key": planned.snapshot, "path": planned.snapshot} for planned in intent.plan.snapshots
    ]
    source = {"configMap": {"name": ages.CONFIG_MAP, "items": items, "optional": True}}
    return {
        "defaultMode": FILE_MODES["world" if intent.access.gid is None else "group"],
        "sources": [source],
    }
