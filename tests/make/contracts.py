"""Values of `contract`: plans, metas, freshness entries, statuses."""

from __future__ import annotations

from contract.ages import Confirmed, Entry
from contract.freshness import FreshnessClass
from contract.object_names import snapshot_name
from contract.plan import Plan, PlannedFile, PlannedSnapshot, Reload
from contract.reasons import Freshness, Serving
from contract.snapshot_format import Meta, Quarantined
from contract.status_file import CacheStatus, SecretStatus

NOW = 1_800_000_000.0
"""A moment for tests, in seconds since the epoch."""


def rules(
    name: str = "default",
    *,
    refresh_s: float = 60.0,
    budget_s: float = 900.0,
    max_age_s: float = 86_400.0,
    on_expired: str = "serve",
) -> FreshnessClass:
    """A class: refreshed each minute, fresh for 15 minutes, valid for a day, then still served."""
    return FreshnessClass(
        name=name,
        refresh_s=refresh_s,
        budget_s=budget_s,
        max_age_s=max_age_s,
        on_expired=on_expired,
    )


def planned_file(
    name: str = "db-password", file: str | None = None, part: str | None = None
) -> PlannedFile:
    """One file, named as the annotation unless given; `part` None: the whole value."""
    return PlannedFile(name=name, file=name if file is None else file, property=part)


def planned_snapshot(
    *files: PlannedFile,
    account: str = "prod",
    identity: str = "payments",
    scheme: str = "aws-sm",
    reference: str = "/prod/payments/db",
    rules: FreshnessClass | None = None,
) -> PlannedSnapshot:
    """One source with its right snapshot name, and one file unless others are given."""
    return PlannedSnapshot(
        snapshot=snapshot_name(account, identity, scheme, reference),
        account=account,
        identity=identity,
        scheme=scheme,
        reference=reference,
        rules=_default_rules() if rules is None else rules,
        files=files or (planned_file(),),
    )


def plan(
    *snapshots: PlannedSnapshot,
    mode: str = "follow",
    access: str = "world",
    reload: Reload | None = None,
    bundle: str | None = None,
) -> Plan:
    """A plan with one snapshot unless others are given."""
    return Plan(
        mode=mode,
        access=access,
        snapshots=snapshots or (planned_snapshot(),),
        reload=reload,
        bundle=bundle,
    )


def meta(
    planned: PlannedSnapshot | None = None,
    *,
    version: str | None = "v1",
    serving: Serving = Serving.SERVED,
    fetched_at: float | None = NOW,
    cluster: str = "cluster-1",
    pin: str | None = None,
    revoked: tuple[str, ...] = (),
    quarantined: tuple[Quarantined, ...] = (),
    incarnation: str | None = None,
) -> Meta:
    """The meta of that snapshot; one that serves nothing has no version and no time, whatever is
    given.
    """
    source = planned_snapshot() if planned is None else planned
    served = serving is Serving.SERVED
    return Meta(
        account=source.account,
        identity=source.identity,
        scheme=source.scheme,
        reference=source.reference,
        serving=serving,
        version=version if served else None,
        fetched_at=fetched_at if served else None,
        cluster=cluster,
        pin=pin,
        revoked=revoked,
        quarantined=quarantined,
        incarnation=incarnation,
    )


def entry(
    version: str | None = "v1",
    last_success: float = NOW,
    *,
    prior: Confirmed | None = None,
    last_attempt: float | None = None,
    reason: str | None = None,
) -> Entry:
    """A freshness entry; the last attempt is the last success unless given."""
    served = None if version is None else Confirmed(version=version, last_success=last_success)
    attempt = last_success if last_attempt is None else last_attempt
    return Entry(served=served, prior=prior, last_attempt=attempt, reason=reason)


def secret_status(
    version: str | None = "v1",
    *,
    rules: str = "default",
    state: Freshness = Freshness.FRESH,
    last_success: float | None = NOW,
    last_attempt: float | None = NOW,
    reason: str | None = None,
) -> SecretStatus:
    """One secret's status, fresh unless told."""
    return SecretStatus(
        version=version,
        rules=rules,
        state=state,
        last_success=last_success,
        last_attempt=last_attempt,
        reason=reason,
    )


def status(
    revision: str | None = "r1", written_at: float = NOW, **secrets: SecretStatus
) -> CacheStatus:
    """A cache's status; secrets by name, one named db unless others are given."""
    return CacheStatus(
        revision=revision, written_at=written_at, secrets=secrets or {"db": secret_status()}
    )


def _default_rules() -> FreshnessClass:
    return rules()
