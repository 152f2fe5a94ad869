"""Every wire format reads what version 1 wrote, writes the same, and names what it refuses."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.wire import WireError
from tests import make
from tests.contract.formats import FORMATS, GOLDEN, Format

if TYPE_CHECKING:
    from collections.abc import Iterator

every_format = pytest.mark.parametrize("form", FORMATS, ids=str)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def _named(name: str) -> Format:
    return next(form for form in FORMATS if form.golden == name)


def test_every_golden_file_is_tested() -> None:
    """A golden file that no format reads would guard nothing."""
    assert {path.stem for path in GOLDEN.iterdir()} == {form.golden for form in FORMATS}


@every_format
def test_the_golden_file_means_its_value(form: Format) -> None:
    """What the first version wrote is read as it was meant."""
    assert form.read(form.text()) == form.value


@every_format
def test_the_value_is_written_as_the_golden_file(form: Format) -> None:
    """The same bytes, so that nothing is rewritten because the program is newer."""
    assert form.write(form.value) == form.text()


@every_format
@given(data=st.data())
def test_what_is_written_is_read_as_the_same(form: Format, data: st.DataObject) -> None:
    """Reading gives the value back, and writing that gives the same text."""
    value = data.draw(form.values)
    text = form.write(value)
    assert form.read(text) == value
    assert form.write(form.read(text)) == text


@every_format
def test_unknown_members_are_passed_over(form: Format) -> None:
    """A newer writer may add members at any depth."""
    document = json.loads(form.text())
    for item in list(_records(document)):
        item["added-by-a-newer-version"] = {"deep": [1, None]}
    assert form.read(json.dumps(document)) == form.value


def _records(value: Any, *, ours: bool = True) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """The objects whose members we name; in `classes` and `secrets` others name them."""
    if type(value) is dict:
        if ours:
            yield value
        for member, inner in value.items():
            yield from _records(inner, ours=member not in {"classes", "secrets"})
    if type(value) is list:
        for inner in value:
            yield from _records(inner)


@every_format
@pytest.mark.parametrize(
    ("version", "said"),
    [
        (2, "format version 2. This version reads 1"),
        (0, "format version 0. This version reads 1"),
        (None, "no format version. This version reads 1"),
        (True, "no format version. This version reads 1"),
        (1.0, "no format version. This version reads 1"),
        ("1", "no format version. This version reads 1"),
    ],
)
def test_another_version_is_refused(form: Format, version: object, said: str) -> None:
    """Only the number 1 is version 1, and the message says which version this is."""
    document = {**json.loads(form.text()), "v": version}
    with pytest.raises(WireError) as refused:
        form.read(json.dumps(document))
    assert str(refused.value) == f"{form.what} has {said}"


@every_format
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"v":' + "1" * 5_000 + "}", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("{}", "has no format version. This version reads 1"),
    ],
    ids=["empty", "cut", "too deep", "too many digits", "a list", "null", "an empty object"],
)
def test_what_is_no_document_is_refused(form: Format, raw: str, said: str) -> None:
    """The message names the document."""
    with pytest.raises(WireError) as refused:
        form.read(raw)
    assert str(refused.value) == f"{form.what} {said}"


@pytest.mark.parametrize("name", ["meta", "freshness", "status"])
def test_bytes_that_are_not_utf_8_are_not_json(name: str) -> None:
    """Files are read as bytes, which may be anything."""
    form = _named(name)
    raw: Any = b'\xff\xfe{"v":1}\xff'
    with pytest.raises(WireError, match="is not JSON"):
        form.read(raw)


@pytest.mark.parametrize("name", ["meta", "freshness", "status"])
def test_bytes_are_read_as_their_text(name: str) -> None:
    """Files are read as bytes."""
    form = _named(name)
    raw: Any = form.text().encode()
    assert form.read(raw) == form.value


@every_format
@given(data=st.data())
def test_no_document_raises_anything_but_its_own_error(form: Format, data: st.DataObject) -> None:
    """Any JSON in any member: read, or refused in one sentence that does not quote it."""
    document = json.loads(form.text())
    holder, member = data.draw(st.sampled_from(list(_places(document))))
    holder[member] = data.draw(JSON | st.just(make.CANARY.decode()))
    refusal = ""
    try:
        value = form.read(json.dumps(document))
        assert form.read(form.write(value)) == value
    except WireError as refused:
        refusal = str(refused)
    assert refusal.isprintable()
    assert make.leaks(refusal) == []


def _places(document: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    pairs = document.items() if type(document) is dict else enumerate(document)
    for key, value in pairs:
        if key != "v":
            yield document, key
        if type(value) in {dict, list}:
            yield from _places(value)


def test_the_error_does_not_carry_the_document() -> None:
    """The decoder's own exception quotes the document, so none is chained or shown."""
    with pytest.raises(WireError) as refused:
        _named("plan").read('{"password": ' + make.CANARY.decode())
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert make.leaks(str(refused.value)) == []


