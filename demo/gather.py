"""Starts everybody who plays in the story, in order, each only when the one before answers."""

from __future__ import annotations

import copy
import json
import secrets
import sys
from typing import TYPE_CHECKING, Any

import yaml

from contract.secret_bytes import SecretBytes
from demo.apiserver import ApiServer
from demo.cast import CALLERS, CONTROLLER, FETCHING, NAMESPACE, Cast
from demo.database import Database
from demo.image import build_agent_image
from demo.provider import KEYS, Provider, Proxy
from demo.runner import Node
from demo.world import ROOT, World

if TYPE_CHECKING:
    from pathlib import Path

    Manifest = dict[str, Any]

EXAMPLES = ROOT / "examples" / "payments"
FETCHING_IMAGE = "ghcr.io/example/payments-api-that-fetches:1.0.0"
REFRESH = {"refreshInterval": "20s", "freshnessBudget": "150s", "maxAge": "15m"}
"""In place of the example's times: often enough to see it happen in a minute."""


def gather(world: World) -> Cast:
    """Everybody, ready to play; what was started is ended by `world.close`."""
    region: str = _load("admin", "account")["spec"]["aws"]["regions"][0]
    provider = Provider(log=world.logs / "provider.log", region=region)
    world.on_close(provider.stop)
    proxy = Proxy(log=world.logs / "proxy.log", upstream=provider.address, callers=CALLERS)
    world.on_close(proxy.stop)
    database = Database()
    world.on_close(database.close)
    write_config(world.store / "config", f"http://{proxy.addresses[CONTROLLER]}")
    metrics = _start_controller(world)
    port = _start_webhook(world)
    deployment, job = workload("deployment", database.address), workload("job", database.address)
    world.api = ApiServer(port=port, ca=world.folder / "tls" / "ca.crt", pods=world.store / "pods")
    world.node = Node(
        world.folder / "pods",
        store=world.store,
        image=build_agent_image(world.folder / "image"),
        entrypoints=entrypoints(deployment, job),
    )
    cast = Cast(
        world=world,
        node=world.node,
        api=world.api,
        database=database,
        provider=provider,
        proxy=proxy,
        deployment=deployment,
        fetching=fetching(deployment, proxy.addresses[FETCHING], region),
        job=job,
        metrics=metrics,
    )
    cast.put("v1", valid=True)
    api_key = json.dumps({"key": secrets.token_urlsafe(24)})
    provider.put(f"/prod/{NAMESPACE}/api", SecretBytes(api_key.encode()))
    return cast


def _start_controller(world: World) -> str:
    """The embedded controller; returns `host:port` of its metrics."""
    world.start(
        "controller",
        ["-m", "controller", "--store", str(world.store), "--listen", "127.0.0.1:0"],
        KEYS,
    )
    address: str = world.announced("controller", "controller.started")["listen"]
    return address


def _start_webhook(world: World) -> int:
    """A throw-away CA and certificate, and the webhook with it; returns its port."""
    tls = world.folder / "tls"
    world.run("dev-ca", [str(ROOT / "certs" / "dev_ca.py"), str(tls), "--san", "localhost"])
    prefix = "LASTGOOD_WEBHOOK_"
    settings = {
        "AGENT_IMAGE": "localhost/lastgood-agent:demo",
        "CERT_FILE": str(tls / "tls.crt"),
        "KEY_FILE": str(tls / "tls.key"),
        "POLICY_DIR": str(world.store / "config"),
        "LISTEN": "127.0.0.1:0",
        "DRAIN_S": "0",
    }
    world.start(
        "webhook", ["-m", "webhook"], {prefix + name: text for name, text in settings.items()}
    )
    port: int = world.announced("webhook", "webhook.listening")["port"]
    return port


def entrypoints(deployment: Manifest, job: Manifest) -> dict[str, list[str]]:
    """The command that each image of the story stands for."""
    app = [sys.executable, "-I", "-S", str(ROOT / "demo" / "app.py")]
    verbs = {_image(deployment): "serve", _image(job): "job", FETCHING_IMAGE: "fetch"}
    return {image: [*app, verb] for image, verb in verbs.items()}


def write_config(folder: Path, endpoint: str) -> None:
    """The example's admin objects, with the demo's endpoint and shorter times."""
    folder.mkdir(parents=True)
    account, policy, namespace = (
        _load("admin", name) for name in ("account", "policy", "namespace")
    )
    account["spec"]["aws"]["endpoint"] = endpoint
    policy["spec"]["classes"]["steady"].update(REFRESH)
    text = yaml.safe_dump_all([account, policy, namespace])
    (folder / "payments.yaml").write_text(text)


def workload(name: str, database: str) -> Manifest:
    """A workload of the example, with the address of this story's database."""
    found = _load("team", name)
    found["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "DB_ADDRESS", "value": database}
    ]
    return found


def fetching(deployment: Manifest, store: str, region: str) -> Manifest:
    """The same app without annotations: it fetches at start, from the store's address."""
    found = copy.deepcopy(deployment)
    found["metadata"]["name"] = "payments-fetching"
    template = found["spec"]["template"]
    del template["metadata"]["annotations"]
    container = template["spec"]["containers"][0]
    container["image"] = FETCHING_IMAGE
    container["env"] += [
        # By name, because 127.0.0.1 in a pod is the pod itself.
        {"name": "STORE_ADDRESS", "value": f"localhost:{store.rpartition(':')[2]}"},
        {"name": "STORE_SECRET", "value": f"/prod/{NAMESPACE}/db"},
        {"name": "STORE_REGION", "value": region},
    ]
    return found


def _load(folder: str, name: str) -> Manifest:
    found: Manifest = yaml.safe_load((EXAMPLES / folder / f"{name}.yaml").read_text())
    return found


def _image(manifest: Manifest) -> str:
    image: str = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    return image
