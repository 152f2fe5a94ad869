"""1,000 secrets of a real OpenBao, 15 minutes, on a simulated clock. Yardstick: one call, and one
login, per secret and interval.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from controller.accounts import opening_of
from providers.open_source import open_source
from refresh.budget import RateLimit
from refresh.observer import Observer
from tests.providers.vault.bao import Bao, account
from tests.refresh.world import STEADY, Provider, World, demanded

if TYPE_CHECKING:
    from collections.abc import Iterator


SECRETS = 1000
HOURS = 2
AIM_CALLS = 1.2
AIM_LOGINS = 0.01
RULES = "\n".join(
    f'path "{path}" {{ capabilities = ["read"] }}' for path in ("secret/data/*", "legacy/*")
)


def main() -> int:
    """Prints the lines and the figures behind them, for both versions of KV."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as bao:
        for mount in ("secret", "legacy"):
            _measure(bao, Path(folder), mount)
    return 0


@contextmanager
def _server(folder: Path) -> Iterator[Bao]:
    bao = Bao(folder)
    try:
        bao.api("POST", "sys/auth/approle", {"type": "approle"})
        bao.api("PUT", "sys/policies/acl/lastgood", {"policy": RULES})
        role = {"token_policies": ["lastgood"], "token_ttl": "20m"}
        bao.api("POST", "auth/approle/role/lastgood", role)
        for number in range(SECRETS):
            bao.put(f"secret/{number}", {"password": f"value {number}"})
            bao.api("POST", f"legacy/{number}", {"password": f"value {number}"})
        yield bao
    finally:
        bao.stop()


def _measure(bao: Bao, folder: Path, mount: str) -> None:
    role = bao.api("GET", "auth/approle/role/lastgood/role-id")["data"]["role_id"]
    secret = bao.api("POST", "auth/approle/role/lastgood/secret-id")["data"]["secret_id"]
    (folder / "secret-id").write_text(secret)
    auth = {"appRole": {"roleID": role, "secretIDFile": "secret-id"}}
    calls: Counter[str] = Counter()
    simulated = Provider(batch_limit=1)
    world = World(simulated, draw=Random(1).random, observer=Observer())
    source = open_source(
        "vault",
        opening_of(
            account(bao.address, auth=auth),
            "vault",
            monotonic=lambda: world.mono,
            observer=lambda operation, _: calls.update([operation]),
            folder=folder,
        ),
    )
    simulated.fetch = source.fetch  # type: ignore[method-assign]
    simulated.most_calls = source.most_calls  # type: ignore[method-assign]
    world.manager.govern({"aws": RateLimit(calls_per_second=20, burst=40)}, world.at)
    world.manager.demand([demanded("ns", f"{mount}/{n}") for n in range(SECRETS)], world.at)
    world.run(STEADY.refresh_s)
    calls.clear()
    started = time.process_time()
    world.run(3600.0 * HOURS)
    cpu_s = time.process_time() - started
    source.close()
    wanted = SECRETS * 3600.0 * HOURS / STEADY.refresh_s
    made = sum(calls.values())
    _line(f"vault-{mount}-calls", made / wanted, AIM_CALLS)
    print(f"  {made / HOURS:.0f} calls an hour; one per secret per interval: {wanted / HOURS:.0f}")
    _line(f"vault-{mount}-logins", calls["login"] / wanted, AIM_LOGINS)
    print(f"  {calls['login'] / HOURS:.1f} logins an hour; {dict(calls)}")
    print(f"  {cpu_s / made * 1e6:.0f} us of CPU per call, simulation included")


def _line(name: str, ratio: float, aim: float) -> None:
    print(f"bench {name} {ratio:.4f} aim {aim:.2f} {'ok' if ratio <= aim else 'short'}")


if __name__ == "__main__":
    sys.exit(main())