ABSENT = object()
ONE_ELEMENT = (
    "must be one path element of 1 to 253 printable ASCII characters that does not start with a dot"
)

REFUSED = [
    # format, path, wrong value, message
    ("plan", "mode", ABSENT, "mode must be a string"),
    ("plan", "mode", "both", "the plan's mode must be one of follow, mount"),
    ("plan", "access", 7, "access must be a string"),
    ("plan", "access", "all", "the plan's access must be one of owner, group, world"),
    ("plan", "classes", ABSENT, "classes is missing"),
    ("plan", "classes", [], "classes must be an object"),
    ("plan", "classes.strict", 1, "class 'strict' must be an object"),
    ("plan", "classes.strict", ABSENT, "a snapshot's class must be one of the plan's classes"),
    ("plan", "classes.strict.refresh_s", ABSENT, "refresh_s must be a finite number"),
    ("plan", "classes.strict.refresh_s", True, "refresh_s must be a finite number"),
    ("plan", "classes.strict.budget_s", "180", "budget_s must be a finite number"),
    ("plan", "classes.strict.max_age_s", float("inf"), "max_age_s must be a finite number"),
    ("plan", "classes.strict.max_age_s", float("nan"), "max_age_s must be a finite number"),
    ("plan", "classes.strict.max_age_s", 10**400, "max_age_s must be a finite number"),
    ("plan", "classes.strict.on_expired", None, "on_expired must be a string"),
    (
        "plan",
        "classes.strict.on_expired",
        "wait",
        "class 'strict': on_expired must be serve or refuse",
    ),
    ("plan", "snapshots", ABSENT, "snapshots is missing"),
    ("plan", "snapshots", None, "snapshots must be a list of objects"),
    ("plan", "snapshots.0", "lg-x", "snapshots must be a list of objects"),
    ("plan", "snapshots.0.snapshot", ABSENT, "snapshot must be a string"),
    ("plan", "snapshots.0.snapshot", "../x", f"snapshot {ONE_ELEMENT}"),
    ("plan", "snapshots.0.account", ABSENT, "account must be a string"),
    ("plan", "snapshots.0.identity", None, "identity must be a string"),
    ("plan", "snapshots.0.provider", 1, "provider must be a string"),
    ("plan", "snapshots.0.reference", ABSENT, "reference must be a string"),
    ("plan", "snapshots.0.class", ABSENT, "class must be a string"),
    ("plan", "snapshots.0.files", ABSENT, "files is missing"),
    ("plan", "snapshots.0.files", {}, "files must be a list of objects"),
    ("plan", "snapshots.0.files.0.name", ABSENT, "name must be a string"),
    ("plan", "snapshots.0.files.0.name", "db", "the plan names one secret twice"),
    ("plan", "snapshots.0.files.0.file", ABSENT, "file must be a string"),
    ("plan", "snapshots.0.files.0.file", "", f"file {ONE_ELEMENT}"),
    ("plan", "snapshots.0.files.0.file", "a/b", f"file {ONE_ELEMENT}"),
    ("plan", "snapshots.0.files.0.file", "..data", f"file {ONE_ELEMENT}"),
    ("plan", "snapshots.0.files.0.file", "a\0", f"file {ONE_ELEMENT}"),
    ("plan", "snapshots.0.files.0.file", "\ud800", f"file {ONE_ELEMENT}"),
    ("plan", "snapshots.0.files.0.file", "x" * 254, f"file {ONE_ELEMENT}"),
    ("plan", "snapshots.0.files.0.file", "db.json", "the plan names one file twice"),
    (
        "plan",
        "snapshots.0.files.0.file",
        "status.json",
        "file must not be status.json, which is ours",
    ),
    ("plan", "snapshots.0.files.0.property", 1, "property must be a string"),
    ("plan", "reload", [], "reload must be an object"),
    ("plan", "reload", {}, "reload must have exactly one of http and signal"),
    ("plan", "reload.signal", "HUP", "reload must have exactly one of http and signal"),
    ("plan", "reload.http", 80, "http must be a string"),
    ("plan", "bundle", 1, "bundle must be a string"),
    ("plan", "bundle", "yaml", "the plan's bundle must be one of json, dotenv"),
    ("plan-mount", "bundle", "json", "the plan's bundle needs mode follow"),
    ("plan-bundle", "snapshots.0.files.0.file", "bundle.json", "the plan names one file twice"),
    ("meta", "account", ABSENT, "account must be a string"),
    ("meta", "identity", ABSENT, "identity must be a string"),
    ("meta", "provider", ABSENT, "provider must be a string"),
    ("meta", "reference", ABSENT, "reference must be a string"),
    ("meta", "serving", ABSENT, "serving must be a string"),
    (
        "meta",
        "serving",
        "paused",
        "meta.json: serving must be one of served, revoked, withdrawn",
    ),
    (
        "meta",
        "serving",
        "revoked",
        "meta.json: a version is served exactly when serving says so",
    ),
    ("meta", "version", None, "meta.json: a version is served exactly when serving says so"),
    ("meta", "version", 6, "version must be a string"),
    ("meta", "fetched_at", "now", "fetched_at must be a finite number"),
    ("meta", "cluster", ABSENT, "cluster must be a string"),
    ("meta", "pin", 6, "pin must be a string"),
    ("meta", "revoked", ABSENT, "revoked is missing"),
    ("meta", "revoked", "v1", "revoked must be a list of strings"),
    ("meta", "revoked.0", 1, "revoked must be a list of strings"),
    ("meta", "quarantined", ABSENT, "quarantined is missing"),
    ("meta", "quarantined", ["v7"], "quarantined must be a list of objects"),
    ("meta", "quarantined.0.version", ABSENT, "version must be a string"),
    ("meta", "quarantined.0.reason", ABSENT, "reason must be a string"),
    ("freshness", "served", ABSENT, "served is missing"),
    ("freshness", "served", "v6", "served must be an object"),
    ("freshness", "served.version", ABSENT, "version must be a string"),
    ("freshness", "served.last_success", ABSENT, "last_success must be a finite number"),
    ("freshness", "prior", [], "prior must be an object"),
    ("freshness", "prior.last_success", -1e15, "last_success must be a finite number"),
    ("freshness", "last_attempt", "1", "last_attempt must be a finite number"),
    ("freshness", "reason", 1, "reason must be a string"),
    ("status", "revision", 1, "revision must be a string"),
    ("status", "written_at", ABSENT, "written_at must be a finite number"),
    ("status", "secrets", ABSENT, "secrets is missing"),
    ("status", "secrets", [], "secrets must be an object"),
    ("status", "secrets.ca", None, "'ca' must be an object"),
    ("status", "secrets.ca.version", 1, "version must be a string"),
    ("status", "secrets.ca.class", ABSENT, "class must be a string"),
    ("status", "secrets.ca.state", ABSENT, "state must be a string"),
    ("status", "secrets.ca.state", "new", "'ca': state must be one of fresh, stale, expired"),
    ("status", "secrets.ca.last_success", "", "last_success must be a finite number"),
    ("status", "secrets.ca.last_attempt", [], "last_attempt must be a finite number"),
    ("status", "secrets.ca.reason", 1, "reason must be a string"),
]


