"""What the stand-in refuses, so that no test relies on it, and what it alone does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.apiserver.cases.webhooks import asking, hook, hooks
from tests.apiserver.hook import SERVICE
from tests.apiserver.runner import Carrying
from tests.apiserver.table import (
    HOOKS,
    JSON,
    MAPS,
    NS,
    PRESENT,
    SECRETS,
    SNAPSHOTS,
    Step,
    case,
    delete,
    get,
    named,
    post,
    secret,
    snapshot,
)

if TYPE_CHECKING:
    from apiserver.running import Running
    from tests.apiserver.table import Case, Part
    from tests.apiserver.world import World

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def _behind(namespace: str, name: str) -> Part:
    service = {"namespace": namespace, "name": name, "path": "/patch"}
    return hooks(hook("", clientConfig={"caBundle": "$hook_ca", "service": service}))


def _patch(kind: str) -> Step:
    return Step(method="PATCH", path=f"{SECRETS}/one", body={}, kind=kind, code=415)


REFUSED = (
    case(
        "patches-of-other-kinds",
        post(SECRETS, secret("one")),
        _patch("application/strategic-merge-patch+json"),
        _patch("application/apply-patch+yaml"),
        _patch(JSON),
    ),
    case("deletecollection", delete(SECRETS, code=405, reason="MethodNotAllowed")),
    case(
        "kinds-that-are-not-served",
        get("/apis/apps/v1/namespaces/$ns/replicasets", code=404),
        get("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", code=404),
        get(f"{NS}/pods/one/log", code=404),
        post(f"{NS}/pods/one/binding", {}, code=404),
        post(f"{NS}/pods/one/eviction", {}, code=404),
        post(_REVIEWS, {"spec": {"nonResourceAttributes": {"path": "/"}}}, code=422),
    ),
    case(
        "watches-that-list",
        get(SECRETS, query={"watch": "true", "sendInitialEvents": "true"}, code=422),
    ),
    case(
        "webhooks-for-other-operations",
        post(
            HOOKS,
            named("$id", webhooks=[hook("patch", rules=[{"operations": ["CREATE", "UPDATE"]}])]),
            code=422,
        ),
    ),
    case(
        "versions-of-the-future",
        get(SECRETS, query={"resourceVersion": "999999999999"}, code=504, reason="Timeout"),
    ),
    case(
        "objects-of-another-shape",
        post(f"{NS}/pods", named("one", spec=["x"]), code=400, reason="BadRequest"),
        post(f"{NS}/pods", named("one", spec={"containers": {}}), code=422),
        post(f"{SNAPSHOTS}/one", snapshot("one"), code=405),
    ),
)

ALONE = (
    case(
        "a-webhook-behind-a-service",
        _behind(*SERVICE),
        post(MAPS, asking(), has={"data/called": PRESENT}),
    ),
    case(
        "a-webhook-behind-a-service-that-nobody-is",
        _behind(SERVICE[0], "other"),
        post(MAPS, asking(), code=500, reason="InternalError"),
    ),
)


@pytest.mark.parametrize("case", REFUSED, ids=lambda it: it.name)
def test_what_is_not_done_is_refused(stand_in: World, case: Case) -> None:
    """With a status that says so, and never with an answer that is wrong."""
    Carrying(stand_in, case).run()


@pytest.mark.parametrize("case", ALONE, ids=lambda it: it.name)
def test_services_are_where_the_test_says(stand_in: World, served: Running, case: Case) -> None:
    """Its certificate has to be the Service's; nothing routes to Services here."""
    place = stand_in.hook.removeprefix("https://")
    served.call(lambda server: server.services.update({SERVICE: place}))
    try:
        Carrying(stand_in, case).run()
    finally:
        served.call(lambda server: server.services.clear())
