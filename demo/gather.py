"""Starts everybody who plays in the story, in order, each only when the one before answers."""

from __future__ import annotations

import copy
import json
import secrets
import ssl
import sys
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, Any

import yaml

from apiserver.client import IdentityClient
from apiserver.install import CONTROLLER as CONTROLLER_USER
from apiserver.install import SERVICE, SYSTEM, install
from apiserver.install import WEBHOOK as WEBHOOK_USER
from apiserver.running import running
from apiserver.server import ADMIN
from contract.secret_bytes import SecretBytes
from demo.bao import Bao
from demo.cast import CALLERS, CONTROLLER, DB, FETCHING, NAMESPACE, VAULT_DB, Cast
from demo.database import Database
from demo.image import build_agent_image
from demo.node_copies import Objects
from demo.provider import KEYS, DemoProvider, Proxy
from demo.runner import Node
from demo.workloads import Workloads
from demo.world import ANSWERS_S, ROOT, World
from kube.api_resources import NAMESPACES, SECRET_ACCOUNTS, SECRET_POLICIES

if TYPE_CHECKING:
    from apiserver.running import Running

    Manifest = dict[str, Any]

EXAMPLES = ROOT / "examples" / "payments"
FETCHING_IMAGE = "ghcr.io/example/payments-api-that-fetches:1.0.0"
ACCOUNT_FILES, VAULT = "account-files", "vault"
REFRESH = {"refreshInterval": "20s", "freshnessBudget": "150s", "maxAge": "15m"}
"""In place of the example's times: often enough to see it happen in a minute."""


def gather(world: World) -> Cast:
    """Everybody, ready to play; what was started is ended by `world.close`."""
    region: str = _load("admin", "account")["spec"]["aws"]["regions"][0]
    provider = DemoProvider(log=world.logs / "provider.log", region=region)
    world.on_close(provider.stop)
    proxy = Proxy(log=world.logs / "proxy.log", upstream=provider.address, callers=CALLERS)
    world.on_close(proxy.stop)
    vault_folder = world.folder / "vault"
    vault_folder.mkdir()
    vault = Bao(vault_folder)
    world.on_close(vault.stop)
    database = Database()
    world.on_close(database.close)
    cluster = _start_cluster(world)
    client = IdentityClient(
        cluster.url, cluster.ca, cluster.call(lambda server: server.token(ADMIN))
    )
    vault.wait()
    before_vault = Proxy(log=world.logs / "vault-proxy.log", upstream=vault.address)
    world.on_close(before_vault.stop)
    _log_in(world, vault)
    administer(
        client,
        f"http://{proxy.addresses[CONTROLLER]}",
        vault=f"http://{before_vault.addresses['default']}",
    )
    metrics = _start_controller(world, cluster)
    _start_webhook(world, cluster)
    deployment, job = workload("deployment", database.address), workload("job", database.address)
    objects = world.objects = Objects(client)
    world.on_close(objects.close)
    workloads = Workloads(client)
    node = world.node = Node(
        world.folder / "pods",
        read=objects.read,
        report=workloads.report,
        image=build_agent_image(world.folder / "image"),
        entrypoints=entrypoints(deployment, job),
    )
    cast = Cast(
        world=world,
        node=node,
        cluster=cluster,
        api=workloads,
        database=database,
        provider=provider,
        proxy=proxy,
        vault=vault,
        vault_proxy=before_vault,
        deployment=deployment,
        fetching=fetching(deployment, proxy.addresses[FETCHING], region),
        job=job,
        vaulted=vaulted(deployment),
        metrics=metrics,
    )
    cast.put("v1", valid=True)
    api_key = json.dumps({"key": secrets.token_urlsafe(24)})
    provider.put(f"/prod/{NAMESPACE}/api", SecretBytes(api_key.encode()))
    return cast


def _start_cluster(world: World) -> Running:
    """The API server, with what the chart installs."""
    tls = world.folder / "tls"
    world.run("dev-ca", [str(ROOT / "certs" / "dev_ca.py"), str(tls), "--san", "localhost"])
    stack = ExitStack()
    serving = running(ca=tls / "ca.crt", certificate=tls / "tls.crt", key=tls / "tls.key")
    cluster = stack.enter_context(serving)
    world.on_close(stack.close)
    cluster.run(install)
    cluster.kubeconfig(world.kubeconfig, namespace=NAMESPACE)
    return cluster


