"""`python -m webhook`: the admission webhook. Settings: see settings.py."""

from __future__ import annotations

import gc
import logging
import os
import random
import sys
import time
from typing import TYPE_CHECKING

import uvloop
from prometheus_client import disable_created_metrics

from policy.load import FolderPolicies, PolicyError
from serving.listener import bind
from serving.page import Page
from webhook import settings
from webhook.handler import Handler
from webhook.routes import Lifecycle, make_app
from webhook.run import (
    Followed,
    make_server,
    reload_certificate,
    reload_client_ca,
    reload_policies,
    run,
)
from webhook.settings import CertificateFiles
from webhook.telemetry import AdmissionLog, LogHandler, Telemetry
from webhook.tls import Certificate, CertificateError
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from kube.api import Api
    from policy.load import Policies
    from webhook.run import Part
    from webhook.settings import Settings
    from webhook.tls import ServingCertificate

GC_THRESHOLD = 20_000
"""Objects between collections: an admission leaves no cycles, so looking for them at the default of
700 on every second one only costs time.
"""


def main() -> int:
    """Exit code 0 after SIGTERM, 1 when it can't start; the reason is on standard error."""
    log = AdmissionLog(os.fdopen(sys.stdout.fileno(), "wb", buffering=0, closefd=False), time.time)
    logging.basicConfig(level=logging.INFO, handlers=[LogHandler(log)])
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own
    try:
        uvloop.run(_Process(settings.read(os.environ), Telemetry(log)).run())
    except (
        settings.SettingsError,
        CertificateError,
        PolicyError,
        OSError,
    ) as error:
        print(f"webhook: {error}", file=sys.stderr)
        return 1
    log.write("webhook.ended")
    return 0


class _Process:
    """Puts the parts together."""

    def __init__(self, wanted: Settings, telemetry: Telemetry) -> None:
        self._wanted = wanted
        self._telemetry = telemetry
        self._lifecycle = Lifecycle()
        self._parts: list[Part] = []
        self._clock = SystemClock()
        self._rng = random.Random()
        self._connected: Api | None = None

    async def run(self) -> None:
        """Until SIGTERM."""
        wanted, telemetry, lifecycle = self._wanted, self._telemetry, self._lifecycle
        policies = await self._policies()
        serving = await self._serving()
        bound = bind(wanted.host, wanted.port)
        names = None if wanted.clients is None else wanted.clients.names
        handler = Handler(
            policies,
            wanted.injection,
            telemetry,
            time.perf_counter,
            verified=names is not None,
        )
        page = Page(telemetry.exposition, self._clock.monotonic)
        app = make_app(handler, page, lifecycle, verified_only=names is not None)
        server = make_server(
            app, serving, lifecycle, wanted.drain_s, clients=names, telemetry=telemetry
        )
        address, port = bound.getsockname()[:2]
        telemetry.log.write("webhook.listening", address=address, port=port)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        try:
            await run(server, bound, self._parts)
        finally:
            if self._connected is not None:
                await self._connected.close()

    async def _policies(self) -> Policies:
        """Of the folder, or else of the API server."""
        wanted, telemetry = self._wanted, self._telemetry
        if wanted.policy_dir is not None:
            folder = FolderPolicies(wanted.policy_dir)
            files = Followed(lambda: reload_policies(folder, telemetry), wanted.reload_s)
            self._parts.append(files.running)
            return folder
        from webhook.informers import Informers

        watched = Informers(await self._api(), self._clock, self._rng, telemetry)
        self._parts.append(watched.running)
        self._lifecycle.conditions.append(watched.problem)
        return watched.policies

    async def _serving(self) -> ServingCertificate:
        """With the certificate of files, or else of our own CA."""
        wanted, telemetry = self._wanted, self._telemetry
        certificates = wanted.certificates
        client_ca = None if wanted.clients is None else wanted.clients.ca
        if isinstance(certificates, CertificateFiles):
            certificate = Certificate(certificates.certificate, certificates.key, client_ca)
            telemetry.certificate(certificate.not_after)
            files = Followed(lambda: reload_certificate(certificate, telemetry), wanted.reload_s)
            self._parts.append(files.running)
            return certificate
        from webhook.certificates.reconciler import CertificateReconciler

        keeper = CertificateReconciler(
            await self._api(),
            certificates.place,
            certificates.times,
            clock=self._clock,
            rng=self._rng,
            telemetry=telemetry,
            client_ca=client_ca,
        )
        if client_ca is not None:
            files = Followed(lambda: reload_client_ca(keeper, telemetry), wanted.reload_s)
            self._parts.append(files.running)
        self._parts.append(keeper.running)
        self._lifecycle.conditions.append(keeper.problem)
        return keeper

    async def _api(self) -> Api:
        """The client of the API server, imported when there is one to reach: it takes 25 MiB."""
        from kube.api import Api
        from kube.config import ConfigError, load

        if self._connected is None:
            try:
                configuration = await load(self._wanted.kubeconfig)
            except ConfigError as error:
                raise settings.SettingsError(str(error)) from None
            self._connected = Api(configuration, user_agent="lastgood-webhook")
        return self._connected


if __name__ == "__main__":
    sys.exit(main())
