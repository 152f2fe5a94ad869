"""Does what `step` says, at the API server and in this process: reads, asks, does one thing, reads
again.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from kube.api_resources import MUTATING_WEBHOOKS, SECRETS
from kube.errors import ApiError, ConflictError, InvalidError, NotFoundError
from kube.reflector import Reflector
from webhook.certificates import authority, secret
from webhook.certificates.rotation import (
    Leaf,
    Observed,
    PublishCa,
    Save,
    Sign,
    leaf_end,
    step,
    trusted,
)
from webhook.tls import ServingCertificate, of_memory
from workqueue.queue import WorkQueue

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from kube.api import Api
    from kube.api_resources import Resource
    from webhook.certificates.authority import Certified
    from webhook.certificates.locations import Locations
    from webhook.certificates.rotation import Action, Ca, RotationTimes
    from webhook.certificates.secret import Stored
    from webhook.telemetry import Telemetry
    from workqueue.clock import Clock

Json = dict[str, Any]
_POLL_S = 60.0
"""Between reconciliations, at most, whatever the watches say."""
_RETRY_CAP_S = 5.0
"""The longest wait after one that failed: until it works, this replica may serve nobody."""
_MOST_ACTIONS = 20
"""In one reconciliation. More is a conflict with another writer, whose state then stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What the API server had."""

    stored: Stored
    configuration: Json | None
    bundles: tuple[tuple[Certified, ...], ...]

    @property
    def certificates(self) -> dict[str, Certified]:
        """Every certificate in sight, by id."""
        published = {item.ca.id: item for bundle in self.bundles for item in bundle}
        return published | dict(self.stored.certificates)


class CertificateReconciler(ServingCertificate):
    """The leaf of this replica, and its part in keeping the CA."""

    def __init__(
        self,
        api: Api,
        place: Locations,
        times: RotationTimes,
        *,
        clock: Clock,
        rng: random.Random,
        telemetry: Telemetry,
        client_ca: Path | None = None,
    ) -> None:
        """Serves with a leaf of its own that nobody trusts until there is a better one, so that
        probes get an answer.
        """
        now = clock.now()
        alone = authority.mint(times.leaf_s, now)
        pair = authority.sign(alone, place.names, now, alone.certified.ca.not_after)
        super().__init__(partial(of_memory, *pair), client_ca)
        self._api = api
        self._place = place
        self._times = times
        self._clock = clock
        self._rng = rng
        self._telemetry = telemetry
        self._leaf: Leaf | None = None
        self._issuer: Certified | None = None
        self._bundles: tuple[tuple[Certified, ...], ...] = ()
        self._waiting = False
        self._wake = asyncio.Event()
        cap_s = min(_RETRY_CAP_S, self._pause_s)
        self._queue: WorkQueue[str] = WorkQueue(base_s=min(1.0, cap_s), cap_s=cap_s)
        """Of one key, the Secret's name: both objects are read for it."""
        self._secret = SECRETS.path(place.namespace, secret.NAME)
        self._configuration = MUTATING_WEBHOOKS.path(name=place.configuration)

    def problem(self) -> str | None:
        """Why the API server would not trust us; None: it does, as far as we know."""
        if trusted(self._seen(None, self._bundles), self._clock.now()):
            return None
        if not self._bundles:
            return f"no MutatingWebhookConfiguration {self._place.configuration} was seen yet"
        return "the API server does not trust our certificate yet"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reconciles when something changed, and now and then, until the block ends."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(item.run(stop)) for item in self._watches()]
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            stop.set()
            following.cancel()
            await asyncio.gather(following, *tasks, return_exceptions=True)

    def _watches(self) -> list[Reflector[str]]:
        """They only wake us: what is decided on is read again."""
        places: list[tuple[Resource, str | None, str]] = [
            (SECRETS, self._place.namespace, secret.NAME),
            (MUTATING_WEBHOOKS, None, self._place.configuration),
        ]
        found = []
        for resource, namespace, name in places:
            watch = Reflector(
                self._api,
                resource,
                lambda content: str(content["metadata"]["resourceVersion"]),
                namespace=namespace,
                field_selector=f"metadata.name={name}",
                clock=self._clock,
                rng=self._rng,
            )
            watch.subscribe(lambda _: self._due_now())
            self._telemetry.watched(resource.plural, watch.staleness_s, self._clock)
            found.append(watch)
        return found

    def _due_now(self) -> None:
        self._queue.add(secret.NAME, self._clock.monotonic())
        self._wake.set()

    async def _follow(self) -> None:
        self._due_now()
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            key = self._queue.get(now)
            if key is not None:
                await self._reconcile(key)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._queue.next_at() - now):
                    await self._wake.wait()

    async def _reconcile(self, key: str) -> None:
        """Everything that is to do now. It is due again after a while, and before if something
        changes.
        """
        try:
            for _ in range(_MOST_ACTIONS):
                if not await self.act():
                    break
        except (ApiError, secret.ForeignError) as error:
            self._telemetry.reload_failed("certificate")
            self._telemetry.log.write("certificate.waits", level="warning", problem=str(error))
            asked_s = error.delay_s if isinstance(error, ApiError) else None
            now = self._clock.monotonic()
            self._queue.retry(key, now, self._rng.random(), asked_s=asked_s)
            return
        self._queue.done(key)
        pause_s = (0.5 + self._rng.random() / 2) * self._pause_s
        self._queue.add(key, self._clock.monotonic() + pause_s)

    @property
    def _pause_s(self) -> float:
        """Shorter while a CA waits for its first use."""
        times = self._times
        waiting = times.heal_s / 4 if self._waiting else _POLL_S
        return min(waiting, _POLL_S, times.settle_s / 2 + 0.1, times.leaf_s / 12)

    async def act(self) -> bool:
        """Reads, and does at most one action. False: there was nothing to do."""
        read = await self._read()
        self._bundles = read.bundles
        self._waiting = read.stored.cas is not None and read.stored.cas.next is not None
        now = self._clock.now()
        action = step(self._seen(read.stored, read.bundles), self._times, now)
        self._telemetry.bundle_in_sync(in_sync=bool(read.bundles) and type(action) is not PublishCa)
        if action is None:
            return False
        try:
            await self._do(action, read, now)
        except (ConflictError, NotFoundError):
            self._telemetry.log.write("certificate.conflict")
        return True

    def _seen(self, stored: Stored | None, bundles: tuple[tuple[Certified, ...], ...]) -> Observed:
        cas = None if stored is None else stored.cas
        return Observed(cas=cas, bundles=tuple(map(secret.cas, bundles)), leaf=self._leaf)

    async def _read(self) -> _Read:
        """The Secret first (see `step`)."""
        try:
            stored = secret.read(await self._api.get(self._secret))
        except NotFoundError:
            stored = secret.Stored(cas=None)
        try:
            configuration = await self._api.get(self._configuration)
        except NotFoundError:
            return _Read(stored=stored, configuration=None, bundles=())
        found = tuple(secret.bundles(configuration))
        return _Read(stored=stored, configuration=configuration, bundles=found)

    async def _do(self, action: Action, read: _Read, now: float) -> None:
        if isinstance(action, Save):
            await self._save(action, read, now)
        elif isinstance(action, PublishCa):
            await self._publish(action, read)
        elif isinstance(action, Sign):
            self._sign(read.stored, action, now)
        else:
            assert_never(action)

    async def _save(self, action: Save, read: _Read, now: float) -> None:
        cas, authorities = action.cas, dict(read.stored.authorities)
        if action.mint:
            made = authority.mint(self._times.ca_s, now)
            authorities[made.certified.ca.id] = made
            cas = replace(cas, next=made.certified.ca, published=None)
        certificates = read.certificates
        if self._issuer is not None:
            certificates.setdefault(self._issuer.ca.id, self._issuer)
        data = secret.write(cas, authorities, certificates)
        await self._write(read.stored, data)
        self._telemetry.log.write(
            "ca.saved",
            minted=action.mint,
            active=_short(cas.active),
            next=_short(cas.next),
            retired=[_short(item.ca) for item in cas.retired],
        )

    async def _write(self, stored: Stored, data: Mapping[str, Any]) -> None:
        """ConflictError: somebody wrote since it was read."""
        if stored.resource_version is None:
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": secret.TYPE,
                "metadata": {
                    "name": secret.NAME,
                    "labels": {"app.kubernetes.io/name": "lastgood"},
                },
                "data": {key: text for key, text in data.items() if text is not None},
            }
            await self._api.create(SECRETS.path(self._place.namespace), body)
            return
        version = {"resourceVersion": stored.resource_version}
        await self._api.merge_patch(self._secret, {"metadata": version, "data": data})

    async def _publish(self, action: PublishCa, read: _Read) -> None:
        if read.configuration is None:
            return
        version = read.configuration["metadata"]["resourceVersion"]
        text = secret.bundle(action.ids, read.certificates)
        operations: list[Json] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        ]
        operations += [
            {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": text}
            for index in range(len(read.bundles))
        ]
        try:
            await self._api.json_patch(self._configuration, operations)
        except InvalidError:
            self._telemetry.log.write("certificate.conflict")
            return
        self._telemetry.log.write(
            "ca.published", trusted=[found[:12] for found in sorted(action.ids)]
        )

    def _sign(self, stored: Stored, action: Sign, now: float) -> None:
        issuer = stored.authorities[action.ca.id]
        end = leaf_end(action.ca, self._times, now)
        self.swap(partial(of_memory, *authority.sign(issuer, self._place.names, now, end)))
        self._leaf = Leaf(issuer=action.ca, not_after=end)
        self._issuer = issuer.certified
        self._telemetry.certificate(end)
        self._telemetry.certificate(action.ca.not_after, "ca")
        self._telemetry.log.write("certificate.signed", ca=_short(action.ca), not_after=end)


def _short(ca: Ca | None) -> str | None:
    """Enough of a fingerprint to recognise it."""
    return None if ca is None else ca.id[:12]
