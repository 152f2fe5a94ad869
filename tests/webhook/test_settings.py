"""The webhook's environment."""

from __future__ import annotations

import pytest

from webhook.settings import PREFIX, SettingsError, read

NEEDED = {
    PREFIX + "AGENT_IMAGE": "image@sha256:0",
    PREFIX + "CERT_FILE": "/tls/tls.crt",
    PREFIX + "KEY_FILE": "/tls/tls.key",
    PREFIX + "POLICY_DIR": "/policy",
}


def test_the_defaults_are_those_of_the_docstrings() -> None:
    """With nothing but what must be set."""
    found = read(NEEDED)
    assert (found.port, found.reload_s, found.drain_s) == (8443, 10, 15)
    assert found.host == "::"
    assert (found.injection.uid, found.injection.pull_policy) == (65532, None)
    assert found.injection.run_as == "lastgood"


def test_an_ipv6_address_is_read() -> None:
    """In brackets, as in a URL."""
    found = read(NEEDED | {PREFIX + "LISTEN": "[::]:443"})
    assert (found.host, found.port) == ("::", 443)


def test_what_the_kubelet_sets_for_services_is_not_a_mistake() -> None:
    """A Service named lastgood-webhook puts variables with our prefix into the namespace's pods."""
    links = {"LASTGOOD_WEBHOOK_SERVICE_HOST": "10.0.0.1", "LASTGOOD_WEBHOOK_PORT_443_TCP": "x"}
    assert read(NEEDED | links) == read(NEEDED)


WRONG = {
    "LISTEN": ("8443", "LISTEN must be ADDRESS:PORT"),
    "AGENT_UID": ("0", "AGENT_UID must be a number above 0"),
    "AGENT_RUN_AS": ("root", "AGENT_RUN_AS must be one of lastgood, pod, platform"),
    "AGENT_PULL_POLICY": (
        "always",
        "AGENT_PULL_POLICY must be one of Always, IfNotPresent, Never",
    ),
    "RELOAD_S": ("soon", "RELOAD_S must be a number of seconds"),
    "DRAIN_S": ("-1", "DRAIN_S must be a number of seconds"),
    "AGENT_IMAGE": ("", "AGENT_IMAGE must be set"),
    "KEY_FILE": ("", "KEY_FILE must be set: a certificate needs its key"),
    "SETTLE_S": ("5m", "SETTLE_S must be a number of seconds"),
    "AGENT_IMAG": ("x", 'AGENT_IMAG is unknown. Did you mean "AGENT_IMAGE"?'),
}


@pytest.mark.parametrize(("name", "case"), WRONG.items(), ids=WRONG)
def test_each_wrong_value_is_named(name: str, case: tuple[str, str]) -> None:
    """The variable, and what is allowed."""
    text, message = case
    with pytest.raises(SettingsError) as caught:
        read(NEEDED | {PREFIX + name: text})
    assert str(caught.value) == PREFIX + message
