"""Clusters as the page may find them, on the stand-in for the API server: calm, in an outage, and
with hostile tenants. Statuses are written as the controller writes them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from contract import layout, plan
from contract.object_names import snapshot_name
from controller.lease import LEASE
from controller.times import rfc3339
from kube.api_resources import (
    LEASES,
    PODS,
    SECRET_ACCOUNTS,
    SECRET_SNAPSHOTS,
)
from tests import make
from tests.make.standin import SYSTEM

if TYPE_CHECKING:
    from tests.make.standin import StandIn

Json = dict[str, Any]
HOUR = 3600.0
AWS, VAULT = "prod-aws", "platform-vault"
TEAMS = {
    "payments": ("db", "api", "card-processor"),
    "orders": ("db", "queue"),
    "web": ("session",),
}
DENIED = (
    "AccessDeniedException: the account's role may not call GetSecretValue. Ask the owner of the"
    " SecretAccount prod-aws to permit the secret"
)
MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
"""What a provider's error, or a tenant's reference, may have in it."""


class Fleet:
    """The snapshots, accounts and pods of one stand-in."""

    def __init__(self, server: StandIn) -> None:
        self.server = server
        for name in TEAMS:
            metadata = {"name": name}
            server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self.account(AWS, "aws", {"regions": ["eu-central-1"]}, rate=5, needed=2.1)
        vault = {
            "addresses": ["https://vault.example.com"],
            "mounts": [{"path": "secret", "version": 2}],
            "auth": {"tokenFile": "token"},
        }
        self.account(VAULT, "vault", vault, rate=20, needed=0.4)
        self.lead()

    def account(self, name: str, provider: str, block: Json, *, rate: int, needed: float) -> None:
        """A SecretAccount that works."""
        self.server.apply(
            {
                "apiVersion": SECRET_ACCOUNTS.api_version,
                "kind": "SecretAccount",
                "metadata": {"name": name},
                "spec": {
                    "provider": provider,
                    provider: block,
                    "budget": {"callsPerSecond": rate, "burst": 2 * rate},
                },
            }
        )
        self.account_status(name, neededCallsPerSecond=needed, login="LoggedIn", breaker="Closed")

    def account_status(self, name: str, **members: object) -> None:
        """What the controller says of an account."""
        body = {"status": members}
        self.server.patch(SECRET_ACCOUNTS, name, body, subresource="status")

    def lead(self, *, held: bool = True) -> None:
        """A controller renews its Lease, or there is none."""
        spec = {"holderIdentity": "controller-0" if held else "", "leaseDurationSeconds": 3600}
        body = {"spec": {**spec, "renewTime": rfc3339(time.time())}}
        self.server.patch(LEASES, LEASE, body, namespace=SYSTEM)

    def snapshot(
        self,
        namespace: str,
        reference: str,
        *,
        age_s: float | None,
        account: str = AWS,
        provider: str = "aws-sm",
        **status: object,
    ) -> str:
        """One snapshot of a class with a budget of an hour and a maximum age of a day; its name.
        `age_s` None: never fetched.
        """
        name = snapshot_name(account, "controller", provider, reference)
        source = {
            "account": account,
            "identity": "controller",
            "provider": provider,
            "reference": reference,
        }
        content = {
            "apiVersion": SECRET_SNAPSHOTS.api_version,
            "kind": "SecretSnapshot",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"source": source},
        }
        self.server.apply(content)
        now = time.time()
        at = None if age_s is None else now - age_s
        served: Json = {} if at is None else _served(at)
        body = {
            "class": "steady",
            "rules": {
                "refreshIntervalSeconds": 900,
                "freshnessBudgetSeconds": 3600,
                "maxAgeSeconds": 86400,
                "onExpired": "serve",
            },
            "failures": 0,
            "consumers": 2,
            "lastAttempt": rfc3339(now - 60),
            **served,
            **status,
        }
        wire = {"status": body}
        self.server.patch(SECRET_SNAPSHOTS, name, wire, namespace=namespace, subresource="status")
        return name

    def pod(self, name: str, reference: str, namespace: str = "payments") -> None:
        """A pod that was injected, whose gate has passed."""
        planned = make.planned_snapshot(
            make.planned_file("db"),
            account=AWS,
            identity="controller",
            scheme="aws-sm",
            reference=reference,
        )
        args = ["gate", "--plan", plan.to_wire(make.plan(planned))]
        gate = make.container(layout.GATE, args=args)
        self.server.apply(
            make.pod(name, namespace=namespace, annotations={}, initContainers=[gate])
        )
        done = {"name": layout.GATE, "state": {"terminated": {"exitCode": 0}}}
        status = {"status": {"phase": "Running", "initContainerStatuses": [done]}}
        self.server.patch(PODS, name, status, namespace=namespace, subresource="status")

    def calm(self) -> None:
        """Every value is fresh."""
        for number, (namespace, names) in enumerate(TEAMS.items()):
            for item, name in enumerate(names):
                self.snapshot(
                    namespace, f"/prod/{namespace}/{name}", age_s=300 + 400 * item + 90 * number
                )
            reference = f"secret/{namespace}/tls"
            self.snapshot(namespace, reference, age_s=120, account=VAULT, provider="vault")
        self.pod("api-7d4b9c-1", "/prod/payments/db")

    def outage(self) -> None:
        """One account is denied: its values get older, and one was never fetched."""
        self.calm()
        for namespace, names in TEAMS.items():
            for number, name in enumerate(names):
                age_s = HOUR * (1.3 + number * 0.9) if namespace != "web" else HOUR * 26
                failed: Json = {"reason": "denied", "message": DENIED, "failures": 14}
                self.snapshot(namespace, f"/prod/{namespace}/{name}", age_s=age_s, **failed)
        new = "/prod/orders/new-partner"
        self.snapshot("orders", new, age_s=None, reason="denied", message=DENIED, failures=3)
        message = "the role of the account may not be assumed: AccessDenied"
        condition = {
            "type": "LoggedIn",
            "status": "False",
            "reason": "Denied",
            "message": message,
            "lastTransitionTime": rfc3339(time.time()),
        }
        self.account_status(AWS, login="Denied", breaker="Open", conditions=[condition])

    def hostile(self) -> None:
        """Markup and text that turns around, in all that tenants and providers can write."""
        self.calm()
        odd = "/prod/web/\u202etxt.exe"
        self.snapshot("web", odd, age_s=60)
        message = f"the provider said: {MARKUP}"
        self.snapshot("web", MARKUP, age_s=HOUR * 3, reason="invalid", message=message)


def _served(at: float) -> Json:
    return {
        "state": "Fresh",
        "serving": "served",
        "version": "3f2a9c1e-5b7d-4e21-9a60-1c2d3e4f5a6b",
        "latest": "3f2a9c1e-5b7d-4e21-9a60-1c2d3e4f5a6b",
        "fetchedAt": rfc3339(at),
        "lastSuccess": rfc3339(at),
        "history": [
            {"version": "90ab12cd-0000-4e21-9a60-1c2d3e4f5a6b", "fetchedAt": rfc3339(at - 86400)}
        ],
        "quarantined": [{"version": "77aa88bb-0000-4e21-9a60-1c2d3e4f5a6b", "reason": "empty"}],
    }
