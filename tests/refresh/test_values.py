from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.policy import Validation
from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from refresh import validate
from refresh.model import Checks
from refresh.properties import MOST_BYTES, MOST_LEVELS, MalformedValueError, members, selected, size
from tests.make import CANARY

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

NESTED = b"[" * 100_000 + b"]" * 100_000
PEM = b"-----BEGIN EC PRIVATE KEY-----\nMTIzNDU2Nzg5MDEy\n-----END EC PRIVATE KEY-----\n"
ENCRYPTED = (
    b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"
    b"MTIz\n-----END RSA PRIVATE KEY-----\n"
)


@pytest.mark.parametrize(
    ("document", "key", "found"),
    [
        pytest.param(b'{"a":"x y"}', "p.a", b"x y", id="text as it is"),
        pytest.param('{"a":"é\\n"}'.encode(), "p.a", "é\n".encode(), id="text unescaped"),
        pytest.param(b'{"a":1.50}', "p.a", b"1.50", id="number as spelled"),
        pytest.param(b'{"a":1E+400}', "p.a", b"1E+400", id="number beyond a double"),
        pytest.param(b'{"a":-0}', "p.a", b"-0", id="negative zero"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "p.a", b"9" * 5000, id="very long number"),
        pytest.param(b'{"a":true}', "p.a", b"true", id="boolean"),
        pytest.param(
            b'{"a":{"b": [1.0, null, "x"]}}', "p.a", b'{"b":[1.0,null,"x"]}', id="compact"
        ),
        pytest.param(b'{"a":""}', "p.a", None, id="empty text is missing"),
        pytest.param(b'{"a":{"b":""}}', "p.a..b", None, id="empty text is missing, deeper"),
        pytest.param(b'{"a":" "}', "p.a", b" ", id="a space is there"),
        pytest.param(b'{"a":{}}', "p.a", b"{}", id="an empty object is there"),
        pytest.param(b'{"a":null}', "p.a", None, id="null is missing"),
        pytest.param(b'{"a b":"x"}', "p.a b", None, id="a name that nobody can ask for"),
        pytest.param(b'{"a..b":"x"}', "p.a..b", None, id="a name like that of a deeper one"),
        pytest.param(b'{"a":{"b":{"c":"x"}}}', "p.a..b..c", b"x", id="deeper"),
        pytest.param(b'{"a":["x"]}', "p.a..b", None, id="no member of a list"),
        pytest.param(b'{"a":["x","y"]}', "p.a..1", b"y", id="an element of a list"),
        pytest.param(b'{"a":["x"]}', "p.a..1", None, id="an index past the end"),
        pytest.param(b'{"a":["x","y"]}', "p.a..01", None, id="an index with a leading zero"),
        pytest.param(b'{"a":["x","y"]}', "p.a..-1", None, id="no index from the end"),
        pytest.param(b'{"a":{"01":"x"}}', "p.a..01", b"x", id="a member that looks like an index"),
        pytest.param(b'{"a":[null]}', "p.a..0", None, id="a null in a list"),
        pytest.param(b'{"a":"xyz"}', "p.a..1", None, id="no character of a text"),
        pytest.param(b'{"a":[["x"],{"b":"y"}]}', "p.a..1..b", b"y", id="through a list"),
        pytest.param(b'["a"]', "p.a", None, id="not an object"),
        pytest.param(b'{"a":"x","a":"y"}', "p.a", None, id="a duplicate makes it malformed"),
        pytest.param(b'{"a":"x","b":{"c":1,"c":2}}', "p.a", None, id="a duplicate inside"),
        pytest.param(b'{"a":"\\ud800"}', "p.a", None, id="a lone surrogate"),
        pytest.param(b'{"a":NaN}', "p.a", None, id="not a number"),
        pytest.param('{"a":"x"}'.encode("utf-16"), "p.a", None, id="not UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"a":"x"}', "p.a", None, id="a byte order mark"),
    ],
)
def test_a_property_is_spelled_as_the_document_spells_it(
    document: bytes, key: str, found: bytes | None
) -> None:
    """`value` is always there; a property where the document has it."""
    data = selected(document, {"a/b", "a/b/c", "a/0", "a/1", "a/01", "a/-1", "a/1/b"})
    assert data["value"] == document
    assert data.get(key) == found


def test_two_properties_with_one_key_never_stand_for_each_other() -> None:
    """Steps that begin or end with a dot can meet; the second is then as good as missing."""
    data = selected(b'{"x.":{"y":"1"},"x":{".y":"2"}}', {"x./y", "x/.y"})
    assert data["p.x...y"] == b"1"


def test_a_key_longer_than_kubernetes_allows_is_left_out() -> None:
    """The property is as good as missing."""
    name = "/".join(["m" * 120] * 3)
    document = json.dumps({"m" * 120: {"m" * 120: {"m" * 120: "x"}}}).encode()
    assert set(selected(document, {name})) == {"value", "p." + "m" * 120}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        pytest.param(b"\xff", "not-utf8", id="bytes"),
        pytest.param(b"{", "not-json", id="cut"),
        pytest.param(b"", "not-json", id="empty"),
        pytest.param(b'{"a":Infinity}', "not-json", id="infinity"),
        pytest.param(b'{"a":1,"a":1}', "duplicate-key", id="duplicate"),
        pytest.param(b'"a"', "not-an-object", id="text"),
        pytest.param(NESTED, "too-deep", id="deeper than the parser goes"),
        pytest.param(b'{"a":' * 80 + b"1" + b"}" * 80, "too-deep", id="deeper than we go"),
        pytest.param(b'{"\\udc00":1}', "not-utf8", id="surrogate in a name"),
    ],
)
def test_a_document_that_is_no_object_says_why_in_a_word(document: bytes, code: str) -> None:
    """The word is from a closed set; nothing is quoted."""
    with pytest.raises(MalformedValueError) as caught:
        members(document)
    assert caught.value.code == code
    assert selected(document, set()) == {"value": document}


