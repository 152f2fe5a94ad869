"""Where the API server is and who we are, read by the Kubernetes client's own loaders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubernetes.aio import config as loaders
from kubernetes.aio.client.configuration import Configuration

if TYPE_CHECKING:
    from pathlib import Path


class ConfigError(Exception):
    """There is no way to an API server. Caught by main."""


async def load(kubeconfig: Path | None) -> Configuration:
    """From a kubeconfig's current context; None: the service account of the pod we run in, whose
    token file is read again each minute.

    A client certificate that a kubeconfig holds inline goes through a file of mode 0600 under
    TMPDIR, because OpenSSL reads it from files only; the file is removed at exit.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            loaders.load_incluster_config(client_configuration=configuration)
        else:
            await loaders.load_kube_config(
                config_file=str(kubeconfig),
                client_configuration=configuration,
                persist_config=False,
            )
    except (loaders.ConfigException, OSError, TypeError) as error:
        where = "the pod's service account" if kubeconfig is None else str(kubeconfig)
        raise ConfigError(f"{where} can't be used to reach an API server: {error}") from None
    return configuration
