"""KV stores for the conformance suite: a real OpenBao behind the wire, with a token in a file."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from providers.credentials import RENEW_SHARE
from providers.vault.source.login import LONGEST_S
from tests.providers.conformance.store import (
    PATIENCE_S,
    HttpStore,
    NotApplicable,
    Says,
    Store,
    json_reply,
)
from tests.providers.conformance.wire import Wire, to_server
from tests.providers.vault.bao import Bao, account
from tests.providers.vault.bao import Given as GivenVault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.providers.conformance.store import Given, Reports
    from tests.providers.conformance.wire import Reply

RULES = ("secret/data/conformance/*", "legacy/conformance/*")


CODES = {
    "absent": "NotFound",
    "deleted for good": "NotFound",
    "denied": "Http403",
    "batch with one bad item": "Http403",
    "throttled": "Http429",
    "throttled with Retry-After": "Http429",
    "unavailable": "Http503",
    "nobody listens": "ProtocolError",
    "slow beyond the deadline": "ReadTimeoutError",
    "reset mid-body": "ProtocolError",
    "truncated": "ProtocolError",
    "truncated error": "ProtocolError",
    "malformed": "UnreadableAnswer",
    "error page": "ForeignAnswer Http502",
    "redirected": "Http3xx",
}


class VaultKv2(HttpStore):
    """KV version 2."""

    scheme = "vault"
    title = "vault KV v2"
    server = "OpenBao"
    mount = "secret"
    data = "secret/data/"
    reports: ClassVar[Mapping[str, Reports]] = {
        "answer for another name": Says("value", note="answers do not name the secret"),
        "binary": NotApplicable("values are JSON"),
        "disabled": NotApplicable("not distinct from deleted"),
    }
    codes: ClassVar[Mapping[str, str]] = CODES | {
        "empty": "NoData",
        "pinned and gone": "VersionNotFound",
        "deleted": "VersionDeleted",
        "going backwards": "ReplicaLags",
    }

    def __init__(self, given: Given) -> None:
        self.bao = given.servers.of(Bao)
        self.wire = Wire(to_server(self.bao.address))
        self._given = given
        self._policy = f"conformance-{uuid.uuid4()}"
        self._allow()
        self._token = self._new_token()
        self._vault = GivenVault(
            given.folder,
            account(self.wire.address),
            token=self._token,
            timeout_s=PATIENCE_S if given.impatient else 5.0,
            clock=given.clock,
            calls=given.calls,
            troubles=given.troubles,
        )
        self.source = self._vault.source

    def reference(self, name: str) -> str:
        return f"{self.mount}/{name}"

    def on_wire(self, reference: str) -> str:
        return self._below(reference)

    def put(self, reference: str, value: bytes) -> None:
        self._put(reference, {"value": value.decode()})

    def put_empty(self, reference: str) -> None:
        self._put(reference, {})

    def read(self, value: bytes) -> bytes:
        members = {"value": value.decode()}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()

    def remove(self, reference: str) -> None:
        self.bao.api("DELETE", f"secret/metadata/{self._below(reference)}")

    def delete(self, reference: str) -> None:
        self.bao.api("DELETE", f"secret/data/{self._below(reference)}")

    def recreate(self, reference: str, value: bytes) -> None:
        """Its number is 1 again."""
        self.remove(reference)
        self.put(reference, value)

    def deny(self, reference: str) -> None:
        """By a rule of its own, which is nearer than the other."""
        path = self.data + self._below(reference)
        self._allow(f'path "{path}" {{ capabilities = ["deny"] }}')

    def expire(self) -> None:
        old, self._token = self._token, self._new_token()
        (self._given.folder / "token").write_text(self._token)
        self.bao.api("POST", "auth/token/revoke", {"token": old})

    def rotate(self) -> None:
        self._given.clock.now += LONGEST_S * RENEW_SHARE
        self.expire()

    def error(
        self, kind: Literal["throttled", "unavailable"], message: str = "by the test"
    ) -> Reply:
        return json_reply({"throttled": 429, "unavailable": 503}[kind], {"errors": [message]})

    def _put(self, reference: str, members: dict[str, Any]) -> None:
        self.bao.api("POST", self.data + self._below(reference), {"data": members})

    def _below(self, reference: str) -> str:
        return reference.removeprefix(self.mount + "/")

    def _allow(self, *more: str) -> None:
        """All of this suite, and other rules."""
        rules = [f'path "{path}" {{ capabilities = ["read"] }}' for path in RULES]
        policy = "\n".join([*rules, *more])
        self.bao.api("PUT", f"sys/policies/acl/{self._policy}", {"policy": policy})

    def _new_token(self) -> str:
        made = self.bao.api("POST", "auth/token/create", {"policies": [self._policy]})
        token: str = made["auth"]["client_token"]
        return token


class VaultKv1(VaultKv2):
    """KV version 1, which has no versions: the engine compares bytes (docs/design/025)."""

    title = "vault KV v1"
    mount = "legacy"
    data = "legacy/"
    reports: ClassVar[Mapping[str, Reports]] = {
        "answer for another name": Says("value", note="answers do not name the secret"),
        "binary": NotApplicable("values are JSON"),
        "deleted": NotApplicable("every deletion is final"),
        "disabled": NotApplicable("not distinct from deleted"),
        "empty": NotApplicable("takes no empty secret"),
        "going backwards": Says("value", note="no versions"),
        "pinned": Says("invalid", note="no versions"),
    }
    codes: ClassVar[Mapping[str, str]] = CODES | {
        "pinned": "NoVersions",
        "pinned and gone": "NoVersions",
    }

    delete = Store.delete
    put_empty = Store.put_empty

    def remove(self, reference: str) -> None:
        self.bao.api("DELETE", reference)

    def recreate(self, reference: str, value: bytes) -> None:
        self.remove(reference)
        self.put(reference, value)

    def _put(self, reference: str, members: dict[str, Any]) -> None:
        self.bao.api("POST", reference, members)
