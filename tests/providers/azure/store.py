"""Azure Key Vault for the conformance suite: our fake behind the wire, and a login by workload
identity.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, ClassVar, Literal

from certs.dev_ca import CERT_FILE, KEY_FILE
from providers.credentials import RENEW_SHARE
from tests.providers.azure.fake import AzureCloud, error
from tests.providers.azure.given import Given as GivenAzure
from tests.providers.azure.given import account
from tests.providers.cloud import on_wire, to_wire
from tests.providers.conformance.store import PATIENCE_S, HttpStore, NotApplicable, Says
from tests.providers.conformance.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.providers.conformance.store import Given, Reports
    from tests.providers.conformance.wire import Reply


class KeyVault(HttpStore):
    """A vault of a cloud that names its own authority."""

    title = "azure-kv"
    scheme = "azure-kv"
    server = "our fake"
    reports: ClassVar[Mapping[str, Reports]] = {
        "binary": NotApplicable("values are text"),
        "deleted": Says("absent", note="looks as if it never was"),
        "recreated with the same version": NotApplicable("versions are random"),
    }

    def __init__(self, given: Given) -> None:
        self.azure = AzureCloud(given.folder / "cloud")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            given.folder / "cloud" / CERT_FILE, given.folder / "cloud" / KEY_FILE
        )
        self.wire = Wire(on_wire(self.azure.answer), context=context)
        here = f"https://{self.wire.address}"
        self._clock = given.clock
        self.source = GivenAzure(
            self.azure,
            given.folder,
            account(vaultURL=here, authorityHost=here),
            direct=("127.0.0.1",),
            timeout_s=PATIENCE_S if given.impatient else 5.0,
            clock=given.clock,
            calls=given.calls,
            troubles=given.troubles,
        ).source

    def reference(self, name: str) -> str:
        return name.replace("/", "-")

    def put(self, reference: str, value: bytes) -> None:
        self.azure.put(reference, value.decode())

    def put_empty(self, reference: str) -> None:
        self.azure.put(reference, "")

    def remove(self, reference: str) -> None:
        del self.azure.secrets[reference]

    def delete(self, reference: str) -> None:
        """It can be recovered, and can't be told from one that was purged."""
        self.remove(reference)

    def disable(self, reference: str) -> None:
        self.azure.secrets[reference][-1].enabled = False

    def deny(self, reference: str) -> None:
        self.azure.denied[reference] = "ForbiddenByRbac"

    def expire(self) -> None:
        self.azure.tokens.clear()

    def rotate(self) -> None:
        self._clock.now += self.azure.lasts_s * RENEW_SHARE
        self.expire()

    def error(
        self, kind: Literal["throttled", "unavailable"], message: str = "by the test"
    ) -> Reply:
        if kind == "throttled":
            return to_wire(error(429, "Throttled", message))
        return to_wire(error(503, "ServiceUnavailable", message))

    def close(self) -> None:
        super().close()
        self.azure.stop()
