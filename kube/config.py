"""Where the API server is and who we are, read by the Kubernetes client's own loaders."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kube import kubeconfig as files_
from kube.connections import WithoutProxy
from kube.exec_credential import credential
from kube.kubeconfig import ConfigError
from kube.kubernetes_client import Configuration, incluster_config, loaders

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ApiAddress", "ConfigError", "load", "locate"]

_UNUSABLE = (
    loaders.ConfigException,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
)
"""What the loaders raise for contents of every wrong shape. Their messages quote what they read,
tokens and keys too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAddress:
    """One API server, and who we are there."""

    configuration: Configuration
    context: str | None
    """None: the service account of the pod that we run in."""
    namespace: str
    """Where things are that name no other."""


async def load(kubeconfig: Path | None) -> Configuration:
    """From a kubeconfig's current context; None: the service account of the pod we run in, whose
    token file is read again each minute.
    """
    return (await locate([] if kubeconfig is None else [kubeconfig])).configuration


async def locate(files: Sequence[Path], context: str | None = None) -> ApiAddress:
    """From a context of kubeconfigs, None being the current one; without files from the service
    account, as `load`. ConfigError.

    A client certificate that a kubeconfig holds inline goes through a file of mode 0600 under
    TMPDIR, because OpenSSL reads it from files only; the file is removed at exit.
    """
    if not files:
        return _in_pod()
    chosen = files_.choose(files_.read(files), context, files)
    plugin = chosen.user.get("exec")
    if isinstance(plugin, dict):
        chosen = replace(chosen, user=await credential(plugin, chosen.cluster))
    configuration = Configuration()
    with contextlib.suppress(*_UNUSABLE):
        await loaders.load_kube_config_from_dict(
            files_.written(chosen), client_configuration=configuration
        )
        return ApiAddress(
            configuration=configuration,
            context=chosen.context,
            namespace=chosen.namespace or "default",
        )
    where = ", ".join(str(file) for file in files)
    raise ConfigError(f"context {chosen.context} of kubeconfig {where} cannot be used")


def _in_pod() -> ApiAddress:
    """A proxy is for what is outside: the API server's address is one of the cluster."""
    configuration = WithoutProxy()
    with contextlib.suppress(*_UNUSABLE):
        loaders.load_incluster_config(client_configuration=configuration)
        namespace = "default"
        with contextlib.suppress(OSError):
            mounted = Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace")
            namespace = mounted.read_text(encoding="utf-8").strip() or namespace
        return ApiAddress(configuration=configuration, context=None, namespace=namespace)
    raise ConfigError(
        "there is no kubeconfig and no service account. Run it in a pod, or provide a kubeconfig"
    )
