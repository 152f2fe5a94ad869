"""Every mistake that an annotation can have, and the exact sentence that its author gets."""

from __future__ import annotations

from typing import Any

import pytest

from providers.registry import SCHEMES
from tests import make
from tests.webhook.given import admitted
from webhook.verdict import Outcome

PEM = "-----BEGIN EC PRIVATE KEY-----\nMTIz\n-----END EC PRIVATE KEY-----\n"
GOOD = make.asking(db="aws-sm:/prod/payments/db#password")
KEYS = (
    "lastgood.dev/secret.<name>, lastgood.dev/file.<name>, lastgood.dev/env.<VAR>,"
    " lastgood.dev/env-value.<VAR>, lastgood.dev/containers, lastgood.dev/mount-path,"
    " lastgood.dev/mode, lastgood.dev/bundle, lastgood.dev/reload"
)
PATTERNS = (
    "aws-sm:/prod/payments/*, aws-sm:/both/*, aws-sm:/prod/payments/signing/*, aws-sm:/test/**"
)
SIGNAL = (
    "lastgood.dev/reload: a signal requires spec.shareProcessNamespace: true, and one runAsUser"
    " other than 0 for all containers that get the files, because only a process with the same UID"
    " may send it. Set both, or use http://127.0.0.1:PORT/PATH"
)

