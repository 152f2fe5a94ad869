"""SecretSnapshots as the API server has them, as operators read and change them. Pure.

What the controller writes of them is `controller.wire`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from contract.annotations import PREFIX, REFRESH_REQUESTED
from contract.freshness import FreshnessClass
from contract.names import snapshot_name
from contract.snapshot import Quarantined
from controller.objects import Held, Name, Spec, Status, Told

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION = "lastgood.dev/v1alpha1"
KIND = "SecretSnapshot"
MADE_FOR = PREFIX + "made-for"
"""Our mark on a SecretSnapshot that the controller made because pods ask for it; one without it was
declared.
"""
MOST_SECONDS = 253_402_300_799.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One SecretSnapshot."""

    name: Name
    resource_version: str
    right_name: str
    """That its source gives; the controller passes one of another name over."""
    spec: Spec
    status: Status
    """Never synced, where the controller has not seen it yet."""

    @property
    def counts(self) -> bool:
        """Whether the controller looks at it."""
        return self.name.snapshot == self.right_name


def read(content: Mapping[str, Any]) -> Snapshot:
    """An object as the API server, which has checked its form, answers with it."""
    metadata, spec = content["metadata"], content["spec"]
    source = spec["source"]
    notes = metadata.get("annotations") or {}
    return Snapshot(
        name=Name(metadata["namespace"], metadata["name"]),
        resource_version=metadata["resourceVersion"],
        right_name=snapshot_name(
            source["account"], source["identity"], source["provider"], source["reference"]
        ),
        spec=Spec(
            generation=metadata["generation"],
            pin=spec.get("pin"),
            quarantined=tuple(spec.get("quarantined") or ()),
            revoked=tuple(spec.get("revoked") or ()),
            refresh_requested=seconds(notes.get(REFRESH_REQUESTED)),
        ),
        status=_status(source, content.get("status") or {}),
    )


def declaration(
    namespace: str, *, account: str, identity: str, provider: str, reference: str
) -> dict[str, Any]:
    """A new SecretSnapshot, which asks for nothing but its source."""
    source = {
        "account": account,
        "identity": identity,
        "provider": provider,
        "reference": reference,
    }
    name = snapshot_name(account, identity, provider, reference)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": source},
    }


def patch(before: Snapshot, after: Spec) -> dict[str, Any]:
    """The merge patch that makes the spec of `before` be `after`, unless somebody wrote since."""
    metadata: dict[str, Any] = {"resourceVersion": before.resource_version}
    if after.refresh_requested != before.spec.refresh_requested:
        metadata["annotations"] = {REFRESH_REQUESTED: rfc3339(after.refresh_requested)}
    wanted = {
        "pin": (before.spec.pin, after.pin),
        "quarantined": (before.spec.quarantined, after.quarantined),
        "revoked": (before.spec.revoked, after.revoked),
    }
    spec = {name: new for name, (old, new) in wanted.items() if old != new}
    return {"metadata": metadata, "spec": spec}


def rfc3339(moment: float | None) -> str | None:
    """Seconds since the epoch as the API server writes times; None stays None."""
    if moment is None:
        return None
    stamp = datetime.fromtimestamp(max(0.0, min(moment, MOST_SECONDS)), UTC)
    return stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds(stamp: object) -> float | None:
    """Seconds since the epoch of a time as above; None: it is none."""
    if not isinstance(stamp, str):
        return None
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None


def _status(source: Mapping[str, Any], found: Mapping[str, Any]) -> Status:
    rules = _rules(found)
    told = found.get("class") if rules is None else None
    history = (
        (item["version"], seconds(item.get("fetchedAt"))) for item in _list(found, "history")
    )
    return Status(
        account=source["account"],
        identity=source["identity"],
        provider=source["provider"],
        reference=source["reference"],
        rules=rules,
        serving=found.get("serving"),
        version=found.get("version"),
        fetched_at=seconds(found.get("fetchedAt")),
        last_success=seconds(found.get("lastSuccess")),
        last_attempt=seconds(found.get("lastAttempt")),
        failures=found.get("failures") or 0,
        reason=found.get("reason"),
        latest=found.get("latest"),
        pin=found.get("pin"),
        quarantined=tuple(
            Quarantined(version=item["version"], reason=item["reason"])
            for item in _list(found, "quarantined")
        ),
        revoked=tuple(_list(found, "revoked")),
        history=tuple(
            Held(version=version, fetched_at=fetched_at or 0.0) for version, fetched_at in history
        ),
        consumers=(),
        undemanded_since=seconds(found.get("unusedSince")),
        refused_since=seconds(found.get("refusedSince")),
        observed_generation=found.get("observedGeneration") or 0,
        told=None if told is None else Told(rules=told, state=str(found.get("state")).lower()),
        unnamed=found.get("consumers") or 0,
    )


def _rules(found: Mapping[str, Any]) -> FreshnessClass | None:
    name, rules = found.get("class"), found.get("rules")
    if name is None or rules is None:
        return None
    return FreshnessClass(
        name=name,
        refresh_s=float(rules["refreshIntervalSeconds"]),
        budget_s=float(rules["freshnessBudgetSeconds"]),
        max_age_s=float(rules["maxAgeSeconds"]),
        on_expired=rules["onExpired"],
    )


def _list(found: Mapping[str, Any], member: str) -> list[Any]:
    return found.get(member) or []
