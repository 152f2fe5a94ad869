"""The result before it is printed: the CRDs' schemas and the webhook's decision, with the accounts
and policies that are printed beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from api.account import SecretAccount
from api.policy import SecretPolicy
from cli.conversion import policies as written
from cli.conversion.policies import UsedSecrets
from cli.conversion.report import FieldOutcome
from policy.match import PolicySet
from providers.registry import PROVIDERS
from schema.error_messages import explain
from webhook import podspec
from webhook.admit import admit
from webhook.injection_settings import Injection
from webhook.wellformed import malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.conversion.pods import Converted
    from cli.conversion.report import ImportReport
    from cli.conversion.wanted import Draft, DraftAccounts, Wanted

_IMAGE = "lastgood/agent"
"""Of a pod that is decided on and not kept."""


class Checked:
    """Accounts and policies that a cluster would take."""

    def __init__(self, accounts: DraftAccounts, report: ImportReport) -> None:
        self.report = report
        self.accounts: list[dict[str, Any]] = []
        self.objects: list[dict[str, Any]] = []
        """Policies, and the Namespaces that select them."""
        self._drafts = accounts.drafts
        self._accounts: dict[str, SecretAccount] = {}
        self._policies: dict[str, SecretPolicy] = {}
        self._labels: dict[str, str | None] = {}
        for draft in self._drafts.values():
            self._account(draft)

    def policies(self) -> PolicySet:
        return PolicySet(accounts=self._accounts, policies=self._policies, namespaces=self._labels)

    def has(self, draft: Draft) -> bool:
        return draft.name in self._accounts

    def qualified(self, used: UsedSecrets) -> set[str]:
        """The schemes for which a namespace has several accounts."""
        count: dict[str, int] = {}
        for name in used.allow:
            for scheme in PROVIDERS[self._drafts[name].provider].schemes:
                count[scheme.name] = count.get(scheme.name, 0) + 1
        return {scheme for scheme, number in count.items() if number > 1}

    def take(self, namespace: str, used: UsedSecrets) -> None:
        """The policy of a namespace, or a line of the report."""
        document = written.policy(namespace, used)
        of = f"SecretPolicy {document['metadata']['name']}"
        try:
            policy = SecretPolicy.model_validate(document)
        except ValidationError as error:
            for problem in explain(SecretPolicy, error):
                self.report.add(FieldOutcome.REFUSED, of, "", problem)
            return
        self._policies[policy.name] = policy
        self._labels[namespace] = policy.name
        self.objects += [document, written.namespace_object(namespace)]
        self.report.add(
            FieldOutcome.DECIDE,
            of,
            f"spec.classes.{written.CLASS}",
            "compare its times with what the other tool had, and the account's budget with its use",
        )

    def _account(self, draft: Draft) -> None:
        of = f"SecretAccount {draft.name}"
        if draft.missing is not None:
            self.report.add(
                FieldOutcome.REFUSED, of, "", f"nothing is printed without {draft.missing}"
            )
            self._without(draft)
            return
        document = written.account(draft)
        try:
            account = SecretAccount.model_validate(document)
        except ValidationError as error:
            for problem in explain(SecretAccount, error):
                self.report.add(FieldOutcome.REFUSED, of, "", problem)
            self._without(draft)
            return
        self._accounts[account.name] = account
        self.accounts.append(document)
        self.report.add(
            FieldOutcome.MAPPED,
            of,
            "",
            f"from {', '.join(draft.of)}. No value was read from anywhere",
        )

    def _without(self, draft: Draft) -> None:
        for of in draft.of:
            message = f"its SecretAccount {draft.name} would be refused, so it is not printed"
            self.report.add(FieldOutcome.REFUSED, of, "", message)


def checked(
    known: Checked,
    wanted: Iterable[tuple[str, Wanted]],
    pods: list[tuple[str, str, Converted]],
) -> list[dict[str, Any] | None]:
    """Each pod with its annotations; None: it would be refused, which is reported."""
    used = _used(known, wanted, pods)
    for namespace, found in used.items():
        if found.allow:
            known.take(namespace, found)
    return [_pod(known, of, namespace, used[namespace], found) for of, namespace, found in pods]


def _used(
    known: Checked,
    wanted: Iterable[tuple[str, Wanted]],
    pods: list[tuple[str, str, Converted]],
) -> dict[str, UsedSecrets]:
    used: dict[str, UsedSecrets] = {}
    for namespace, value in wanted:
        found = used.setdefault(namespace, UsedSecrets())
        if known.has(value.account):
            found.add([value])
    for _, namespace, pod in pods:
        used[namespace].values |= bool(pod.draft.values)
        used[namespace].most = max(used[namespace].most, len(pod.draft.secrets))
    return used


def _pod(
    known: Checked, of: str, namespace: str, used: UsedSecrets, found: Converted
) -> dict[str, Any] | None:
    refused = [
        value.account.name
        for value, _ in found.draft.secrets.values()
        if not known.has(value.account)
    ]
    if refused:
        message = f"it needs SecretAccount {refused[0]}, which is not printed. It stays as it is"
        known.report.add(FieldOutcome.REFUSED, of, "", message)
        return None
    pod = found.pod
    main = [str(it["name"]) for it in podspec.items(pod["spec"], "containers")]
    added = found.draft.annotations(main, known.qualified(used))
    result = {**pod, "metadata": _annotated(pod.get("metadata"), added)}
    fault = malformed(result)
    if fault is not None:
        known.report.add(FieldOutcome.REFUSED, of, "", f"this is not a pod: {fault}")
        return None
    verdict = admit(result, namespace, known.policies(), Injection(image=_IMAGE))
    for warning in verdict.warnings:
        known.report.add(FieldOutcome.DECIDE, of, "", warning)
    if not verdict.allowed:
        for mistake in verdict.mistakes:
            known.report.add(FieldOutcome.REFUSED, of, mistake.field, mistake.message)
        return None
    for key, value in added.items():
        known.report.add(FieldOutcome.MAPPED, of, f"metadata.annotations[{key}]", value)
    if found.draft.values:
        known.report.add(
            FieldOutcome.DECIDE,
            of,
            "env",
            "values in variables are on the node's disk, and a running container keeps its value."
            " Files are better: lastgood.dev/env.<VAR> gives the path of one",
        )
    return result


def _annotated(metadata: object, added: dict[str, str]) -> dict[str, Any]:
    found = dict(metadata) if isinstance(metadata, dict) else {}
    before = found.get("annotations")
    kept = before if isinstance(before, dict) else {}
    return {**found, "annotations": {**kept, **added}}
