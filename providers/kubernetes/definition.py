"""Secrets of the pod's own namespace, as references and accounts name them. Pure."""

from __future__ import annotations

from providers.definition import Provider, Scheme
from providers.kubernetes.account import Kubernetes
from providers.kubernetes.references import (
    MOST_NAME,
    OURS,
    REFERENCE,
    check_name,
    check_reference,
)

_KEPT = "An ExternalSecret keeps the Secret, and "
_OLD = ". The value is served, and its age goes on"
_ADVICE = {
    "Forbidden": (
        "lastgood's controller may not get the Secret {name}. Grant it in namespace {namespace}"
        " with a Role for exactly this name: lastgood presync prints it"
    ),
    "OwnNamespace": (
        "lastgood does not read Secrets of its own namespace {namespace}. Move the pod to another"
        " namespace"
    ),
    "SharedNamespace": (
        "lastgood reads no Secrets of namespace {namespace}. Move the pod to another namespace"
    ),
    "NotFound": (
        "there is no Secret {name} in namespace {namespace}. If an ExternalSecret makes it, see its"
        " status"
    ),
    "SecretType": (
        "the Secret {name} is of a type that lastgood does not read: a snapshot, or a token of a"
        " service account"
    ),
    "KeysCollide": (
        "a key of the Secret {name} whose value is no UTF-8 is given as KEY.base64, and the Secret"
        " has that key too. Rename one of them: the Event VersionNotUsable says which"
    ),
    "EmptySecret": "the Secret {name} has no keys. Check who keeps it",
    "NotReady": f"{_KEPT}is not in sync: see its condition Ready{_OLD}",
    "NotSynced": f"{_KEPT}its status is not SecretSynced{_OLD}",
    "OldGeneration": f"{_KEPT}the operator has not applied its last change yet{_OLD}",
    "NotBound": f"{_KEPT}its status names another Secret{_OLD}",
    "Deleting": f"{_KEPT}is being deleted{_OLD}",
    "NeverRefreshed": f"{_KEPT}its status has no valid refreshTime{_OLD}",
    "InTheFuture": f"{_KEPT}its refreshTime is in the future{_OLD}",
    "NotKnown": (
        "lastgood cannot list ExternalSecrets, so it does not know whether one keeps the Secret"
        f"{_OLD}. Check the controller's log"
    ),
    "NoExternalSecret": (
        "the Secret has the marks of External Secrets Operator, but no ExternalSecret of API"
        f" version v1 keeps it{_OLD}. If you keep it now, remove its labels and annotations that"
        " start with reconcile.external-secrets.io"
    ),
    "Find": (
        f"{_KEPT}uses dataFrom.find, which is in sync also when the provider has nothing any more"
        f"{_OLD}"
    ),
    "DeletionPolicy": (
        f"{_KEPT}has deletionPolicy Merge or Delete, which is in sync also when the provider has"
        f" nothing any more{_OLD}. Use Retain"
    ),
    "NoRefresh": (
        f"{_KEPT}is not refreshed (refreshPolicy CreatedOnce or OnChange, or refreshInterval 0)"
        f"{_OLD}"
    ),
}


def advice(reference: str, reason: str, code: str) -> str | None:
    """What to do about a code of the source; None: the reason says all."""
    del reason
    namespace, _, name = reference.partition("/")
    said = _ADVICE.get(code)
    return None if said is None else said.format(namespace=namespace, name=name)


K8S = Scheme(
    name="k8s",
    check=check_reference,
    local=check_name,
    advice=advice,
    never_allowed=(
        (
            "^k8s:[^/]*$",
            (
                "a pattern for k8s must be a namespace, / and a name. For any Secret of the pod's"
                " own namespace: k8s:{namespace}/*"
            ),
        ),
    ),
    revoked={
        "with provider kubernetes, a revoked reference must be a namespace, / and the name of a"
        " Secret that is not lastgood's own": (
            f"it.reference.matches('^{REFERENCE}$') && !it.reference.matches('/{OURS}$')"
            f" && !it.reference.matches('/[^/]{{{MOST_NAME + 1}}}')"
        )
    },
)
KUBERNETES = Provider(
    name="kubernetes",
    block=Kubernetes,
    about=(
        "Settings for Secrets of the pod's own namespace: {}. Required with provider kubernetes,"
        " otherwise not allowed."
    ),
    schemes=(K8S,),
)
