"""The Secret that holds the CA, and the configuration that trusts it, as JSON.

    active.crt active.key next.crt next.key    PEM
    retired.crt                                PEM, any number
    state.json                                 {"published": 1790000000.0, "retired": {id: since}}

Whatever can't be read is as if it were not there.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contract.secret_bytes import SecretBytes
from webhook.certificates import authority
from webhook.certificates.rotation import RetiredCa, StoredCas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.certificates.authority import Authority, Certified
    from webhook.certificates.rotation import Ca

NAME = "lastgood-webhook-ca"
TYPE = "Opaque"
KEYS = ("active.crt", "active.key", "next.crt", "next.key", "retired.crt", "state.json")
Json = dict[str, Any]


class ForeignError(Exception):
    """A Secret of our name that is not ours. It is left alone; CertificateReconciler catches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The Secret, read."""

    cas: StoredCas | None
    """None: nothing in it is of use."""
    authorities: Mapping[str, Authority] = field(default_factory=dict)
    """By id: those that can sign."""
    certificates: Mapping[str, Certified] = field(default_factory=dict)
    """By id: all."""
    resource_version: str | None = None
    """None: there is no Secret."""


def read(content: Json) -> Stored:
    """From the object. ForeignError: it is of another type, which nobody can change."""
    kind = content.get("type", TYPE)
    if kind != TYPE:
        raise ForeignError(f"the Secret {NAME} is of type {kind}, not {TYPE}: delete it")
    data = content.get("data") or {}
    version = str(content["metadata"]["resourceVersion"])
    active, following = (_authority(data, name) for name in ("active", "next"))
    state = _state(data)
    since = state.get("retired")
    retired = authority.read_bundle(_bytes(data, "retired.crt"))
    found = [item for item in (active, following) if item is not None]
    cas = StoredCas(
        active=None if active is None else active.certified.ca,
        next=None if following is None else following.certified.ca,
        retired=tuple(
            RetiredCa(ca=item.ca, since=_number(since, item.ca.id) or 0.0) for item in retired
        ),
        published=_number(state, "published"),
    )
    return Stored(
        cas=None if cas == StoredCas() else cas,
        authorities={item.certified.ca.id: item for item in found},
        certificates={item.ca.id: item for item in (*(each.certified for each in found), *retired)},
        resource_version=version,
    )


def write(
    cas: StoredCas, authorities: Mapping[str, Authority], certificates: Mapping[str, Certified]
) -> Json:
    """The Secret's `data`: every key of ours, null where there is nothing."""
    data: Json = dict.fromkeys(KEYS)
    for name, ca in (("active", cas.active), ("next", cas.next)):
        if ca is not None:
            found = authorities[ca.id]
            data[f"{name}.crt"] = _encoded(found.certified.pem)
            data[f"{name}.key"] = _encoded(found.key.reveal())
    if cas.retired:
        pems = [certificates[item.ca.id].pem for item in cas.retired]
        data["retired.crt"] = _encoded(b"".join(pems))
    since = {item.ca.id: item.since for item in cas.retired}
    state = {"published": cas.published, "retired": since}
    data["state.json"] = _encoded(json.dumps(state).encode())
    return data


def bundles(configuration: Json) -> list[tuple[Certified, ...]]:
    """What the API server trusts, for each entry of a MutatingWebhookConfiguration."""
    entries = configuration.get("webhooks") or []
    given = [(entry.get("clientConfig") or {}).get("caBundle") for entry in entries]
    return [authority.read_bundle(_decoded(text)) for text in given]


def bundle(ids: frozenset[str], certificates: Mapping[str, Certified]) -> str:
    """As a `caBundle`: base64 of PEM."""
    return _encoded(b"".join(certificates[found].pem for found in sorted(ids)))


def cas(found: tuple[Certified, ...]) -> tuple[Ca, ...]:
    """What certificates say."""
    return tuple(item.ca for item in found)


def _authority(data: Json, name: str) -> Authority | None:
    key = SecretBytes(_bytes(data, f"{name}.key"))
    return authority.read_authority(_bytes(data, f"{name}.crt"), key)


def _state(data: Json) -> Json:
    try:
        state = json.loads(_bytes(data, "state.json"))
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}


def _number(owner: object, key: str) -> float | None:
    found = owner.get(key) if isinstance(owner, dict) else None
    return float(found) if isinstance(found, int | float) else None


def _bytes(data: Json, key: str) -> bytes:
    return _decoded(data.get(key))


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        return b""
    try:
        return b64decode(text)
    except ValueError:
        return b""


def _encoded(content: bytes) -> str:
    return b64encode(content).decode("ascii")
