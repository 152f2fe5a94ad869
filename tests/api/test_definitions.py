"""The API server by its definitions and the models say the same of every field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.crd import DEFINITIONS, manifest
from apiserver import schema
from providers.registry import SCHEMES
from tests.e2e.definitions import ACCEPTED, AZURE, BOUNDS, KEPT, RULES, Json, made, rules
from tests.e2e.mistakes import PLACES, WHOLE, mistakes, places, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.crd import Definition
    from tests.e2e.definitions import Refused
    from tests.e2e.mistakes import Path


SCHEMAS: dict[str, Json] = {
    item.plural: manifest(item)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for item in DEFINITIONS
}


def answer(plural: str, body: Json) -> tuple[Json, list[str]]:
    """The object as the API server keeps it, and what it says is wrong with it."""
    kept = schema.kept(body, SCHEMAS[plural])
    return kept, schema.problems(kept, SCHEMAS[plural])


@pytest.mark.parametrize(
    ("plural", "body"),
    [
        *((plural, made(plural)) for plural in ACCEPTED),
        *((plural, body) for plural, bodies in WHOLE.items() for body in bodies),
    ],
)
def test_what_is_right_is_taken(plural: str, body: Json) -> None:
    """By both; or the other tests would say nothing."""
    kept, wrong = answer(plural, body)
    assert wrong == []
    assert problem(plural, body) is None
    assert problem(plural, kept) is None


@pytest.mark.parametrize(("plural", "number", "path"), PLACES)
def test_p2_the_api_server_takes_exactly_what_we_can_read(
    plural: str, number: int, path: Path
) -> None:
    """Whatever stands in one field. An object that it takes and we refuse would be told of in a log
    only, and after a restart nobody would know what it says.
    """
    different: dict[str, Any] = {}
    for what, body in mistakes(plural, number, path):
        _, wrong = answer(plural, body)
        found = problem(plural, body)
        if bool(wrong) != (found is not None):
            different[what] = wrong or found
    assert different == {}


@pytest.mark.parametrize("case", [*RULES, *BOUNDS], ids=lambda it: f"{it.plural}: {it.says}")
def test_what_a_cluster_is_tried_with_is_wrong_here_too(case: Refused) -> None:
    """The cases of tests/e2e: the model refuses them, and the schema does."""
    _, wrong = answer(case.plural, case.body)
    assert wrong
    assert problem(case.plural, case.body) is not None


def test_each_rule_of_the_chart_has_a_case_for_a_cluster() -> None:
    """A new one needs one in tests/e2e."""
    tried = {case.says for case in RULES} | {says for says, _ in KEPT}
    assert set(rules()) == tried


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://payments.vault.azure.net/", "vaultURL"),
        ("https://payments.vault.azure.net/secrets/db", "vaultURL"),
        ("payments.vault.azure.net", "https://"),
        ("http://payments.vault.azure.net", "https://"),
    ],
)
def test_the_url_of_a_known_vault_needs_no_authority(url: str, says: str) -> None:
    """What is wrong with it is said, and nothing false beside it."""
    body = made("secretaccounts", spec=AZURE | {"azure": AZURE["azure"] | {"vaultURL": url}})
    wrong = answer("secretaccounts", body)[1]
    assert any(says in it for it in wrong)
    assert not any("authorityHost is required" in it for it in wrong)
    assert problem("secretaccounts", body) is not None


def test_a_known_vault_may_have_its_port() -> None:
    """443 is the one that it has anyway."""
    url = {"vaultURL": "https://payments.vault.azure.net:443"}
    body = made("secretaccounts", spec=AZURE | {"azure": AZURE["azure"] | url})
    assert answer("secretaccounts", body)[1] == []
    assert problem("secretaccounts", body) is None


def _fields(schema: Json, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Of a schema; an item of a list and a name of a mapping are `*`."""
    yield path
    for name, inner in schema.get("properties", {}).items():
        yield from _fields(inner, (*path, name))
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from _fields(inner, (*path, "*"))


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda it: it.plural)
def test_every_field_is_tried(definition: Definition) -> None:
    """A new one has to stand in one of the whole objects, or it would be compared nowhere."""
    (version,) = manifest(definition)["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    filled = {
        tuple("*" if isinstance(step, int) else str(step) for step in path)
        for _, _, path in places(definition.plural)
    }
    mappings = {path[:-1] for path in _fields(spec, ("spec",)) if path[-1] == "*"}
    filled |= {
        tuple("*" if path[:at] in mappings else step for at, step in enumerate(path))
        for path in filled
    }
    assert set(_fields(spec, ("spec",))) <= filled


_PIECES = ["aws-sm", "file", ":", "/", ".", "*", "**", "{namespace}", "prod", "a-", "Z", "é", "}"]


@given(st.lists(st.sampled_from(_PIECES), max_size=6).map("".join))
@example("aws-sm:/prod/{namespace}*")
@example("aws-sm:/prod/**/x")
@example("aws-sm:" + "{namespace}/" * 40)
def test_p2_the_api_server_takes_the_patterns_that_we_can_read(allow: str) -> None:
    """And none of those has a segment that no reference has, or half of a **."""
    body = made("secretpolicies", spec__sources__0__allow=[allow])
    found = problem("secretpolicies", body)
    assert (found is None) == (answer("secretpolicies", body)[1] == [])
    if found is None:
        segments = allow.partition(":")[2].removeprefix("/").split("/")
        assert not {"", ".", ".."} & set(segments)
        assert all(segment == "**" or "**" not in segment for segment in segments)


@given(
    st.sampled_from(WHOLE["secretaccounts"]),
    st.lists(st.sampled_from([*_PIECES, "aws", "reference"]), max_size=6).map("".join),
    st.sampled_from([None, *SCHEMES]),
)
@example(WHOLE["secretaccounts"][0], "/aws/reference/x", None)
@example(WHOLE["secretaccounts"][0], "aws/Reference/x", "aws-ssm")
@example(WHOLE["secretaccounts"][0], "/ssm", "aws-ssm")
@example(WHOLE["secretaccounts"][0], "/a" * 15, "aws-ssm")
@example(WHOLE["secretaccounts"][0], "/a" * 15 + "/", "aws-ssm")
@example(WHOLE["secretaccounts"][0], "a/b", "aws-ssm")
@example(WHOLE["secretaccounts"][1], "/aws/reference/x", "file")
@example(WHOLE["secretaccounts"][2], "prod/aws", None)
def test_p2_the_api_server_takes_the_revocations_that_we_can_read(
    account: Json, reference: str, provider: str | None
) -> None:
    """Of each provider, named or not."""
    named = {} if provider is None else {"provider": provider}
    revoked = [{"reference": reference, "version": "one"} | named]
    body = account | {"spec": account["spec"] | {"revoked": revoked}}
    assert (problem("secretaccounts", body) is None) == (answer("secretaccounts", body)[1] == [])
