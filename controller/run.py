"""The controller put together: copies of what others want, then, while it leads, one engine that
writes through the API server.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from controller import selfcheck
from controller.account_watch import AccountWatch
from controller.accounts import Accounts
from controller.cluster_secrets import ClusterSecrets
from controller.controller import Controller
from controller.event_recorder import EventRecorder
from controller.event_reporter import EventReporter
from controller.garbage_collector import GarbageCollector
from controller.in_use_protection import InUseProtection
from controller.informers import Informers
from controller.leader import Leader, lead
from controller.lease import LEASE
from controller.lease_renewal import Renewal
from controller.listers import DemandLister, PolicyLister, SpecLister
from controller.namespace_ages import FreshnessMaps
from controller.namespace_rights import NamespaceRights
from controller.nudges import Nudges
from controller.record_checks import RecordChecks
from controller.record_store import Records
from controller.restore import Restore
from controller.snapshot_writer import SnapshotWriter
from controller.state_metrics import AccountMetrics, HeldPods, SnapshotMetrics
from controller.status_writer import StatusWriter
from controller.telemetry import Staleness, Telemetry, say
from controller.tenant_secrets import Secrets
from kube.api_resources import NAMESPACES
from kube.errors import TemporaryError
from kube.run_until import unless
from providers.registry import SCHEMES
from refresh.engine import Engine, in_thread
from refresh.observer import Observers

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping

    from prometheus_client import CollectorRegistry

    from controller.reconcile import Decided
    from controller.settings import Settings
    from kube.api import Api
    from kube.forbidden_requests import Attempts
    from kube.reflector import Change
    from policy.watched import Labelled
    from providers.extra_ca import ExtraCa
    from refresh.engine import Ask
    from refresh.model import SnapshotKey
    from workqueue.clock import Clock

AGAIN_S = 2.0
"""Between two tries to begin while the API server is away."""


class LostError(Exception):
    """Leadership was lost: the process ends and starts again. Caught by main."""


class ControllerProcess:
    """One replica."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        *,
        connect: Callable[[], Awaitable[Api]],
        clock: Clock,
        rng: random.Random,
        salt: bytes,
        registry: CollectorRegistry,
        attempts: Attempts,
        extra_ca: ExtraCa | None = None,
        ask: Ask = in_thread,
        renewal: type[Renewal] = Renewal,
        accounts: type[Accounts] = Accounts,
    ) -> None:
        """`connect` gives a client of the same API server for another loop, which closes it. What
        the last three name needs threads or the network; a simulation has others.
        """
        self._ask = ask
        self._renewal_of = renewal
        self._accounts_of = accounts
        self._connect = connect
        self._renewal: Renewal | None = None
        self._api = api
        self._attempts = attempts
        self._extra_ca = extra_ca
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._salt = salt
        self._registry = registry
        self._telemetry = Telemetry(registry)
        self._controller: Controller | None = None

    def healthy(self) -> bool:
        """Whether the loop runs, and where this replica leads also its work."""
        runs = self._renewal is None or self._renewal.loop_runs()
        return runs and (self._controller is None or self._controller.healthy())

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. LostError, NotRefusedError, ApiError."""
        settings, clock, rng = self._settings, self._clock, self._rng
        cluster = await self._begin(stop)
        if cluster is None:
            return
        informers = Informers(self._api, clock, rng, _passed_over)
        self._registry.register(Staleness(lambda: informers.staleness_s(clock.monotonic())))

        def candidate(api: Api) -> Leader:
            return Leader(
                api,
                namespace=settings.namespace,
                name=LEASE,
                identity=settings.identity,
                clock=clock,
                rng=rng,
            )

        leader = self._renewal = self._renewal_of(self._connect, candidate, clock.monotonic)

        async def work(ending: asyncio.Event) -> None:
            self._telemetry.leads(now=True)
            if await unless(ending, informers.wait_synced()):
                await self._work(ending, informers, self._api.fenced(leader.remaining_s), cluster)

        async with _beside(*informers.runs(stop)):
            if not await lead(leader, stop, work):
                raise LostError("another replica leads now")

    async def _begin(self, stop: asyncio.Event) -> str | None:
        """The cluster's UID, once the API server answers and what must be refused is; None: `stop`
        came first.
        """
        settings = self._settings
        namespace_rights = NamespaceRights(
            self._api, settings.namespace, sorted(settings.namespaces or ())
        )
        while not stop.is_set():
            try:
                found = await self._api.get(NAMESPACES.path(name="kube-system"))
                if settings.self_check:
                    await selfcheck.check(
                        self._api, self._attempts, settings.namespace, settings.pod
                    )
                    await namespace_rights.check(report=settings.reports_reads)
                return str(found["metadata"]["uid"])
            except TemporaryError as error:
                say(logging.WARNING, "controller.waits", why=str(error), decision="tried again")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AGAIN_S)
        return None

    async def _work(
        self, ending: asyncio.Event, informers: Informers, api: Api, cluster: str
    ) -> None:
        """What a leader does, until `ending`."""
        clock, rng = self._clock, self._rng
        events = EventRecorder(api, clock, self._settings.identity, rng.random)
        nudges = Nudges(api, clock, informers.is_awake)
        reporter = EventReporter(events, informers, clock, self._telemetry)
        informers.namespaces.subscribe(self._namespace)
        freshness = FreshnessMaps(api)
        records = Records(api, self._settings.namespace, informers.namespace_uid, self._salt)
        secrets = Secrets(api)
        accounts = self._accounts_of(
            observer=self._telemetry.requested,
            problem=_account_unusable,
            governed=self._telemetry.accounts,
            monotonic=clock.monotonic,
            for_tests=self._settings.file_accounts,
            proxies=self._settings.proxies,
            folder=self._settings.account_files,
            extra_ca=self._extra_ca,
            cluster=ClusterSecrets(
                api,
                informers.external_secrets.of,
                namespace=self._settings.namespace,
                clock=clock,
            ),
        )
        statuses = StatusWriter(
            api,
            informers=informers,
            records=records,
            secrets=secrets,
            freshness=freshness,
            events=events,
            clock=clock,
            draw=rng.random,
            login_failure=accounts.login_failure,
        )
        snapshots = SnapshotWriter(
            api,
            informers=informers,
            records=records,
            secrets=secrets,
            freshness=freshness,
            nudges=nudges,
            statuses=statuses,
            clock=clock,
        )
        garbage = GarbageCollector(
            api,
            informers=informers,
            records=records,
            secrets=secrets,
            snapshots=snapshots,
            statuses=statuses,
            events=events,
            clock=clock,
            draw=rng.random,
        )
        engine = Engine(
            sources=accounts.source,
            sink=snapshots,
            clock=clock,
            rng=rng,
            cluster=cluster,
            observer=Observers(self._telemetry, reporter),
            ask=self._ask,
        )
        controller = self._controller = Controller(
            restore=Restore(
                records, freshness, informers.snapshots, informers.namespace_uid, cluster
            ),
            statuses=statuses,
            garbage=garbage,
            policies=PolicyLister(informers),
            pods=DemandLister(informers),
            specs=SpecLister(informers),
            accounts=accounts,
            engine=engine,
            clock=clock,
            namespaces=self._settings.namespaces,
        )
        watching = reporter.run(engine, statuses, lambda: controller.decided)
        protection = InUseProtection(
            api,
            informers.protected_accounts,
            informers.protected_policies,
            clock=clock,
            draw=rng.random,
        )
        watch = AccountWatch(
            protection, controller, informers, accounts=accounts, engine=engine, clock=clock
        )
        self._register(engine, statuses, reporter, watch, controller)
        keeping = RecordChecks(records, engine, freshness, clock, rng.random).run(
            lambda: controller.settled
        )
        writing = statuses.run(engine.states())
        with informers.external_secrets.told(partial(_fetch_soon, engine)):
            async with _beside(
                writing, garbage.run(), nudges.run(), watching, watch.run(), keeping
            ):
                await controller.run(ending, self._settings.poll_s)

    def _register(
        self,
        engine: Engine,
        statuses: StatusWriter,
        reporter: EventReporter,
        watch: AccountWatch,
        controller: Controller,
    ) -> None:
        """Exposes what a leader knows."""

        def decided() -> Mapping[SnapshotKey, Decided]:
            return controller.decided

        snapshots = SnapshotMetrics(
            engine.states_copied,
            decided,
            statuses.kept_from_pods,
            self._clock.now,
            per_secret=self._settings.per_secret,
        )
        for collector in (
            snapshots,
            AccountMetrics(lambda: watch.figures, decided),
            HeldPods(lambda: reporter.held),
        ):
            self._registry.register(collector)

    def _namespace(self, change: Change[Labelled]) -> None:
        if change.after is None:
            self._telemetry.namespaces_gone([change.key[1]])


def _fetch_soon(engine: Engine, namespace: str, name: str) -> None:
    """Something about an object of that name may have changed."""
    for scheme in SCHEMES.values():
        if scheme.local is not None:
            engine.changed(scheme.name, f"{namespace}/{name}")


@asynccontextmanager
async def _beside(*runs: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs them beside the block, which ends with the first that fails, and then cancels them."""
    block = asyncio.current_task()
    failed: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and block is not None:
            failed.append(error)
            block.cancel()

    tasks = [asyncio.create_task(run) for run in runs]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if failed:
            raise failed[0] from None
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _account_unusable(account: str, why: str) -> None:
    say(logging.ERROR, "controller.account_unusable", account=account, why=why)


def _passed_over(what: str, why: str) -> None:
    decision = "what it said before stays"
    say(logging.WARNING, "controller.passed_over", what=what, why=why, decision=decision)
