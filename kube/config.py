"""Where the API server is and who we are, read by the Kubernetes client's own loaders."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kubernetes.aio import config as loaders
from kubernetes.aio.client.configuration import Configuration
from yaml import YAMLError

if TYPE_CHECKING:
    from pathlib import Path


_UNUSABLE = (
    loaders.ConfigException,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    YAMLError,
)
"""What the loaders raise for files of every wrong shape."""


class ConfigError(Exception):
    """There is no way to an API server. Caught by main."""


async def load(kubeconfig: Path | None) -> Configuration:
    """From a kubeconfig's current context; None: the service account of the pod we run in, whose
    token file is read again each minute.

    A client certificate that a kubeconfig holds inline goes through a file of mode 0600 under
    TMPDIR, because OpenSSL reads it from files only; the file is removed at exit.
    """
    configuration = Configuration()
    if kubeconfig is not None and not kubeconfig.is_file():  # noqa: ASYNC240 - at start
        raise ConfigError(f"{kubeconfig} is not there; a kubeconfig is needed")
    with contextlib.suppress(*_UNUSABLE):
        if kubeconfig is None:
            loaders.load_incluster_config(client_configuration=configuration)
        else:
            await loaders.load_kube_config(
                config_file=str(kubeconfig),
                client_configuration=configuration,
                persist_config=False,
            )
        return configuration
    # The loaders' messages quote what they read, tokens and keys too.
    if kubeconfig is None:
        raise ConfigError(
            "this is no pod with a service account; run it in a cluster or give a kubeconfig"
        )
    raise ConfigError(f"{kubeconfig} is no kubeconfig with a current context that can be used")
