"""What the controller's metrics share with the webhook's."""

from __future__ import annotations

import io

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from controller.telemetry import Staleness
from webhook.telemetry import AdmissionLog
from webhook.telemetry import Telemetry as Webhook
from workqueue.clock import SystemClock

STALENESS = "lastgood_watch_staleness_seconds"


def test_both_processes_tell_staleness_with_the_same_labels() -> None:
    """One alert, and one panel, for either."""
    webhook = Webhook(AdmissionLog(io.BytesIO(), lambda: 0.0))
    webhook.watched("secretaccounts", lambda _: 1.0, SystemClock())
    controller = CollectorRegistry()
    controller.register(Staleness(lambda: {"secretaccounts": 1.0}))
    served = text_string_to_metric_families(webhook.exposition().decode())
    theirs = [sample for family in served for sample in family.samples if family.name == STALENESS]
    ours = [sample for family in controller.collect() for sample in family.samples]
    assert ours == theirs
