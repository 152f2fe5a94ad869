"""The answers that the demo's fault proxy gives in the place of Vault."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from providers.protocol import Failed, Material
from tests.providers.vault.bao import account

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.provider import Proxy
    from tests.providers.vault.bao import Bao, Given

IMPATIENT_S = 0.3
CANARY = "canary-5f1d3c"
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "access-denied": ({}, "denied Http403"),
    "throttle": ({"retry_after": 7}, "throttled Http429"),
    "error-500": ({}, "unavailable Http500"),
    "empty": ({}, "empty NoData"),
}


@pytest.mark.parametrize(("mode", "fields", "means"), [(k, *v) for k, v in FAULTS.items()])
def test_the_proxy_answers_as_vault(
    *,
    bao: Bao,
    bao_proxy: Proxy,
    opened: Callable[..., Given],
    mode: str,
    fields: dict[str, Any],
    means: str,
) -> None:
    """One try, nothing raised, nothing of the value in what is told; and afterwards all is well."""
    name = f"secret/faults/{uuid.uuid4()}"
    bao.put(name, {"password": CANARY})
    given = opened(account(bao_proxy.addresses["default"]), timeout_s=IMPATIENT_S)
    assert isinstance(given.ask(name), Material)
    given.calls.clear()
    bao_proxy.set(mode, secrets=[name], **fields)
    failed = given.once(name)
    assert isinstance(failed, Failed), failed
    assert f"{failed.reason} {failed.code}" == means
    assert failed.delay_s == fields.get("retry_after")
    assert [operation for operation, _ in given.calls][:1] == ["read"]
    assert CANARY not in repr((failed, given.calls, given.troubles))
    bao_proxy.set("pass")
    assert isinstance(given.ask(name), Material)


def test_one_secret_can_be_hit_alone(
    bao: Bao, bao_proxy: Proxy, opened: Callable[..., Given]
) -> None:
    """By the path that is asked for."""
    names = [f"secret/faults/{uuid.uuid4()}" for _ in range(2)]
    for name in names:
        bao.put(name, {"a": "b"})
    given = opened(account(bao_proxy.addresses["default"]))
    given.ask(names[0])
    bao_proxy.set("access-denied", secrets=[names[1]])
    assert isinstance(given.ask(names[0]), Material)
    assert isinstance(given.ask(names[1]), Failed)
