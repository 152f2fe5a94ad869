"""`lastgood import`, on manifests that other tools take (docs/migrate.md)."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli import manifests
from cli.conversion.fields import Fields, Ledger
from cli.conversion.importer import import_manifests
from cli.conversion.options import Given
from cli.conversion.report import FieldOutcome, ImportReport
from cli.conversion.wanted import jmes_property
from cli.pod_templates import objects
from tests.make.command import NO_CLUSTER, typed

INPUTS = sorted((Path(__file__).parent / "inputs").glob("*.yaml"))
GIVEN = Given(vault_address="https://vault.example.com:8200")
CANARY = "canary-5f1c"


@pytest.mark.parametrize("file", INPUTS, ids=lambda it: it.stem)
def test_the_result_and_every_line_of_the_report(file: Path) -> None:
    """They are in golden/, written again by `GOLDEN=write pytest`."""
    found = import_manifests([(file.name, manifests.load(str(file), io.StringIO()))], GIVEN)
    documents = [*found.accounts, *found.policies, *(item.after for item in found.workloads)]
    report = "".join(f"# {line}\n" for line in [*found.report.lines, found.report.summary()])
    text = report + (manifests.write(documents) if documents else "")
    golden = file.parent.parent / "golden" / file.name
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text)
        return
    assert text == golden.read_text(), "GOLDEN=write pytest tests/cli/conversion/test_import.py"


@pytest.mark.parametrize("file", INPUTS, ids=lambda it: it.stem)
def test_render_takes_what_import_wrote(file: Path, tmp_path: Path) -> None:
    """The accounts and policies of the folder allow its pods, and files are never overwritten."""
    folder = tmp_path / "review"
    words = ("import", "-f", str(file), "--folder", str(folder))
    address = ("--vault-address", str(GIVEN.vault_address))
    first = typed(*words, *address, variables=NO_CLUSTER)
    assert first.stdout == ""
    assert ("not-mapped: " in first.stderr) == (first.returncode == 1), first.stderr
    pods, policy = str(folder / "workloads.yaml"), str(folder / "admin")
    shown = typed("render", "-f", pods, "--policy", policy, "--strict", variables=NO_CLUSTER)
    assert shown.returncode == 0, shown.stderr
    assert "lastgood.dev/injected" in shown.stdout or "lastgood.dev/plan" in shown.stdout
    again = typed(*words, *address, variables=NO_CLUSTER)
    assert again.returncode == 1
    assert "accounts.yaml exists" in again.stderr


def test_what_a_crd_would_refuse_is_reported_and_not_printed(tmp_path: Path) -> None:
    """Without the region there is no account, so the pod stays as it is."""
    text = INPUTS[0].read_text().replace("    region: eu-west-1\n", "")
    (tmp_path / "in.yaml").write_text(text)
    done = typed("import", "-f", str(tmp_path), "-o", "json", variables=NO_CLUSTER)
    assert done.returncode == 1
    assert json.loads(done.stdout)["manifests"]["items"] == []
    assert "Give it with --region" in done.stderr
    with_it = typed("import", "-f", str(tmp_path), "--region", "eu-west-1", variables=NO_CLUSTER)
    assert with_it.returncode == 0, with_it.stderr


def test_strict_counts_decisions() -> None:
    """The same files, with another exit code."""
    words = ("import", "-f", str(INPUTS[0]), "-o", "diff")
    assert typed(*words, variables=NO_CLUSTER).returncode == 0
    assert typed(*words, "--strict", variables=NO_CLUSTER).returncode == 1


def _leaves(node: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(node, dict):
        return [it for key, value in node.items() for it in _leaves(value, (*path, key))]
    if isinstance(node, list):
        return [it for at, value in enumerate(node) for it in _leaves(value, (*path, at))]
    return [path]


def _replaced(node: object, path: tuple[Any, ...], value: object) -> Any:  # noqa: ANN401 - JSON
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(node, dict):
        return {k: _replaced(v, rest, value) if k == step else v for k, v in node.items()}
    assert isinstance(node, list)
    return [_replaced(v, rest, value) if at == step else v for at, v in enumerate(node)]


DOCUMENTS = [document for file in INPUTS for document in manifests.load(str(file), io.StringIO())]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.just([]), st.just({}),
    st.sampled_from(["vault:a#b", "{{ .x }}", "arn:aws:ssm:::parameter/", "projects/a/secrets/b"]),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=5), st.none()),
)  # fmt: skip


@given(st.data())
def test_nothing_in_a_manifest_makes_it_raise(data: st.DataObject) -> None:
    """Whatever stands in any place; and what is printed has passed the webhook's decision."""
    documents: Any = DOCUMENTS
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_leaves(documents)))
        cut = data.draw(st.integers(2, max(2, len(path))))
        documents = _replaced(documents, path[:cut], data.draw(JUNK))
    found = import_manifests([("in", documents)], GIVEN)
    manifests.write([*found.accounts, *found.policies, *(it.after for it in found.workloads)])
    assert found.report.summary()


