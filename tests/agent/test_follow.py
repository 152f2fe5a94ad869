"""The agent as a process: it follows, survives whatever fails, and ends on SIGTERM alone."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from agent.clock import MachineClock
from agent.follow import Follow
from agent.log import Log
from contract.ages import Confirmed
from contract.plan import Reload
from contract.reasons import Freshness, Serving
from tests import make
from tests.agent.pod import AgentPod, Running, get, three_secrets, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contract.plan import Plan

IGNORED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE")


class ManualClock(MachineClock):
    """A clock that a test moves. Seconds since the epoch."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class App:
    """An app that is told to reload, and answers with one status after another, then 200."""

    def __init__(self, *answers: int) -> None:
        self.paths: list[str] = []
        left = list(answers)
        paths = self.paths

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                paths.append(self.path)
                self.send_response(left.pop(0) if left else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def new_app() -> Iterator[Callable[..., App]]:
    """Makes apps, and closes them."""
    apps: list[App] = []

    def make_app(*answers: int) -> App:
        apps.append(App(*answers))
        return apps[-1]

    yield make_app
    for app in apps:
        app.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_rotation_arrives_in_a_running_pod(pod: AgentPod) -> None:
    """The agent takes over the gate's cache and follows the volume."""
    pod.mount_all("old")
    assert pod.gate().returncode == 0
    with pod.start("follow") as agent:
        pod.mount_all("new", "v2")
        until(lambda: pod.shown()["s0"] == b"new-s0")
        (line,) = until(lambda: agent.events("agent.published"))
        assert line["versions"] == dict.fromkeys(("s0", "s1", "s2"), "v2")
        until(lambda: pod.status().secrets["s0"].version == "v2")
        assert agent.terminate() == 0


def test_the_agent_works_without_a_gate_and_before_it(pod: AgentPod) -> None:
    """It publishes what there is; the gate then finds it and starts the pod."""
    first, *rest = pod.plan.snapshots
    pod.mount(first, {"value": b"1"})
    with pod.start("follow"):
        until(lambda: set(pod.shown()) == {"s0"})
        for each in rest:
            pod.mount(each, {"value": b"1"})
        assert pod.gate().returncode == 0
        assert set(pod.shown()) == {"s0", "s1", "s2"}


def test_p12_a_revocation_takes_the_file_from_a_running_pod(pod: AgentPod) -> None:
    """P12: what is revoked is gone from the pod, and the status says why."""
    pod.mount_all("value")
    first = pod.plan.snapshots[0]
    with pod.start("follow"):
        until(lambda: len(pod.shown()) == 3)
        pod.mount(first, {"value": b""}, make.meta(first, serving=Serving.REVOKED))
        until(lambda: set(pod.shown()) == {"s1", "s2"})
        until(lambda: pod.status().secrets["s0"].reason == "revoked")


def test_p10_whatever_vanishes_or_breaks_the_agent_stays_and_keeps_the_files(
    pod: AgentPod,
) -> None:
    """P2, P10: no volume, no meta, no cache: the process stays, and later all is well again."""
    pod.mount_all("value")
    first = pod.plan.snapshots[0]
    port = free_port()
    with pod.start("follow", "--listen", f"127.0.0.1:{port}") as agent:
        until(lambda: len(pod.shown()) == 3)
        pod.mount(first, {"value": b"2"}, b"{not json")
        until(lambda: pod.status().secrets["s0"].reason == "malformed")
        pod.mount(first, {"value": b"2"}, b'{"v":2}')
        shutil.rmtree(pod.snapshots)
        until(lambda: pod.status().secrets["s1"].reason == "missing")
        assert pod.shown()["s0"] == b"value-s0"
        pod.snapshots.mkdir()
        pod.cache.rename(pod.folder / "away")
        pod.mount_all("later", "v2")
        (line, *_) = until(lambda: agent.events("agent.failed"))
        assert (line["error"], line["errno"]) == ("FileNotFoundError", "ENOENT")
        assert get(port, "/healthz") == "ok\n"
        (pod.folder / "away").rename(pod.cache)
        until(lambda: pod.shown()["s0"] == b"later-s0")
        assert 'lastgood_agent_failures_total{part="cache"} ' in get(port, "/metrics")
        assert agent.process.poll() is None


def test_p10_a_port_that_is_taken_is_tried_again(pod: AgentPod) -> None:
    """P10: the failure is logged and counted, the work goes on, and the port is used once free."""
    pod.mount_all("value")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        agent = pod.start("follow", "--listen", f"127.0.0.1:{port}")
        with agent:
            (line, *_) = until(lambda: agent.events("agent.bind_failed"))
            assert line["errno"] == "EADDRINUSE"
            until(lambda: len(pod.shown()) == 3)
            taken.close()
            assert until(lambda: get(port, "/healthz")) == "ok\n"
            assert 'lastgood_agent_failures_total{part="listen"} 1' in get(port, "/metrics")


@pytest.mark.usefixtures("ipv6")
def test_the_pages_are_reached_by_both_families(pod: AgentPod) -> None:
    """With the address that the webhook gives the agent."""
    port = free_port()
    with pod.start("follow", "--listen", f"[::]:{port}"):
        until(lambda: get(port, "/healthz", "[::1]") == "ok\n")
        assert get(port, "/healthz") == "ok\n"


def test_p10_the_agent_ends_on_sigterm_and_on_no_other_signal(pod: AgentPod) -> None:
    """P10: a sidecar that ends makes a healthy pod unready."""
    pod.mount_all("value")
    with pod.start("follow") as agent:
        until(lambda: len(pod.shown()) == 3)
        for name in IGNORED:
            agent.process.send_signal(getattr(signal, name))
        pod.mount_all("new", "v2")
        until(lambda: pod.shown()["s0"] == b"new-s0")
        assert agent.terminate() == 0


def test_sigterm_ends_the_agent_while_it_publishes(pod: AgentPod) -> None:
    """At once, wherever it is: the cache is whole, and what follows heals the rest."""
    for number in range(20):
        pod.mount_all(f"a{number}", f"v{number}")
        with pod.start("follow") as agent:
            if number:
                time.sleep(0.02 + number * 0.003)
            else:
                until(lambda: len(pod.shown()) == 3)
            pod.mount_all(f"b{number}", f"w{number}")
            assert agent.terminate() in (0, -signal.SIGTERM)
        assert len({value.split(b"-")[0] for value in pod.shown().values()}) == 1


def test_an_agent_with_a_mistake_in_its_arguments_stays_and_says_so(pod: AgentPod) -> None:
    """P10: also what can never work must not take a pod out of service."""
    command = [*pod.command("follow")[:5], "--plan", "{", "--snapshots", "x"]
    with Running(command, pod.folder / "log") as agent:
        (line,) = until(lambda: agent.events("agent.misconfigured"))
        assert line["message"] == "the plan is not JSON"
        assert agent.process.poll() is None
        assert agent.terminate() == 0


def test_a_change_reloads_the_app_and_the_first_publication_does_not(
    new_pod: Callable[[Plan], AgentPod], new_app: Callable[..., App]
) -> None:
    """The app is told once per change of bytes, after the files are there."""
    app = new_app()
    plan = three_secrets().replace(reload=Reload(http=f"http://127.0.0.1:{app.port}/-/reload"))
    pod = new_pod(plan)
    pod.mount_all("old")
    with pod.start("follow") as agent:
        until(lambda: len(pod.shown()) == 3)
        first = pod.plan.snapshots[0]
        pinned = make.meta(first, version="v1", fetched_at=1000.0, pin="v1")
        pod.mount(first, {"value": b"old-s0"}, pinned)
        until(lambda: pod.status().secrets["s0"].last_success == 1000.0)
        pod.mount_all("new", "v2")
        until(lambda: agent.events("agent.reload"))
        assert agent.names() == ["agent.published", "agent.published", "agent.reload"]
        assert app.paths == ["/-/reload"]


def two_members(mode: str, reload: Reload) -> Plan:
    """A pod that takes the user of a secret that has a password too, and a whole other secret."""
    db = make.planned_snapshot(make.planned_file("user", part="username"))
    other = make.planned_snapshot(make.planned_file("other"), reference="/prod/other")
    return make.plan(db, other, mode=mode, reload=reload)


def test_a_rotation_of_what_the_pod_does_not_take_is_no_reload(
    new_pod: Callable[[Plan], AgentPod], new_app: Callable[..., App]
) -> None:
    """The version changes, and is published and shown; the app is told of changed bytes only."""
    app = new_app()
    pod = new_pod(two_members("follow", Reload(http=f"http://127.0.0.1:{app.port}/r")))
    db, other = pod.plan.snapshots
    pod.mount_all("old")
    with pod.start("follow") as agent:
        until(lambda: len(pod.shown()) == 2)
        pod.mount(db, {"p.username": b"old-user"}, version="v2")
        until(lambda: pod.status().secrets["user"].version == "v2")
        pod.mount(other, {"value": b"new"}, version="v3")
        until(lambda: agent.events("agent.reload"))
        assert agent.names() == ["agent.published"] * 3 + ["agent.reload"]
        assert app.paths == ["/r"]


@pytest.mark.parametrize("mode", ["follow", "mount"])
def test_only_other_bytes_are_a_reload(new_pod: Callable[[Plan], AgentPod], mode: str) -> None:
    """Step by step: a version alone, nothing known, and the same again ask for none; other bytes, a
    lost file and a file that came back do.
    """
    pod = new_pod(two_members(mode, Reload(signal="NOPE")))
    clock = ManualClock(time.time())
    work = Follow(pod.plan, pod.folders, clock, Log(clock, os.open(os.devnull, os.O_WRONLY)))
    db, other = pod.plan.snapshots

    def reloads() -> bool:
        """Whether the step asks for a reload: each is tried once, and fails at once."""
        clock.sleep(1000)
        work.reloader._due = None
        before = work.reloader.results["failed"]
        work.step()
        return work.reloader.results["failed"] > before

    pod.mount_all("old")
    assert not reloads()
    pod.mount(db, {"p.username": b"old-user"}, version="v2")
    assert not reloads()
    pod.mount(db, {"p.username": b"new"}, version="v3")
    assert reloads()
    pod.unmount(db)
    assert not reloads()
    pod.mount(db, {"p.username": b"new"}, version="v4")
    assert not reloads()
    pod.mount(db, {"p.username": b"newer"}, b"not readable")
    assert reloads() is (mode == "mount"), "the kubelet shows the bytes, whatever meta.json says"
    pod.mount(other, {"value": b""}, make.meta(other, serving=Serving.REVOKED))
    assert reloads()
    pod.mount(other, {"value": b"back"}, version="v9")
    assert reloads()


def test_a_reload_that_fails_is_tried_again(
    new_pod: Callable[[Plan], AgentPod], new_app: Callable[..., App]
) -> None:
    """Each try is logged with its result, and counted."""
    app, port = new_app(500), free_port()
    pod = new_pod(three_secrets().replace(reload=Reload(http=f"http://127.0.0.1:{app.port}/r")))
    pod.mount_all("old")
    with pod.start("follow", "--listen", f"127.0.0.1:{port}") as agent:
        until(lambda: len(pod.shown()) == 3)
        pod.mount_all("new", "v2")
        until(lambda: len(agent.events("agent.reload")) > 1)
        failed, done = agent.events("agent.reload")[:2]
        assert (failed["result"], failed["why"], done["result"]) == ("failed", "status-500", "ok")
        page = get(port, "/metrics")
        assert 'lastgood_agent_reload_total{result="ok"} 1' in page
        assert 'lastgood_agent_reload_total{result="failed"} 1' in page


def test_in_mount_mode_the_agent_watches_and_reloads_only(
    new_pod: Callable[[Plan], AgentPod], new_app: Callable[..., App]
) -> None:
    """The kubelet swaps the app's files; the agent writes nothing."""
    app = new_app()
    how = Reload(http=f"http://127.0.0.1:{app.port}/r")
    pod = new_pod(three_secrets(mode="mount").replace(reload=how))
    pod.mount_all("old")
    port = free_port()
    with pod.start("follow", "--listen", f"127.0.0.1:{port}"):
        until(lambda: 'secrets{state="fresh"} 3' in get(port, "/metrics"))
        assert app.paths == []
        pod.mount_all("new", "v2")
        until(lambda: app.paths == ["/r"])
    assert list(pod.cache.iterdir()) == []


def test_p5_the_status_stays_true_as_time_passes(pod: AgentPod) -> None:
    """P5: fresh, stale, expired, by a clock alone; a confirmation makes it fresh again."""
    plan = make.plan(make.planned_snapshot(rules=make.rules(budget_s=900, max_age_s=3600)))
    (db,) = plan.snapshots
    pod.plan = plan
    pod.mount(db, {"value": b"1"}, make.meta(db, fetched_at=make.NOW))
    clock = ManualClock(make.NOW + 1)
    work = Follow(plan, pod.folders, clock, Log(clock, os.open(os.devnull, os.O_WRONLY)))
    seen = []
    for _ in range(80):
        work.step()
        seen.append(pod.status().secrets["db-password"].state)
        clock.sleep(60)
    assert list(dict.fromkeys(seen)) == [Freshness.FRESH, Freshness.STALE, Freshness.EXPIRED]
    assert seen.count(Freshness.FRESH) == 15
    assert seen.count(Freshness.STALE) == 45
    assert pod.status().secrets["db-password"].last_success == make.NOW
    pod.confirm({db.snapshot: make.entry("v1", clock.now())})
    work.step()
    assert pod.status().secrets["db-password"].state is Freshness.FRESH
    clock.at = make.NOW - 500_000
    work.step()
    assert pod.status().secrets["db-password"].state is Freshness.EXPIRED


def test_p5_a_freshness_entry_of_the_version_before_counts_for_it(pod: AgentPod) -> None:
    """P5: the kubelet may show the ages before the value; an entry not readable is not there."""
    first = pod.plan.snapshots[0]
    pod.mount_all("value")
    with pod.start("follow"):
        until(lambda: len(pod.shown()) == 3)
        prior = Confirmed(version="v1", last_success=1000.0)
        pod.confirm({first.snapshot: make.entry("v2", time.time(), prior=prior)})
        until(lambda: pod.status().secrets["s0"].last_success == 1000.0)
        pod.confirm({first.snapshot: b"garbage"})
        until(lambda: pod.status().secrets["s0"].last_success != 1000.0)
