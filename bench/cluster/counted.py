"""How many requests an API server was asked for, by its own metrics and by watches."""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import TYPE_CHECKING

from bench.cluster import apiserver_metrics
from kube.api_resources import LEASES

if TYPE_CHECKING:
    from pathlib import Path

WRITES = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})
OURS = frozenset(
    {
        "secrets",
        "configmaps",
        "secretsnapshots",
        "secretaccounts",
        "secretpolicies",
        "events",
        "pods",
    }
)
"""What the controller writes beside its Lease. That others write some of them too only makes the
count greater.
"""

READS = frozenset({"GET", "LIST"})
KEPT = frozenset({"secrets", "configmaps"})
"""What a restart reads back: records and ages."""


def writes(page: str) -> Counter[str]:
    """Requests that write, so far, by resource; dry runs apart."""
    found: Counter[str] = Counter()
    for known, number in apiserver_metrics.samples(page, "apiserver_request_total"):
        if known["verb"] in WRITES and known["resource"] in OURS and not known["dry_run"]:
            found[known["resource"]] += int(number)
    return found


def read_writes() -> Counter[str]:
    """The same, of the API server that answers."""
    return writes(apiserver_metrics.read())


def reads(page: str) -> Counter[str]:
    """Requests for Secrets and ConfigMaps, so far, by verb and resource; watches apart."""
    found: Counter[str] = Counter()
    for known, number in apiserver_metrics.samples(page, "apiserver_request_total"):
        if known["verb"] in READS and known["resource"] in KEPT:
            found[f"{known['verb']} {known['resource']}"] += int(number)
    return found


class LeaseWrites:
    """Counts the writes of one Lease, by a watch of its own."""

    def __init__(self, namespace: str, name: str, log: Path) -> None:
        self._log = log
        words = ["kubectl", "-n", namespace, "get", f"{LEASES.plural}/{name}", "-o", "name"]
        with log.open("wb") as out:
            self._watch = subprocess.Popen([*words, "--watch"], stdout=out)

    def count(self) -> int:
        """So far; the first line is of the state at the start."""
        return max(0, len(self._log.read_text(encoding="utf-8").splitlines()) - 1)

    def stop(self) -> None:
        self._watch.terminate()
        self._watch.wait()
