"""What the controller says of itself: metrics, and JSON log lines that state decisions. No values,
and no reference in a label.

| metric, prefix `lastgood_` | meaning | labels |
| --- | --- | --- |
| `secret_last_success_timestamp_seconds` | last time confirmed | namespace, snapshot |
| `secret_last_attempt_timestamp_seconds` | last time asked | namespace, snapshot |
| `secret_freshness_budget_seconds` | older is stale | namespace, snapshot |
| `secret_max_age_seconds` | older is expired | namespace, snapshot |
| `refresh_total` | sources asked | provider, result, reason |
| `provider_requests_total` | calls made | account, operation, code |
| `provider_budget_exhausted_total` | due work that waited for the budget | account |
| `account_needed_calls_per_second` | what the demand needs in the long run | account |
| `snapshot_rejected_total` | new versions that failed a check | reason |
| `snapshot_alarms_total` | what somebody should look at | kind |
| `snapshots_refused` | demanded, and not allowed by policy | reason |
| `pods_started_stale_total` | pods that started with stale values, also those without an Event | |
| `writes_failed_total` | writes that will be repeated | what, error |
| `watch_staleness_seconds` | since the API server was last heard of | resource |

`snapshot` is the hash that ends the snapshot's name; the command line accepts it as a name.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter as Count
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contract.quoted import shown
from contract.reasons import FetchFailure
from controller.required_rate import needed_calls_per_second
from refresh.observer import Observer
from refresh.step_events import AlarmKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TextIO

    from controller.reconcile import Decided
    from refresh.model import SnapshotKey, SnapshotState, Task
    from refresh.step_events import Alarm

LOG = logging.getLogger("lastgood.controller")
NONE = "none"

_DECISIONS = {
    "fetched": "checked, then served if it is good",
    "unchanged": "what is served is confirmed",
    "unconfirmed": "checked, then served if it is good; no age is renewed",
}
_READ = frozenset({FetchFailure.NOT_CONFIRMED, FetchFailure.WEAK_EVIDENCE})
"""A value was read, so nothing has failed."""
_KEPT = "the last good version stays"


class Telemetry(Observer):
    """The engine's observer, and the counters behind it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refreshes = Counter(
            "lastgood_refresh",
            "Refreshes by provider, result and reason.",
            ("provider", "result", "reason"),
            registry=registry,
        )
        self._requests = Counter(
            "lastgood_provider_requests",
            "Provider API calls by account, operation and code.",
            ("account", "operation", "code"),
            registry=registry,
        )
        self._exhausted = Counter(
            "lastgood_provider_budget_exhausted",
            "Times a due refresh was delayed by the account's rate limit.",
            ("account",),
            registry=registry,
        )
        self._rejected = Counter(
            "lastgood_snapshot_rejected",
            "New versions that failed validation, by reason.",
            ("reason",),
            registry=registry,
        )
        self._alarms = Counter(
            "lastgood_snapshot_alarms",
            "Snapshot anomalies by kind, for example a rejected version.",
            ("kind",),
            registry=registry,
        )
        self._failed_writes = Counter(
            "lastgood_writes_failed",
            "Failed writes to the API server, which are retried.",
            ("what", "error"),
            registry=registry,
        )

        self._started_stale = Counter(
            "lastgood_pods_started_stale",
            "Pods that started with stale values.",
            registry=registry,
        )

    def started_stale(self) -> None:
        self._started_stale.inc()

    def refreshed(self, task: Task, reason: FetchFailure | None, code: str) -> None:
        failed = "unconfirmed" if reason in _READ else "failed"
        result = code if reason is None else failed
        self._refreshes.labels(task.source.scheme, result, reason or NONE).inc()
        say(
            logging.WARNING if result == "failed" else logging.INFO,
            "controller.refreshed",
            account=task.source.account,
            snapshot=task.source.snapshot,
            result=result,
            reason=reason,
            code=code,
            decision=_DECISIONS.get(result, _KEPT),
        )

    def alarmed(self, key: SnapshotKey, alarm: Alarm) -> None:
        self._alarms.labels(alarm.kind).inc()
        if alarm.kind is AlarmKind.REJECTED:
            self._rejected.labels(alarm.code or NONE).inc()
        say(
            logging.WARNING,
            "controller.alarm",
            kind=alarm.kind,
            namespace=key.namespace,
            snapshot=key.source.snapshot,
            version=alarm.version,
            code=alarm.code,
            detail=alarm.detail,
        )

    def exhausted(self, account: str) -> None:
        self._exhausted.labels(account).inc()

    def sink_failed(self, what: str, error: str) -> None:
        self._failed_writes.labels(what, error).inc()
        say(logging.ERROR, "controller.write_failed", what=what, error=error, decision="repeated")

    def requested(self, account: str) -> Callable[[str, str], None]:
        """Counts the calls of one account; called in the threads that fetch."""

        def count(operation: str, code: str) -> None:
            self._requests.labels(account, operation, code).inc()

        return count


