"""A sealed OpenBao, and a standby that lags behind its leader or has lost it."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from demo.processes import end, send, start
from providers.protocol import Failed, Material, NotModified
from tests.make.waiting import until
from tests.providers.vault.bao import ROOT, Bao, account, asked, binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.processes import Process
    from tests.providers.vault.bao import Given

CONFIG = """
storage "raft" {{ path = "{folder}" node_id = "{name}" }}
listener "tcp" {{ address = "{api}" cluster_address = "{cluster}" tls_disable = true }}
api_addr = "http://{api}"
cluster_addr = "https://{cluster}"
disable_mlock = true
"""
LAGS = Failed(reason=FetchFailure.UNAVAILABLE, code="ReplicaLags")
ROUNDS = 40


def _free() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@dataclass
class Node:
    """One server of a cluster."""

    folder: Path
    token: str = ""
    address: str = field(default_factory=_free)
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        data = self.folder / "data"
        data.mkdir(parents=True)
        config = self.folder / "config.hcl"
        name = self.folder.name
        config.write_text(CONFIG.format(folder=data, name=name, api=self.address, cluster=_free()))
        self.process = start(
            [str(binary()), "server", f"-config={config}", "-log-level=warn"],
            env={"PATH": os.defpath, "HOME": str(self.folder)},
            folder=self.folder,
            log=self.folder / "log",
        )
        until(f"{name} to listen", self._listens)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Status and answer."""
        return asked(self.address, method, path, body, {"X-Vault-Token": self.token})

    def is_ready(self) -> bool:
        """Whether it is the leader, or a standby that knows one."""
        return self.call("GET", "sys/health?standbyok=true")[0] == 200

    def _listens(self) -> bool:
        try:
            self.call("GET", "sys/seal-status")
        except OSError:
            return False
        return True


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """A leader and a standby."""
    found: list[Node] = []
    try:
        leader = Node(tmp_path / "leader")
        found.append(leader)
        _, given = leader.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        leader.token, key = given["root_token"], given["keys"][0]
        leader.call("PUT", "sys/unseal", {"key": key})
        kv2 = {"type": "kv", "options": {"version": "2"}}
        until("the leader", lambda: leader.call("POST", "sys/mounts/secret", kv2)[0] == 204)
        standby = Node(tmp_path / "standby", token=leader.token)
        found.append(standby)
        joined = {"leader_api_addr": f"http://{leader.address}"}
        assert standby.call("POST", "sys/storage/raft/join", joined)[0] == 200
        standby.call("PUT", "sys/unseal", {"key": key})
        until("the standby", standby.is_ready, 60)
        yield leader, standby
    finally:
        end([node.process for node in found])


def put(node: Node, number: int) -> str:
    """A version, and what we call it."""
    body = {"data": {"number": str(number)}}
    status, answer = node.call("POST", "secret/data/db", body)
    assert status == 200, answer
    return f"{answer['data']['version']}@{answer['data']['created_time']}"


@pytest.mark.slow
def test_p5_a_standby_that_lags_takes_nothing_back(
    nodes: tuple[Node, Node], opened: Callable[..., Given]
) -> None:
    """Read right after each write at the leader: what is older counts as unavailable. Then the
    leader is killed, and what is held is confirmed or nothing is.
    """
    leader, standby = nodes
    put(leader, 0)
    mounts = [{"path": "secret", "version": 2}]
    given = opened(account(standby.address, mounts=mounts), token=leader.token)
    until("the standby to have it", lambda: isinstance(given.ask("secret/db"), Material))
    version = ""
    for number in range(1, ROUNDS):
        version = put(leader, number)
        result = given.ask("secret/db", known_version=version)
        assert result in (NotModified(version=version), LAGS)
    until(
        "the standby to catch up",
        lambda: given.ask("secret/db", known_version=version) == NotModified(version=version),
    )
    both = opened(account(leader.address, standby.address, mounts=mounts), token=leader.token)
    assert isinstance(both.ask("secret/db"), Material)
    send(leader.process, signal.SIGKILL)
    leader.process.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for source in (given, both):
            result = source.ask("secret/db", known_version=version)
            away = isinstance(result, Failed) and result.reason is FetchFailure.UNAVAILABLE
            assert away or result == NotModified(version=version), result
        time.sleep(0.5)


def test_p2_a_sealed_server_is_unavailable(tmp_path: Path, opened: Callable[..., Given]) -> None:
    """Reads and logins, and nothing of it is a denial."""
    bao = Bao(tmp_path)
    try:
        version = bao.put("secret/db", {"a": "b"})
        given = opened(account(bao.address), token=ROOT)
        assert isinstance(given.ask("secret/db"), Material)
        bao.tried("PUT", "sys/seal")
        sealed = Failed(reason=FetchFailure.UNAVAILABLE, code="Http503")
        assert given.ask("secret/db", known_version=version) == sealed
        late = opened(account(bao.address), token=ROOT)
        assert late.once("secret/db") == Failed(
            reason=FetchFailure.UNAVAILABLE, code="Login:Http503"
        )
    finally:
        bao.stop()
