"""The command's arguments, with examples for each verb."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cli.check_arguments import add_check, add_policy
from cli.options import (
    EXIT_CODES,
    Verb,
    Verbs,
    add_cluster,
    add_help,
    add_output,
    add_system,
    add_verb,
    add_wait,
    port,
)
from cli.output import DIFF, JSON, NAME, TABLE, TEXT, WIDE, YAML
from cli.settings import IMAGE as IMAGE_VARIABLE
from cli.usage import Formatter, Parser

if TYPE_CHECKING:
    from cli.settings import Settings

DESCRIPTION = "Show and change the secret versions that pods get, and explain why pods wait."
FOOTER = """\
"lastgood VERB --help" has examples. The cluster: your kubeconfig or the pod's."""

IMAGE = "lastgood/agent:0.1.0"
RUN_AS = ("lastgood", "pod", "platform")
"""As `api.policy.RUN_AS`, which takes long to import."""
NAME_HELP = "snapshot, its prefix, or provider[@account]:reference"


_CHANGED = (TEXT, JSON, YAML, NAME)

_VERBS = {
    "status": Verb(
        "show what each snapshot serves, its age, and how many pods use it",
        "Show what each snapshot serves, how old the value is, and how many pods use it.\n"
        "With NAME, also list these pods.",
        (
            "lastgood status -A -o wide",
            "lastgood status aws-sm:/prod/payments/db -n payments",
        ),
        (TABLE, WIDE, JSON, YAML, NAME),
        name="optional",
    ),
    "history": Verb(
        "list the versions of a snapshot",
        "List the versions of a snapshot: the served one, stored ones, and those that are\n"
        "quarantined (not served, with the reason) or revoked.",
        ("lastgood history aws-sm:/prod/payments/db",),
        (TABLE, JSON, YAML),
        name="required",
    ),
    "refresh": Verb(
        "fetch a secret now, within the account's rate limit",
        "Ask the controller to fetch the secret now. The account's rate limit applies.\n"
        "If the fetch fails, the last good value stays.",
        (
            "lastgood refresh aws-sm:/prod/payments/db",
            "lastgood refresh lg-prod-payments-db --wait 30",
        ),
        _CHANGED,
        name="required",
        waits=True,
    ),
    "pin": Verb(
        "serve one version until it is unpinned",
        "Serve one version until it is unpinned. A stored version is served at once, also\n"
        "while the provider is down. Another version is fetched from the provider first.",
        ("lastgood pin aws-sm:/prod/payments/db 3f2a9c1e",),
        _CHANGED,
        name="required",
        version=True,
        waits=True,
    ),
    "unpin": Verb(
        "serve the newest good version again",
        "Remove the pin. The newest good version is served again.",
        ("lastgood unpin aws-sm:/prod/payments/db",),
        _CHANGED,
        name="required",
        waits=True,
    ),
    "rollback": Verb(
        "serve the previous good version until a newer one appears",
        "Serve the previous good version until the provider has a newer version than the\n"
        "current one. This also works while the provider is down.",
        ("lastgood rollback aws-sm:/prod/payments/db -n payments",),
        _CHANGED,
        name="required",
        waits=True,
    ),
    "revoke": Verb(
        "never serve a version again (cannot be undone)",
        "Never serve a version again. Without another good version, the value is removed\n"
        "from all pods. This cannot be undone. It works while the provider is down.",
        ("lastgood revoke aws-sm:/prod/payments/db 3f2a9c1e",),
        _CHANGED,
        name="required",
        version=True,
        waits=True,
    ),
}


def parser(settings: Settings, called: str) -> argparse.ArgumentParser:
    """The parser, with defaults from the environment; `called` is what the user typed."""
    root = Parser(
        prog=called,
        usage=f"{called} VERB [options]",
        description=DESCRIPTION,
        epilog=f"{FOOTER}\n{EXIT_CODES}",
        formatter_class=Formatter,
        add_help=False,
    )
    add_help(root, argparse.SUPPRESS)
    verbs = root.add_subparsers(
        dest="verb", metavar="VERB", required=True, title="verbs", prog=called, parser_class=Parser
    )
    for name, verb in _VERBS.items():
        added = add_verb(verbs, name, verb, called, verb.takes)
        if verb.name is not None:
            nargs = "?" if verb.name == "optional" else None
            added.add_argument("name", metavar="NAME", nargs=nargs, help=NAME_HELP)
        if verb.version:
            added.add_argument(
                "version",
                metavar="VERSION",
                help="version, or a unique prefix (at least 4 characters)",
            )
        add_cluster(added, everywhere=True)
        if verb.waits:
            add_wait(added, "wait for the controller")
        add_output(added, verb.outputs)
        add_help(added)
    add_check(verbs, called)
    _add_explain(verbs, called)
    _add_render(verbs, called, settings)
    _add_presync(verbs, called, settings)
    add_policy(verbs, called)
    _add_dashboard(verbs, called)
    _add_demo(verbs, called)
    return root


