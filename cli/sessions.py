"""Where a command works: on an embedded store, or on the cluster that kubeconfigs name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.errors import CommandError
from cli.verbs import Session

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cli.clock import Clock
    from cli.connection import Connection
    from cli.settings import Settings
    from cli.terminal import Terminal


@contextmanager
def opened(
    arguments: argparse.Namespace, settings: Settings, clock: Clock, terminal: Terminal
) -> Iterator[Session]:
    """The session of a verb on snapshots. What is wrong with the store is a CommandError."""
    root = _store(arguments, settings)
    if root is not None:
        from cli.embedded import opened as opened_store

        with opened_store(root, clock) as store:
            yield Session(
                store=store, namespace=arguments.namespace, clock=clock, terminal=terminal
            )
        return
    from cli.cluster import Cluster

    with connected(arguments, settings, clock) as connection:
        everywhere = arguments.all_namespaces
        namespace = None if everywhere else arguments.namespace or connection.namespace
        cluster = Cluster(connection, namespace, arguments.system_namespace, clock)
        yield Session(store=cluster, namespace=namespace, clock=clock, terminal=terminal)


def connected(
    arguments: argparse.Namespace, settings: Settings, clock: Clock
) -> AbstractContextManager[Connection]:
    """The API server that is meant."""
    from cli.connection import connected as connected_to

    given = arguments.kubeconfig
    files = settings.kubeconfigs if given is None else (given,)
    if arguments.context is not None and not files:
        message = f"there is no kubeconfig to find the context {arguments.context} in"
        raise CommandError(message)
    return connected_to(files, arguments.context, clock)


def _store(arguments: argparse.Namespace, settings: Settings) -> Path | None:
    """None: the API server. A word of the command line comes before the environment's."""
    on_cluster = arguments.context is not None or arguments.kubeconfig is not None
    if arguments.store is not None and on_cluster:
        message = "--store names an embedded store, --context and --kubeconfig a cluster: give one"
        raise CommandError(message)
    given: Path | None = arguments.store
    return given if on_cluster or given is not None else settings.store
