"""The runner keeps the kubelet's order for the shapes that the webhook makes."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from demo.runner import Node
from demo.volume_writer import read
from demo.volumes import NotYet, project, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from demo.pods import PodProcesses

NAMESPACE = "payments"


@dataclass
class Objects:
    """What the API server would have, and what it was told of pods."""

    held: dict[tuple[str, str, str], Mapping[str, bytes]] = field(default_factory=dict)
    phases: list[str] = field(default_factory=list)

    def put(self, kind: str, name: str, data: Mapping[str, bytes]) -> None:
        """In the namespace of the tests' pods."""
        self.held[kind, NAMESPACE, name] = data

    def read(self, kind: str, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """None: it is not there."""
        return self.held.get((kind, namespace, name))

    def report(self, pod: PodProcesses) -> None:
        """Takes down its phase."""
        self.phases.append(pod.phase)


@pytest.fixture
def objects() -> Objects:
    """None yet."""
    return Objects()


@pytest.fixture
def node(tmp_path: Path, objects: Objects) -> Iterator[Node]:
    """A node without pods; whatever it started is ended."""
    image = tmp_path / "image"
    image.mkdir()
    node = Node(
        tmp_path / "pods", read=objects.read, report=objects.report, image=image, entrypoints={}
    )
    yield node
    node.close()


def _container(name: str, code: str, **fields: object) -> dict[str, Any]:
    return {"name": name, "command": [sys.executable, "-I", "-S", "-c", code], **fields}


def _pod(**spec: object) -> dict[str, Any]:
    return {"metadata": {"name": "pod", "namespace": NAMESPACE}, "spec": spec}


def _until(node: Node, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "nothing came of it"
        node.sync()
        time.sleep(0.01)


def _note(word: str) -> str:
    return f"open('order', 'a').write('{word} ')"


SLEEP = "import time; time.sleep(60)"


def test_init_containers_run_one_after_another_and_before_the_app(node: Node) -> None:
    """A native sidecar is started in its turn and left running."""
    pod = node.add(
        _pod(
            initContainers=[
                _container("first", f"import time; time.sleep(0.3); {_note('first')}"),
                _container("sidecar", SLEEP, restartPolicy="Always"),
                _container("second", _note("second")),
            ],
            containers=[_container("app", f"{_note('app')}; {SLEEP}")],
        )
    )
    order = pod.folder / "order"
    _until(node, lambda: order.exists() and order.read_text().endswith("app "))
    assert order.read_text() == "first second app "
    assert [container.code for container in pod.init] == [0, None, 0]


def test_a_job_that_is_done_ends_its_sidecar(node: Node, objects: Objects) -> None:
    """The pod has succeeded when its containers have, and the sidecar gets SIGTERM. Each phase is
    reported.
    """
    pod = node.add(
        _pod(
            restartPolicy="OnFailure",
            initContainers=[_container("sidecar", SLEEP, restartPolicy="Always")],
            containers=[_container("work", "pass")],
        )
    )
    _until(node, lambda: pod.phase == "Succeeded")
    assert pod.init[0].code is not None
    assert list(dict.fromkeys(objects.phases)) == ["Running", "Succeeded"]


def test_an_init_container_that_fails_is_run_again_and_holds_the_app(node: Node) -> None:
    """The first restart comes at once, later ones with back-off."""
    code = f"import os, sys; again = os.path.exists('order'); {_note('try')}; sys.exit(not again)"
    pod = node.add(
        _pod(initContainers=[_container("gate", code)], containers=[_container("app", SLEEP)])
    )
    _until(node, lambda: pod.phase == "Running")
    assert (pod.folder / "order").read_text() == "try try "
    assert pod.init[0].restarts == 1


def test_a_pod_that_is_never_restarted_fails(node: Node) -> None:
    """With restartPolicy Never the exit code of the container is the pod's."""
    pod = node.add(
        _pod(restartPolicy="Never", containers=[_container("work", "raise SystemExit(3)")])
    )
    _until(node, lambda: pod.phase == "Failed")
    assert pod.containers[0].restarts == 0


def test_a_required_secret_that_is_missing_makes_the_pod_wait(node: Node, objects: Objects) -> None:
    """No container starts before it is there; it says what it waits for."""
    secret = {"name": "lg-db", "items": [{"key": "p.password", "path": "db-password"}]}
    pod = node.add(
        _pod(
            volumes=[{"name": "snapshots", "projected": {"sources": [{"secret": secret}]}}],
            containers=[_container("app", SLEEP)],
        )
    )
    node.sync()
    assert (pod.waiting, pod.containers[0].process) == ("secret lg-db is not there", None)
    objects.put("secret", "lg-db", {"p.password": b"x", "value": b"y"})
    _until(node, lambda: pod.phase == "Running")
    assert read(pod.volume("snapshots")) == {"db-password": b"x"}


def test_a_mark_on_the_pod_shows_a_changed_secret_at_once(node: Node, objects: Objects) -> None:
    """Left alone the volume is looked at every second, and a marked pod at the next sync."""
    objects.put("secret", "lg-db", {"value": b"old"})
    volume = {"name": "snapshots", "projected": {"sources": [{"secret": {"name": "lg-db"}}]}}
    manifest = _pod(volumes=[volume], containers=[_container("app", SLEEP)])
    pod = node.add(manifest)
    node.sync()
    pod.synced = float("inf")
    objects.put("secret", "lg-db", {"value": b"new"})
    node.sync()
    assert read(pod.volume("snapshots")) == {"value": b"old"}
    marked = {**manifest, "metadata": {**manifest["metadata"], "annotations": {"mark": "1"}}}
    node.update("pod", marked)
    node.sync()
    assert read(pod.volume("snapshots")) == {"value": b"new"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"name": "a", "optional": True}, {}, id="no object, optional"),
        pytest.param(
            {"name": "b", "optional": True, "items": [{"key": "no", "path": "p"}]},
            {},
            id="no key, optional",
        ),
        pytest.param({"name": "b"}, {"key": b"1"}, id="all keys"),
        pytest.param(
            {"name": "b", "items": [{"key": "key", "path": "deep/er"}]},
            {"deep/er": b"1"},
            id="items",
        ),
        pytest.param({"name": "a"}, "config map a is not there", id="no object"),
        pytest.param(
            {"name": "b", "items": [{"key": "no", "path": "p"}]},
            "config map b has no no",
            id="no key",
        ),
    ],
)
def test_a_projected_source_is_the_kubelets(
    tmp_path: Path, objects: Objects, source: dict[str, Any], expected: dict[str, bytes] | str
) -> None:
    """An object or key that is missing is passed over where the source is optional."""
    objects.put("configMap", "b", {"key": b"1"})
    volume = {"name": "v", "projected": {"sources": [{"configMap": source}]}}
    if isinstance(expected, str):
        with pytest.raises(NotYet, match=expected):
            project(volume, tmp_path / "volume", objects.read, NAMESPACE)
    else:
        project(volume, tmp_path / "volume", objects.read, NAMESPACE)
        assert read(tmp_path / "volume") == expected


