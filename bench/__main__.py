"""`python -m bench [NAME…]`: runs the benches one after another, each in a process of its own.

A bench is a file here whose name does not start with `_`. It compares with its yardstick in the
same run and prints, per figure, `bench NAME RATIO aim AIM ok|short` and then the absolute figures
behind it. Nothing fails for being short.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from contract.spelling import suggestion

LIMIT_S = 600
"""No bench takes longer; one that hangs is ended."""


def main(names: list[str]) -> int:
    """Exit code 0 when every bench ran to its end, 2 for a name that is none."""
    here = Path(__file__).parent
    known = sorted(path.stem for path in here.glob("*.py") if not path.stem.startswith("_"))
    for name in names:
        if name not in known:
            print(
                f'"{name}" is not a bench; there are {", ".join(known)}{suggestion(name, known)}',
                file=sys.stderr,
            )
            return 2
    failed = 0
    for name in names or known:
        command = [sys.executable, "-m", f"bench.{name}"]
        ended = subprocess.run(command, cwd=here.parent, timeout=LIMIT_S, check=False)
        failed += ended.returncode != 0
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
