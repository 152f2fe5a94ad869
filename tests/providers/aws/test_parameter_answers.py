"""Answers of Parameter Store that moto does not give: refusing keys, mirrors, and misfits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from contract.snapshot_format import is_incarnation
from providers.aws.source.errors import UNREADABLE
from providers.aws.source.parameter_store import AwsParameterStore
from providers.aws.source.results import LAGGING
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.harness import CANARY, known, one, scripted_server, ssm_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.providers.harness import Scripted

HERE = "arn:aws:ssm:eu-west-1:111122223333:parameter"
GOOD: dict[str, Any] = {
    "Name": "/a",
    "Type": "SecureString",
    "Value": "x",
    "Version": 3,
    "LastModifiedDate": 1764180000.123,
    "ARN": f"{HERE}/a",
}
MARK = "eu-west-1/111122223333/1764180000123"
NEVER = Failed(reason=FetchFailure.DENIED, code="AccessDeniedException")
DENIED = {
    "__type": "AccessDeniedException",
    "message": f"{CANARY} (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException)",
}


@pytest.fixture
def source(script: Scripted) -> Iterator[AwsParameterStore]:
    """A source whose provider is the script."""
    source = ssm_source(script.address)
    yield source
    source.close()


class Aws:
    """Parameters in a scripted Parameter Store, as AWS answers for them."""

    def __init__(self, script: Scripted, *parameters: dict[str, Any]) -> None:
        self.script = script
        self.parameters = {it["Name"]: it for it in parameters}
        self.sealed: dict[str, dict[str, Any]] = {}
        """Names whose key refuses, with the error."""
        script.before = self._before

    def _before(self, operation: str) -> None:
        asked = self.script.asked[-1][1]
        names = asked["Names"] if operation == "GetParameters" else [asked["Name"]]
        found = [self._shown(name, asked) for name in sorted(names) if name in self.parameters]
        refused = [self.sealed[it] for it in names if it in self.sealed and asked["WithDecryption"]]
        lacks = [name for name in names if name not in self.parameters]
        if refused:
            self.script.say(operation, refused[0], 400)
        elif operation == "GetParameters":
            self.script.say(operation, {"Parameters": found, "InvalidParameters": lacks})
        elif lacks:
            self.script.say(operation, {"__type": "ParameterNotFound"}, 400)
        else:
            self.script.say(operation, {"Parameter": found[0]})

    def _shown(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        it = self.parameters[name]
        sealed = it["Type"] == "SecureString" and not asked["WithDecryption"]
        return it | {"Value": "AQICAHciphertext"} if sealed else it


def parameters(names: str, **changes: object) -> list[dict[str, Any]]:
    """One per letter."""
    return [GOOD | {"Name": f"/{it}", "ARN": f"{HERE}/{it}"} | changes for it in names]


def invalid(code: str) -> Failed:
    """A failure that nothing but a change at the provider ends."""
    return Failed(reason=FetchFailure.INVALID, code=code)


def ask_all(source: AwsParameterStore, names: str) -> dict[str, object]:
    """A batch, and alone what it says nothing of, as the engine does."""
    fetched = source.fetch([FetchRequest(reference=f"/{it}") for it in names])
    return {
        name: one(source, f"/{name}") if isinstance(it, Alone) else it
        for name, it in zip(names, fetched.results, strict=True)
    }


@pytest.mark.parametrize(
    "error", [DENIED, {"__type": "InvalidKeyId", "message": "Key does not exist"}], ids=str
)
@pytest.mark.parametrize("sealed", ["a", "e", "j", "ae"])
def test_a_key_that_refuses_one_fails_no_other(
    script: Scripted, source: AwsParameterStore, sealed: str, error: dict[str, Any]
) -> None:
    """AWS refuses a call with decryption as a whole (powertools python#1678, kubernetes-external-
    secrets#627, aws-ssm-copy#10). Plain parameters need no key at all.
    """
    aws = Aws(script, *parameters("abcdefgh"), *parameters("ij", Type="String"))
    aws.sealed = {f"/{it}": error for it in sealed if it != "j"}
    found = ask_all(source, "abcdefghij")
    for name, result in found.items():
        if f"/{name}" in aws.sealed:
            assert result == Failed(reason=FetchFailure.DENIED, code=error["__type"])
        else:
            assert isinstance(result, Material), name
            assert result.value.reveal() == b"x"
    assert CANARY not in repr(found)


def test_a_key_that_refuses_costs_no_call_to_it_while_nothing_changes(
    script: Scripted, source: AwsParameterStore
) -> None:
    """What is held stays confirmed although its key is gone: the check decrypts nothing."""
    aws = Aws(script, *parameters("ab"))
    held = [one(source, f"/{it}") for it in "ab"]
    aws.sealed = {"/a": DENIED}
    script.asked.clear()
    requests = [
        FetchRequest(reference=f"/{name}", **known(it)) for name, it in zip("ab", held, strict=True)
    ]
    assert {type(it) for it in source.fetch(requests).results} == {NotModified}
    assert {type(it) for it in source.fetch(requests[:1]).results} == {NotModified}
    assert [asked["WithDecryption"] for _, asked, _ in script.asked] == [False, False]


def test_a_changed_parameter_alone_in_a_batch_has_its_own_refusal(
    script: Scripted, source: AwsParameterStore
) -> None:
    """Nobody else was asked for with it, so it is not asked again."""
    aws = Aws(script, *parameters("a"), *parameters("b", Type="String"))
    aws.sealed = {"/a": DENIED}
    denied, plain = source.fetch(
        [FetchRequest(reference="/a"), FetchRequest(reference="/b")]
    ).results
    assert denied == NEVER
    assert isinstance(plain, Material)


@pytest.mark.parametrize("status", [400, 500])
def test_trouble_while_decrypting_leaves_what_was_read(
    script: Scripted, source: AwsParameterStore, status: int
) -> None:
    """Plain ones and those that are held."""
    code = {400: "ThrottlingException", 500: "InternalServerError"}[status]
    aws = Aws(script, *parameters("ab"), *parameters("c", Type="String"))
    held = one(source, "/a")
    answer = aws.script.before

    def before(operation: str) -> None:
        answer(operation)
        if script.asked[-1][1]["WithDecryption"]:
            script.say(operation, {"__type": code}, status)

    script.before = before
    requests = [FetchRequest(reference="/a", **known(held))]
    requests += [FetchRequest(reference=f"/{it}") for it in "bc"]
    same, failed, plain = source.fetch(requests).results
    assert isinstance(same, NotModified)
    assert isinstance(failed, Failed)
    assert failed.code == code
    assert isinstance(plain, Material)


def test_a_missing_parameter_is_absent_only_by_its_own_answer(
    script: Scripted, source: AwsParameterStore
) -> None:
    """InvalidParameters also names what is misspelled: it proves nothing."""
    Aws(script, *parameters("a"))
    requests = [FetchRequest(reference=f"/{it}") for it in "ab"]
    assert source.fetch(requests).results[1] == Alone()
    assert one(source, "/b") == Failed(reason=FetchFailure.ABSENT, code="ParameterNotFound")
    script.before = lambda _: None
    script.say("GetParameter", {"__type": "ResourceNotFoundException"}, 400)
    assert one(source, "/b") == invalid("ResourceNotFoundException")


@pytest.mark.parametrize(
    ("change", "given", "expected"),
    [
        ({"Name": "/b"}, {}, invalid("NameMismatch")),
        ({"Name": "a"}, {}, invalid("NameMismatch")),
        ({"Name": "/a:3"}, {"version": "3"}, invalid("NameMismatch")),
        ({"Version": 4}, {"version": "3"}, invalid("VersionMismatch")),
        ({"Version": 0}, {}, UNREADABLE),
        ({"Version": True}, {}, UNREADABLE),
        ({"Version": "3"}, {}, UNREADABLE),
        ({"Version": None}, {}, UNREADABLE),
        ({"Type": "Binary"}, {}, invalid("UnknownType")),
        ({"Type": None}, {}, UNREADABLE),
        ({"Value": None}, {}, UNREADABLE),
        ({"Value": 7}, {}, UNREADABLE),
        ({"Value": "\ud800"}, {}, UNREADABLE),
    ],
    ids=str,
)
def test_an_answer_that_does_not_fit_is_refused(
    script: Scripted,
    source: AwsParameterStore,
    change: dict[str, Any],
    given: dict[str, str],
    expected: Failed,
) -> None:
    """P7: the name that comes back is compared; so are version and type."""
    script.say("GetParameter", {"Parameter": GOOD | change})
    assert one(source, "/a", **given) == expected


def test_a_batch_that_gives_other_parameters_says_nothing(
    script: Scripted, source: AwsParameterStore
) -> None:
    """A stranger's value is nobody's; and each name is asked for once."""
    script.say("GetParameters", {"Parameters": parameters("xy", Type="String")})
    requests = [FetchRequest(reference=f"/{it}") for it in "baab"]
    assert set(source.fetch(requests).results) == {Alone()}
    assert script.asked[0][1] == {"Names": ["/b", "/a"], "WithDecryption": False}


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        ({}, MARK),
        (
            {"ARN": "arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/a"},
            "us-gov-west-1/111122223333/1764180000123",
        ),
        ({"ARN": "x"}, "1764180000123"),
        ({"ARN": 7}, "1764180000123"),
        ({"LastModifiedDate": None}, None),
        ({"LastModifiedDate": 1764180000}, MARK[:-3] + "000"),
    ],
    ids=str,
)
def test_the_incarnation_is_where_and_when(
    script: Scripted, source: AwsParameterStore, change: dict[str, Any], mark: str | None
) -> None:
    """Of every partition; and nothing else becomes part of it."""
    script.say("GetParameter", {"Parameter": GOOD | change})
    result = one(source, "/a")
    assert isinstance(result, Material)
    assert result.incarnation == mark
    assert result.incarnation is None or is_incarnation(result.incarnation)


@pytest.mark.parametrize(
    ("version", "mark", "expected"),
    [
        ("3", MARK, NotModified),
        ("4", MARK[:-1] + "4", Failed),
        ("2", MARK[:-1] + "2", Material),
        ("4", MARK[:-1] + "2", Material),
        ("2", MARK[:-1] + "4", Material),
        ("3", MARK[:-1] + "4", Material),
        ("4", MARK.replace("eu-west-1", "eu-central-1")[:-1] + "4", Material),
        ("4", MARK.replace("1111", "9999")[:-1] + "4", Material),
        ("4", "1764180000124", Material),
        ("4", None, Material),
        ("four", MARK[:-1] + "4", Material),
        ("4", MARK[:-1] + "x", Material),
    ],
    ids=str,
)
@pytest.mark.parametrize("count", [1, 2])
def test_p2_an_answer_from_before_what_is_held_is_not_served(
    script: Scripted,
    source: AwsParameterStore,
    *,
    version: str,
    mark: str | None,
    expected: type,
    count: int,
) -> None:
    """A lower number with an earlier date, from the same place. chamber#491: reads lag behind
    writes. One that was made again, in another region or AWS account, is no such answer.
    """
    Aws(script, GOOD)
    requests = [FetchRequest(reference="/a", known_version=version, known_incarnation=mark)] * count
    result = source.fetch(requests).results[0]
    assert isinstance(result, expected)
    assert not isinstance(result, Failed) or result == LAGGING


DOWN = (500, {"__type": "InternalServerError"})
THERE = GOOD | {"ARN": "arn:aws:ssm:us-west-2:111122223333:parameter/a", "Version": 1}
UNAVAILABLE = Failed(reason=FetchFailure.UNAVAILABLE, code="InternalServerError")


@pytest.fixture(params=[True, False], ids=["mirrors", "no-mirrors"])
def regions(request: pytest.FixtureRequest, script: Scripted) -> Iterator[AwsParameterStore]:
    """The first region is down, the second is the script."""
    down = scripted_server()
    first = next(down)
    for operation in ("GetParameter", "GetParameters"):
        first.say(operation, DOWN[1], DOWN[0])
    clients = [it for server in (first, script) for it in ssm_source(server.address)._clients]
    source = AwsParameterStore(clients, mirrors=request.param)
    yield source
    source.close()
    next(down, None)


@pytest.mark.parametrize("kind", ["String", "SecureString"])
def test_p2_a_mirror_gives_what_is_not_held_and_replaces_nothing(
    script: Scripted, regions: AwsParameterStore, kind: str
) -> None:
    """Its numbers and dates are its own, so nothing says that it is newer. What it gave it
    confirms.
    """
    aws = Aws(script, THERE | {"Type": kind})
    mirrors = len(regions._asked) > 1
    held = FetchRequest(reference="/a", known_version="7", known_incarnation=MARK)
    new = FetchRequest(reference="/a")
    for result in (one(regions, "/a"), *regions.fetch([new, held]).results[:1]):
        assert isinstance(result, Material) if mirrors else result == UNAVAILABLE
    assert regions.fetch([new, held]).results[1] == UNAVAILABLE
    assert regions.fetch([held]).results == (UNAVAILABLE,)
    own = FetchRequest(
        reference="/a",
        known_version="1",
        known_incarnation="us-west-2/111122223333/1764180000123",
    )
    expected = NotModified if mirrors else Failed
    for result in (*regions.fetch([own]).results, *regions.fetch([own, own]).results):
        assert isinstance(result, expected)
    assert one(regions, "/a", version="1") == UNAVAILABLE
    aws.parameters.clear()
    for requests in ([new], [own], [new, own]):
        fetched = regions.fetch(requests)
        assert fetched.calls <= regions.most_calls(requests)
        assert set(fetched.results) <= {UNAVAILABLE, Alone()}


def test_p2_a_mirror_proves_no_absence_and_no_denial(
    script: Scripted, regions: AwsParameterStore
) -> None:
    """What it refuses says nothing of the first region."""
    for code in ("ParameterNotFound", "AccessDeniedException"):
        for operation in ("GetParameter", "GetParameters"):
            script.say(operation, {"__type": code}, 400)
        assert one(regions, "/a") == one(regions, "/a", known_version="1") == UNAVAILABLE
        requests = [FetchRequest(reference="/a")] * 2
        assert regions.fetch(requests).results == (UNAVAILABLE, UNAVAILABLE)
