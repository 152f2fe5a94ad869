"""Where a command works: the cluster that kubeconfigs name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.commands import CommandSession
from cli.exit_codes import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from cli.api_client import ApiConnection
    from cli.settings import Settings
    from cli.terminal import Terminal
    from workqueue.clock import BlockingClock, Clock


@contextmanager
def opened(
    arguments: argparse.Namespace, settings: Settings, clock: BlockingClock, terminal: Terminal
) -> Iterator[CommandSession]:
    """The session of a verb on snapshots. CommandError."""
    from cli.cluster_snapshots import ClusterSnapshots

    with connected(arguments, settings, clock) as connection:
        everywhere = arguments.all_namespaces
        namespace = None if everywhere else arguments.namespace or connection.namespace
        cluster = ClusterSnapshots(connection, namespace, arguments.system_namespace, clock)
        yield CommandSession(cluster=cluster, namespace=namespace, clock=clock, terminal=terminal)


def connected(
    arguments: argparse.Namespace, settings: Settings, clock: Clock
) -> AbstractContextManager[ApiConnection]:
    """The API server that is meant."""
    from cli.api_client import connected as connected_to

    given = arguments.kubeconfig
    files = settings.kubeconfigs if given is None else (given,)
    if arguments.context is not None and not files:
        message = f"context {arguments.context} not found: there is no kubeconfig"
        raise CommandError(message)
    return connected_to(files, arguments.context, clock, _instead(arguments))


def _instead(arguments: argparse.Namespace) -> str:
    """Some verbs need no cluster."""
    if arguments.verb == "policy":
        return ". Without a cluster, give the policies with -f PATH"
    if arguments.verb == "render" or (arguments.verb == "presync" and not arguments.apply):
        return ". Without a cluster, give the policies with --policy PATH"
    return ". Choose a cluster with --kubeconfig FILE"
