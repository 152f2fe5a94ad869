"""How many writes an API server was asked for, by its own metrics and by watches."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

from kube.resources import LEASES

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
_SAMPLE = re.compile(r"^apiserver_request_total\{([^}]*)\} ([0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def writes(metrics: str) -> Counter[str]:
    """Requests that write, so far, by resource; dry runs apart."""
    found: Counter[str] = Counter()
    for labels, number in _SAMPLE.findall(metrics):
        known = dict(_LABEL.findall(labels))
        if known["verb"] in WRITES and known["resource"] in OURS and not known["dry_run"]:
            found[known["resource"]] += int(float(number))
    return found


def read_writes() -> Counter[str]:
    """The same, of the API server that answers."""
    words = ["kubectl", "get", "--raw", "/metrics"]
    return writes(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


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
