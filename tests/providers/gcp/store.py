"""Google Secret Manager for the conformance suite: our fake behind the wire, and a login by
workload identity federation.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, ClassVar, Literal

from certs.dev_ca import CERT_FILE, KEY_FILE
from providers.credentials import RENEW_SHARE
from tests.providers.cloud import on_wire, to_wire
from tests.providers.conformance.store import PATIENCE_S, HttpStore, NotApplicable, Says
from tests.providers.conformance.wire import Wire
from tests.providers.gcp.fake import Google, error
from tests.providers.gcp.given import Given as GivenGcp
from tests.providers.gcp.given import account, federated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.providers.conformance.store import Given, Reports
    from tests.providers.conformance.wire import Reply


class GoogleSecrets(HttpStore):
    """Global secrets."""

    title = "gcp-sm"
    scheme = "gcp-sm"
    server = "our fake"
    gone = "99999"
    reports: ClassVar[Mapping[str, Reports]] = {
        "unchanged": Says("value", note="the engine compares the bytes"),
        "recreated with the same version": Says(
            "value", note="the engine keeps the old one: changed in place"
        ),
        "deleted": NotApplicable("every deletion is final"),
    }

    def __init__(self, given: Given) -> None:
        self.google = Google(given.folder / "cloud")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            given.folder / "cloud" / CERT_FILE, given.folder / "cloud" / KEY_FILE
        )
        self.wire = Wire(on_wire(self.google.answer), context=context)
        here = f"https://{self.wire.address}"
        self._clock = given.clock
        self.source = GivenGcp(
            self.google,
            given.folder,
            account(endpoint=here),
            configuration=federated(given.folder, token_url=f"{here}/v1/token"),
            direct=("127.0.0.1",),
            timeout_s=PATIENCE_S if given.impatient else 5.0,
            clock=given.clock,
            calls=given.calls,
            troubles=given.troubles,
        ).source

    def reference(self, name: str) -> str:
        return name.replace("/", "_")

    def put(self, reference: str, value: bytes) -> None:
        self.google.put(reference, value)

    put_binary = put

    def put_empty(self, reference: str) -> None:
        self.put(reference, b"")

    def remove(self, reference: str) -> None:
        del self.google.secrets[None, reference]

    def recreate(self, reference: str, value: bytes) -> None:
        """Its number is 1 again."""
        self.remove(reference)
        self.put(reference, value)

    def disable(self, reference: str) -> None:
        self.google.secrets[None, reference][-1].state = "DISABLED"

    def deny(self, reference: str) -> None:
        self.google.denied.add(reference)

    def expire(self) -> None:
        self.google.tokens.clear()

    def rotate(self) -> None:
        self._clock.now += self.google.lasts_s * RENEW_SHARE
        self.expire()

    def error(
        self, kind: Literal["throttled", "unavailable"], message: str = "by the test"
    ) -> Reply:
        if kind == "throttled":
            return to_wire(error(429, "RESOURCE_EXHAUSTED", message, []))
        return to_wire(error(503, "UNAVAILABLE", message, []))

    def close(self) -> None:
        super().close()
        self.google.stop()
