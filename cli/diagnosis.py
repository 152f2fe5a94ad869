"""Why a pod is held, refused or stale: from the pod, its snapshots, and what its gate and the
controller said of it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli import listing
from contract import layout
from contract.annotations import MARKS, PREFIX
from contract.freshness import age_s
from contract.reasons import CacheReason, Freshness, Serving
from controller.remediation import NOTHING_SERVED, explained, what_to_do
from controller.times import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.freshness import FreshnessClass
    from contract.plan import Plan, PlannedFile, PlannedSnapshot
    from controller.snapshot_status import Status

Json = dict[str, Any]
_ENDED = frozenset({"Succeeded", "Failed"})
_IN_GATE = {
    CacheReason.NEVER_SYNCED: (
        "the kubelet has not updated the pod's volume yet. It takes up to 90 s"
    ),
    CacheReason.MISSING: (
        "the snapshot's Secret is missing from the pod's volume. Check: kubectl get secretsnapshots"
    ),
    CacheReason.FOREIGN: "the mounted snapshot belongs to another source. Recreate the pod",
    CacheReason.UNFIT_FOR_BUNDLE: str(what_to_do(CacheReason.UNFIT_FOR_BUNDLE)),
    CacheReason.MALFORMED: (
        "the pod's agent cannot read the snapshot's meta.json. Recreate the pod to get the current"
        " agent"
    ),
}

_FIRST_USE = (
    ". Or the controller has not added it yet: it adds a nested property when the first pod of the"
    " namespace requests it, and needs no provider call for that"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSecret:
    """One secret of the pod."""

    name: str
    source: str
    snapshot: str
    rules: str
    """The class's name."""
    state: str
    age_s: float | None
    version: str | None
    why: str | None
    """None: nothing is wrong with it."""
    blocks_start: bool
    """Whether a pod that starts now waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the pod is, in one word and one sentence."""

    verdict: str
    """`not-injected`, `ended`, `pending`, `held`, `misconfigured`, `running`."""
    sentence: str


def secrets(
    plan: Plan, statuses: Mapping[str, Status], held: Mapping[str, str], now: float
) -> list[PodSecret]:
    """By `<name>`, in the plan's order. `statuses` by snapshot; `held` is the gate's own word for
    each secret that it waits for.
    """
    return [
        _secret(planned, file, statuses.get(planned.snapshot), held.get(file.name), now)
        for planned in plan.snapshots
        for file in planned.files
    ]


def is_of(about: str, name: str) -> bool:
    """Whether an Event about an object of that name may be meant by `name`: it is that, or what
    makes such pods.
    """
    return about == name or about.startswith(name + "-")


def standing(pod: Json, plan: Plan | None, found: list[PodSecret], now: float) -> Standing:
    """Of a pod as the API server has it."""
    status = pod.get("status") or {}
    phase = status.get("phase", "Pending")
    if plan is None:
        return _not_injected(pod)
    if phase in _ENDED:
        return Standing(verdict="ended", sentence=f"has ended ({phase})")
    gate = _container(status, layout.GATE)
    if gate is None and any(item["name"] == layout.GATE for item in _init_containers(pod)):
        return Standing(verdict="pending", sentence=_unstarted(status))
    if gate is not None:
        at_gate = _at_gate(gate, found, now)
        if at_gate is not None:
            return at_gate
    waiting = [item.name for item in found if item.blocks_start]
    if gate is None and phase == "Pending":
        if not _scheduled(status) or not waiting:
            return Standing(verdict="pending", sentence=_unstarted(status))
        names = ", ".join(waiting)
        return Standing(verdict="waiting", sentence=f"waits until the kubelet can mount {names}")
    return _running(found)


def _running(found: list[PodSecret]) -> Standing:
    wrong = [item for item in found if item.why is not None]
    if not wrong:
        sentence = "has passed its gate, and its secrets have no problem"
        return Standing(verdict="running", sentence=sentence)
    states = ", ".join(f"{item.name} is {item.state}" for item in wrong)
    return Standing(verdict="running", sentence=f"has passed its gate, and {states}")


def _not_injected(pod: Json) -> Standing:
    notes = pod["metadata"].get("annotations") or {}
    if any(key.lower().startswith(PREFIX) and key not in MARKS for key in notes):
        sentence = (
            "requests secrets but was not injected, because the webhook was not called. Recreate it"
        )
    else:
        sentence = f"requests no secret: it has no annotation {PREFIX}secret.<name>"
    return Standing(verdict="not-injected", sentence=sentence)


