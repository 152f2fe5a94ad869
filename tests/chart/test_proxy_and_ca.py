"""`controller.proxy` and `controller.extraCA`: what the controller is given, and mistakes."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from controller.settings import from_arguments
from providers.proxies import Proxies, from_environment
from tests.chart.rendering import helm, render, run_template

pytestmark = pytest.mark.skipif(helm() is None, reason="needs helm")
URL = "http://proxy.example.com:3128"
PASSWORD = "hunter-2-canary"


def given(values: dict[str, Any]) -> dict[str, Any]:
    """The spec of the controller's pods."""
    [found] = [
        it["spec"]["template"]["spec"]
        for it in render(values={"controller": values})
        if (it["kind"], it["metadata"]["name"]) == ("Deployment", "lastgood-controller")
    ]
    return dict(found)


def test_the_controller_reads_what_the_values_say() -> None:
    """By the functions that read its environment and its arguments."""
    spec = given(
        {
            "proxy": {"https": URL, "noProxy": ["vault.vault.svc", "10.0.12.7"]},
            "extraCA": {"configMap": "corporate-ca", "key": "bundle.pem"},
        }
    )
    [container] = spec["containers"]
    environment = {it["name"]: it["value"] for it in container["env"] if "value" in it}
    never = ("vault.vault.svc", "10.0.12.7")
    assert from_environment(environment) == Proxies(https=URL, never=never)
    [volume] = [it for it in spec["volumes"] if it["name"] == "extra-ca"]
    [mount] = [it for it in container["volumeMounts"] if it["name"] == "extra-ca"]
    [item] = volume["configMap"]["items"]
    assert (volume["configMap"]["name"], item["key"]) == ("corporate-ca", "bundle.pem")
    words = container["command"][4:]
    file = from_arguments(words).extra_ca
    assert str(file) == str(PurePosixPath(mount["mountPath"], item["path"]))
    assert mount["readOnly"] is True


def test_unset_they_are_nowhere() -> None:
    """Neither a variable nor a volume nor an argument."""
    [container] = given({})["containers"]
    assert [it["name"] for it in container["env"]] == ["POD_NAME"]
    assert "--extra-ca" not in container["command"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"proxy": {"https": f"http://user:{PASSWORD}@proxy:3128"}}, "Secret"),
        ({"proxy": {"https": f"http://{PASSWORD}@proxy:3128"}}, "Secret"),
        ({"proxy": {"https": "https://proxy:3128"}}, "http://HOST:PORT"),
        ({"proxy": {"https": "proxy:3128"}}, "http://HOST:PORT"),
        ({"proxy": {"https": "http://proxy"}}, "http://HOST:PORT"),
        ({"proxy": {"https": "socks5://proxy:1080"}}, "http://HOST:PORT"),
        ({"proxy": {"http": URL}}, "http"),
        ({"proxy": {"noProxy": "a,b"}}, "noProxy"),
        ({"proxy": {"noProxy": ["a,b"]}}, "noProxy"),
        ({"proxy": {"noProxy": ["10.0.0.0/8"]}}, "noProxy"),
        ({"proxy": {"noProxy": ["*.corp"]}}, "noProxy"),
        ({"proxy": {"https": URL}, "extraEnv": [{"name": "HTTPS_PROXY", "value": "x"}]}, "both"),
        ({"proxy": {"noProxy": ["a"]}, "extraEnv": [{"name": "no_proxy", "value": "x"}]}, "both"),
        ({"extraCA": "corporate-ca"}, "extraCA"),
        ({"extraCA": {"configMap": "Corporate CA"}}, "configMap"),
        ({"extraCA": {"configMap": "a", "key": "../x"}}, "key"),
        ({"extraCA": {"secret": "a"}}, "secret"),
    ],
    ids=lambda item: item if isinstance(item, str) else None,
)
def test_p7_a_mistake_is_refused_and_no_password_is_quoted(
    values: dict[str, Any], named: str
) -> None:
    """Before anything is made."""
    done = run_template(values={"controller": values})
    assert done.returncode != 0, done.stdout
    assert named in done.stderr.replace("too. Remove one of them", "both"), done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_both_may_be_set_elsewhere() -> None:
    """A proxy with a password, from a Secret, with the hosts that need none."""
    secret = {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "p", "key": "url"}}}
    [container] = given({"proxy": {"noProxy": ["vault.svc"]}, "extraEnv": [secret]})["containers"]
    names = [it["name"] for it in container["env"]]
    assert names == ["POD_NAME", "NO_PROXY", "HTTPS_PROXY"]