class Ages(Collector):
    """Gauges, read from the state when they are asked for."""

    def __init__(
        self,
        states: Callable[[], Mapping[SnapshotKey, SnapshotState]],
        decided: Callable[[], Mapping[SnapshotKey, Decided]],
    ) -> None:
        self._states = states
        self._decided = decided

    def collect(self) -> Iterator[GaugeMetricFamily]:
        # Copies, in one step each: the server asks from a thread of its own.
        states, decided = dict(self._states()), dict(self._decided())
        yield from _times(states)
        yield from _limits(decided)
        yield _needed(decided)
        refused = GaugeMetricFamily(
            "lastgood_snapshots_refused",
            "Snapshots that pods need and the policy refuses, by reason.",
            labels=("reason",),
        )
        counts = Count(item.refusal for item in decided.values() if item.refusal is not None)
        for reason, count in counts.items():
            refused.add_metric([reason], count)
        yield refused


class Staleness(Collector):
    """How long the API server has not been heard of, by resource, read when it is asked for."""

    def __init__(self, staleness_s: Callable[[], Mapping[str, float]]) -> None:
        self._staleness_s = staleness_s

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "lastgood_watch_staleness_seconds",
            "Time since the last message from the API server, by resource.",
            labels=("resource",),
        )
        for resource, age_s in self._staleness_s().items():
            family.add_metric([resource], age_s)
        yield family


def _times(states: Mapping[SnapshotKey, SnapshotState]) -> Iterator[GaugeMetricFamily]:
    success = _per_snapshot("last_success_timestamp", "Time of the last successful refresh.")
    attempt = _per_snapshot("last_attempt_timestamp", "Time of the last refresh attempt.")
    for key, state in states.items():
        if state.last_success is not None:
            success.add_metric(_labels(key), state.last_success)
        if state.last_attempt is not None:
            attempt.add_metric(_labels(key), state.last_attempt)
    yield success
    yield attempt


def _limits(decided: Mapping[SnapshotKey, Decided]) -> Iterator[GaugeMetricFamily]:
    budget = _per_snapshot("freshness_budget", "Age at which the value becomes stale.")
    max_age = _per_snapshot("max_age", "Age at which the value becomes expired.")
    for key, item in decided.items():
        if item.demanded is not None:
            budget.add_metric(_labels(key), item.demanded.rules.budget_s)
            max_age.add_metric(_labels(key), item.demanded.rules.max_age_s)
    yield budget
    yield max_age


def _needed(decided: Mapping[SnapshotKey, Decided]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "lastgood_account_needed_calls_per_second",
        "Calls per second needed to keep all secrets in use fresh.",
        labels=("account",),
    )
    for account, rate in needed_calls_per_second(decided).items():
        family.add_metric([account], rate)
    return family


def _per_snapshot(name: str, says: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        f"lastgood_secret_{name}_seconds", says, labels=("namespace", "snapshot")
    )


def _labels(key: SnapshotKey) -> list[str]:
    """The hash alone: the slug before it is made of the reference."""
    return [key.namespace, key.source.snapshot.rpartition("-")[2]]


MOST_LOGGED = 4096
"""Characters of one text in the log."""


class JsonLines(logging.Formatter):
    """One JSON object per record. Of a record that is not ours only who, how bad and which
    exception: its text could quote what it was given.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {"at": round(record.created, 3), "level": record.levelname}
        if record.name.startswith("lastgood."):
            fields["event"] = record.getMessage()
            fields |= getattr(record, "fields", {})
        else:
            fields |= {"event": "library", "logger": record.name}
        if record.exc_info is not None and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
        return json.dumps({name: _cut(found) for name, found in fields.items()}, default=str)


def _cut(found: object) -> object:
    """A field as it is logged: JSON escapes what is not ASCII, and a text has a longest form."""
    return (
        shown(found, MOST_LOGGED) if isinstance(found, str) and len(found) > MOST_LOGGED else found
    )


def say(level: int, event: str, **fields: object) -> None:
    """One log line."""
    LOG.log(level, event, extra={"fields": fields})


def log_to(stream: TextIO = sys.stderr) -> None:
    """Sends our lines, and warnings of libraries, to a stream."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("lastgood").setLevel(logging.INFO)
