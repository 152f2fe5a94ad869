"""The metrics that the three processes really export, by the code that exports them."""

from __future__ import annotations

import io
import re

from prometheus_client import CollectorRegistry, generate_latest

from agent import metrics as agent_metrics
from agent.clock import MachineClock
from agent.log import Log
from agent.reload import Reloader
from controller.state_metrics import AccountFigures, AccountMetrics, HeldPods, SnapshotMetrics
from controller.telemetry import Staleness, Telemetry
from webhook.telemetry import AdmissionLog
from webhook.telemetry import Telemetry as Webhook
from workqueue.clock import SystemClock


def exported() -> set[str]:
    """The names of all families, without `_total`. Per-secret series are switched on."""
    registry = CollectorRegistry()
    Telemetry(registry)
    registry.register(
        SnapshotMetrics(dict, dict, lambda _: None, SystemClock().now, per_secret=True)
    )
    registry.register(AccountMetrics(AccountFigures, dict))
    registry.register(HeldPods(dict))
    registry.register(Staleness(dict))
    webhook = Webhook(AdmissionLog(io.BytesIO(), lambda: 0.0))
    webhook.bundle_in_sync(in_sync=True)
    webhook.watched("secretaccounts", lambda _: 1.0, SystemClock())
    webhook.connected(lambda: 0, lambda: 0)
    clock = MachineClock()
    agent = agent_metrics.page(
        None, agent_metrics.Counts(), Reloader(None, clock, Log(clock)), clock.now()
    )
    pages = (generate_latest(registry).decode(), webhook.exposition().decode(), agent)
    names = {name for page in pages for name in re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE)}
    return {name.removesuffix("_total") for name in names}