@pytest.mark.parametrize(
    ("volume", "named"),
    [
        pytest.param({"name": "v", "hostPath": {}}, "volume v", id="another volume"),
        pytest.param(
            {"name": "v", "projected": {"sources": [{"downwardAPI": {}}]}},
            "downwardAPI",
            id="another source",
        ),
    ],
)
def test_a_shape_that_is_not_ours_is_refused(
    tmp_path: Path, objects: Objects, volume: dict[str, Any], named: str
) -> None:
    """The runner is not a kubelet, and says so rather than running half a pod."""
    with pytest.raises(ValueError, match=f"{named}.* only"):
        project(volume, tmp_path / "volume", objects.read, NAMESPACE)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/a/b", "/folder"),
        ("/a/b/c", "/folder/c"),
        ("/a/bc", "/outer/bc"),
        ("/ab", "/ab"),
        ("0.0.0.0:9465", "127.9.9.9:9465"),
        ("[::]:9465", "127.9.9.9:9465"),
        ('{"http":"http://[::1]:8080/"}', '{"http":"http://127.9.9.9:8080/"}'),
        ('{"http":"http://127.0.0.1:8080/"}', '{"http":"http://127.9.9.9:8080/"}'),
        ("127.0.0.2:80", "127.0.0.2:80"),
    ],
)
def test_paths_and_addresses_become_the_pods_own(tmp_path: Path, word: str, expected: str) -> None:
    """The longest mount path counts, on whole path elements."""
    paths = {"/a": tmp_path / "outer", "/a/b": tmp_path / "folder"}
    assert rewrite(word, paths, "127.9.9.9").removeprefix(str(tmp_path)) == expected


def test_closing_ends_every_process_also_one_that_ignores_sigterm(node: Node) -> None:
    """After `close` no process id of the node's is alive."""
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + _note("on")
    pod = node.add(
        _pod(containers=[_container("a", SLEEP), _container("b", f"{stubborn}; {SLEEP}")])
    )
    _until(node, (pod.folder / "order").exists)
    pids = [container.process.pid for container in pod.containers if container.process is not None]
    node.close()
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