def _at_gate(gate: Json, found: list[PodSecret], now: float) -> Standing | None:
    """None: it has let the pod pass."""
    state = gate.get("state") or {}
    if "running" in state:
        since = age_s(seconds(state["running"].get("startedAt")), now)
        waiting = ", ".join(item.name for item in found if item.blocks_start)
        what = f"for {waiting}" if waiting else "and is about to pass"
        sentence = f"waits in its gate {what} (for {listing.duration(since)} so far)"
        return Standing(verdict="waiting", sentence=sentence)
    if "terminated" in state:
        code = state["terminated"].get("exitCode")
        if code == 0:
            return None
        last = state["terminated"]
    else:
        last = (gate.get("lastState") or {}).get("terminated") or {}
        code = last.get("exitCode")
    if code == layout.GATE_MISCONFIGURED:
        sentence = f"cannot start. Its gate reports: {last.get('message', 'no message')}"
        return Standing(verdict="misconfigured", sentence=sentence.strip())
    reason = (state.get("waiting") or {}).get("reason", "waiting")
    return Standing(verdict="pending", sentence=f"has not reached its gate yet: {reason}")


def _unstarted(status: Json) -> str:
    if _scheduled(status):
        return "is being started by its kubelet"
    conditions = {item.get("type"): item for item in status.get("conditions") or ()}
    reason = conditions.get("PodScheduled", {}).get("reason", "not scheduled")
    return f"has no node yet: {reason}"


def _scheduled(status: Json) -> bool:
    conditions = {item.get("type"): item for item in status.get("conditions") or ()}
    return bool(conditions.get("PodScheduled", {}).get("status") == "True")


def _secret(
    planned: PlannedSnapshot, file: PlannedFile, status: Status | None, held: str | None, now: float
) -> PodSecret:
    state = "never-synced" if status is None else listing.state(status, now)
    why = wrong(planned.rules, status, state, now)
    if held is not None:
        why = _held(held, file, state, why)
    property_ = "" if file.property is None else f"#{file.property}"
    return PodSecret(
        name=file.name,
        source=f"{planned.scheme}:{planned.reference}{property_}",
        snapshot=planned.snapshot,
        rules=planned.rules.name,
        state=state,
        age_s=None if status is None else age_s(status.last_success, now),
        version=None if status is None else status.version,
        why=why,
        blocks_start=held is not None or refuses(planned.rules, status, state),
    )


def refuses(rules: FreshnessClass | None, status: Status | None, state: str) -> bool:
    """Whether a pod that starts now waits because of what the snapshot serves; `state` is that of
    `listing.state`. `rules` None: policy gives no class.
    """
    expired = state == Freshness.EXPIRED and rules is not None and rules.refuses
    return status is None or status.version is None or state in listing.NOT_GIVEN or expired


def wrong(
    rules: FreshnessClass | None, status: Status | None, state: str, now: float
) -> str | None:
    """What is wrong with a snapshot, and what to do; None: nothing is. `state` is that of
    `listing.state`. `rules` None: policy gives no class.
    """
    if status is None:
        return (
            "its SecretSnapshot does not exist. Either the controller has not seen the pod yet, or"
            " the policy does not allow the secret. If so, an Event of the pod gives the reason"
        )
    tried = None if status.reason is None else explained(status.reason, status.message)
    if state in listing.NOT_GIVEN:
        return tried
    if status.serving is None:
        return f"never fetched. Reason: {tried}" if tried else "never fetched yet"
    if status.version is None:
        return NOTHING_SERVED.get(Serving(status.serving), state)
    if rules is None:
        return tried
    age = listing.ago(status.last_success, now)
    if state == Freshness.EXPIRED:
        end = "pods that start must wait" if rules.refuses else "it is still served"
        limit = listing.duration(rules.max_age_s)
        said = f"last confirmed {age}, which is over the maximum age of {limit}: {end}"
    elif state == Freshness.STALE:
        said = (
            f"last confirmed {age}, which is over the budget of {listing.duration(rules.budget_s)}"
        )
    else:
        return tried
    return f"{said}. Reason: {tried}" if tried else said


def _held(held: str, file: PlannedFile, state: str, why: str | None) -> str:
    """What the gate says comes first, and what is known of the snapshot behind it."""
    if held == CacheReason.PROPERTY_MISSING:
        missing = f"the value has no property {file.property}, or the property is null or empty"
        return f"{missing}{_FIRST_USE}" if "/" in (file.property or "") else missing
    if held == CacheReason.NEVER_SYNCED and state == "never-synced":
        return why or held
    known = {item.value: text for item, text in _IN_GATE.items()}
    found = known.get(held)
    if found is None:
        return why or held
    return found if why is None else f"{found}. Also: {why}"


def _container(status: Json, name: str) -> Json | None:
    found: Json | None = next(
        (item for item in status.get("initContainerStatuses") or () if item.get("name") == name),
        None,
    )
    return found


def _init_containers(pod: Json) -> list[Json]:
    return (pod.get("spec") or {}).get("initContainers") or []
