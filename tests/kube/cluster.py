"""A namespace on the API server that KUBECONFIG names, for as long as a test runs."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kube.api import Api
from kube.api_resources import NAMESPACES
from kube.config import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def kubeconfig() -> Path:
    """Skips the test without one."""
    path = os.environ.get("KUBECONFIG")
    if not path:
        pytest.skip("KUBECONFIG names no cluster")
    return Path(path)


@contextlib.asynccontextmanager
async def cluster() -> AsyncIterator[tuple[Api, str]]:
    """The API server, and a new namespace."""
    async with Api(await load(kubeconfig()), user_agent="lastgood-tests") as api:
        name = f"lastgood-kube-{secrets.token_hex(4)}"
        await api.create(NAMESPACES.path(), {"metadata": {"name": name}})
        try:
            yield api, name
        finally:
            await api.delete(NAMESPACES.path(name=name))