SOURCES = ("SecretProviderClass", "ExternalSecret", "ClusterSecretStore")
SPECS = [it for them in DOCUMENTS for it in objects(them) if it["kind"] in SOURCES]


@given(st.data())
def test_no_field_of_a_source_is_lost_silently(data: st.DataObject) -> None:
    """A field that nothing knows is a line of the report, with its path and without its value."""
    document = data.draw(st.sampled_from(SPECS))
    document = json.loads(json.dumps(document))
    places = [path[:-1] for path in _leaves(document["spec"]) if path]
    place = data.draw(st.sampled_from(places))
    node = document["spec"]
    for step in place:
        node = node[step]
    if not isinstance(node, dict):
        return
    node["surprise"] = CANARY
    documents = [it for it in DOCUMENTS if it.get("metadata") != document["metadata"]]
    found = import_manifests([("in", [*documents, document])], GIVEN)
    said = [line.field for line in found.report.lines if line.object.startswith(document["kind"])]
    dotted = "spec" + "".join(f"[{it}]" if isinstance(it, int) else f".{it}" for it in place)
    at = f"{dotted}.surprise"
    assert any(at == field or at.startswith((f"{field}.", f"{field}[")) for field in said), at
    assert CANARY not in str([str(line) for line in found.report.lines])


def test_no_value_of_a_store_is_printed(tmp_path: Path) -> None:
    """Literals of a store for tests, of headers, and of fields that are not known."""
    store = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": "x"},
        "spec": {"provider": {"fake": {"data": [{"key": "k", "value": CANARY}]}}},
    }
    token = {"vault": {"server": "https://v:8200", "path": "kv", "headers": {"X": CANARY}}}
    other = {**store, "metadata": {"name": "y"}, "spec": {"provider": token}}
    token["vault"]["auth"] = {"tokenSecretRef": {"name": "t"}, "token": CANARY}
    (tmp_path / "in.yaml").write_text(yaml.safe_dump_all([store, other]))
    for output in ("yaml", "json", "diff", "text"):
        done = typed("import", "-f", str(tmp_path), "-o", output, variables=NO_CLUSTER)
        assert done.returncode == 1
        assert CANARY not in done.stdout + done.stderr


def test_an_unknown_field_is_accounted_for() -> None:
    """By the ledger itself: what was said of a field covers what is below it."""
    report = ImportReport()
    fields = Fields(Ledger(report, "X a/b"), {"a": {"b": 1, "c": 2}, "d": [3], "e": ""}, ("spec",))
    fields.dropped("a", "why")
    assert fields.finish() == 1
    assert [(line.level, line.field) for line in report.lines] == [
        (FieldOutcome.DROPPED, "spec.a"),
        (FieldOutcome.NOT_MAPPED, "spec.d[0]"),
    ]


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("username", "username"), ("a.b", "a/b"), ('"a-b"', "a-b"), ('"a.b".c', "a.b/c"),
        ("a[0]", None), ("a-b", None), ("keys(@)", None), ("a || b", None), ("", None),
    ],
)  # fmt: skip
def test_a_jmespath_of_names_is_a_property(path: str, part: str | None) -> None:
    """And no other."""
    assert jmes_property(path) == part