def test_the_deepest_document_allowed_is_read() -> None:
    """The bound counts levels, from the outermost."""
    assert members(b'{"a":' * MOST_LEVELS + b"1" + b"}" * MOST_LEVELS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(document=st.dictionaries(st.text(max_size=6), JSON, max_size=5))
def test_every_member_is_read_back_as_it_was(document: dict[str, object]) -> None:
    """Any object that json writes; texts as they are, all else as equal JSON."""
    for ascii_only in (True, False):
        raw = json.dumps(document, ensure_ascii=ascii_only)
        try:
            data = selected(raw.encode(), set())
        except UnicodeEncodeError:
            continue
        for key, found in data.items():
            if key != "value":
                wanted = document[key.removeprefix("p.")]
                text = found.decode()
                assert (text if isinstance(wanted, str) else json.loads(text)) == wanted


@given(raw=st.binary(max_size=200))
def test_any_bytes_can_be_looked_at(raw: bytes) -> None:
    """No input raises anything but what the docstring names."""
    assert selected(raw, {"a/b"})["value"] == raw
    validate.suspicion(SecretBytes(raw), SecretBytes(b'{"a":1}'))


def _verdict(
    raw: bytes,
    *validations: dict[str, object],
    most: int = 1000,
    properties: frozenset[str] = frozenset(),
    object_needed: bool = False,
) -> tuple[FetchFailure, str] | None:
    rejection = validate.check(
        SecretBytes(raw),
        Checks(max_bytes=most, validations=validations),
        properties,
        object_needed=object_needed,
    )
    return None if rejection is None else (rejection.reason, rejection.code)


INVALID = FetchFailure.INVALID


@pytest.mark.parametrize(
    ("raw", "validation", "verdict"),
    [
        pytest.param(b"x", {}, None, id="anything"),
        pytest.param(b"", {}, (FetchFailure.EMPTY, "empty"), id="empty"),
        pytest.param(b"x" * 1001, {}, (FetchFailure.TOO_LARGE, "max-bytes"), id="oversized"),
        pytest.param(b"12", {"minBytes": 2}, None, id="long enough"),
        pytest.param(b"1", {"minBytes": 2}, (INVALID, "min-bytes"), id="too short"),
        pytest.param(b"12", {"maxBytes": 2}, None, id="short enough"),
        pytest.param(
            b"123", {"maxBytes": 2}, (FetchFailure.TOO_LARGE, "max-bytes"), id="over its own limit"
        ),
        pytest.param(b"[1]", {"json": True}, None, id="json"),
        pytest.param(b"[1", {"json": True}, (INVALID, "json"), id="not json"),
        pytest.param(b'{"a":0}', {"requiredKeys": ("a",)}, None, id="key there"),
        pytest.param(
            b'{"a":null}', {"requiredKeys": ("a",)}, (INVALID, "required-keys"), id="key null"
        ),
        pytest.param(
            b'{"a":""}', {"requiredKeys": ("a",)}, (INVALID, "required-keys"), id="key empty"
        ),
        pytest.param(
            b"<html>", {"requiredKeys": ["a"]}, (INVALID, "required-keys"), id="keys of no object"
        ),
        pytest.param(PEM, {"pem": True}, None, id="pem"),
        pytest.param(b"subject: x\n" + PEM + PEM, {"pem": True}, None, id="a chain with text"),
        pytest.param(ENCRYPTED, {"pem": True}, None, id="pem with headers"),
        pytest.param(PEM.replace(b"\n", b"\r\n"), {"pem": True}, None, id="pem with CRLF"),
        pytest.param(PEM[:-8], {"pem": True}, (INVALID, "pem"), id="pem cut"),
        pytest.param(PEM + PEM[:40], {"pem": True}, (INVALID, "pem"), id="second block cut"),
        pytest.param(PEM.replace(b"MTIz", b"M*Iz"), {"pem": True}, (INVALID, "pem"), id="no b64"),
        pytest.param(
            b"-----BEGIN A-----\n-----END A-----\n", {"pem": True}, (INVALID, "pem"), id="hollow"
        ),
        pytest.param(b"secret", {"pem": True}, (INVALID, "pem"), id="not pem"),
    ],
)
def test_p2_a_value_that_fails_a_check_gets_a_reason_and_a_word(
    raw: bytes, validation: dict[str, object], verdict: tuple[FetchFailure, str] | None
) -> None:
    """Each check of the policy, passed and failed."""
    assert _verdict(raw, validation) == verdict


@pytest.mark.parametrize("number", [1, 20_000])
def test_p13_beginnings_without_an_end_are_no_pem(number: int) -> None:
    """Whatever their number: a value is anybody's text, and the loop waits for its checks."""
    begun = b"".join(b"-----BEGIN %d-----\n" % item for item in range(number))
    for raw in (begun, begun + b"-----END X-----\n" * number, begun + PEM):
        assert _verdict(raw, {"pem": True}, most=len(raw)) == (INVALID, "pem")


@pytest.mark.parametrize("field", Validation.model_fields.values(), ids=Validation.model_fields)
def test_every_check_that_a_policy_may_name_is_known(field: FieldInfo) -> None:
    """A field of the CRD without its check would stop the controller at the first value."""
    assert field.alias is not None
    verdict = _verdict(b"x", {field.alias: True})
    assert verdict is None or verdict[0] is INVALID


def test_an_object_is_asked_for_only_where_it_is_needed() -> None:
    """Single properties are not asked for: a missing one holds its pod, not the snapshot."""
    assert _verdict(b"plain") is None
    assert _verdict(b"plain", object_needed=True) == (INVALID, "not-json")
    assert _verdict(b'{"a":1}', properties=frozenset({"b"}), object_needed=True) is None


def test_value_and_members_together_fit_into_one_secret() -> None:
    """Kubernetes refuses a Secret over 1 MiB, and the members repeat the value."""
    half = json.dumps({"a": "x" * 600_000}).encode()
    assert _verdict(half, most=1 << 20) == (FetchFailure.TOO_LARGE, "secret-bytes")
    assert _verdict(b"x" * 600_000, most=1 << 20) is None


def test_the_names_of_many_members_count_too() -> None:
    """Thousands of small members take more room by their keys than by their values."""
    few = json.dumps({f"member-{number:05}": 1 for number in range(8_000)}).encode()
    many = json.dumps({f"member-{number:05}": 1 for number in range(25_000)}).encode()
    assert len(many) < 1 << 19
    assert _verdict(few, most=1 << 20) is None
    assert _verdict(many, most=1 << 20) == (FetchFailure.TOO_LARGE, "secret-bytes")


def test_deeper_properties_that_do_not_fit_are_left_out() -> None:
    """Pods may ask for many after the value was checked. What all pods need stays, and one that is
    left out holds its pod only.
    """
    raw = json.dumps({"a": {"b": {"c": "x" * 150_000}}}).encode()
    depths = {f"a/b{'/c' * number}" for number in (0, 1)}
    found = selected(raw, depths)
    assert set(found) == {"value", "p.a", "p.a..b", "p.a..b..c"}
    large = json.dumps({"a": {"b": {"c": "x" * 300_000}}, "z": 1}).encode()
    assert _verdict(large, most=1 << 20, properties=frozenset(depths)) is None
    assert set(selected(large, depths)) == {"value", "p.a", "p.z", "p.a..b"}
    assert size(selected(large, depths)) <= MOST_BYTES


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        pytest.param(b'{"a":1}', b'{"a":2,"b":1}', None, id="a member more"),
        pytest.param(b'{"a":1,"b":2}', b'{"a":1}', "members-lost", id="a member less"),
        pytest.param(b'{"a":1}', b"x", "shape", id="no object any more"),
        pytest.param(b"x", b"y" * 60, None, id="small sizes vary"),
        pytest.param(b"x" * 10, b"y" * 200, "size", id="far larger"),
        pytest.param(b"x" * 200, b"y" * 10, "size", id="far smaller"),
        pytest.param(b"x" * 200, b"y" * 300, None, id="a little larger"),
    ],
)
def test_an_unusual_change_has_a_word(old: bytes, new: bytes, word: str | None) -> None:
    """It alarms; it is not a rejection."""
    assert validate.suspicion(SecretBytes(old), SecretBytes(new)) == word


def test_p8_no_verdict_or_error_carries_the_value() -> None:
    """Neither a rejection nor the error of a malformed document shows what was in it."""
    raw = b'{"password":"' + CANARY
    rejection = validate.check(
        SecretBytes(raw), Checks(max_bytes=1 << 16), frozenset({"password"}), object_needed=True
    )
    with pytest.raises(MalformedValueError) as caught:
        members(raw)
    for shown in (repr(rejection), repr(caught.value), repr(caught.value.__cause__)):
        assert CANARY.decode() not in shown
