"""What others have in a cluster and may want to hide, one of many kinds, each with canaries."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kube.api_resources import (
    CONFIG_MAPS,
    CORE_EVENTS,
    LEASES,
    MUTATING_WEBHOOKS,
    PODS,
    SECRET_ACCOUNTS,
    SECRET_POLICIES,
    SECRET_SNAPSHOTS,
    SECRETS,
    Resource,
)
from tests import make
from tests.make.kinds import SERVICE_ACCOUNTS
from tests.make.manifests import container

if TYPE_CHECKING:
    from collections.abc import Callable

    Hide = Callable[[str], str]
    """A text for a place of an object: a canary, or another one of the same form."""

Json = dict[str, Any]
LABEL = "example.com/leak-test"
CA = "lastgood-webhook-ca"
TOKEN, BOOTSTRAP = "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"
VALIDATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"
)
CLUSTER_WIDE = frozenset({SECRET_ACCOUNTS, SECRET_POLICIES, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """One object that is not ours."""

    resource: Resource
    namespace: str | None
    """None: the cluster's."""
    name: str
    make: Callable[[Hide], Json]
    deleting: bool = False
    """Its deletion waits for a finalizer."""

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace, self.name)


def everything(team: str, other: str, system: str) -> list[Foreign]:
    """In two teams' namespaces, kube-system, default and the release's namespace."""
    few = ("opaque", "tls", "immutable", "deleting")
    found = [_secret(team, name, **shape) for name, shape in SECRET_SHAPES.items()]
    for namespace in (other, "kube-system", "default", system):
        found += [_secret(namespace, name, **SECRET_SHAPES[name]) for name in few]
    found.append(_secret("kube-system", "token", **SECRET_SHAPES["token"]))
    found.append(_secret("kube-system", "bootstrap-token-lgleak", type_=BOOTSTRAP, keys=("token",)))
    found.append(_secret(system, CA, keys=("tls.crt", "tls.key"), plain_name=True))
    for namespace in (team, "kube-system"):
        found += [
            _of(CONFIG_MAPS, "ConfigMap", namespace, lambda hide: {"data": {"k": hide("data")}}),
            _of(
                LEASES, "Lease", namespace, lambda hide: {"spec": {"holderIdentity": hide("spec")}}
            ),
            _of(SERVICE_ACCOUNTS, "ServiceAccount", namespace, lambda _: {}),
            _of(CORE_EVENTS, "Event", namespace, _event(namespace)),
        ]
    found += [
        _of(PODS, "Pod", team, _pod),
        _of(SECRET_SNAPSHOTS, "SecretSnapshot", team, _snapshot),
        _of(SECRET_ACCOUNTS, "SecretAccount", None, lambda _: {"spec": make.account()["spec"]}),
        _of(SECRET_POLICIES, "SecretPolicy", None, _policy),
        _of(MUTATING_WEBHOOKS, "MutatingWebhookConfiguration", None, _webhooks),
        _of(VALIDATING_WEBHOOKS, "ValidatingWebhookConfiguration", None, _webhooks),
    ]
    return found


