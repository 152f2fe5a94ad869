"""Which namespaces are asked for rights to read Secrets at the start, and what is said of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from controller.namespace_rights import NamespaceRights
from controller.selfcheck import READS, NotRefusedError
from kube.api import Api
from kube.errors import UnavailableError
from tests.kube.server import never, refuse, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kube.server import Fault

Json = dict[str, Any]
SYSTEM = "lastgood-system"
SHARED = ("kube-system", "default")
GIVEN: Json = {
    "apiGroups": [""],
    "resources": ["secrets"],
    "verbs": ["create", "update", "delete"],
}
"""What the chart gives in each namespace."""


class Cluster:
    """Namespaces, and what this identity may do in each."""

    def __init__(self, *namespaces: str) -> None:
        self.namespaces = [SYSTEM, *SHARED, *namespaces]
        self.rules: dict[str, list[Json]] = {}
        """Beside what the chart gives."""
        self.status: Json = {"incomplete": False}
        self.rights: set[tuple[str, str]] = set()
        """Verbs that only a SelfSubjectAccessReview tells, with the namespace."""
        self.instead: dict[str, Fault] = {}
        """An answer of its own for a namespace's rules."""
        self.asked: Counter[str] = Counter()
        self.reviews: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            items = [{"metadata": {"name": name}} for name in self.namespaces]
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        try:
            return await self._review(request)
        finally:
            self.at_once -= 1

    async def _review(self, request: web.Request) -> web.StreamResponse:
        spec = json.loads(await request.read())["spec"]
        if request.path.endswith("selfsubjectaccessreviews"):
            asked = spec["resourceAttributes"]
            self.reviews[asked["namespace"]] += 1
            allowed = (asked["verb"], asked["namespace"]) in self.rights
            return web.json_response({"status": {"allowed": allowed}}, status=201)
        namespace = spec["namespace"]
        self.asked[namespace] += 1
        if namespace in self.instead:
            return await self.instead[namespace](request)
        rules = [GIVEN, *self.rules.get(namespace, [])]
        return web.json_response({"status": {**self.status, "resourceRules": rules}}, status=201)


def checked(
    cluster: Cluster,
    *served: str,
    tries: int = 1,
    report: bool = False,
    most: int = 1000,
    within_s: float = 60.0,
) -> str:
    """What the check says that does not let the controller start; "": it starts."""

    async def scenario() -> None:
        async with serving() as server:
            server.instead = cluster.answer
            async with Api(server.configuration()) as api:
                namespace_rights = NamespaceRights(
                    api, SYSTEM, served, most=most, within_s=within_s
                )
                for _ in range(tries - 1):
                    with pytest.raises(UnavailableError):
                        await namespace_rights.check(report=report)
                    cluster.instead.clear()
                await namespace_rights.check(report=report)

    try:
        asyncio.run(scenario())
    except NotRefusedError as error:
        return str(error)
    return ""


def said(caplog: pytest.LogCaptureFixture) -> dict[str, Json]:
    """Log lines by event."""
    return {record.message: record.__dict__["fields"] for record in caplog.records}


def grant(*verbs: str, **changes: object) -> Json:
    """A ResourceRule on Secrets."""
    return {"apiGroups": [""], "resources": ["secrets"], "verbs": list(verbs), **changes}


def test_each_namespace_but_its_own_is_asked_once_and_a_few_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One request each for what the API server can list. All were asked, so nothing is logged."""
    names = [f"team-{number}" for number in range(200)]
    cluster = Cluster(*names)
    assert checked(cluster, "team-7") == ""
    assert cluster.asked == dict.fromkeys((*SHARED, *names), 1)
    assert not cluster.reviews
    assert 1 < cluster.most_at_once <= 8
    assert said(caplog) == {}


@pytest.mark.parametrize("verb", READS)
def test_a_role_in_one_namespace_that_nothing_serves_ends_it(verb: str) -> None:
    """The message names verb and namespace."""
    cluster = Cluster("orders", "payments")
    cluster.rules["payments"] = [grant(verb)]
    assert f"may {verb} Secrets in the namespace payments." in checked(cluster, "orders")


@pytest.mark.parametrize(
    "granted",
    [
        pytest.param(grant("*"), id="every verb"),
        pytest.param(grant("get", resources=["*"]), id="every resource"),
        pytest.param(grant("get", apiGroups=["*"]), id="every group"),
        pytest.param(grant("get", apiGroups=["apps", ""]), id="two groups"),
        pytest.param(grant("list", resourceNames=["db"]), id="one Secret by its name"),
        pytest.param(grant("get", "watch", resourceNames=["db"]), id="get and more of one Secret"),
        pytest.param(grant("*", resourceNames=["db"]), id="everything of one Secret"),
        pytest.param(grant("get", resourceNames=[]), id="an empty list of names"),
    ],
)
def test_each_form_of_a_right_is_seen(granted: Json) -> None:
    """A right on one Secret is a right to read it."""
    cluster = Cluster("payments")
    cluster.rules["payments"] = [granted]
    assert " Secrets in the namespace payments." in checked(cluster)


def test_a_namespace_may_grant_single_secrets_by_their_names(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By a Role of its own. The same by a ClusterRoleBinding is a right in shared ones too."""
    cluster = Cluster("orders", "payments")
    cluster.rules["payments"] = [grant("get", resourceNames=["db", "tls"])]
    assert checked(cluster) == ""
    assert said(caplog) == {}
    cluster.rules = {key: [grant("get", resourceNames=["db"])] for key in cluster.namespaces}
    for report in (False, True):
        assert "Secrets in the namespace default, get Secrets in the namespace kube-system" in (
            checked(cluster, report=report)
        )


