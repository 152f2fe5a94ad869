"""`lastgood dashboard`: prints the page's address, and serves it until Ctrl-C."""

from __future__ import annotations

import errno
import threading
import webbrowser
from typing import TYPE_CHECKING

from cli.dashboard.reading import ClusterReader
from cli.dashboard.server import LOOPBACK, PageServer, Readings
from cli.exit_codes import CommandError, Exit
from cli.open_cluster import connected

if TYPE_CHECKING:
    import argparse

    from cli.settings import Settings
    from cli.terminal import Terminal
    from workqueue.clock import Clock


def dashboard(
    arguments: argparse.Namespace, settings: Settings, clock: Clock, terminal: Terminal
) -> int:
    """Ctrl-C is how it ends, so its exit code is 0 then. CommandError: the port can't be had."""
    with connected(arguments, settings, clock) as connection:
        everywhere = arguments.all_namespaces
        namespace = None if everywhere else arguments.namespace or connection.namespace
        reader = ClusterReader(connection, namespace, arguments.system_namespace, clock)
        readings = Readings(reader, clock)
        with _listening(arguments.port, readings) as server:
            terminal.say(server.url)
            terminal.tell(
                f"It shows {connection.where} with your rights. Anyone with this address sees the"
                " same. Ctrl-C ends it."
            )
            if settings.screen and not arguments.no_open:
                threading.Thread(target=webbrowser.open, args=(server.once,), daemon=True).start()
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                terminal.tell("ended")
            finally:
                readings.end()
    return Exit.DONE


def _listening(port: int, readings: Readings) -> PageServer:
    try:
        return PageServer(port, readings)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = (
                f"port {port} of {LOOPBACK} is in use. Choose another one with --port, or leave"
                " --port out to get a free one"
            )
        elif error.errno == errno.EACCES:
            message = f"you may not listen on port {port}. Choose one above 1023 with --port"
        else:
            message = f"cannot listen on port {port} of {LOOPBACK}: {error.strerror}"
        raise CommandError(message) from error
