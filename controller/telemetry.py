"""What the controller counts, and JSON log lines that state decisions. No values, and no reference
in a label. Gauges of its state are in `state_metrics`.
"""

from __future__ import annotations

import json
import logging
import sys
from threading import Lock
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contract.quoted import shown
from contract.reasons import FetchFailure
from contract.version import VERSION
from kube.errors import ERRORS
from providers.registry import PROVIDERS
from refresh.observer import Observer
from refresh.step_events import AlarmKind
from refresh.validate import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TextIO

    from api.account import SecretAccount
    from refresh.model import SnapshotKey, Task
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


RESULTS = (
    ("fetched", NONE),
    ("unchanged", NONE),
    *(("unconfirmed", reason) for reason in FetchFailure if reason in _READ),
    *(("failed", reason) for reason in FetchFailure if reason not in _READ),
)
"""The results of a refresh, each with its reason."""
WRITES = ("snapshot", "freshness")
OTHER = "other"
MOST_CODES = 64
"""Of one account's calls; more count as OTHER. Sources take codes from tables, so that this is a
second wall."""


class Telemetry(Observer):
    """The engine's observer, and the counters behind it. Label sets that are known beforehand begin
    at 0, and those of an account or a namespace end with it.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, says: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"lastgood_{name}", says, labels, registry=registry)

        Gauge(
            "lastgood_build_info",
            "Always 1. The labels say which part this is, and its version.",
            ("component", "version"),
            registry=registry,
        ).labels("controller", VERSION).set(1)
        self._leader = Gauge(
            "lastgood_controller_leader",
            "1 while this replica leads, that is, refreshes secrets; else 0.",
            registry=registry,
        )
        self._refreshes = counter(
            "refresh",
            "Refreshes of one source. Grows with each answer, failure or refusal of the provider,"
            " also where the answer is that nothing is new.",
            ("account", "provider", "result", "reason"),
        )
        self._requests = counter(
            "provider_requests",
            "Calls of the provider's API, of logins too. Grows with each answer or failure. code is"
            " ok or the error's.",
            ("account", "operation", "code"),
        )
        self._exhausted = counter(
            "provider_budget_exhausted",
            "Times that due work waited for the account's budget. Some are usual after a start.",
            ("account",),
        )
        self._rejected = counter(
            "snapshot_rejected",
            "New versions that failed a check, and are not served. Grows once per version.",
            ("reason",),
        )
        self._alarms = counter(
            "snapshot_alarms",
            "What somebody should look at on a snapshot. Grows once each time, as its Event.",
            ("kind",),
        )
        self._failed_writes = counter(
            "writes_failed",
            "Writes to the API server that failed and are repeated. Grows with each try.",
            ("what", "error"),
        )
        self._started = counter(
            "pods_started",
            "Pods that started with secrets. Grows once for each, up to a minute after its start.",
            ("namespace",),
        )
        self._started_stale = counter(
            "pods_started_stale",
            "Those of lastgood_pods_started_total whose values were stale at their start.",
            ("namespace",),
        )
        for kind in AlarmKind:
            self._alarms.labels(kind)
        for check in CHECKS:
            self._rejected.labels(check)
        for what in WRITES:
            for error in ERRORS:
                self._failed_writes.labels(what, error)
        self._codes: dict[str, set[str]] = {}
        self._codes_lock = Lock()
        self._accounts: Mapping[str, SecretAccount] = {}
        self._gone: set[str] = set()
        """Accounts that were deleted. A fetch of one may still end."""

    def leads(self, *, now: bool) -> None:
        """Whether this replica leads from now on."""
        self._leader.set(now)

    def accounts(self, accounts: Mapping[str, SecretAccount]) -> None:
        """The accounts in force."""
        if accounts is self._accounts:
            return
        for name in self._accounts.keys() - accounts.keys():
            self._gone.add(name)
            for counted in (self._refreshes, self._requests, self._exhausted):
                counted.remove_by_labels({"account": name})
            with self._codes_lock:
                self._codes.pop(name, None)
        for name, account in accounts.items():
            self._gone.discard(name)
            self._exhausted.labels(name)
            for scheme in PROVIDERS[account.spec.provider].schemes:
                for result, reason in RESULTS:
                    self._refreshes.labels(name, scheme.name, result, reason)
        self._accounts = accounts

    def pod_seen(self, namespace: str) -> None:
        """A pod of that namespace needs secrets."""
        self._started.labels(namespace)
        self._started_stale.labels(namespace)

    def pod_started(self, namespace: str, *, stale: bool) -> None:
        """A pod has started. Once for each pod."""
        self._started.labels(namespace).inc()
        self._started_stale.labels(namespace).inc(stale)

    def namespaces_gone(self, namespaces: Iterable[str]) -> None:
        """Nothing is to be said of those any more."""
        for namespace in namespaces:
            for counted in (self._started, self._started_stale):
                counted.remove_by_labels({"namespace": namespace})

    def refreshed(self, task: Task, reason: FetchFailure | None, code: str) -> None:
        failed = "unconfirmed" if reason in _READ else "failed"
        result = code if reason is None else failed
        source = task.source
        if source.account not in self._gone:
            self._refreshes.labels(source.account, source.scheme, result, reason or NONE).inc()
        say(
            logging.WARNING if result == "failed" else logging.INFO,
            "controller.refreshed",
            account=source.account,
            snapshot=source.snapshot,
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
        if account not in self._gone:
            self._exhausted.labels(account).inc()

    def sink_failed(self, what: str, error: str) -> None:
        self._failed_writes.labels(what, error).inc()
        say(logging.ERROR, "controller.write_failed", what=what, error=error, decision="repeated")

    def requested(self, account: str) -> Callable[[str, str], None]:
        """Counts the calls of one account; called in the threads that fetch."""

        def count(operation: str, code: str) -> None:
            if account not in self._gone:
                self._requests.labels(account, operation, self._bounded(account, code)).inc()

        return count

    def _bounded(self, account: str, code: str) -> str:
        """The code, as long as the account has had few."""
        with self._codes_lock:
            known = self._codes.setdefault(account, set())
            if code in known or len(known) < MOST_CODES:
                known.add(code)
                return code
        return OTHER


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
