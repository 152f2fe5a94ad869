"""A snapshot's status that several tests start from."""

from __future__ import annotations

from contract.freshness import FreshnessClass
from controller.snapshot_status import Status

NOW = 1_800_000_000.0
RULES = FreshnessClass(
    name="critical", refresh_s=60.0, budget_s=300.0, max_age_s=900.0, on_expired="refuse"
)
SERVED = Status(
    account="prod",
    identity="controller",
    scheme="aws-sm",
    reference="/prod/payments/db",
    rules=RULES,
    serving="served",
    version="v1",
    fetched_at=NOW - 60,
    last_success=NOW - 60,
    last_attempt=NOW - 60,
    refresh_handled=None,
    failures=0,
    reason=None,
    message=None,
    latest="v1",
    pin=None,
    quarantined=(),
    revoked=(),
    history=(),
    consumers=(),
    undemanded_since=None,
)
