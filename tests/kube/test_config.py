"""Where the API server is said to be."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes.aio.config import incluster_config

from kube.config import ConfigError, load, locate
from tests.make import CANARY, leaks

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = CANARY.hex()


def written(folder: Path, content: object) -> Path:
    """A file of this YAML."""
    path = folder / "kubeconfig"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    return path


def kubeconfig(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - YAML
    """One cluster, and one user with a token."""
    content: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return content | changes


def test_a_kubeconfig_is_read(tmp_path: Path) -> None:
    """Server and token of its current context."""
    configuration = asyncio.run(load(written(tmp_path, kubeconfig())))
    assert configuration.host == "https://127.0.0.1:1"
    assert configuration.api_key == {"BearerToken": f"Bearer {TOKEN}"}


WRONG: dict[str, object] = {
    "empty": "",
    "no YAML": f"users: [{TOKEN}",
    "a list": [TOKEN],
    "an object of nothing": {},
    "no such context": kubeconfig(**{"current-context": "y"}),
    "a cluster without a server": kubeconfig(clusters=[{"name": "c"}]),
    "a user of another shape": kubeconfig(users=[{"name": "u", "usr": {"token": TOKEN}}]),
    "a nameless user": kubeconfig(users=[{"user": {"token": TOKEN}}]),
    "a client key that is no Base64": kubeconfig(
        clusters=[{"name": "c", "cluster": {"server": "https://x"}}],
        users=[{"name": "u", "user": {"client-key-data": TOKEN + "!"}}],
    ),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_p8_a_file_that_cannot_be_used_is_named_and_not_quoted(
    content: object, tmp_path: Path
) -> None:
    """It may hold a token or a key."""
    path = written(tmp_path, content)
    with pytest.raises(
        ConfigError, match=r"has no current context|not found|cannot be used"
    ) as caught:
        asyncio.run(load(path))
    assert str(path) in str(caught.value)
    assert leaks("".join(traceback.format_exception(caught.value))) == []
    assert caught.value.__context__ is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what is needed."""
    with pytest.raises(ConfigError, match=r"kubeconfig not found: .*missing"):
        asyncio.run(load(tmp_path / "missing"))


def test_a_machine_that_is_no_pod_says_so() -> None:
    """In the cluster the service account's files are there."""
    with pytest.raises(ConfigError, match="no kubeconfig and no service account"):
        asyncio.run(load(None))


def test_in_a_pod_the_service_account_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its token and the cluster's CA, from the files that the kubelet mounts."""
    for name, content in (("TOKEN", TOKEN), ("CERT", "a certificate")):
        path = tmp_path / name
        path.write_text(content, "utf-8")
        monkeypatch.setattr(incluster_config, f"SERVICE_{name}_FILENAME", str(path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    configuration = asyncio.run(load(None))
    assert configuration.host == "https://[fd00::1]:443"
    assert configuration.ssl_ca_cert == str(tmp_path / "CERT")
    assert configuration.api_key == {"BearerToken": f"bearer {TOKEN}"}


def test_a_context_may_be_named(tmp_path: Path) -> None:
    """With its namespace; a wrong name is told with those that there are."""
    named = [
        {"name": "x", "context": {"cluster": "c", "user": "u"}},
        {"name": "y", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
    ]
    path = written(tmp_path, kubeconfig(contexts=named))
    assert asyncio.run(locate([path])).namespace == "default"
    place = asyncio.run(locate([path], "y"))
    assert (place.context, place.namespace) == ("y", "team")
    with pytest.raises(ConfigError, match=r"context z not found in .*\. Allowed: x, y"):
        asyncio.run(locate([path], "z"))


def test_of_several_files_the_first_that_says_a_thing_counts(tmp_path: Path) -> None:
    """As with kubectl; what is not there is passed over, and paths are each file's own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "token").write_text(TOKEN, "utf-8")
    first = written(tmp_path / "a", {"contexts": [], "current-context": "x"})
    users = [{"name": "u", "user": {"tokenFile": "token"}}]
    second = written(tmp_path / "b", kubeconfig(users=users, **{"current-context": "y"}))
    place = asyncio.run(locate([tmp_path / "missing", first, second]))
    assert place.context == "x"
    assert place.configuration.api_key == {"BearerToken": f"Bearer {TOKEN}"}
    with pytest.raises(ConfigError, match=r"current context y not found in .*\. Allowed: x$"):
        asyncio.run(locate([second, first]))


PLUGIN = """\
#!/bin/sh
test "$1" = login && test "$WHO" = me || exit 3
case "$KUBERNETES_EXEC_INFO" in *https://127.0.0.1:1*) ;; *) exit 4;; esac
echo '{"status": {"token": "%s"}}'
"""


def _plugin(folder: Path, text: str, **changes: object) -> Path:
    """A kubeconfig whose user's credential a program beside it gives."""
    program = folder / "plugin"
    program.write_text(text, "utf-8")
    program.chmod(0o700)
    entry = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./plugin",
        "args": ["login"],
        "env": [{"name": "WHO", "value": "me"}],
        "provideClusterInfo": True,
        **changes,
    }
    return written(folder, kubeconfig(users=[{"name": "u", "user": {"exec": entry}}]))


def test_a_plugin_gives_the_credential(tmp_path: Path) -> None:
    """It gets its arguments, its variables, and the cluster where it asks for that."""
    place = asyncio.run(locate([_plugin(tmp_path, PLUGIN % TOKEN)]))
    assert place.configuration.api_key == {"BearerToken": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("#!/bin/sh\nexit 7\n", {}, "exited with code 7"),
        (f"#!/bin/sh\necho {TOKEN}\n", {}, "returned no credentials"),
        ("#!/bin/sh\necho '{\"status\": {}}'\n", {}, "returned no credentials"),
        ("", {"command": "./missing"}, "cannot be run: No such file"),
        ("", {"env": [TOKEN]}, "has invalid arguments or environment variables"),
    ],
    ids=["fails", "no JSON", "no credential", "not there", "odd variables"],
)
def test_p8_a_plugin_that_gives_none_is_named_and_not_quoted(
    tmp_path: Path, text: str, changes: dict[str, object], message: str
) -> None:
    """What it says on its standard error goes to the user's terminal, not through us."""
    with pytest.raises(ConfigError, match=message) as caught:
        asyncio.run(locate([_plugin(tmp_path, text, **changes)]))
    assert "/plugin" in str(caught.value) or "/missing" in str(caught.value)
    assert leaks("".join(traceback.format_exception(caught.value))) == []
