"""What the page shows of all snapshots: worst first, what fails and why, and whether pods start.
Pure: statuses, accounts and `now` in, a document for the page out. No values: a status has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli import listing
from cli.diagnosis import refuses, wrong
from contract.freshness import age_s
from controller.remediation import what_to_do

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from controller.snapshot_status import Status
    from controller.spec import SnapshotName

Json = dict[str, Any]
CALM, AGED, BLOCKED, EMPTY = "calm", "aged", "blocked", "empty"
"""Levels of the headline: all is well; pods start, and something fails or is stale; new pods of
some snapshots wait; there is no snapshot.
"""
_NAMED = 3
"""Accounts that the headline names."""
_FINE = frozenset({None, "NotNeeded", "LoggedIn"})
"""States of a login that need no action."""


def document(
    statuses: Mapping[SnapshotName, Status],
    accounts: Sequence[Json] | None,
    now: float,
    *,
    running: bool | None,
) -> Json:
    """The overview. `accounts`: SecretAccounts as the API server has them; None: they may not be
    listed. `running`: whether a controller is; None: not known yet.
    """
    rows = sorted((row(*item, now) for item in statuses.items()), key=_worst_first)
    failing = _failing(rows)
    return {
        "headline": _headline(rows, failing, running=running),
        "snapshots": rows,
        "failing": failing,
        "accounts": _accounts(rows, accounts),
        "states": _counted(rows),
    }


def row(name: SnapshotName, status: Status, now: float) -> Json:
    """One snapshot. `ratio`: its age ÷ its freshness budget; None: one of them is not known."""
    described = listing.describe(name, status, now)
    rules, state, age = status.rules, described["state"], age_s(status.last_success, now)
    known = rules is not None and age is not None and status.version is not None
    return {
        **described,
        "ratio": age / rules.budget_s if known and rules is not None and age is not None else None,
        "limit": rules.max_age_s / rules.budget_s if rules is not None else None,
        "age": listing.duration(age),
        "budget": None if rules is None else listing.duration(rules.budget_s),
        "maxAge": None if rules is None else listing.duration(rules.max_age_s),
        "blocksStart": refuses(rules, status, state),
        "why": wrong(rules, status, state, now),
        "message": status.message,
        "lastAttempt": listing.ago(status.last_attempt, now),
        "summary": listing.summary(name, status, now),
    }


def _worst_first(item: Json) -> tuple[Any, ...]:
    return (
        not item["blocksStart"],
        -(item["ratio"] or 0.0),
        item["reason"] is None,
        item["namespace"],
        item["snapshot"],
    )


def _failing(rows: Sequence[Json]) -> list[Json]:
    """What is wrong, by account and reason: what keeps most pods from starting comes first."""
    groups: dict[tuple[str, str], list[Json]] = {}
    for item in rows:
        if item["reason"] is not None:
            groups.setdefault((item["account"], item["reason"]), []).append(item)
    found = [
        {
            "account": account,
            "reason": reason,
            "why": items[0]["message"] or what_to_do(reason) or "",
            "snapshots": len(items),
            "namespaces": sorted({item["namespace"] for item in items}),
            "blocked": sum(item["blocksStart"] for item in items),
            "pods": sum(item["pods"] for item in items),
        }
        for (account, reason), items in groups.items()
    ]
    return sorted(found, key=lambda it: (-it["blocked"], -it["snapshots"], it["account"]))


def _headline(rows: Sequence[Json], failing: Sequence[Json], *, running: bool | None) -> Json:
    """Whether pods still start, and what fails, in words."""
    if not rows:
        text, more = "There is no snapshot yet.", ["A snapshot is created when a pod needs it."]
        level = EMPTY
    else:
        level, text, more = _words(rows, failing)
    if running is False:
        level = AGED if level == CALM else level
        more = [*more, f"{listing.NO_CONTROLLER[:1].upper()}{listing.NO_CONTROLLER[1:]}."]
    return {"level": level, "text": text, "more": more}


def _words(rows: Sequence[Json], failing: Sequence[Json]) -> tuple[str, str, list[str]]:
    blocked = [item for item in rows if item["blocksStart"]]
    aged = [item for item in rows if (item["ratio"] or 0.0) > 1 and not item["blocksStart"]]
    more = []
    if failing:
        count = sum(item["snapshots"] for item in failing)
        told = dict.fromkeys(f"{item['account']} ({item['reason']})" for item in failing)
        named = ", ".join(list(told)[:_NAMED])
        rest = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
        more.append(f"Failing: {named}{rest}, {_of(count, len(rows))}.")
    if aged:
        more.append(f"{_of(len(aged), len(rows))} over the freshness budget.")
    if blocked:
        first = f"{blocked[0]['source']} in namespace {blocked[0]['namespace']}"
        what = first if len(blocked) == 1 else f"one of {len(blocked)} snapshots"
        rest = "" if len(blocked) == len(rows) else " All others start."
        return BLOCKED, f"New pods that need {what} wait.{rest}", more
    if failing:
        return AGED, "Pods start, with the last good values.", more
    if aged:
        return AGED, "Pods start.", more
    return CALM, f"Pods start. {_all(len(rows))} fresh.", more


def _of(count: int, total: int) -> str:
    return f"{count} of {total} {'snapshot' if total == 1 else 'snapshots'}"


def _all(total: int) -> str:
    return "The one snapshot is" if total == 1 else f"All {total} snapshots are"


def _counted(rows: Sequence[Json]) -> dict[str, int]:
    """How many snapshots are in each state."""
    found: dict[str, int] = {}
    for item in rows:
        found[item["state"]] = found.get(item["state"], 0) + 1
    return found


def _accounts(rows: Sequence[Json], accounts: Sequence[Json] | None) -> list[Json]:
    """Those that fail first. Of accounts that may not be listed, what snapshots tell."""
    known = {item["metadata"]["name"]: item for item in accounts or ()}
    names = {*known, *(item["account"] for item in rows)}
    found = [
        _account(name, known.get(name), [item for item in rows if item["account"] == name])
        for name in names
    ]
    return sorted(found, key=lambda it: (not it["failing"], not it["wrong"], it["name"]))


def _account(name: str, content: Json | None, rows: Sequence[Json]) -> Json:
    spec: Json = {} if content is None else content.get("spec") or {}
    status: Json = {} if content is None else content.get("status") or {}
    budget: Json = spec.get("budget") or {}
    failing = [item for item in rows if item["reason"] is not None]
    login, breaker = status.get("login"), status.get("breaker")
    conditions = [item for item in status.get("conditions") or () if item.get("status") == "False"]
    ill = login not in _FINE or breaker == "Open" or status.get("reason") is not None
    return {
        "name": name,
        "known": content is not None,
        "provider": spec.get("provider")
        or next((item["source"] for item in rows), "").split(":")[0],
        "rate": budget.get("callsPerSecond"),
        "burst": budget.get("burst"),
        "needed": status.get("neededCallsPerSecond"),
        "reason": status.get("reason"),
        "smallestBurst": status.get("smallestBurst"),
        "login": login,
        "loginUntil": status.get("loginUntil"),
        "breaker": breaker,
        "messages": [f"{item.get('type')}: {item.get('message')}" for item in conditions],
        "snapshots": len(rows),
        "failing": len(failing),
        "reasons": sorted({item["reason"] for item in failing}),
        "worst": max((item["ratio"] or 0.0 for item in rows), default=None),
        "states": _counted(rows),
        "wrong": bool(ill),
    }
