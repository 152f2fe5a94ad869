"""What the command takes from the environment, read once."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE = "LASTGOOD_IMAGE"
KUBECONFIG = "KUBECONFIG"
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
"""Set where there are windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Defaults of arguments."""

    image: str | None
    """Of gate and agent in what `render` prints; None: a made-up one."""
    kubeconfigs: tuple[Path, ...]
    """As kubectl finds them; none: the service account of the pod that we run in."""
    screen: bool = False
    """Whether a browser can show a window; a terminal's browser would take the terminal."""


def load(environment: Mapping[str, str]) -> Settings:
    """Empty variables count as none."""
    named = [_expanded(part) for part in environment.get(KUBECONFIG, "").split(":") if part]
    usual = Path(environment.get("HOME", "")) / ".kube/config"
    return Settings(
        image=environment.get(IMAGE) or None,
        screen=any(environment.get(name) for name in SCREENS) or sys.platform == "darwin",
        kubeconfigs=tuple(named) or ((usual,) if usual.is_file() else ()),
    )


def _expanded(part: str) -> Path:
    """A `~user` whom nobody knows stays as it is: the file that it names can't be read, which is
    reported by the code that needs it.
    """
    try:
        return Path(part).expanduser()
    except RuntimeError:
        return Path(part)


def from_environment() -> Settings:
    """As `load`, from this process's environment."""
    return load(os.environ)
