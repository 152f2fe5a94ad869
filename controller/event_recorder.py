"""Events on pods that wait or started stale, and on snapshots: what is the matter, what to do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from api.snapshot import KIND
from contract.quoted import printable
from controller.status_transitions import Severity
from controller.telemetry import say
from controller.times import rfc3339
from kube.api_resources import EVENTS, PODS, SECRET_SNAPSHOTS
from kube.errors import ApiError, FencedError
from refresh.budget import Bucket, RateLimit
from refresh.step_events import AlarmKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.api import Api
    from workqueue.clock import Clock

AGAIN_S = 600.0
"""The same is not said again sooner."""
ALL = RateLimit(calls_per_second=20, burst=200)
OF_ONE_NAMESPACE = RateLimit(calls_per_second=2, burst=50)
"""So that one tenant's many pods take no other's Events."""
_TIDY_S = 60.0
MOST_NOTE = 1000
"""Bytes; the API server takes 1024."""
_ALARMS = {
    AlarmKind.REJECTED: ("VersionRejected", "a new version failed validation and is not served"),
    AlarmKind.CHANGED_IN_PLACE: (
        "ChangedInPlace",
        "the provider returned other bytes for a version that is stored. They are not served",
    ),
    AlarmKind.SUSPICIOUS: (
        "SuspiciousChange",
        "the new version differs much from the previous one in size or structure. It is served",
    ),
    AlarmKind.PIN_NOT_SERVED: ("PinNotServed", "the pinned version cannot be served"),
    AlarmKind.NOTHING_OLDER: (
        "NothingOlder",
        "no other good version is stored, so the version that was rolled back is still served",
    ),
    AlarmKind.HELD: (
        "VersionHeld",
        "a new version lacks a property that is in use. The previous version stays served for now",
    ),
    AlarmKind.REVOKED: (
        "Revoked",
        "the served version was revoked, and no other version replaces it",
    ),
    AlarmKind.WITHDRAWN: (
        "Withdrawn",
        "the policy no longer allows the source, so its value was removed",
    ),
    AlarmKind.NOT_USABLE: (
        "VersionNotUsable",
        "the newest version at the provider cannot be used. The last good version stays served",
    ),
    AlarmKind.WARNED: (
        "ProviderWarning",
        "the provider says something against this version. It is served all the same",
    ),
    AlarmKind.RESTORED: (
        "RestoredBackup",
        "the snapshot comes from a backup of another cluster. Its refresh is queued",
    ),
}


class Regarded(NamedTuple):
    """What an Event is about."""

    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str


class EventRecorder:
    """Writes Events, each at most every ten minutes and few a second, of one namespace fewer; one
    that fails is not repeated.
    """

    def __init__(self, api: Api, clock: Clock, instance: str, draw: Callable[[], float]) -> None:
        """`instance` is the process's own name."""
        self._api = api
        self._clock = clock
        self._instance = instance
        self._draw = draw
        self._said: dict[tuple[str, str], float] = {}
        self._all = Bucket(ALL, clock.monotonic())
        self._by_namespace: dict[str, Bucket] = {}
        self._tidied_at = clock.monotonic()

    async def say(
        self,
        of: Regarded,
        about: str,
        reason: str,
        note: str,
        *,
        severity: Severity = Severity.WARNING,
    ) -> None:
        """Says it now, if it is time to say that of the object."""
        now = self._clock.monotonic()
        if now - self._said.get((of.uid, about), float("-inf")) < AGAIN_S:
            return
        if not self._paid(of.namespace, now):
            return
        self._said[of.uid, about] = now
        name = f"{of.name[:200]}.{int(self._draw() * 2**60):015x}"
        body = {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "metadata": {"name": name, "namespace": of.namespace},
            "eventTime": rfc3339(self._clock.now()),
            "reportingController": "lastgood.dev/controller",
            "reportingInstance": self._instance[:128],
            "action": "Refresh",
            "reason": reason,
            "type": severity,
            "note": _shown(note),
            "regarding": {
                "kind": of.kind,
                "apiVersion": of.api_version,
                "namespace": of.namespace,
                "name": of.name,
                "uid": of.uid,
            },
        }
        try:
            await self._api.create(EVENTS.path(of.namespace), body)
        except (ApiError, FencedError) as error:
            say(logging.INFO, "controller.event_not_written", why=str(error), reason=reason)

    def _paid(self, namespace: str, now: float) -> bool:
        if now - self._tidied_at >= _TIDY_S:
            self._tidied_at = now
            self._said = {key: at for key, at in self._said.items() if now - at < AGAIN_S}
            full = OF_ONE_NAMESPACE.burst
            self._by_namespace = {
                name: it for name, it in self._by_namespace.items() if it.ready_at(full, now) > now
            }
        own = self._by_namespace.get(namespace)
        if own is None:
            own = self._by_namespace[namespace] = Bucket(OF_ONE_NAMESPACE, now)
        buckets = (own, self._all)
        if any(bucket.ready_at(1, now) > now for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.take(1, now)
            bucket.settle(1, 1, now)
        return True


def _shown(note: str) -> str:
    """In one line, and with nothing that steers a terminal: a version may be a tenant's words."""
    return printable(note[:MOST_NOTE]).encode()[:MOST_NOTE].decode("utf-8", "ignore")


def regarding_pod(namespace: str, name: str, uid: str) -> Regarded:
    """A pod, to be regarded."""
    return Regarded("Pod", PODS.api_version, namespace, name, uid)


def regarding_snapshot(namespace: str, name: str, uid: str) -> Regarded:
    """A SecretSnapshot, to be regarded."""
    return Regarded(KIND, SECRET_SNAPSHOTS.api_version, namespace, name, uid)


def alarm_note(
    kind: AlarmKind, version: str | None, code: str | None, detail: str | None = None
) -> tuple[str, str]:
    """The Event's reason and note of an alarm."""
    reason, sentence = _ALARMS[kind]
    details = ", ".join(item for item in (version and f"version {version}", code) if item)
    note = f"{sentence} ({details})" if details else sentence
    return reason, note if detail is None else f"{note}: {detail}"
