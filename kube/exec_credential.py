"""Credentials from the program that a kubeconfig names (client.authentication.k8s.io), as cloud
providers' are. It may ask its user something: terminal and standard error are its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from kube.kubeconfig import ConfigError

if TYPE_CHECKING:
    from kube.kubeconfig import Json

_CLUSTER = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
)
"""What a program that asks for it is told of the cluster."""


async def credential(plugin: Json, cluster: Json) -> Json:
    """A user's entry in a kubeconfig, with what the program gave. ConfigError."""
    command = str(plugin.get("command"))
    what = f"the credential plugin {command} of the kubeconfig"
    words = _words(plugin, cluster)
    if words is None:
        raise ConfigError(f"{what} has invalid arguments or environment variables")
    try:
        process = await asyncio.create_subprocess_exec(
            command, *words[0], env=words[1], stdout=asyncio.subprocess.PIPE
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it has a zero byte in it"
        raise ConfigError(f"{what} cannot be run: {why}") from None
    out, _ = await process.communicate()
    if process.returncode:
        raise ConfigError(f"{what} exited with code {process.returncode}")
    user = _user(out)
    if user is None:
        raise ConfigError(f"{what} returned no credentials")
    return user


def _words(plugin: Json, cluster: Json) -> tuple[list[str], dict[str, str]] | None:
    """Arguments and environment; None: they have another shape."""
    args, variables = plugin.get("args") or [], plugin.get("env") or []
    if not isinstance(args, list) or not isinstance(variables, list):
        return None
    if not all(isinstance(item, dict) and "name" in item for item in variables):
        return None
    spec: Json = {"interactive": sys.stdin is not None and sys.stdin.isatty()}
    if plugin.get("provideClusterInfo") is True:
        spec["cluster"] = {name: cluster[name] for name in _CLUSTER if name in cluster}
    info = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    own = {str(item["name"]): str(item.get("value", "")) for item in variables}
    inherited = os.environ  # noqa: TID251 - a program gets the environment that it is run in
    environment = {**inherited, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    return [str(item) for item in args], environment


def _user(out: bytes) -> Json | None:
    """None: there is no credential in it."""
    try:
        document: Any = json.loads(out)
    except ValueError:
        return None
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, dict):
        return None
    user = {}
    if status.get("token"):
        user["token"] = str(status["token"])
    if status.get("clientCertificateData") and status.get("clientKeyData"):
        user["client-certificate-data"] = _encoded(status["clientCertificateData"])
        user["client-key-data"] = _encoded(status["clientKeyData"])
    return user or None


def _encoded(pem: object) -> str:
    return base64.b64encode(str(pem).encode()).decode()
