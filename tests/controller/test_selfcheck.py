"""The check at the start, against an API server that grants one forbidden act alone."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from controller.selfcheck import (
    ELSEWHERE,
    MARKER,
    PROBE,
    READS,
    NotRefusedError,
    acts,
    check,
)
from kube.api import Api
from kube.api_resources import SECRETS
from kube.errors import UnavailableError
from kube.forbidden_requests import Attempts
from tests.kube.server import refuse, say, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.forbidden_requests import Attempt
    from tests.kube.server import Fault

SYSTEM, POD = "lastgood-system", "lastgood-controller-0"
PROBED = {"type": "Opaque", "data": {"k": base64.b64encode(MARKER.encode()).decode()}}
FORBIDDEN, INVALID = refuse(403, "Forbidden"), refuse(422, "Invalid")
ACTS = acts(SYSTEM, POD)


class Cluster:
    """Refuses everything by RBAC but what a test grants."""

    def __init__(self) -> None:
        self.instead: dict[str, Fault] = {}
        """An answer of its own for an act."""
        self.rights: set[tuple[str, str | None]] = set()
        self.probe = say(json.dumps(PROBED).encode())
        self.seen: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        body: Any = json.loads(content) if content else None
        if request.path.endswith("selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            allowed = (asked["verb"], asked.get("namespace")) in self.rights
            return web.json_response({"status": {"allowed": allowed}}, status=201)
        if request.method == "GET":
            return await self.probe(request)
        what = next(what for what, one in ACTS.items() if _same(one, request, body))
        self.seen.append(what)
        return await self.instead.get(what, FORBIDDEN)(request)


def _same(attempt: Attempt, request: web.Request, body: object) -> bool:
    heads = (attempt.method, attempt.path, dict(attempt.query), attempt.content_type)
    kind = request.content_type if body is not None else None
    return (*heads, attempt.body) == (
        request.method,
        request.path,
        dict(request.query),
        kind,
        body,
    )


def checked(cluster: Cluster) -> str:
    """What the check says that does not let the controller start; "": it starts."""

    async def scenario() -> None:
        async with serving() as server:
            server.instead = cluster.answer
            reached = server.configuration()
            async with Api(reached) as api, Attempts(reached) as attempts:
                await check(api, attempts, SYSTEM, POD)

    try:
        asyncio.run(scenario())
    except NotRefusedError as error:
        return str(error)
    return ""


def test_where_all_is_refused_it_starts() -> None:
    """Each act was tried once, with its own body and query; none was without a dry run."""
    cluster = Cluster()
    assert checked(cluster) == ""
    assert cluster.seen == list(ACTS)
    for what, attempt in ACTS.items():
        options: Any = attempt.body if attempt.method == "DELETE" else None
        dry = (options or attempt.query)["dryRun"]
        assert dry in ("All", ["All"]), what


@pytest.mark.parametrize("what", ACTS)
@pytest.mark.parametrize(
    "granted",
    [
        pytest.param(lambda: say(b'{"kind": "Secret"}'), id="granted"),
        pytest.param(lambda: say(json.dumps(PROBED).encode(), 422), id="quoted"),
        pytest.param(lambda: say(MARKER.encode(), 403), id="quoted when forbidden"),
        pytest.param(lambda: refuse(422, "Invalid", X_Head=MARKER), id="quoted in a header"),
        pytest.param(lambda: say(MARKER.encode(), 500), id="quoted in an error of the server"),
        pytest.param(lambda: refuse(400, "BadRequest"), id="looked at"),
        pytest.param(lambda: refuse(409, "Conflict"), id="in conflict"),
    ],
)
def test_each_act_granted_alone_ends_it(what: str, granted: Callable[[], Fault]) -> None:
    """It names this act and no other, whatever came instead of a refusal."""
    cluster = Cluster()
    cluster.instead[what] = granted()
    assert f"allows the controller to {what}. The chart's Validating" in checked(cluster)


def test_it_names_every_act_that_is_granted() -> None:
    """One start shows all of them."""
    cluster = Cluster()
    cluster.instead = dict.fromkeys(ACTS, say(b"{}"))
    assert all(what in checked(cluster) for what in ACTS)


def test_a_policy_refuses_what_rbac_grants() -> None:
    """422 is a policy's; a JSON patch was evaluated by then, and `test` has told its result."""
    cluster = Cluster()
    cluster.instead = dict.fromkeys(ACTS, INVALID)
    said = checked(cluster)
    for what, attempt in ACTS.items():
        evaluated = attempt.content_type == "application/json-patch+json"
        assert (f"{what}," in said or f"{what}." in said) == evaluated, what


@pytest.mark.parametrize("verb", READS)
@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_right_to_read_elsewhere_ends_it(verb: str, where: str | None) -> None:
    """In all namespaces, or in one that every cluster has."""
    cluster = Cluster()
    cluster.rights = {(verb, where)}
    place = f"the namespace {where}" if where else "every namespace"
    assert f"may {verb} Secrets in {place}." in checked(cluster)
    assert cluster.seen == []


def test_its_own_namespace_is_not_elsewhere() -> None:
    """There it has get and list."""
    cluster = Cluster()
    cluster.rights = {("get", SYSTEM), ("list", SYSTEM), ("create", None), ("update", None)}
    assert checked(cluster) == ""


@pytest.mark.parametrize(
    "probe",
    [
        pytest.param(refuse(404, "NotFound"), id="not there"),
        pytest.param(say(b'{"type": "Opaque"}'), id="empty, as an older chart's"),
        pytest.param(refuse(403, "Forbidden"), id="not readable"),
    ],
)
def test_without_the_marker_nothing_is_shown(probe: Fault) -> None:
    """A leak would not be seen, so it does not start."""
    cluster = Cluster()
    cluster.probe = probe
    assert f"Secret {SYSTEM}/{PROBE} with the chart's content not found" in checked(cluster)


def test_an_api_server_that_is_away_is_asked_again() -> None:
    """No answer is neither granted nor refused; the error has no byte of an object."""
    cluster = Cluster()
    cluster.instead["label a pod"] = refuse(503, "ServiceUnavailable", "secret words")
    with pytest.raises(UnavailableError) as raised:
        checked(cluster)
    assert "secret words" not in str(raised.value)
    assert SECRETS.path(SYSTEM, PROBE) not in str(raised.value)
