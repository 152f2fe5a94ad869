"""What a case of the table is: requests, and what any API server answers them with.

In every text `$name` is replaced by what was kept under that name. From the start there are `$ns`,
a namespace of the case's own, `$id` for names of cluster-scoped objects, and `$hook` and
`$hook_ca`, a webhook's URL and its CA. No message's text is expected, for they change from version
to version.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

NS = "/api/v1/namespaces/$ns"
SECRETS = f"{NS}/secrets"
MAPS = f"{NS}/configmaps"
PODS = f"{NS}/pods"
ACCOUNTS = f"{NS}/serviceaccounts"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/$ns/leases"
LASTGOOD = "/apis/lastgood.dev/v1alpha1"
SNAPSHOTS = f"{LASTGOOD}/namespaces/$ns/secretsnapshots"
POLICIES = f"{LASTGOOD}/secretpolicies"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

ADMIN = ""
"""Who asks: the identity of the kubeconfig. Any other text is a bearer token."""
NOBODY = "-"
"""Who asks: a client without credentials."""


class Absent:
    """Expected where there is nothing."""

    def __repr__(self) -> str:
        return "nothing"


class Present:
    """Expected where there is anything."""

    def __repr__(self) -> str:
        return "anything"


ABSENT, PRESENT = Absent(), Present()


@dataclass(frozen=True, slots=True)
class Not:
    """Expected where there is anything else."""

    value: object


@dataclass(frozen=True, slots=True)
class Some:
    """Expected where there is a list with this among its items."""

    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request, and its answer."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    """JSON, or bytes as they are; None: no body."""
    kind: str = JSON
    """The body's content type."""
    who: str = ADMIN
    code: int = 200
    reason: str = ""
    """Of the Status that refuses it; "": it is not looked at."""
    has: Mapping[str, object] = field(default_factory=dict)
    """Parts of the answer, by place: `metadata/labels/a`, `items/*/metadata/name` for a list of
    them. A `/` inside a name is `~1`, as in RFC 6901.
    """
    keep: Mapping[str, str] = field(default_factory=dict)
    """Parts of the answer for later steps: names with places."""
    at_last: bool = False
    """It is asked again until the answer is as expected: the server has to notice something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Opens a watch, which stays open until the case ends."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    name: str = "watch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an open watch tells next. Bookmarks are passed over, unless one is expected."""

    events: tuple[tuple[str, str], ...]
    """Each event's type, and the name of its object."""
    has: Mapping[str, object] = field(default_factory=dict)
    """Parts of the last event."""
    keep: Mapping[str, str] = field(default_factory=dict)
    end: bool = False
    """Then the server ends it."""
    name: str = "watch"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The server forgets all changes so far, where it can be told to."""


Part = Step | Watching | Told | Forgotten


@dataclass(frozen=True, slots=True)
class Case:
    """One behaviour of the API server."""

    name: str
    parts: tuple[Part, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the case's namespace."""


def case(name: str, *parts: Part, **labels: str) -> Case:
    """A case in a namespace with these labels."""
    return Case(name, parts, labels)


def get(path: str, **more: Any) -> Step:  # noqa: ANN401 - fields of Step
    """Reads."""
    return Step(method="GET", path=path, **more)


def post(path: str, body: object, **more: Any) -> Step:  # noqa: ANN401 - as above
    """Creates."""
    return Step(method="POST", path=path, body=body, **{"code": 201, **more})


def put(path: str, body: object, **more: Any) -> Step:  # noqa: ANN401 - as above
    """Replaces."""
    return Step(method="PUT", path=path, body=body, **more)


def merge(path: str, body: object, **more: Any) -> Step:  # noqa: ANN401 - as above
    """A JSON merge patch (RFC 7396)."""
    return Step(method="PATCH", path=path, body=body, kind=MERGE, **more)


def operations(path: str, *body: Json, **more: Any) -> Step:  # noqa: ANN401 - as above
    """A JSON patch (RFC 6902)."""
    return Step(method="PATCH", path=path, body=list(body), kind=JSON_PATCH, **more)


def delete(path: str, body: object = None, **more: Any) -> Step:  # noqa: ANN401 - as above
    """`body`: DeleteOptions."""
    return Step(method="DELETE", path=path, body=body, **more)


def dry(step: Step) -> Step:
    """The same as a dry run."""
    return replace(step, query={**step.query, "dryRun": "All"})


def named(name: str, **more: object) -> Json:
    """An object of any kind."""
    return {"metadata": {"name": name}, **more}


def secret(name: str, key: str = "a", value: str = "b25l", **more: object) -> Json:
    """`value` is base64."""
    return {"metadata": {"name": name}, "data": {key: value}, **more}


def snapshot(name: str, *, reference: str = "/prod/db", **spec: object) -> Json:
    """The smallest SecretSnapshot that is taken."""
    source = {"account": "prod", "provider": "aws-sm", "reference": reference}
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretSnapshot",
        "metadata": {"name": name},
        "spec": {"source": source, **spec},
    }


def pod(name: str, **spec: object) -> Json:
    """One that no scheduler looks at."""
    containers = [{"name": "app", "image": "registry.example/app:1"}]
    return named(name, spec={"schedulerName": "nobody", "containers": containers, **spec})
