"""Quantities as the API server reads and rounds them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.policy import SecretPolicy
from schema.quantity import MOST, cpu, exact, memory, parse
from tests.policy.given import policy, source

READ = {
    "100m": "1/10",
    "1": "1",
    "+1": "1",
    "-1": "-1",
    "1.5": "3/2",
    "1.": "1",
    ".5": "1/2",
    "1Ki": "1024",
    "0.5Ki": "512",
    "2M": "2000000",
    "1500u": "3/2000",
    "2500000n": "1/400",
    "1e3": "1000",
    "1E3": "1000",
    "1E": "1000000000000000000",
    "1e009": "1000000000",
    "1e+3": "1000",
    "1e-3": "1/1000",
    " 1 ": "1",
    "0.1n": "1/1000000000",
    "-0.1n": "-1/1000000000",
}
NONE = (
    "",
    "+",
    "1 Gi",
    "1gi",
    "1K",
    "1KI",
    "0x10",
    "1_000",
    "e3",
    "--1",
    "1e",
    "1e3m",
    "\u0661",
    "nan",
)


@pytest.mark.parametrize(("text", "amount"), READ.items())
def test_quantities_are_kubernetes(text: str, amount: str) -> None:
    """Signs, decimal and binary suffixes, exponents; what is smaller than a nano is one."""
    assert str(parse(text)) == amount


@pytest.mark.parametrize("text", NONE)
def test_what_is_none_is_an_error(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="a quantity must be a number"):
        parse(text)


def test_a_monstrous_one_is_read_quickly() -> None:
    """Its exponent has a bound, as its length has."""
    assert parse("1e99999999999") == parse("1e100")
    assert parse("1e-99999999999") == Fraction(1, 10**9)
    with pytest.raises(ValueError, match="a quantity must be a number"):
        parse("1" * (MOST + 1))


def test_quantities_are_written_short() -> None:
    """And read back as the same amount."""
    assert (cpu(Fraction(3, 2)), cpu(Fraction(2))) == ("1500m", "2")
    assert (memory(33 << 20), memory(1025)) == ("33Mi", "1025")


@given(st.fractions(min_value=0, max_value=1 << 62))
def test_what_is_written_holds_the_amount(amount: Fraction) -> None:
    """Rounded up, by less than one part; and exactly where it is asked for."""
    assert 0 <= parse(cpu(amount)) - amount < Fraction(1, 1000)
    assert 0 <= parse(memory(amount)) - amount < 1
    read = parse(exact(amount))
    assert read == parse(exact(read))
    assert 0 <= read - amount < Fraction(1, 10**9)


@pytest.mark.parametrize("text", ["1500u", "+1", "1e009"])
def test_a_policy_may_say_them_too(text: str) -> None:
    """In the resources of gate and agent."""
    written = policy(source("aws-sm:/x/*"), agent={"resources": {"limits": {"cpu": text}}})
    assert SecretPolicy.model_validate(written).spec.agent.resources.limits.cpu == text
