"""A proxy is for what is outside the cluster: in a pod the API server is reached directly."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from kubernetes.aio.config import incluster_config

from kube.api import Api
from kube.api_resources import NAMESPACES
from kube.config import load
from tests.make.connect_proxy import forward_proxy
from tests.make.standin import certificates, installed

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["certificates"]
CANARY = "canary-of-a-proxy"


def test_the_proxy_is_used_outside_a_pod_and_never_inside(
    certificates: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HTTPS_PROXY without NO_PROXY, at a real proxy and a server that answers both ways."""

    async def asked(kubeconfig: Path | None) -> None:
        async with Api(await load(kubeconfig)) as api:
            await api.get(NAMESPACES.path(name="kube-system"))

    with installed(certificates) as server, forward_proxy(CANARY) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        kubeconfig = server.kubeconfig("admin")
        asyncio.run(asked(kubeconfig))
        assert len(proxy.tunnels) == 1
        configuration = asyncio.run(load(kubeconfig))
        token = json.loads(kubeconfig.read_text())["users"][0]["user"]["token"]
        (tmp_path / "token").write_text(token)
        for name, path in (("TOKEN", tmp_path / "token"), ("CERT", configuration.ssl_ca_cert)):
            monkeypatch.setattr(incluster_config, f"SERVICE_{name}_FILENAME", str(path))
        host, port = configuration.host.removeprefix("https://").split(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        asyncio.run(asked(None))
        assert len(proxy.tunnels) == 1
        assert proxy.refused == []
