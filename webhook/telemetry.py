"""Metrics, and the log: JSON lines, one per admission, that state the decision."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from contract.quoted import printable, shown
from contract.version import VERSION
from serving.register import ENDS
from webhook.verdict import Denial, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from webhook.review import AdmissionRequest
    from webhook.verdict import Verdict
    from workqueue.clock import Clock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_LOGGED = 10
"""Mistakes of one pod in the log; the answer has them all."""
MOST_TEXT = 4096
"""Characters of one text in the log."""
_BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
    *(2.5, 5.0),
)
"""Seconds, up to the time-out that the chart gives the API server."""
NONE = "none"
STATUSES = (400, 403, 405, 413, 500, 503)
"""Of requests that are answered with no admission."""
RELOADED = ("certificate", "client_ca", "policies")
KINDS = ("SecretAccount", "SecretPolicy")


class AdmissionLog:
    """Writes events with keys, one JSON object per line."""

    def __init__(self, stream: BinaryIO, now: Callable[[], float]) -> None:
        """`stream` is unbuffered: one write per line. `now` gives seconds since the epoch."""
        self._stream = stream
        self._now = now

    def write(self, event: str, *, level: str = "info", **fields: Any) -> None:  # noqa: ANN401 - JSON
        """One line. A log that can't be written is no reason to fail an admission."""
        time = datetime.fromtimestamp(self._now(), UTC)
        line = orjson.dumps(
            {
                "time": time,
                "level": level,
                "event": event,
                **{k: _cut(v) for k, v in fields.items()},
            },
            default=repr,
            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
        )
        try:
            self._stream.write(line)
        except OSError:
            return

    def crashed(self, event: str, error: BaseException, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """An unexpected error: its type and where, never its text, which may quote a pod."""
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
        self.write(event, level="error", error=type(error).__name__, where=where, **fields)


def _cut(found: object) -> object:
    """A field as it is logged: no text is longer than MOST_TEXT, and none steers a terminal."""
    if isinstance(found, str):
        return shown(found, MOST_TEXT) if len(found) > MOST_TEXT else printable(found)
    return [_cut(item) for item in found] if isinstance(found, list | tuple) else found


def _count_of(counts: Callable[[], Mapping[str, int]], kind: str) -> float:
    return counts()[kind]


class LogHandler(logging.Handler):
    """Takes the records of libraries, and of ours that use `logging`, into the log."""

    def __init__(self, log: AdmissionLog) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Our records carry `fields`; of an exception the type and place are written."""
        fields = getattr(record, "fields", {})
        level = record.levelname.lower()
        if record.exc_info and record.exc_info[1] is not None:
            self._log.crashed("library.error", record.exc_info[1], logger=record.name)
        elif record.name.startswith("lastgood."):
            self._log.write(record.getMessage(), level=level, **fields)
        else:
            self._log.write(
                "library.message", level=level, logger=record.name, message=record.getMessage()
            )


class Telemetry:
    """One exit, one count: every request passes here once, whatever became of it."""

    def __init__(self, log: AdmissionLog) -> None:
        self.log = log
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        Gauge(
            "lastgood_build_info",
            "Always 1. The labels say which part this is, and its version.",
            ("component", "version"),
            registry=self._registry,
        ).labels("webhook", VERSION).set(1)
        self._admissions = Counter(
            "lastgood_admission",
            "Answered requests. Grows once for each. reason is none, why a pod was denied, or of an"
            " error the HTTP status.",
            ("verdict", "reason"),
            registry=self._registry,
        )
        self._duration = Histogram(
            "lastgood_admission_duration_seconds",
            "Time from the last byte of a request to its response, in seconds.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._not_after = Gauge(
            "lastgood_certificate_not_after_timestamp_seconds",
            "When the certificate expires, in seconds since the epoch. leaf: the one that is shown."
            " ca: the one that signs it, if lastgood has it.",
            ("kind",),
            registry=self._registry,
        )
        self._reload_failures = Counter(
            "lastgood_reload_failures",
            "Changed files that could not be loaded; the content before stays in use. Grows with"
            " each try.",
            ("what",),
            registry=self._registry,
        )
        self._staleness = Gauge(
            "lastgood_watch_staleness_seconds",
            "Time since the last message from the API server, in seconds. +Inf before the first.",
            ("resource",),
            registry=self._registry,
        )
        self._invalid = Gauge(
            "lastgood_invalid_objects",
            "Objects that cannot be read. Their last good form is used.",
            ("kind",),
            registry=self._registry,
        )
        self._ended = Counter(
            "lastgood_connections_ended",
            "Closed connections. Grows once for each. closed and reset: by the client. full and"
            " bytes: to make room. handshake, head, body, answer, idle and linger: too slow or not"
            " readable. stop: at the end of the process.",
            ("reason",),
            registry=self._registry,
        )
        self._in_sync: Gauge | None = None
        self._by_labels: dict[tuple[str, str], Counter] = {}
        for outcome in (Outcome.INJECTED, Outcome.UNCHANGED):
            self._admissions.labels(outcome.value, NONE)
        for denial in Denial:
            self._admissions.labels(Outcome.DENIED.value, denial.value)
        for status in STATUSES:
            self._admissions.labels("error", str(status))
        for what in RELOADED:
            self._reload_failures.labels(what)
        for end in ENDS:
            self._ended.labels(end)

    def admitted(self, request: AdmissionRequest, verdict: Verdict, duration_s: float) -> None:
        """An answered request."""
        reason = verdict.mistakes[0].reason.value if verdict.mistakes else NONE
        self._count(verdict.outcome.value, reason, duration_s)
        fields: dict[str, Any] = {}
        if verdict.plan is not None:
            fields["mode"] = verdict.plan.mode
            fields["snapshots"] = [planned.snapshot for planned in verdict.plan.snapshots]
        if verdict.mistakes:
            fields["mistakes"] = [str(item) for item in verdict.mistakes[:MOST_LOGGED]]
            fields["mistakes_count"] = len(verdict.mistakes)
        if verdict.warnings:
            fields["warnings"] = verdict.warnings
        self.log.write(
            "admission.decided",
            uid=request.uid,
            namespace=request.namespace,
            name=request.name,
            dry_run=request.dry_run,
            verdict=verdict.outcome,
            reason=None if reason == NONE else reason,
            duration_ms=round(duration_s * 1000, 3),
            **fields,
        )

    def rejected(self, status: int, message: str, duration_s: float) -> None:
        """A request that is no admission of a pod. `message` quotes nothing of it."""
        self._count("error", str(status), duration_s)
        self.log.write("admission.rejected", level="warning", status=status, message=message)

    def crashed(self, error: BaseException, duration_s: float) -> None:
        """A request that we failed."""
        self._count("error", "500", duration_s)
        self.log.crashed("admission.failed", error)

    def _count(self, verdict: str, reason: str, duration_s: float) -> None:
        counter = self._by_labels.get((verdict, reason))
        if counter is None:
            counter = self._admissions.labels(verdict, reason)
            self._by_labels[verdict, reason] = counter
        counter.inc()
        self._duration.observe(duration_s)

    def certificate(self, not_after: float, kind: str = "leaf") -> None:
        """A certificate is in use: `leaf`, or the `ca` that it will be renewed from."""
        self._not_after.labels(kind).set(not_after)

    def bundle_in_sync(self, *, in_sync: bool) -> None:
        """What the API server trusts was compared with what it should."""
        if self._in_sync is None:
            self._in_sync = Gauge(
                "lastgood_ca_bundle_in_sync",
                "1 if caBundle of the webhook configuration has exactly the CAs it should have, or"
                " 0. Absent before the first look, and without certificates of mode self.",
                registry=self._registry,
            )
        self._in_sync.set(in_sync)

    def watched(self, resource: str, staleness_s: Callable[[float], float], clock: Clock) -> None:
        """Something is watched from now on."""
        gauge = self._staleness.labels(resource)
        gauge.set_function(lambda: staleness_s(clock.monotonic()))

    def invalid_objects(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Objects are read from now on. `counts` by kind, of each of KINDS."""
        for kind in KINDS:
            self._invalid.labels(kind).set_function(partial(_count_of, counts, kind))

    def connected(self, count: Callable[[], int], held_bytes: Callable[[], int]) -> None:
        """Connections are accepted from now on."""
        for name, meaning, now in (
            ("lastgood_connections", "Open connections, of all clients.", count),
            (
                "lastgood_connections_held_bytes",
                "Bytes of requests and responses in memory.",
                held_bytes,
            ),
        ):
            Gauge(name, meaning, registry=self._registry).set_function(now)

    def connection_ended(self, why: str) -> None:
        """A connection is over. Not logged: anybody may open many."""
        self._ended.labels(why).inc()

    def reload_failed(self, what: str) -> None:
        """New files could not be taken over; the old content stays in use."""
        self._reload_failures.labels(what).inc()

    def exposition(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self._registry)
