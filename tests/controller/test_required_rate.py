"""How many calls a second accounts need. Pure."""

from __future__ import annotations

import pytest

from contract.freshness import FreshnessClass
from controller.reconcile import Decided, Known
from controller.required_rate import needed_calls_per_second, rounded
from refresh.model import Checks, Demanded, SnapshotKey, SourceKey


def decided(
    refresh_s: float | None, namespace: str = "payments", reference: str = "/db", account: str = "a"
) -> tuple[SnapshotKey, Decided]:
    """The decision on one snapshot; `refresh_s` None: it is not fetched."""
    key = SnapshotKey(namespace, SourceKey(account, "controller", "aws-sm", reference))
    if refresh_s is None:
        return key, Decided(known=Known(synced=True), demanded=None)
    rules = FreshnessClass(
        name="steady", refresh_s=refresh_s, budget_s=3600, max_age_s=86400, on_expired="serve"
    )
    demanded = Demanded(key=key, rules=rules, checks=Checks(max_bytes=65536))
    return key, Decided(known=Known(), demanded=demanded)


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([], {}),
        ([decided(None)], {}),
        ([decided(10), decided(10, reference="/api")], {"a": 0.2}),
        ([decided(10), decided(10, account="b")], {"a": 0.1, "b": 0.1}),
        ([decided(10), decided(5, "orders"), decided(20, "carts")], {"a": 0.2}),
        ([decided(10), decided(None, "orders")], {"a": 0.1}),
    ],
    ids=["nothing", "not fetched", "two sources", "two accounts", "shared", "one takes it no more"],
)
def test_p4_an_account_needs_one_call_per_source_and_interval(
    decisions: list[tuple[SnapshotKey, Decided]], expected: dict[str, float]
) -> None:
    """The shortest interval of the namespaces that share the source."""
    assert needed_calls_per_second(dict(decisions)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(0.0, 0.0), (1 / 900, 0.0011), (11.13, 11.0), (11.48, 11.0), (1234, 1200)],
)
def test_a_rate_is_written_to_two_digits(rate: float, expected: float) -> None:
    """Small or large; a little more is the same."""
    assert rounded(rate) == expected
