"""Decisions about the processes: replicas, leader, versions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.checks.model import failed, named, ok, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.checks.model import Finding

Json = dict[str, Any]
VERSION_LABEL = "app.kubernetes.io/version"
COMPONENTS = ("webhook", "controller")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLease:
    """One Lease of controllers."""

    namespace: str
    holder: str
    """"": nobody."""
    alive: bool
    """Whether its holder renews it."""
    age_s: float | None
    """Since its last renewal by its own time; None: it has none."""


def one_installation(deployments: Sequence[Json], system: str) -> Finding:
    """No second one, also none that was left half removed."""
    elsewhere = {
        it["metadata"]["namespace"]
        for it in deployments
        if it["metadata"]["name"] in {f"lastgood-{part}" for part in COMPONENTS}
        and it["metadata"]["namespace"] != system
    }
    if elsewhere:
        return failed(
            f"lastgood runs in {system}, and in {named(elsewhere)} too",
            "Uninstall one release: two controllers would write the same snapshots",
        )
    return ok(f"namespace {system}")


def webhook_replicas(deployments: Sequence[Json], system: str) -> Finding:
    """That enough replicas are available."""
    return _replicas(deployments, system, "webhook", "annotated pods are refused")


def controller_replicas(deployments: Sequence[Json], system: str) -> Finding:
    """The same of the controller."""
    return _replicas(deployments, system, "controller", "nothing is fetched, and values get older")


def _replicas(deployments: Sequence[Json], system: str, component: str, without: str) -> Finding:
    name = f"lastgood-{component}"
    found = _deployment(deployments, system, component)
    if found is None:
        return failed(f"there is no Deployment {name} in {system}", "Install the chart")
    wanted = int(found["spec"].get("replicas", 1))
    there = int((found.get("status") or {}).get("availableReplicas") or 0)
    look = f"kubectl -n {system} describe pods -l app.kubernetes.io/component={component}"
    if wanted == 0:
        again = f"kubectl -n {system} scale deployment {name} --replicas 2"
        return failed(f"it is scaled to 0 replicas: {without}", again)
    if there == 0:
        return failed(f"none of {wanted} replicas is available: {without}", look)
    if there < wanted:
        return warning(f"{there} of {wanted} replicas are available", look)
    if wanted == 1:
        return warning(
            f"one replica: while it is down, {without}", f"Set {component}.replicas to 2"
        )
    return ok(f"{there} replicas")


def leader(leases: Sequence[SeenLease], system: str) -> Finding:
    """That one controller leads, and one only."""
    alive = [it for it in leases if it.alive]
    look = f"kubectl -n {system} logs -l app.kubernetes.io/component=controller"
    if len(alive) > 1:
        return failed(
            f"controllers lead in {named(it.namespace for it in alive)} at once",
            "Uninstall one release: two controllers would write the same snapshots",
        )
    if alive and alive[0].namespace != system:
        return failed(f"the leader is in {alive[0].namespace}, and not in {system}", look)
    if alive:
        old = [it.namespace for it in leases if not it.alive]
        if old:
            return warning(
                f"{alive[0].holder} leads; {named(old)} has a Lease of another installation",
                "Delete it if nothing runs there: kubectl -n NAMESPACE delete lease"
                " lastgood-controller",
            )
        return ok(alive[0].holder)
    if not leases:
        return failed("there is no Lease lastgood-controller", look)
    stale = leases[0]
    if not stale.holder:
        return failed("the Lease is free: no controller has taken it", look)
    when = "" if stale.age_s is None else f", last renewed {stale.age_s:.0f} s ago"
    return failed(f"{stale.holder} does not renew the Lease{when}", look)


def versions(
    deployments: Sequence[Json], own_pods: Sequence[Json], system: str, client: str
) -> Finding:
    """Of the chart, the running processes and this command."""
    chart: dict[str, str] = {}
    images: dict[str, str] = {}
    for component in COMPONENTS:
        found = _deployment(deployments, system, component)
        if found is not None:
            chart[component] = _label(found)
            images[component] = _tag(found, component)
    if not chart:
        return skipped(f"no Deployment of lastgood is in {system}")
    if len(set(chart.values())) > 1 or len(set(images.values()) - {""}) > 1:
        said = ", ".join(
            f"{part} {chart[part]} (image {images[part] or 'by digest'})" for part in chart
        )
        return warning(
            f"webhook and controller differ: {said}", "`helm upgrade` with one image tag for all"
        )
    (version,) = set(chart.values())
    other = [
        it["metadata"]["name"]
        for it in own_pods
        if it["metadata"]["namespace"] == system
        and _component(it) in COMPONENTS
        and _label(it) != version
    ]
    if other:
        return warning(
            f"pods of another version than {version} run: {named(other)}",
            f"The roll-out has not ended: kubectl -n {system} rollout status deployment",
        )
    if client != version:
        return warning(
            f"this command is {client}, and the chart is {version}",
            "Install the command of that version: what it prints may be wrong",
        )
    return ok(version)


def agents(agents: Mapping[str, int], deployments: Sequence[Json], system: str) -> Finding:
    """`agents`: how many running pods each version of the webhook injected."""
    webhook = _deployment(deployments, system, "webhook")
    current = None if webhook is None else _label(webhook)
    total = sum(agents.values())
    other = {version: count for version, count in agents.items() if version != current}
    if current is None:
        return skipped("there is no webhook to compare with")
    if other:
        said = ", ".join(f"{count} with {version}" for version, count in sorted(other.items()))
        return warning(
            f"{sum(other.values())} of {total} pods were injected by another version than"
            f" {current}: {said}",
            "They go on working. New pods have the new agent: kubectl rollout restart",
        )
    return ok(f"{total} pods")


def _deployment(deployments: Sequence[Json], system: str, component: str) -> Json | None:
    for it in deployments:
        where = (it["metadata"]["namespace"], it["metadata"]["name"])
        if where == (system, f"lastgood-{component}"):
            return it
    return None


def _label(content: Json) -> str:
    return str((content["metadata"].get("labels") or {}).get(VERSION_LABEL, "unknown"))


def _component(content: Json) -> str:
    return str((content["metadata"].get("labels") or {}).get("app.kubernetes.io/component", ""))


def _tag(deployment: Json, component: str) -> str:
    """Of the image; "": it has a digest."""
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        image = str(container.get("image", ""))
        if container.get("name") == component and "@" not in image:
            return image.rpartition("/")[2].partition(":")[2] or "latest"
    return ""