def _case(row: tuple[str, str, object, str]) -> str:
    name, path, value, _ = row
    shown = "absent" if value is ABSENT else repr(value)[:20].encode("ascii", "replace").decode()
    return f"{name} {path} {shown}"


@pytest.mark.parametrize(("name", "path", "value", "message"), REFUSED, ids=map(_case, REFUSED))
def test_a_missing_or_wrong_member_is_refused_by_name(
    name: str, path: str, value: object, message: str
) -> None:
    """One sentence that names the member and what it must be."""
    with pytest.raises(WireError) as refused:
        _named(name).read(json.dumps(_changed(json.loads(_named(name).text()), path, value)))
    assert str(refused.value) == message


def _changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    holder: Any = changed
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        holder = holder[step]
    if value is ABSENT:
        del holder[last]
    else:
        holder[last] = value
    return changed


def test_the_plan_names_a_snapshot_once() -> None:
    """Two entries of one snapshot would be two answers for one folder."""
    form = _named("plan")
    document = json.loads(form.text())
    document["snapshots"].append({**document["snapshots"][0], "files": []})
    with pytest.raises(WireError, match=r"^the plan names one snapshot twice$"):
        form.read(json.dumps(document))


@pytest.mark.parametrize("value", [float("inf"), float("nan")], ids=str)
def test_no_infinity_is_written(value: float) -> None:
    """JSON has no such numbers, so a reader elsewhere could not parse them."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        _named("freshness").write(make.entry(last_success=value))


def test_a_plan_without_reload_has_none() -> None:
    """Absent and null both mean that the app is not told."""
    form = _named("plan")
    document = json.loads(form.text())
    del document["reload"]
    absent = form.read(json.dumps(document))
    assert absent.reload is None
    assert form.read(json.dumps({**document, "reload": None})) == absent
    assert "reload" not in json.loads(form.write(absent))