SECRET_SHAPES: dict[str, dict[str, Any]] = {
    "opaque": {"keys": ("password",)},
    "tls": {"type_": "kubernetes.io/tls", "keys": ("tls.crt", "tls.key")},
    "docker-json": {
        "type_": "kubernetes.io/dockerconfigjson",
        "keys": (".dockerconfigjson",),
        "wrap": lambda text: json.dumps({"auths": {"registry.example.com": {"auth": text}}}),
    },
    "docker": {
        "type_": "kubernetes.io/dockercfg",
        "keys": (".dockercfg",),
        "wrap": lambda text: json.dumps({"registry.example.com": {"auth": text}}),
    },
    "basic-auth": {"type_": "kubernetes.io/basic-auth", "keys": ("username", "password")},
    "ssh-auth": {"type_": "kubernetes.io/ssh-auth", "keys": ("ssh-privatekey",)},
    "token": {"type_": TOKEN, "notes": {"kubernetes.io/service-account.name": "default"}},
    "bootstrap": {"type_": BOOTSTRAP, "keys": ("token-id", "token-secret")},
    "helm": {
        "type_": "helm.sh/release.v1",
        "keys": ("release",),
        "wrap": lambda text: base64.b64encode(text.encode()).decode(),
    },
    "own-type": {"type_": "example.com/credentials", "keys": ("a", "b", "c")},
    "immutable": {"keys": ("k",), "immutable": True},
    "finalizer": {"keys": ("k",), "finalizer": True},
    "deleting": {"keys": ("k",), "finalizer": True, "deleting": True},
    "immutable-deleting": {"keys": ("k",), "finalizer": True, "deleting": True, "immutable": True},
    "applied": {"keys": ("k",), "applied": True},
    "owned-by-lastgood": {"keys": ("k",), "labels": {"app.kubernetes.io/managed-by": "lastgood"}},
    "large": {"keys": ("k",), "wrap": lambda text: f"{'-' * 9_000}{text}{'-' * 9_000}"},
}


def _secret(  # the shapes of a Secret
    namespace: str,
    name: str,
    *,
    type_: str = "Opaque",
    keys: tuple[str, ...] = (),
    wrap: Callable[[str], str] = str,
    notes: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    finalizer: bool = False,
    deleting: bool = False,
    immutable: bool = False,
    applied: bool = False,
    plain_name: bool = False,
) -> Foreign:
    def manifest(hide: Hide) -> Json:
        data = {key: _base64(wrap(hide(f"data.{key}"))) for key in keys}
        found = _object("Secret", "v1", namespace, full, hide)
        found |= {"type": type_, "data": {**data, hide("a key of data"): ""}}
        metadata = found["metadata"]
        metadata["annotations"] |= notes or {}
        metadata["labels"] |= labels or {}
        if applied:
            text = json.dumps({"data": data, "stringData": {"k": hide("last-applied")}})
            metadata["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = text
        if finalizer:
            metadata["finalizers"] = [f"example.com/{hide('finalizer')}"]
        if immutable:
            found["immutable"] = True
        return found

    full = name if plain_name or name.startswith("bootstrap-token") else f"leak-{name}"
    return Foreign(
        resource=SECRETS, namespace=namespace, name=full, make=manifest, deleting=deleting
    )


def _of(
    resource: Resource, kind: str, namespace: str | None, content: Callable[[Hide], Json]
) -> Foreign:
    """Of another kind."""
    name = "lg-leak-" + "0" * 32 if resource == SECRET_SNAPSHOTS else "leak-foreign"

    def manifest(hide: Hide) -> Json:
        return _object(kind, resource.api_version, namespace, name, hide) | content(hide)

    return Foreign(resource=resource, namespace=namespace, name=name, make=manifest)


def _object(kind: str, version: str, namespace: str | None, name: str, hide: Hide) -> Json:
    metadata: Json = {
        "name": name,
        "labels": {LABEL: "yes", "example.com/label": hide("label")},
        "annotations": {"example.com/note": hide("annotation")},
    }
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _event(namespace: str) -> Callable[[Hide], Json]:
    about = {"kind": "Pod", "name": "leak-foreign", "namespace": namespace}
    return lambda hide: {"involvedObject": about, "reason": "Leak", "message": hide("message")}


def _pod(hide: Hide) -> Json:
    env = [{"name": "PASSWORD", "value": hide("env")}]
    return {"spec": {"schedulerName": "nobody", "containers": [container("app", env=env)]}}


def _snapshot(_: Hide) -> Json:
    source = {"account": "leak-foreign", "provider": "aws-sm", "reference": "/prod/leak"}
    return {"spec": {"source": source}}


def _policy(_: Hide) -> Json:
    spec = make.policy(make.source("leak-foreign", "aws-sm:/leak/*"), namespaces=["leak"])["spec"]
    return {"spec": spec}


def _webhooks(_: Hide) -> Json:
    """It has none, so that it does nothing."""
    return {"webhooks": []}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