def _add_manifests(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        dest="files",
        action="append",
        required=True,
        help="YAML or JSON manifests, - for stdin; repeatable",
    )
    verb.add_argument(
        "--policy",
        metavar="PATH",
        type=Path,
        help="file or folder with policies (default: the cluster's)",
    )
    verb.add_argument(
        "--strict", action="store_true", help="fail, not warn, on annotations without effect"
    )
    add_cluster(verb, everywhere=False, namespace="namespace if none is set")


def _add_explain(verbs: Verbs, called: str) -> None:
    explain = add_verb(
        verbs,
        "explain",
        Verb(
            "show why a pod waits or is refused, or why its secrets are stale",
            "Show how far a pod has started. For each of its secrets, show the state, why it\n"
            "blocks the pod or is stale, and what to do.",
            ("lastgood explain web-7d4b9c -n payments", "lastgood explain web-7d4b9c -o json"),
            (),
        ),
        called,
        "POD",
    )
    explain.add_argument("pod", metavar="POD", help="pod, or a workload whose pods are refused")
    add_cluster(explain, everywhere=False)
    add_output(explain, (TEXT, JSON, YAML))
    add_help(explain)


def _add_presync(verbs: Verbs, called: str, settings: Settings) -> None:
    presync = add_verb(
        verbs,
        "presync",
        Verb(
            "create the snapshots that manifests need, before their pods",
            "Print the SecretSnapshots that manifests need, and Roles for k8s:NAME. With\n"
            "--apply, create them and wait for the values, before there are pods.",
            (
                "lastgood presync -f deployment.yaml > snapshots.yaml",
                "kustomize build . | lastgood presync -f - --apply --wait 60",
            ),
            (),
        ),
        called,
        "-f FILE",
    )
    _add_manifests(presync)
    presync.add_argument("--apply", action="store_true", help="create the snapshots on the cluster")
    add_wait(presync, "wait for values")
    add_system(presync)
    add_output(presync, (YAML, JSON, NAME), "yaml; with --apply a table")
    add_help(presync)
    presync.set_defaults(image=settings.image or IMAGE, run_as=RUN_AS[0])


def _add_render(verbs: Verbs, called: str, settings: Settings) -> None:
    render = add_verb(
        verbs,
        "render",
        Verb(
            "print manifests as the webhook would change them",
            "Print manifests as the webhook would change them. Such pods need no webhook.\n"
            "If a pod would be refused, print only the reasons, on stderr.",
            (
                "lastgood render -f deployment.yaml --policy policy/ -n payments -o diff",
                "kustomize build . | lastgood render -f - | kubectl apply -f -",
            ),
            (),
        ),
        called,
        "-f FILE",
    )
    _add_manifests(render)
    render.add_argument(
        "--image",
        metavar="IMAGE",
        default=settings.image or IMAGE,
        help=f"image of the agent (default: ${IMAGE_VARIABLE})",
    )
    render.add_argument(
        "--run-as",
        metavar="USER",
        choices=RUN_AS,
        default=RUN_AS[0],
        help=f"as the chart's agent.runAs: {', '.join(RUN_AS)}",
    )
    add_output(render, (YAML, JSON, DIFF))
    add_help(render)


def _add_dashboard(verbs: Verbs, called: str) -> None:
    dashboard = add_verb(
        verbs,
        "dashboard",
        Verb(
            "show snapshots, accounts and pods on a local web page",
            "Serve a page on 127.0.0.1 that shows, with your rights, how fresh secrets are,\n"
            "what fails and why, accounts and pods. It changes nothing. Ctrl-C ends it.",
            ("lastgood dashboard -A", "lastgood dashboard -n payments --port 8080 --no-open"),
            (),
        ),
        called,
        "",
    )
    dashboard.add_argument(
        "--port", metavar="PORT", type=port, default=0, help="port on 127.0.0.1 (default: any free)"
    )
    dashboard.add_argument("--no-open", action="store_true", help="open no browser")
    add_cluster(dashboard, everywhere=True)
    add_help(dashboard)


def _add_demo(verbs: Verbs, called: str) -> None:
    demo = add_verb(
        verbs,
        "demo",
        Verb(
            "run the demo on this machine, with real processes",
            "Start a secret store, webhook, controller and pods on this machine, break the\n"
            "store, and show what pods do. Progress and a table are printed.",
            ("lastgood demo", "lastgood demo --keep"),
            (),
        ),
        called,
        "",
    )
    demo.add_argument(
        "--keep", action="store_true", help="keep it running until Ctrl-C, with a kubeconfig"
    )
    demo.add_argument(
        "--pictures",
        metavar="DIR",
        type=Path,
        help="write the start times there, as an SVG chart and its data",
    )
    add_output(demo, (TABLE, JSON, YAML))
    add_help(demo)