def _start_controller(world: World, cluster: Running) -> str:
    """The controller; returns `host:port` of its metrics."""
    kubeconfig = cluster.kubeconfig(world.folder / "controller.kubeconfig", CONTROLLER_USER)
    # The stand-in has no admission policies, so what the self-check tries is not refused.
    words = ["-m", "controller", "--kubeconfig", str(kubeconfig)]
    words += ["--without-self-check", "--listen", "127.0.0.1:0"]
    words += ["--account-files", str(world.folder / ACCOUNT_FILES)]
    world.start("controller", words, KEYS)
    address: str = world.announced("controller", "controller.started")["listen"]
    return address


def _start_webhook(world: World, cluster: Running) -> None:
    """The webhook, with certificates of its own CA, and the way from the API server to it."""
    kubeconfig = cluster.kubeconfig(world.folder / "webhook.kubeconfig", WEBHOOK_USER)
    settings = {
        "AGENT_IMAGE": "localhost/lastgood-agent:demo",
        "NAMESPACE": SYSTEM,
        "KUBECONFIG": str(kubeconfig),
        "LISTEN": "127.0.0.1:0",
        "DRAIN_S": "0",
    }
    prefix = "LASTGOOD_WEBHOOK_"
    world.start(
        "webhook", ["-m", "webhook"], {prefix + name: text for name, text in settings.items()}
    )
    port = world.announced("webhook", "webhook.listening")["port"]
    cluster.server.services[SERVICE] = f"127.0.0.1:{port}"
    world.need("the webhook to be ready", lambda: _is_ready(port), ANSWERS_S)


def _is_ready(port: int) -> bool:
    """Whether its readiness probe succeeds. As a kubelet's, it verifies no certificate."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", port, timeout=5, context=unverified)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def entrypoints(deployment: Manifest, job: Manifest) -> dict[str, list[str]]:
    """The command that each image of the story stands for."""
    app = [sys.executable, "-I", "-S", str(ROOT / "demo" / "app.py")]
    verbs = {_image(deployment): "serve", _image(job): "job", FETCHING_IMAGE: "fetch"}
    return {image: [*app, verb] for image, verb in verbs.items()}


def _log_in(world: World, vault: Bao) -> None:
    """A token that may read the team's secrets, as a file of the controller's."""
    folder = world.folder / ACCOUNT_FILES
    folder.mkdir(mode=0o700)
    (folder / "token").write_text(vault.token(f"secret/data/{NAMESPACE}/*"))


def administer(client: IdentityClient, endpoint: str, *, vault: str | None = None) -> None:
    """The example's admin objects, with the demo's endpoint and shorter times. `vault`: the address
    of a second store; None: there is none.
    """
    account, policy, namespace = (
        _load("admin", name) for name in ("account", "policy", "namespace")
    )
    account["spec"]["aws"]["endpoint"] = endpoint
    policy["spec"]["classes"]["steady"].update(REFRESH)
    if vault is not None:
        client.call("POST", SECRET_ACCOUNTS.path(), _vault_account(vault))
        source = {"account": VAULT, "allow": ["vault:secret/{namespace}/*"], "class": "steady"}
        policy["spec"]["sources"].append(source)
    client.call("POST", NAMESPACES.path(), namespace)
    client.call("POST", SECRET_ACCOUNTS.path(), account)
    client.call("POST", SECRET_POLICIES.path(), policy)


def _vault_account(address: str) -> Manifest:
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretAccount",
        "metadata": {"name": VAULT},
        "spec": {
            "provider": "vault",
            "vault": {
                "addresses": [address],
                "mounts": [{"path": "secret", "version": 2}],
                "auth": {"tokenFile": "token"},
            },
            "budget": {"callsPerSecond": 20, "burst": 40},
        },
    }


def vaulted(deployment: Manifest) -> Manifest:
    """The same app with its login in the other store: only annotations differ."""
    found = copy.deepcopy(deployment)
    found["metadata"]["name"] = "payments-vault"
    annotations = found["spec"]["template"]["metadata"]["annotations"]
    for name, source in annotations.items():
        annotations[name] = source.replace(DB, VAULT_DB)
    return found


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
