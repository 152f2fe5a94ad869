"""Memory of the controller per further account of AWS, each with a client of Secrets Manager and
one of Parameter Store. Yardstick: a process with one such account.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from api.account import SecretAccount
from providers.aws.source.client import Keys
from providers.aws.source.opening import open_source
from providers.open_source import Opening

FURTHER = 20
AIM_MB = 1.0
REGION = "eu-west-1"


def main() -> int:
    """Prints the line and the figures behind it."""
    one_mb, many_mb = (_run(count) for count in (1, 1 + FURTHER))
    each_mb = (many_mb - one_mb) / FURTHER
    fits = "ok" if each_mb <= AIM_MB else "short"
    print(f"bench accounts-memory {each_mb / AIM_MB:.2f} aim 1.00 {fits}")
    print(f"  {one_mb:.1f} MB with one account, {many_mb:.1f} MB with {1 + FURTHER}:")
    print(f"  {each_mb:.2f} MB for each further one, of at most {AIM_MB:.0f} MB")
    return 0


def _run(accounts: int) -> float:
    """MB resident in a process of its own with so many accounts."""
    command = [sys.executable, "-m", "bench.accounts", str(accounts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _resident_mb(accounts: int) -> float:
    """With that many accounts open."""
    keys = Keys(access_key="a", secret_key="b")
    opened = [
        open_source(_opening(f"account-{number}", scheme), keys)
        for number in range(accounts)
        for scheme in ("aws-sm", "aws-ssm")
    ]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    for source in opened:
        source.close()
    return pages * 4096 / 1e6


def _opening(name: str, scheme: str) -> Opening:
    account = SecretAccount.model_validate(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": name},
            "spec": {
                "provider": "aws",
                "aws": {"regions": [REGION]},
                "budget": {"callsPerSecond": 1, "burst": 2},
            },
        }
    )
    block = account.spec.block
    return Opening(account=name, block=block, scheme=scheme, monotonic=time.monotonic)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(_resident_mb(int(sys.argv[1])))
    else:
        sys.exit(main())
