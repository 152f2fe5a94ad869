"""(pod, plan, config) -> the pod with ours in it. Pure; what does not change is shared with the
pod that came in.

Injecting into an injected pod changes nothing, and after another injector it converges: our parts
are built again and put where they are, the other's additions to them stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract import annotations as keys
from contract import layout
from webhook import container_resources, podspec

if TYPE_CHECKING:
    from webhook.containers import InjectedParts
    from webhook.injection_plan import InjectionPlan
    from webhook.injection_settings import Injection
    from webhook.verdict import Pod

Json = dict[str, Any]


def inject(pod: Pod, plan: InjectionPlan, config: Injection) -> Pod:
    """The injected pod; `pod` itself when that is what it already is.

    ValueError: the pod's own resources can't be raised.
    """
    spec, parts, native = pod["spec"], plan.parts, plan.native
    gate, agent = parts.gate, parts.agent
    changed: Json = {
        "volumes": _named(spec.get("volumes"), layout.VOLUMES, parts.volumes),
        "initContainers": _inits(
            spec, plan, parts, [item for item in (gate, agent if native else None) if item]
        ),
        "containers": _mains(spec, plan, parts, None if native else agent),
    }
    added: dict[str, str] = {}
    if spec.get("resources"):
        needs = (parts.gate_needs if gate else None, parts.agent_needs if agent else None)
        fitted = container_resources.fit(spec["resources"], *needs, podspec.added_before(pod))
        changed["resources"], added = fitted.resources, fitted.added
    annotated = _marked(pod, plan, podspec.mark(config.version, added))
    metadata = _with(pod["metadata"], {"annotations": annotated})
    return _with(pod, {"metadata": metadata, "spec": _with(spec, changed)})


def strip(pod: Pod) -> Pod:
    """The pod with only our marks left of the `lastgood.dev/` annotations (`lastgood render`)."""
    found = podspec.annotations_of(pod)
    kept = {
        key: text
        for key, text in found.items()
        if not key.startswith(keys.PREFIX) or key in keys.MARKS
    }
    if len(kept) == len(found):
        return pod
    return {**pod, "metadata": {**pod["metadata"], "annotations": kept}}


def _marked(pod: Pod, plan: InjectionPlan, mark: str) -> dict[str, str]:
    """The annotations with our mark. A pod without any container of ours carries its plan here."""
    found = podspec.annotations_of(pod)
    marked = {key: text for key, text in found.items() if key != keys.PLAN}
    marked[keys.INJECTED] = mark
    request = plan.request
    if not (request.gate or request.agent):
        marked[keys.PLAN] = request.wire
    return marked


def _with(owner: Json, changes: Json) -> Json:
    """`owner` with other members; `owner` itself when none differs. An empty list does not come
    where none was.
    """
    different = {
        name: value
        for name, value in changes.items()
        if owner.get(name) != value and (value or owner.get(name) is not None)
    }
    return {**owner, **different} if different else owner


def _inits(spec: Json, plan: InjectionPlan, parts: InjectedParts, ours: list[Json]) -> list[Json]:
    """Leading mesh containers, ours, the user's."""
    present = {item["name"]: item for item in podspec.items(spec, "initContainers")}
    users = [
        _mounted(item, plan, parts)
        for item in podspec.items(spec, "initContainers")
        if item["name"] not in layout.CONTAINERS
    ]
    lead = next(
        (at for at, item in enumerate(users) if item["name"] not in podspec.MESH), len(users)
    )
    merged = [_merged(present.get(item["name"]), item) for item in ours]
    return [*users[:lead], *merged, *users[lead:]]


def _mains(spec: Json, plan: InjectionPlan, parts: InjectedParts, agent: Json | None) -> list[Json]:
    """The user's, and the agent where it is already, else last."""
    found: list[Json] = []
    for item in podspec.items(spec, "containers"):
        if item["name"] == layout.AGENT and agent is not None:
            found.append(_merged(item, agent))
            agent = None
        elif item["name"] not in layout.CONTAINERS:
            found.append(_mounted(item, plan, parts))
    return found if agent is None else [*found, agent]


def _mounted(container: Json, plan: InjectionPlan, parts: InjectedParts) -> Json:
    """A user's container with the mount and variables, if it is a chosen one, and with no other
    mount of ours.
    """
    mounts = podspec.items(container, "volumeMounts")
    variables = podspec.items(container, "env")
    if container["name"] not in plan.chosen:
        kept = [item for item in mounts if not _is_mine(item)]
        return _with(container, {"volumeMounts": kept}) if len(kept) != len(mounts) else container
    mine = parts.mount
    ours = [item for item in mounts if _is_mine(item)]
    if ours != [mine]:
        mounts = [*(item for item in mounts if not _is_mine(item)), mine]
    names = {item["name"] for item in variables}
    missing = [item for item in plan.variables if item["name"] not in names]
    # Before the user's: `$(VAR)` in a value means a variable that comes earlier (corev1 EnvVar).
    return _with(container, {"volumeMounts": mounts, "env": [*missing, *variables]})


def _merged(present: Json | None, wanted: Json) -> Json:
    """Ours as wanted; what another injector added to it (members, variables, mounts elsewhere)
    stays.
    """
    if present is None:
        return wanted
    own = {item["mountPath"]: item for item in wanted["volumeMounts"]}
    there = podspec.items(present, "volumeMounts")
    mounts = [
        own.pop(item["mountPath"], item)
        for item in there
        if item["mountPath"] in own or not _is_mine(item)
    ]
    return _with(present, {**wanted, "volumeMounts": [*mounts, *own.values()]})


def _is_mine(mount: Json) -> bool:
    return mount.get("name") in layout.VOLUMES


def _named(present: list[Json] | None, names: tuple[str, ...], wanted: list[Json]) -> list[Json]:
    """A list in which those of our names are as wanted: in place where they are, else last."""
    missing = {item["name"]: item for item in wanted}
    found = [
        missing.pop(item["name"], item)
        for item in present or ()
        if item["name"] not in names or item["name"] in missing
    ]
    return [*found, *missing.values()]
