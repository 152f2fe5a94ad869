"""The agent: keeps the cache what the volumes say, its status true as time passes, and the app
informed, for the pod's life.

Its work may fail; its process ends on SIGTERM alone, because a sidecar that ends makes a healthy
pod unready.
"""

from __future__ import annotations

from agent import backoff, metrics
from agent.log import fault
from agent.reload import Reloader
from agent.sync import SyncResult, VolumeWatch, sync_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.clock import MachineClock
    from agent.log import Log
    from agent.metrics_server import AgentMetricsServer
    from agent.sync import Folders
    from contract.plan import Plan
    from contract.secret_bytes import SecretBytes

POLL_S = 0.5
RETRY_FIRST_S = 0.5
RETRY_MOST_S = 30.0
"""Between two syncs that fail; a swapped volume is read without delay."""


class Follow:
    """The agent's work, one `step` after another."""

    def __init__(self, plan: Plan, folders: Folders, clock: MachineClock, log: Log) -> None:
        self._plan = plan
        self._folders = folders
        self._clock = clock
        self._log = log
        self._watch = VolumeWatch(folders)
        self._in_a_row = 0
        self._files: dict[str, SecretBytes] | None = None
        self._held: dict[str, str] = {}
        self.reloader = Reloader(plan.reload, clock, log)
        self.counts = metrics.Counts()
        self.result: SyncResult | None = None

    def step(self) -> None:
        """Sync if a sync is due, and reload if a reload is. Raises nothing that is an Exception."""
        try:
            now = self._clock.now()
            if self._watch.is_due(now):
                self._sync(now)
        except Exception as error:  # noqa: BLE001 - whatever fails here must not end the agent (P10)
            self._failed(error)
        self.reloader.work()

    def metrics(self) -> str:
        """The page /metrics."""
        decision = None if self.result is None else self.result.decision
        return metrics.page(decision, self.counts, self.reloader, self._clock.now())

    def _sync(self, now: float) -> None:
        self._watch.wake_at(None)
        self.result = result = sync_once(self._plan, self._folders, now, starting=False)
        self._watch.wake_at(result.decision.next_change)
        self._in_a_row = 0
        self._report(result)
        if self._changed(result):
            self.reloader.ask()

    def _changed(self, result: SyncResult) -> bool:
        """Whether the app's files have other bytes than it may have read. Another version alone is
        no change: the app may take a part of the secret that stayed the same.
        """
        if result.seen is None:
            return result.revision is not None and result.altered
        before = self._files
        unknown = {
            file.file
            for choice in result.decision.choices
            if not choice.gone
            for file in choice.planned.files
        }
        kept = {file: value for file, value in (before or {}).items() if file in unknown}
        self._files = kept | result.seen
        return before is not None and before != self._files

    def _report(self, result: SyncResult) -> None:
        held = result.decision.not_current
        if held != self._held:
            self._held = held
            self._log("agent.holding", secrets=held)
        if result.revision is not None:
            self.counts.published += 1
            self._log(
                "agent.published", revision=result.revision, versions=result.decision.versions
            )

    def _failed(self, error: Exception) -> None:
        self._in_a_row += 1
        delay_s = backoff.delay_s(self._in_a_row, first_s=RETRY_FIRST_S, most_s=RETRY_MOST_S)
        self.counts.failed += 1
        self._watch.wake_at(self._clock.now() + delay_s)
        self._log("agent.failed", **fault(error), in_a_row=self._in_a_row, retry_in_s=delay_s)


def follow(work: Follow, server: AgentMetricsServer | None, clock: MachineClock, log: Log) -> None:
    """Runs for ever."""
    said: OSError | None = None
    while True:
        work.step()
        try:
            if server is None:
                clock.sleep(POLL_S)
                continue
            server.wait(POLL_S)
            work.counts.bind_failed = server.bind_failures
            if server.last_error is not None and server.last_error is not said:
                said = server.last_error
                log("agent.bind_failed", **fault(said), failures=server.bind_failures)
        except Exception as error:  # noqa: BLE001 - as above
            log("agent.failed", **fault(error))
            clock.sleep(POLL_S)
