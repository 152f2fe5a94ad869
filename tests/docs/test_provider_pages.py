"""What an admin copies from the page of a secret store works, for the reference of the overview."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from policy.load import load_texts
from tests.make.waiting import REPOSITORY
from webhook.admit import admit
from webhook.injection_settings import Injection
from webhook.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

PROVIDERS = REPOSITORY / "docs" / "providers"
ROWS = re.findall(
    r"^\| \[.*?\]\((.*?\.md)\) \| `(.*?)` \|", (PROVIDERS / "README.md").read_text(), re.MULTILINE
)
"""Each page, and a reference of its store."""
NAMESPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: payments, labels: %s}}"
LABEL = "kubectl label namespace payments lastgood.dev/policy=payments"


def blocks(page: str, language: str) -> Iterator[str]:
    """The fenced blocks of a page."""
    text = (PROVIDERS / page).read_text(encoding="utf-8")
    return iter(re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def admission(page: str, reference: str, labels: str) -> tuple[Outcome, str]:
    """Of a pod in the namespace that the page's policy lists."""
    [given] = [block for block in blocks(page, "yaml") if "kind: SecretPolicy" in block]
    policies = load_texts({"page.yaml": given, "namespace.yaml": NAMESPACE % labels})
    metadata = {
        "name": "pod",
        "namespace": "payments",
        "annotations": {"lastgood.dev/secret.db": reference},
    }
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    }
    verdict = admit(pod, "payments", policies, Injection(image="registry.example/agent:0.1.0"))
    return verdict.outcome, verdict.message


def test_every_page_is_in_the_overview() -> None:
    """So that none escapes the tests below."""
    pages = {page.name for page in PROVIDERS.glob("*.md")} - {"README.md"}
    assert {page for page, _ in ROWS} == pages


@pytest.mark.parametrize(("page", "reference"), ROWS, ids=[page for page, _ in ROWS])
def test_the_policy_allows_the_reference_once_the_namespace_has_its_label(
    page: str, reference: str
) -> None:
    """The page says so, for without the label the pod is denied."""
    assert admission(page, reference, "{lastgood.dev/policy: payments}") == (Outcome.INJECTED, "")
    assert admission(page, reference, "{}")[0] is Outcome.DENIED
    assert LABEL in (PROVIDERS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page, _ in ROWS])
def test_every_block_of_yaml_can_be_read(page: str) -> None:
    """Also those of the chart's values."""
    for block in blocks(page, "yaml"):
        assert all(isinstance(document, dict) for document in yaml.safe_load_all(block))
