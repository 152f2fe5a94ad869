"""What the controller is told at its start."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from providers.open_source import FOLDER
from providers.proxies import NO_PROXIES, Proxies, from_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE = "lastgood-system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Read once."""

    kubeconfig: Path | None
    """None: the service account of the pod that we run in."""
    namespace: str
    """Of the release: the Lease is there."""
    pod: str | None
    """Our own pod's name, from POD_NAME; None: we run in none."""
    identity: str
    """Of this process alone, for the Lease and Events."""
    self_check: bool
    """Whether to refuse to start where a forbidden act is not refused."""
    reports_reads: bool
    """Whether a right to read Secrets in one other namespace is only logged."""
    namespaces: frozenset[str] | None
    """The only ones in which snapshots may be written; None: all."""
    file_accounts: bool
    """Whether accounts may serve files of this process; for tests."""
    host: str
    port: int
    """Of /metrics and /healthz; 0: any free one, which the log names."""
    extra_ca: Path | None = None
    """CA certificates for sources, beside the system's. None: there are none."""
    account_files: Path = FOLDER
    """With the files that accounts name."""
    proxies: Proxies = NO_PROXIES
    """From HTTPS_PROXY, HTTP_PROXY and NO_PROXY, for sources that have no SDK."""
    per_secret: bool = False
    """Whether /metrics has four series for each secret."""
    poll_s: float = 0.2
    """How soon what the watches brought is looked at, in seconds."""


def from_arguments(argv: Sequence[str] | None) -> Settings:
    """The settings of a command line; ends the process with a message when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m controller",
        description="Fetch secrets in the background and keep the snapshots of a cluster fresh.",
        epilog="example: python -m controller --kubeconfig ~/.kube/config --listen 127.0.0.1:9466",
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=Path,
        help="kubeconfig (default: the service account of the pod)",
    )
    parser.add_argument(
        "--namespace",
        metavar="NAME",
        default=NAMESPACE,
        help=f"release namespace, where records are stored (default: {NAMESPACE})",
    )
    parser.add_argument(
        "--only-namespaces",
        metavar="NAME,…",
        type=_names,
        help="namespaces in which the controller may write (default: all)",
    )
    parser.add_argument(
        "--without-self-check",
        action="store_true",
        help="do not check that the API server refuses forbidden actions (for tests)",
    )
    parser.add_argument(
        "--report-reads-elsewhere",
        action="store_true",
        help="log permission to read Secrets in other namespaces, instead of exiting",
    )
    parser.add_argument(
        "--with-file-accounts",
        action="store_true",
        help="accept accounts of provider file, with files on this machine (for tests)",
    )
    parser.add_argument(
        "--account-files",
        metavar="FOLDER",
        type=Path,
        default=FOLDER,
        help=f"folder of the files that accounts name (default: {FOLDER})",
    )
    parser.add_argument(
        "--extra-ca",
        metavar="FILE",
        type=Path,
        help="CA certificates (PEM) of providers, in addition to those of the system",
    )
    parser.add_argument(
        "--metrics-per-secret",
        action="store_true",
        help="add four series for each secret to /metrics (default: counts by namespace)",
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_address,
        default=("127.0.0.1", 9466),
        help="address of /metrics and /healthz, port 0 for any free port (default: 127.0.0.1:9466)",
    )
    arguments = parser.parse_args(argv)
    host, port = arguments.listen
    pod = os.environ.get("POD_NAME") or None
    return Settings(
        kubeconfig=arguments.kubeconfig,
        namespace=arguments.namespace,
        pod=pod,
        identity=f"{pod or os.uname().nodename}-{uuid4().hex[:8]}",
        self_check=not arguments.without_self_check,
        reports_reads=arguments.report_reads_elsewhere,
        namespaces=arguments.only_namespaces,
        file_accounts=arguments.with_file_accounts,
        account_files=arguments.account_files,
        extra_ca=arguments.extra_ca,
        host=host,
        port=port,
        per_secret=arguments.metrics_per_secret,
        proxies=from_environment(os.environ),
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(name for name in text.split(",") if name)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - TCP
        message = f"{text!r} is not HOST:PORT, for example 127.0.0.1:9466"
        raise argparse.ArgumentTypeError(message)
    return host.strip("[]"), int(port)
