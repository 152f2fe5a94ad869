"""Metrics, and the log: JSON lines, one per admission, that state the decision."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contract.quoted import printable, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.review import AdmissionRequest
    from webhook.verdict import Verdict
    from workqueue.clock import Clock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_LOGGED = 10
"""Mistakes of one pod in the log; the answer has them all."""
MOST_TEXT = 4096
"""Characters of one text in the log."""
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1.0)


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
        self._admissions = Counter(
            "lastgood_admission",
            "Admissions by verdict (injected, unchanged, denied, error) and reason.",
            ("verdict", "reason"),
            registry=self._registry,
        )
        self._duration = Histogram(
            "lastgood_admission_duration_seconds",
            "Time from the last byte of a request to its response.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._not_after = Gauge(
            "lastgood_certificate_not_after_seconds",
            "Expiry of the certificate in seconds since the epoch, by kind: leaf or ca.",
            ("kind",),
            registry=self._registry,
        )
        self._reload_failures = Counter(
            "lastgood_reload_failures",
            "Changed files that could not be loaded: certificate, client_ca or policies.",
            ("what",),
            registry=self._registry,
        )
        self._staleness = Gauge(
            "lastgood_watch_staleness_seconds",
            "Time since the last message from the API server, by resource.",
            ("resource",),
            registry=self._registry,
        )
        self._invalid = Gauge(
            "lastgood_invalid_objects",
            "SecretAccounts and SecretPolicies that cannot be read. Their last good form is used.",
            registry=self._registry,
        )
        self._ended = Counter(
            "lastgood_connections_ended",
            "Closed connections by reason: closed, reset, full or bytes (closed to make room),"
            " handshake, head, body, answer, idle or linger (timeout or not readable), stop.",
            ("why",),
            registry=self._registry,
        )
        self._in_sync: Gauge | None = None
        self._by_labels: dict[tuple[str, str], Counter] = {}

    def admitted(self, request: AdmissionRequest, verdict: Verdict, duration_s: float) -> None:
        """An answered request."""
        reason = verdict.mistakes[0].reason.value if verdict.mistakes else ""
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
            reason=reason or None,
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
                "1 if caBundle of the webhook configuration has exactly the CAs it should have.",
                registry=self._registry,
            )
        self._in_sync.set(in_sync)

    def watched(self, resource: str, staleness_s: Callable[[float], float], clock: Clock) -> None:
        """Something is watched from now on."""
        gauge = self._staleness.labels(resource)
        gauge.set_function(lambda: staleness_s(clock.monotonic()))

    def invalid_objects(self, count: Callable[[], int]) -> None:
        """Objects are read from now on."""
        self._invalid.set_function(count)

    def connected(self, count: Callable[[], int], held_bytes: Callable[[], int]) -> None:
        """Connections are accepted from now on."""
        for name, meaning, now in (
            ("lastgood_connections", "Open connections.", count),
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
