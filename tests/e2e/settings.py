"""What these tests take from the environment, read once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KUBECONFIG = "KUBECONFIG"
AGENT_IMAGE = "LASTGOOD_E2E_AGENT_IMAGE"
APP_IMAGE = "LASTGOOD_E2E_APP_IMAGE"
NODE_IS_HERE = "LASTGOOD_E2E_NODE_IS_HERE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A cluster that may be used, and the images that its nodes can start."""

    agent_image: str
    app_image: str
    """Any image with python3 and a numeric user other than 0; default: the agent's."""
    node_is_here: bool
    """The node's kernel is this machine's, so that a sysctl may be set for a moment."""


def load(environment: Mapping[str, str]) -> Settings | str:
    """The settings, or why there are none."""
    for name in (KUBECONFIG, AGENT_IMAGE):
        if not environment.get(name):
            return f"needs a cluster: {name} is not set"
    agent = environment[AGENT_IMAGE]
    return Settings(
        agent_image=agent,
        app_image=environment.get(APP_IMAGE) or agent,
        node_is_here=environment.get(NODE_IS_HERE) == "1",
    )


def from_environment() -> Settings | str:
    """As `load`, from this process's environment."""
    return load(os.environ)