@pytest.mark.parametrize(
    "granted",
    [
        pytest.param(grant("create", "update", "delete"), id="verbs that read nothing"),
        pytest.param(grant("*", apiGroups=["example.com"]), id="another group's secrets"),
        pytest.param(grant("*", resources=["configmaps"]), id="another resource"),
        pytest.param(grant("*", resources=["secrets/status"]), id="a subresource"),
        pytest.param({"verbs": ["get"]}, id="without lists"),
    ],
)
def test_other_rights_do_not_end_it(granted: Json) -> None:
    """Where rights are complete, none is asked for by its name."""
    cluster = Cluster("payments")
    cluster.rules["payments"] = [granted]
    assert checked(cluster) == ""


@pytest.mark.parametrize("verb", READS)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(lambda cluster: cluster.status.update(incomplete=True), id="incomplete"),
        pytest.param(lambda cluster: cluster.status.pop("incomplete"), id="not said"),
        pytest.param(
            lambda cluster: cluster.status.update(evaluationError="no such Role"), id="failed"
        ),
        pytest.param(
            lambda cluster: cluster.instead.update(payments=refuse(403, "Forbidden")),
            id="no rules review",
        ),
    ],
)
def test_where_rules_cant_be_listed_each_verb_is_asked_for(
    how: Callable[[Cluster], object], verb: str
) -> None:
    """As with an authorizing webhook, which answers questions and lists nothing."""
    cluster = Cluster("payments")
    how(cluster)
    assert checked(cluster) == ""
    assert cluster.reviews["payments"] == len(READS)
    cluster.rights = {(verb, "payments")}
    assert f"may {verb} Secrets in the namespace payments." in checked(cluster)


def test_a_message_names_some_and_counts_the_others() -> None:
    """One start shows all that is to be taken away, within one line."""
    names = [f"team-{number}" for number in range(9)]
    cluster = Cluster(*names)
    cluster.rules = {name: [grant("list")] for name in names}
    found = checked(cluster)
    assert found.count("list Secrets in the namespace") == 5
    assert "the namespace team-4 and in 4 more." in found


def test_more_namespaces_than_the_bound_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Shared and served ones come first, then by name. The others are counted in the log."""
    cluster = Cluster(*(f"team-{number}" for number in range(7)), "zoo")
    cluster.rules["team-6"] = [grant("get")]
    assert checked(cluster, "zoo", most=5) == ""
    assert set(cluster.asked) == {*SHARED, "zoo", "team-0", "team-1"}
    line = said(caplog)["controller.rights_not_asked"]
    assert (line["namespaces"], line["not_asked"]) == (10, 5)


def test_what_is_not_answered_in_time_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """An API server that answers nothing does not keep the controller from its start."""
    cluster = Cluster("payments")
    cluster.instead = dict.fromkeys((*SHARED, "payments"), never)
    assert checked(cluster, within_s=0.3) == ""
    assert said(caplog)["controller.rights_not_asked"]["not_asked"] == 3


def test_an_api_server_that_is_away_is_asked_for_the_rest() -> None:
    """The next try asks for none that was answered, so tries do not add up to a flood."""
    names = [f"team-{number}" for number in range(100)]
    cluster = Cluster(*names)
    cluster.instead["team-99"] = refuse(503, "ServiceUnavailable")
    assert checked(cluster, tries=2) == ""
    assert cluster.asked["team-0"] == 1
    assert cluster.asked["team-99"] == 2
    assert cluster.asked.total() <= len(names) + len(SHARED) + 8


def test_it_may_report_a_right_and_start(caplog: pytest.LogCaptureFixture) -> None:
    """A tenant that may bind Roles could otherwise keep the controller from starting."""
    cluster = Cluster("payments")
    cluster.rules["payments"] = [grant("get")]
    assert checked(cluster, report=True) == ""
    why = said(caplog)["controller.reads_elsewhere"]["why"]
    assert why == "the controller's identity may get Secrets in the namespace payments"


@pytest.mark.parametrize("namespace", SHARED)
def test_a_right_in_a_shared_namespace_is_never_only_reported(namespace: str) -> None:
    """Such as one Secret of kube-system, which is no right on all of them."""
    cluster = Cluster("payments")
    cluster.rules[namespace] = [grant("get", resourceNames=["token"])]
    assert f"may get Secrets in the namespace {namespace}." in checked(cluster, report=True)