ANNOTATIONS = {
    "unknown": (
        {"mod": "follow"},
        f'mod: unknown annotation. Did you mean "lastgood.dev/mode"? Allowed: {KEYS}',
    ),
    "unknown with a name": (
        {"secrets.x": "y"},
        f'secrets.x: unknown annotation. Did you mean "lastgood.dev/secret.x"? Allowed: {KEYS}',
    ),
    "unknown, nothing near": ({"zzz": "y"}, f"zzz: unknown annotation. Allowed: {KEYS}"),
    "env-value of nothing": (
        {"env-value.X": "dbx"},
        (
            'env-value.X: there is no annotation lastgood.dev/secret.<name> with the name "dbx".'
            ' Did you mean "db"?'
        ),
    ),
    "env-value, not allowed": (
        {"env-value.X": "db"},
        (
            "env-value.X: policy payments does not allow values in environment variables"
            " (allowEnvValue). Use lastgood.dev/env.X: db to get the path of the file instead"
        ),
    ),
    "bundle": (
        {"bundle": "jsn"},
        'bundle: "jsn" is not a valid bundle format. Allowed: json, dotenv. Did you mean "json"?',
    ),
    "bundle in mount": (
        {"bundle": "json", "mode": "mount"},
        (
            "bundle: a bundle requires mode follow. In mode mount the kubelet writes each file from"
            " one key of a Secret, and nothing combines them. Set lastgood.dev/mode: follow, or"
            " remove the bundle"
        ),
    ),
    "bundle is a file": (
        {"bundle": "json", "file.db": "bundle.json"},
        'file.db: "bundle.json" is the file of the bundle. Choose another file name',
    ),
    "variable of a shell": (
        {"bundle": "dotenv", "secret.path": "aws-sm:/prod/payments/x"},
        (
            "secret.path: the bundle's variable PATH is reserved by shells. Choose another name,"
            " or set lastgood.dev/bundle: json"
        ),
    ),
    "two of one variable": (
        {
            "bundle": "dotenv",
            "secret.a-b": "aws-sm:/prod/payments/x",
            "secret.a.b": "aws-sm:/prod/payments/y",
        },
        (
            "secret.a.b: the bundle's variable A_B is also that of a-b. Choose another name,"
            " or set lastgood.dev/bundle: json"
        ),
    ),
    "variable with a digit": (
        {"bundle": "dotenv", "secret.2fa": "aws-sm:/prod/payments/x"},
        (
            "secret.2fa: the bundle's variable 2FA would start with a digit. Choose another name,"
            " or set lastgood.dev/bundle: json"
        ),
    ),
    "bad name": (
        {"secret.DB": "aws-sm:/prod/payments/db"},
        (
            'secret.DB: "DB" is not a valid name. Allowed: 1 to 50 characters of a-z, 0-9, - and .,'
            " with a letter or digit at both ends"
        ),
    ),
    "no provider": (
        {"secret.x": "/prod/payments/db"},
        (
            'secret.x: "/prod/payments/db" has no provider. Allowed:'
            " provider[@account]:reference[#property]"
        ),
    ),
    "unknown provider": (
        {"secret.x": "aws-sn:/prod/payments/db"},
        (
            f'secret.x: "aws-sn" is not a valid provider. Allowed: {", ".join(SCHEMES)}.'
            ' Did you mean "aws-sm"?'
        ),
    ),
    "not allowed": (
        {"secret.x": "aws-sm:/prod/orders/db"},
        (
            "secret.x: policy payments does not allow this secret in namespace payments."
            f" Allowed: {PATTERNS}"
        ),
    ),
    "deeper than allowed": (
        {"secret.x": "aws-sm:/prod/payments/a/b"},
        (
            "secret.x: policy payments does not allow this secret in namespace payments."
            f" Allowed: {PATTERNS}"
        ),
    ),
    "nothing of the provider": (
        {"secret.x": "file:/etc/x"},
        (
            "secret.x: policy payments does not allow this secret in namespace payments."
            " It allows no secrets of provider file"
        ),
    ),
    "unknown account": (
        {"secret.x": "aws-sm@aws-prot:/prod/payments/db"},
        (
            "secret.x: policy payments has no account aws-prot. Allowed: aws-prod, aws-test."
            ' Did you mean "aws-prod"?'
        ),
    ),
    "two accounts": (
        {"secret.x": "aws-sm:/both/x"},
        (
            "secret.x: policy payments allows it from the accounts aws-prod, aws-test. Name"
            ' one of them: "aws-sm@aws-prod:/both/x" or "aws-sm@aws-test:/both/x"'
        ),
    ),
    "file of no secret": (
        {"file.dbs": "x"},
        'file.dbs: there is no annotation lastgood.dev/secret.dbs. Did you mean "db"?',
    ),
    "bad file": (
        {"file.db": "../x"},
        (
            'file.db: "../x" is not a valid file name. Allowed: 1 to 200 characters of'
            " A-Z a-z 0-9 . _ -, not starting with ."
        ),
    ),
    "reserved file": (
        {"file.db": "status.json"},
        'file.db: "status.json" is reserved. Choose another file name',
    ),
    "file twice": (
        {"secret.x": "aws-sm:/prod/payments/x", "file.x": "db"},
        ('file.x: "db" is already the file of lastgood.dev/secret.db. Choose another file name'),
    ),
    "bad variable": (
        {"env.A-B": "db"},
        (
            'env.A-B: "A-B" is not a valid variable name. Allowed: A-Z a-z 0-9 _, not starting with'
            " a digit"
        ),
    ),
    "variable of no secret": (
        {"env.X": "dbs"},
        (
            'env.X: there is no annotation lastgood.dev/secret.<name> with the name "dbs".'
            ' Did you mean "db"?'
        ),
    ),
    "variable is set": (
        {"env.TAKEN": "db"},
        "env.TAKEN: container app already sets TAKEN. Remove one of the two",
    ),
    "empty container": (
        {"containers": "app,,x"},
        'containers: must be names of containers, separated by commas, for example "app,worker"',
    ),
    "container twice": ({"containers": "app, app"}, "containers: a container is named twice"),
    "unknown container": (
        {"containers": "ap"},
        'containers: there is no container "ap". Allowed: app, migrate. Did you mean "app"?',
    ),
    "container before the gate": (
        {"containers": "app,istio-init"},
        (
            "containers: istio-init is a mesh proxy, which starts before the secrets exist."
            " Remove the name from the annotation"
        ),
    ),
    "relative path": (
        {"mount-path": "secrets"},
        (
            'mount-path: "secrets" is not a valid path. Allowed: an absolute path of'
            ' A-Z a-z 0-9 / _ . @ -, without "." or ".." segments or a trailing /, at most 1024'
            " characters"
        ),
    ),
    "path with ..": (
        {"mount-path": "/a/../b"},
        (
            'mount-path: "/a/../b" is not a valid path. Allowed: an absolute path of'
            ' A-Z a-z 0-9 / _ . @ -, without "." or ".." segments or a trailing /, at most 1024'
            " characters"
        ),
    ),
    "path of the system": (
        {"mount-path": "/var/run/secrets"},
        (
            'mount-path: "/var/run/secrets" overlaps with'
            " /var/run/secrets/kubernetes.io/serviceaccount, which is a system path. Choose another"
            " path"
        ),
    ),
    "path of the system by its other name": (
        {"mount-path": "/run/secrets"},
        (
            'mount-path: "/run/secrets" overlaps with'
            " /var/run/secrets/kubernetes.io/serviceaccount, which is a system path. Choose another"
            " path"
        ),
    ),
    "path is mounted": (
        {"mount-path": "/data/secrets"},
        "mount-path: container app already mounts /data. Choose another path",
    ),
    "mode": (
        {"mode": "folow"},
        'mode: "folow" is not a valid mode. Allowed: follow, mount. Did you mean "follow"?',
    ),
    "reload": (
        {"reload": "http://app/reload"},
        (
            'reload: "http://app/reload" is not a valid reload. Allowed:'
            " http://127.0.0.1:PORT/PATH,"
            " http://[::1]:PORT/PATH or signal:HUP"
        ),
    ),
    "reload port": (
        {"reload": "http://127.0.0.1:70000/"},
        (
            'reload: "http://127.0.0.1:70000/" is not a valid reload. Allowed:'
            " http://127.0.0.1:PORT/PATH,"
            " http://[::1]:PORT/PATH or signal:HUP"
        ),
    ),
    "reload of the agent": (
        {"reload": "http://127.0.0.1:9465/x"},
        "reload: port 9465 is used by lastgood's agent. Use the port of the app",
    ),
    "signal": (
        {"reload": "signal:SIGHUP"},
        (
            'reload: "SIGHUP" is not a valid signal. Allowed: signal:HUP, signal:USR1, signal:USR2.'
            ' Did you mean "HUP"?'
        ),
    ),
    "signal across UIDs": ({"reload": "signal:HUP"}, SIGNAL.removeprefix("lastgood.dev/")),
}


