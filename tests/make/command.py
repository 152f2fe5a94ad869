"""The command line as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_CLUSTER = {"KUBECONFIG": os.devnull}
"""For what is done without one."""


def typed(*words: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One command. `variables` of the environment stand beside our own."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=REPOSITORY,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
