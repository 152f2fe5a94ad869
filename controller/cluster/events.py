"""Events on pods that wait and on snapshots: which source, which error, what to do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from contract.reasons import FetchFailure
from controller.cluster.wire import rfc3339
from controller.telemetry import say
from kube.errors import ApiError, FencedError
from kube.resources import EVENTS, PODS, SECRET_SNAPSHOTS
from policy.snapshot import KIND
from refresh.budget import Bucket, Budget
from refresh.events import AlarmKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.api import Api
    from kube.clock import Clock

AGAIN_S = 600.0
"""The same is not said again sooner."""
MOST_NOTE = 1000
"""Characters; the API server takes 1024 bytes."""
_WHAT_TO_DO = {
    FetchFailure.ABSENT: "create it at the provider, or correct the annotation",
    FetchFailure.DENIED: "the account's role may not read it; ask who runs the SecretAccount",
    FetchFailure.THROTTLED: "the provider asked us to slow down; it is tried again",
    FetchFailure.UNAVAILABLE: "the provider does not answer; it is tried again",
    FetchFailure.INVALID: "correct the value at the provider, or the policy's validations",
    FetchFailure.EMPTY: "put a value into it at the provider",
    FetchFailure.TOO_LARGE: "make the value smaller, or raise the policy's limit",
    "foreign-secret": "remove or rename the Secret of this name, which lastgood did not write",
}
_REFUSED = "policy does not allow it; ask who runs the SecretPolicy of this namespace"
_ALARMS = {
    AlarmKind.REJECTED: ("VersionRejected", "a new version failed its checks and is not served"),
    AlarmKind.CHANGED_IN_PLACE: (
        "ChangedInPlace",
        "the provider gave other bytes under a version that is held; they are not served",
    ),
    AlarmKind.SUSPICIOUS: ("SuspiciousChange", "a new version is served, unlike the one before"),
    AlarmKind.PIN_NOT_SERVED: ("PinNotServed", "the pinned version can't be served"),
    AlarmKind.NOTHING_OLDER: (
        "NothingOlder",
        "no other good version is held, so the one that was rolled back from stays",
    ),
    AlarmKind.REVOKED: ("Revoked", "the served version was revoked and nothing replaces it"),
    AlarmKind.WITHDRAWN: ("Withdrawn", "policy took the source away, and its value is removed"),
}


class Regarded(NamedTuple):
    """What an Event is about."""

    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str


class Events:
    """Writes Events, each at most every ten minutes and few a second; one that fails is not
    repeated.
    """

    def __init__(self, api: Api, clock: Clock, instance: str, draw: Callable[[], float]) -> None:
        """`instance` is the process's own name."""
        self._api = api
        self._clock = clock
        self._instance = instance
        self._draw = draw
        self._said: dict[tuple[str, str], float] = {}
        self._bucket = Bucket(Budget(calls_per_second=5, burst=50), clock.monotonic())

    def wants(self, uid: str, about: str) -> bool:
        """Whether it is time to say that of an object."""
        now = self._clock.monotonic()
        if now - self._said.get((uid, about), float("-inf")) < AGAIN_S:
            return False
        return self._bucket.ready_at(1, now) <= now

    async def say(self, of: Regarded, about: str, reason: str, note: str) -> None:
        """Says it now, if `wants`."""
        if not self.wants(of.uid, about):
            return
        now = self._clock.monotonic()
        self._bucket.take(1, now)
        self._bucket.settle(1, 1, now)
        self._said = {key: at for key, at in self._said.items() if now - at < AGAIN_S}
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
            "type": "Warning",
            "note": note[:MOST_NOTE],
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


def regarding_pod(namespace: str, name: str, uid: str) -> Regarded:
    """A pod, to be regarded."""
    return Regarded("Pod", PODS.api_version, namespace, name, uid)


def regarding_snapshot(namespace: str, name: str, uid: str) -> Regarded:
    """A SecretSnapshot, to be regarded."""
    return Regarded(KIND, SECRET_SNAPSHOTS.api_version, namespace, name, uid)


def waiting_note(source: str, account: str, reason: str) -> str:
    """Why a pod waits for a source that was never synced, and what to do."""
    known = {str(failure): text for failure, text in _WHAT_TO_DO.items()}
    what = known.get(reason, _REFUSED)
    return f"waits for {source} of account {account}, never fetched yet: {reason}; {what}"


def alarm_note(kind: AlarmKind, version: str | None, code: str | None) -> tuple[str, str]:
    """The Event's reason and note of an alarm."""
    reason, sentence = _ALARMS[kind]
    details = ", ".join(item for item in (version and f"version {version}", code) if item)
    return reason, f"{sentence} ({details})" if details else sentence
