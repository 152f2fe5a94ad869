"""Our containers and volumes as JSON (docs/contract.md, "What is injected"). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from contract import ages, layout
from contract.plan import FILE_MODES, FOLLOW, MOUNT, NEEDS_BUNDLE
from contract.snapshot_format import META, data_key
from schema.quantity import memory
from webhook import container_resources

if TYPE_CHECKING:
    from api.policy import Resources
    from contract.plan import Plan, PlannedSnapshot
    from webhook.container_resources import Amounts
    from webhook.file_access import FileAccess
    from webhook.injection_settings import Injection

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PodRequest:
    """What annotations and policy ask of a pod. Compared by identity, which is quick to hash."""

    plan: Plan
    wire: str
    """The plan as gate and agent get it."""
    mount_path: str
    gate: bool
    agent: bool
    cache_bytes: int
    """sizeLimit of the cache; 0 where there is none."""
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedParts:
    """All that is added to a pod. Shared between the pods of a template, so never changed."""

    gate: Json | None
    agent: Json | None
    volumes: list[Json]
    mount: Json
    """Of the app's containers."""
    gate_needs: Amounts
    agent_needs: Amounts


def parts(
    request: PodRequest,
    access: FileAccess,
    config: Injection,
    *,
    listen: bool,
    token: bool,
    native: bool,
    guaranteed: bool,
) -> InjectedParts:
    """`listen`: the agent serves its port. `token`: Kubernetes would mount one into ours. `native`:
    the agent is an init container that keeps running (KEP-753). `guaranteed`: the pod's QoS class.
    """
    gate_needs, agent_needs = container_resources.ours(
        request.resources, request.cache_bytes, guaranteed=guaranteed
    )
    made = partial(_container, request=request, access=access, config=config, token=token)
    gate = made(layout.GATE, "gate", needs=gate_needs)
    agent = made(layout.AGENT, "follow", needs=agent_needs)
    if listen:
        agent["args"] += ["--listen", f"[::]:{layout.AGENT_PORT}"]  # IPv4 too
    if native:
        agent["restartPolicy"] = "Always"
    return InjectedParts(
        gate=gate if request.gate else None,
        agent=agent if request.agent else None,
        volumes=_volumes(request, access, token=token),
        mount=app_mount(request.plan.mode, request.mount_path),
        gate_needs=gate_needs,
        agent_needs=agent_needs,
    )


def _container(
    name: str,
    verb: str,
    *,
    request: PodRequest,
    access: FileAccess,
    config: Injection,
    needs: Amounts,
    token: bool,
) -> Json:
    container: Json = {
        "name": name,
        "image": config.image,
        "command": list(layout.COMMAND),
        "args": [
            verb,
            "--plan",
            request.wire,
            "--cache",
            layout.CACHE_MOUNT,
            "--snapshots",
            layout.SNAPSHOTS_MOUNT,
            "--freshness",
            layout.FRESHNESS_MOUNT,
            *(() if request.plan.bundle is None else ("--needs", NEEDS_BUNDLE)),
        ],
        "resources": needs,
        "securityContext": _security(access),
        "volumeMounts": _mounts(request.plan.mode, token=token),
    }
    if config.pull_policy is not None:
        container["imagePullPolicy"] = config.pull_policy
    return container


def _security(access: FileAccess) -> Json:
    """All that Pod Security `restricted` asks for, and a read-only root."""
    security: Json = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if access.uid is not None:
        security["runAsUser"] = access.uid
    if access.gid is not None:
        security["runAsGroup"] = access.gid
    return security


def _mounts(mode: str, *, token: bool) -> list[Json]:
    mounts: list[Json] = []
    if mode == FOLLOW:
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


def app_mount(mode: str, path: str) -> Json:
    """How the app sees its files."""
    if mode == MOUNT:
        return {"name": layout.SNAPSHOTS_VOLUME, "mountPath": path, "readOnly": True}
    return {
        "name": layout.CACHE_VOLUME,
        "mountPath": path,
        "subPath": layout.FILES,
        "readOnly": True,
    }


def _volumes(request: PodRequest, access: FileAccess, *, token: bool) -> list[Json]:
    """Those that the pod's containers mount."""
    found: list[Json] = []
    if request.plan.mode == FOLLOW:
        limit = memory(request.cache_bytes)
        found.append(
            {"name": layout.CACHE_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": limit}}
        )
    found.append({"name": layout.SNAPSHOTS_VOLUME, "projected": _projected(request.plan, access)})
    if request.gate or request.agent:
        found.append(
            {"name": layout.FRESHNESS_VOLUME, "projected": _freshness(request.plan, access)}
        )
        if token:
            empty = {"medium": "Memory", "sizeLimit": "4Ki"}
            found.append({"name": layout.NO_TOKEN_VOLUME, "emptyDir": empty})
    return found


def _projected(plan: Plan, access: FileAccess) -> Json:
    """The snapshots' keys that this pod asked for, each Secret once. Readable by the fsGroup, else
    by who mounts it.
    """
    whole = plan.mode == MOUNT
    sources = [_whole(item) if whole else _keyed(item) for item in plan.snapshots]
    mode = FILE_MODES["world" if access.gid is None else "group"]
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


def _freshness(plan: Plan, access: FileAccess) -> Json:
    items = [{"key": planned.snapshot, "path": planned.snapshot} for planned in plan.snapshots]
    source = {"configMap": {"name": ages.CONFIG_MAP, "items": items, "optional": True}}
    return {
        "defaultMode": FILE_MODES["world" if access.gid is None else "group"],
        "sources": [source],
    }
