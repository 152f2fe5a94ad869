"""The agent's image as a folder: what Dockerfile.agent puts in /opt/lastgood."""

from __future__ import annotations

import compileall
import py_compile
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENTRY = "from agent.__main__ import main\n\nraise SystemExit(main())\n"
"""As Dockerfile.agent writes it."""


def build_agent_image(folder: Path) -> Path:
    """`folder`, made to hold the agent, the contract and their byte code; run it as `python3 -I -S
    folder`.
    """
    for package in ("contract", "agent"):
        shutil.copytree(
            ROOT / package,
            folder / package,
            ignore=shutil.ignore_patterns("__pycache__"),
            dirs_exist_ok=True,
        )
    (folder / "__main__.py").write_text(ENTRY)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(folder, quiet=1, invalidation_mode=unchecked):
        raise RuntimeError(f"not every file in {folder} compiles")
    return folder
