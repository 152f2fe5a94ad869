"""What the tests of this folder look at and wait for in the team's namespace."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from contract import ages, layout, status_file
from contract.annotations import REFRESH_REQUESTED
from contract.snapshot_format import SECRET_TYPE
from controller.snapshot_record import record_name
from tests.e2e.cluster import digest
from tests.e2e.install.world import SYSTEM, TEAM
from tests.make.waiting import until

if TYPE_CHECKING:
    from contract.status_file import CacheStatus
    from tests.e2e.install.kubectl import Json, Place
    from tests.e2e.install.world import Provider

NUDGED_S = 20.0
"""Until all apps have read a change, in seconds: the controller looks, writes and nudges. The
kubelet may look by itself as early, so whether it was nudged is told by its mark."""
READ_STATUS = "print(open({path!r}).read())"


def names(application: str) -> list[str]:
    """Of the pods labelled so."""
    return [item["metadata"]["name"] for item in TEAM.pods(application)]


def one(application: str) -> str:
    """The name of its only pod."""
    (name,) = names(application)
    return name


def digests(application: str) -> set[str]:
    """What the apps have read last; `` for one that has no such file or has said nothing."""
    told = TEAM.told(application)
    lasts = [
        [line for line in told.get(name, ()) if "files" in line] for name in names(application)
    ]
    return {lines[-1]["files"].get("db", {}).get("digest", "") if lines else "" for lines in lasts}


def read_by_all(value: str, application: str, within_s: float = NUDGED_S) -> float:
    """Seconds until every app has read the value."""
    began = time.monotonic()
    wanted = {digest(value)}
    until(f"{application} to read it", lambda: digests(application) == wanted, within_s)
    return time.monotonic() - began


def snapshot(reference: str, place: Place = TEAM) -> Json:
    """A namespace's snapshot of a source; nothing while there is none."""
    found = place.items("secretsnapshots")
    return next((item for item in found if item["spec"]["source"]["reference"] == reference), {})


def state(reference: str) -> Json:
    """Its status."""
    found: Json = snapshot(reference).get("status", {})
    return found


def refresh(reference: str, place: Place = TEAM) -> None:
    """Asks for a fetch now."""
    asked = {"metadata": {"annotations": {REFRESH_REQUESTED: datetime.now(UTC).isoformat()}}}
    place.patch("secretsnapshot", snapshot(reference, place)["metadata"]["name"], asked)


def well(provider: Provider, *references: str) -> None:
    """The provider answers again, and no last attempt of these has failed."""
    provider.fault("pass")
    for reference in references:
        refresh(reference)
        until(
            f"a refresh of {reference}",
            partial(_is_well, reference),
            60,
        )


def _is_well(reference: str) -> bool:
    return bool(state(reference).get("failures", 0) == 0)


def confirmed(reference: str) -> float:
    """When the controller says that the provider confirmed the served version: in the namespace's
    ages, in seconds since the epoch.
    """
    written = TEAM.get("configmap", ages.CONFIG_MAP)["data"]
    entry = ages.from_wire(written[snapshot(reference)["metadata"]["name"]])
    assert entry.served is not None
    return entry.served.last_success


def status_of(pod: str, container: str = "app") -> CacheStatus:
    """The status.json that an app sees."""
    path = f"{layout.DEFAULT_MOUNT_PATH}/{layout.STATUS}"
    return status_file.from_wire(TEAM.execute(pod, container, READ_STATUS.format(path=path)))


def container(pod: str, name: str) -> Json:
    """A container's status; nothing when there is none yet."""
    found = TEAM.get("pod", pod).get("status", {})
    items = (*found.get("containerStatuses", ()), *found.get("initContainerStatuses", ()))
    return next((item for item in items if item["name"] == name), {})


def restarts(pod: str) -> dict[str, int]:
    """Of a pod's containers."""
    found = TEAM.get("pod", pod)["status"]
    items = (*found["containerStatuses"], *found.get("initContainerStatuses", ()))
    return {item["name"]: item["restartCount"] for item in items}


def events_of(pod: str) -> list[str]:
    """What the controller's Events about a pod say."""
    words = (f"--field-selector=involvedObject.name={pod}",)
    return [
        f"{item.get('reason')}: {item.get('message') or item.get('note')}"
        for item in TEAM.items("events", *words)
        if "lastgood" in json.dumps(item.get("reportingComponent", ""))
    ]


def secret_of(pod: Json) -> Json:
    """The one snapshot Secret that a pod mounts."""
    volumes = json.dumps(pod["spec"]["volumes"])
    (found,) = (
        item
        for item in TEAM.items("secrets", f"--field-selector=type={SECRET_TYPE}")
        if f'"{item["metadata"]["name"]}"' in volumes
    )
    return found


def kept(name: str) -> list[bytes]:
    """All values in a snapshot's Secret and in its record."""
    record = record_name(TEAM.namespace, name)
    found = [*TEAM.items("secrets"), *SYSTEM.items("secrets")]
    mine = (item for item in found if item["metadata"]["name"] in (name, record))
    return [base64.b64decode(raw) for item in mine for raw in item.get("data", {}).values()]


def at(text: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()
