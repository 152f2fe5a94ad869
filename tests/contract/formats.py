"""The wire formats as one table: what each golden file of version 1 means, and who reads and writes
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract import ages, plan, snapshot_format, status_file
from contract.ages import Confirmed
from contract.plan import Reload
from contract.reasons import CacheReason, FetchFailure, Freshness, Serving
from contract.snapshot_format import Quarantined
from tests import make
from tests.properties import strategies

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One wire format."""

    golden: str
    """The file's stem."""
    what: str
    """How its errors call the document."""
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    value: Any
    """What the golden file means."""
    values: SearchStrategy[Any]

    def __str__(self) -> str:
        return self.golden

    def text(self) -> str:
        """The golden file, which ends without a line end."""
        return (GOLDEN / f"{self.golden}.json").read_text()


_DB = make.planned_snapshot(
    make.planned_file("db-password", part="password"),
    make.planned_file("db", "db.json"),
    rules=make.rules("strict", refresh_s=30.5, budget_s=180, max_age_s=3_600, on_expired="refuse"),
)
_CA = make.planned_snapshot(
    make.planned_file("ca", "ca.pem"),
    account="files",
    identity="default",
    scheme="file",
    reference="/ca.pem",
)
_QUARANTINED = (Quarantined(version="v7", reason="rolled-back"),)

FORMATS = (
    Format(
        golden="plan",
        what="the plan",
        read=plan.from_wire,
        write=plan.to_wire,
        value=make.plan(_DB, _CA, reload=Reload(http="http://127.0.0.1:8080/reload")),
        values=strategies.plans(),
    ),
    Format(
        golden="plan-mount",
        what="the plan",
        read=plan.from_wire,
        write=plan.to_wire,
        value=make.plan(_CA, mode="mount", access="group", reload=Reload(signal="HUP")),
        values=strategies.plans(),
    ),
    Format(
        golden="plan-bundle",
        what="the plan",
        read=plan.from_wire,
        write=plan.to_wire,
        value=make.plan(_CA, bundle="json"),
        values=strategies.plans(),
    ),
    Format(
        golden="meta",
        what="meta.json",
        read=snapshot_format.from_wire,
        write=snapshot_format.to_wire,
        value=make.meta(version="v6", pin="v6", revoked=("v1", "v2"), quarantined=_QUARANTINED),
        values=strategies.metas(),
    ),
    Format(
        golden="meta-incarnation",
        what="meta.json",
        read=snapshot_format.from_wire,
        write=snapshot_format.to_wire,
        value=make.meta(
            version="v6",
            incarnation="AbC123",
            quarantined=(
                Quarantined(version="v6", reason="rolled-back", incarnation="xYz789"),
                *_QUARANTINED,
            ),
        ),
        values=strategies.metas(),
    ),
    Format(
        golden="meta-revoked",
        what="meta.json",
        read=snapshot_format.from_wire,
        write=snapshot_format.to_wire,
        value=make.meta(serving=Serving.REVOKED, revoked=("v1",)),
        values=strategies.metas(),
    ),
    Format(
        golden="freshness",
        what="the freshness entry",
        read=ages.from_wire,
        write=ages.to_wire,
        value=make.entry(
            "v6",
            prior=Confirmed(version="v5", last_success=make.NOW - 90.5),
            last_attempt=make.NOW + 60,
            reason=FetchFailure.THROTTLED.value,
        ),
        values=strategies.entries,
    ),
    Format(
        golden="freshness-incarnation",
        what="the freshness entry",
        read=ages.from_wire,
        write=ages.to_wire,
        value=ages.Entry(
            served=Confirmed(version="v6", last_success=make.NOW, incarnation="AbC123"),
            prior=Confirmed(version="v6", last_success=make.NOW - 90.5, incarnation="xYz789"),
            last_attempt=make.NOW,
            reason=None,
        ),
        values=strategies.entries,
    ),
    Format(
        golden="freshness-never",
        what="the freshness entry",
        read=ages.from_wire,
        write=ages.to_wire,
        value=ages.Entry(served=None, prior=None, last_attempt=None, reason=None),
        values=strategies.entries,
    ),
    Format(
        golden="status",
        what="status.json",
        read=status_file.from_wire,
        write=status_file.to_wire,
        value=status_file.CacheStatus(
            revision="20270115-1",
            written_at=make.NOW + 0.25,
            secrets={
                "db-password": make.secret_status("v6", rules="strict"),
                "ca": make.secret_status(
                    None,
                    state=Freshness.EXPIRED,
                    last_success=None,
                    last_attempt=None,
                    reason=CacheReason.NEVER_SYNCED.value,
                ),
            },
        ),
        values=strategies.statuses,
    ),
)
