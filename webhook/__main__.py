"""`python -m webhook`: the admission webhook. Settings: see settings.py."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time

import uvloop

from policy.load import FolderPolicies, PolicyError
from webhook import settings
from webhook.handler import Handler
from webhook.serve import make_server, run
from webhook.server import Lifecycle, make_app
from webhook.telemetry import Log, LogHandler, Telemetry
from webhook.tls import Certificate, CertificateError

GC_THRESHOLD = 20_000
"""Objects between collections: an admission leaves no cycles, so looking for them at the default of
700 on every second one only costs time.
"""


def main() -> int:
    """Exit code 0 after SIGTERM, 1 when it can't start; the reason is on standard error."""
    try:
        wanted = settings.read(os.environ)
        certificate = Certificate(wanted.cert_file, wanted.key_file)
        policies = FolderPolicies(wanted.policy_dir)
        bound = _bind(wanted.host, wanted.port)
    except (settings.SettingsError, CertificateError, PolicyError, OSError) as error:
        print(f"webhook: {error}", file=sys.stderr)
        return 1
    log = Log(os.fdopen(sys.stdout.fileno(), "wb", buffering=0, closefd=False), time.time)
    logging.basicConfig(level=logging.INFO, handlers=[LogHandler(log)])
    telemetry = Telemetry(log)
    telemetry.certificate(certificate.not_after)
    lifecycle = Lifecycle()
    handler = Handler(policies, wanted.injection, telemetry, time.perf_counter)
    server = make_server(
        make_app(handler, telemetry, lifecycle), certificate, lifecycle, wanted.drain_s
    )
    address, port = bound.getsockname()[:2]
    log.write("webhook.listening", address=address, port=port)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    uvloop.run(
        run(
            server,
            bound,
            certificate=certificate,
            policies=policies,
            telemetry=telemetry,
            reload_s=wanted.reload_s,
        )
    )
    log.write("webhook.ended")
    return 0


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket, so that the log names the port before the first connection."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


if __name__ == "__main__":
    sys.exit(main())
