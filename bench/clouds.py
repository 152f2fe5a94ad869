"""Google and Azure beside AWS, before our fakes. Memory of the controller with one account of each
provider, after logins; yardstick: the controller with Secrets Manager alone. Calls in 2 hours on a
simulated clock; yardstick: one per secret and interval.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from refresh.budget import RateLimit
from refresh.observer import Observer
from tests.providers.azure.fake import AzureCloud
from tests.providers.azure.given import Given as GivenAzure
from tests.providers.gcp.fake import Google
from tests.providers.gcp.given import Given as GivenGcp
from tests.providers.test_open_source import ACCOUNTS
from tests.refresh.world import STEADY, Provider, World, demanded

if TYPE_CHECKING:
    from providers.protocol import Source

SECRETS = 200
HOURS = 2
AIM_MEMORY = 1.8
AIM_CALLS = 1.2
ALONE = ("aws-sm",)
EACH = ("aws-sm", "aws-ssm", "vault")
"""Those that need no server to be open; then Google and Azure."""


class Monotonic:
    """Seconds of the simulated clock, once there is one."""

    world: World | None = None

    def __call__(self) -> float:
        return 0.0 if self.world is None else self.world.mono


def main() -> int:
    """Prints the lines and the figures behind them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("gcp", "azure"):
            (folder / part).mkdir()
        google, azure = Google(folder / "google-cloud"), AzureCloud(folder / "azure-cloud")
        for number in range(SECRETS):
            google.put(str(number), b"value")
            azure.put(str(number), "value")
        google.put("db", b"value")
        azure.put("db", "value")
        calls: Counter[str] = Counter()
        clock = Monotonic()
        given_gcp = GivenGcp(google, folder / "gcp", clock=clock)  # type: ignore[arg-type] # is called only
        given_azure = GivenAzure(azure, folder / "azure", clock=clock)  # type: ignore[arg-type] # the same
        try:
            _memory(given_gcp, given_azure)
            for title, given in (("gcp-sm", given_gcp), ("azure-kv", given_azure)):
                calls.clear()
                _calls(title, given.source, given.calls, clock)
        finally:
            google.stop()
            azure.stop()
    return 0


def _memory(gcp: GivenGcp, azure: GivenAzure) -> None:
    alone = [_wire(scheme) for scheme in ALONE]
    each = [_wire(scheme) for scheme in EACH]
    for scheme, given, cloud in (
        ("gcp-sm", gcp, gcp.google.cloud),
        ("azure-kv", azure, azure.azure.cloud),
    ):
        account = given.account.model_dump(by_alias=True, exclude_unset=True, mode="json")
        each.append([scheme, account, cloud.proxies.https, str(given.folder)])
    alone_mb, each_mb = _run(alone), _run(each)
    _line("clouds-memory", each_mb / alone_mb, AIM_MEMORY)
    print(f"  {alone_mb:.1f} MB with Secrets Manager alone, {each_mb:.1f} MB with each provider")


def _wire(scheme: str) -> list[Any]:
    account = ACCOUNTS[scheme][0].model_dump(by_alias=True, exclude_unset=True, mode="json")
    return [scheme, account, None, "/none"]


def _run(accounts: list[list[Any]]) -> float:
    """MB resident in a process of its own."""
    command = [sys.executable, "-m", "bench._provider_memory"]
    text = json.dumps(accounts)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _calls(title: str, source: Source, calls: list[tuple[str, str]], clock: Monotonic) -> None:
    simulated = Provider(batch_limit=1)
    world = World(simulated, draw=Random(1).random, observer=Observer())
    clock.world = world
    simulated.fetch = source.fetch  # type: ignore[method-assign]
    simulated.most_calls = source.most_calls  # type: ignore[method-assign]
    world.manager.govern({"aws": RateLimit(calls_per_second=20, burst=40)}, world.at)
    world.manager.demand([demanded("ns", str(n)) for n in range(SECRETS)], world.at)
    world.run(STEADY.refresh_s)
    calls.clear()
    world.run(3600.0 * HOURS)
    wanted = SECRETS * 3600.0 * HOURS / STEADY.refresh_s
    made = Counter(operation for operation, _ in calls)
    failed = Counter(code for _, code in calls if code != "ok")
    _line(f"{title}-calls", made.total() / wanted, AIM_CALLS)
    print(f"  {made.total() / HOURS:.0f} calls an hour; one per secret per interval:", end="")
    print(f" {wanted / HOURS:.0f}; {dict(made)}{dict(failed) or ''}")


def _line(name: str, ratio: float, aim: float) -> None:
    print(f"bench {name} {ratio:.4f} aim {aim:.2f} {'ok' if ratio <= aim else 'short'}")


if __name__ == "__main__":
    sys.exit(main())