def crowded(**annotations: str) -> dict[str, Any]:
    """A pod with something in the way of most mistakes."""
    return make.pod(
        "web-1",
        make.container(
            env=[{"name": "TAKEN", "value": "x"}],
            volumeMounts=[{"name": "data", "mountPath": "/data"}],
        ),
        annotations={**GOOD, **annotations},
        initContainers=[make.container("istio-init"), make.container("migrate")],
    )


@pytest.mark.parametrize(("notes", "message"), ANNOTATIONS.values(), ids=ANNOTATIONS)
def test_each_mistake_has_its_sentence(notes: dict[str, str], message: str) -> None:
    """One mistake is one sentence that names it, what is allowed, and the nearest spelling."""
    pod = crowded(**{f"lastgood.dev/{key}": text for key, text in notes.items()})
    verdict = admitted(pod)
    assert verdict.message == f"lastgood.dev/{message}"
    assert verdict.outcome is Outcome.DENIED
    assert verdict.pod is pod


def test_the_pod_around_them_has_no_mistake() -> None:
    """Without the mistakes of the table its pod is injected, so each row is about its own."""
    assert admitted(crowded()).outcome is Outcome.INJECTED


def test_all_mistakes_come_at_once() -> None:
    """A denial lists every mistake, so that one edit mends them all."""
    keys = {"lastgood.dev/mode": "x", "lastgood.dev/zzz": "", "lastgood.dev/env.X": "no"}
    message = admitted(crowded(**keys)).message
    assert message.startswith("3 mistakes:\n- lastgood.dev/zzz: ")
    assert [line.split(": ")[0] for line in message.splitlines()[1:]] == [
        "- lastgood.dev/zzz",
        "- lastgood.dev/env.X",
        "- lastgood.dev/mode",
    ]
