"""Policies from files, and what a broken one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from policy.load import FolderPolicies, PolicyError, load_folder, load_texts
from tests import make
from tests.policy.given import account, namespace, policy, source

if TYPE_CHECKING:
    from pathlib import Path

GOOD = make.as_file(account(), policy(source("aws-sm:/x/*")), namespace("pay"))

MISTAKES = {
    "not YAML": (
        "a: [",
        "a.yaml, line 1: not YAML: expected the node content, but found '<stream end>'",
    ),
    "no object": (
        "- 1",
        "a.yaml, document 1: kind must be one of SecretAccount, SecretPolicy, Namespace",
    ),
    "unknown kind": (
        "kind: SecretAcount",
        (
            "a.yaml, document 1: kind must be one of SecretAccount, SecretPolicy, Namespace."
            ' Did you mean "SecretAccount"?'
        ),
    ),
    "twice": (
        make.as_file(account(), account()),
        "a.yaml, document 2: SecretAccount prod is already in a.yaml, document 1",
    ),
    "missing account": (
        make.as_file(account(), policy(source("aws-sm:/x", account="prot"))),
        (
            "a.yaml, document 2: spec.sources[0].account: there is no SecretAccount prot."
            ' Did you mean "prod"?'
        ),
    ),
    "an account that cannot be read": (
        make.as_file(account(buget=1), policy(source("aws-sm:/x"))),
        'a.yaml, document 1: spec.buget: unknown field. Did you mean "budget"?',
    ),
    "an account with a wrong kind": (
        make.as_file(account() | {"kind": "SecretAcount"}, policy(source("aws-sm:/x"))),
        (
            "a.yaml, document 1: kind must be one of SecretAccount, SecretPolicy, Namespace."
            ' Did you mean "SecretAccount"?'
        ),
    ),
    "account of another provider": (
        make.as_file(account(), policy(source("file:/x"))),
        (
            "a.yaml, document 2: spec.sources[0].allow: account prod has provider aws, which cannot"
            " serve file:/x"
        ),
    ),
}


@pytest.mark.parametrize(("content", "message"), MISTAKES.values(), ids=MISTAKES)
def test_errors_name_file_document_and_field(content: str, message: str) -> None:
    """An admin finds the place at once."""
    with pytest.raises(PolicyError) as caught:
        load_texts({"a.yaml": content})
    assert str(caught.value) == message


def test_every_mistake_is_named_at_once() -> None:
    """Of every file."""
    with pytest.raises(PolicyError) as caught:
        load_texts({"a.yaml": "- 1", "b.yaml": "kind: x"})
    assert [line.split(",")[0] for line in str(caught.value).splitlines()] == ["a.yaml", "b.yaml"]


def test_a_broken_file_keeps_the_last_good_policies(tmp_path: Path) -> None:
    """P7, P11: what was in force stays, the problem is said, and goes when it is repaired."""
    file = tmp_path / "all.yaml"
    file.write_text(GOOD, encoding="utf-8")
    found = FolderPolicies(tmp_path)
    before = found.current()
    assert found.refresh() is False
    file.write_text("kind: x", encoding="utf-8")
    assert found.refresh() is False
    assert found.current() is before
    assert found.problem is not None
    assert "document 1" in found.problem
    file.write_text(GOOD + "---\n" + make.as_file(namespace("new")), encoding="utf-8")
    assert found.refresh() is True
    assert found.problem is None
    assert set(found.current().namespaces) == {"pay", "new"}


def test_a_file_stands_for_its_folder(tmp_path: Path) -> None:
    """Whatever its name ends with."""
    file = tmp_path / "policy.txt"
    file.write_text(GOOD, encoding="utf-8")
    assert set(load_folder(file).policies) == {"team"}


def test_what_cannot_be_read_is_said_without_a_number(tmp_path: Path) -> None:
    """One sentence, with the path."""
    with pytest.raises(PolicyError) as none:
        load_folder(tmp_path / "none")
    assert str(none.value) == f"{tmp_path}/none cannot be read: No such file or directory"
    (tmp_path / "a.yaml").write_bytes(b"\xff")
    with pytest.raises(PolicyError) as bytes_:
        load_folder(tmp_path)
    assert str(bytes_.value) == f"{tmp_path} cannot be read: it is not UTF-8"


def test_a_folder_that_is_broken_at_the_start_is_an_error(tmp_path: Path) -> None:
    """There is no last good set to keep yet."""
    with pytest.raises(PolicyError):
        FolderPolicies(tmp_path / "none")


def test_of_a_namespace_only_name_and_label_are_read() -> None:
    """Whatever else a namespace has is not ours."""
    document = namespace("pay") | {"spec": {"finalizers": ["kubernetes"]}, "status": {}}
    assert load_texts({"a.yaml": make.as_file(document)}).namespaces == {"pay": "team"}
