"""`lastgood policy test` and `lastgood policy lint`: what policies allow and what is probably not
meant in them, from files or from the cluster.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cli import policies
from cli.exit_codes import CommandError, Exit
from cli.listing import duration, table
from cli.open_cluster import connected
from cli.output import MACHINE, written
from contract.annotations import POLICY_LABEL
from contract.quoted import shown
from contract.reference import ReferenceRejected
from policy.lint import lint
from policy.load import not_read, read_texts, yaml_files
from policy.match import Allowed, Matcher, PolicySet, Reason, Refused, glob, policy_of
from providers.references import in_namespace, parse_source

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from pathlib import Path

    from cli.settings import Settings
    from cli.terminal import Terminal
    from policy.lint import LintRemark
    from policy.match import MatchedRule
    from workqueue.clock import Clock

_HEADINGS = ("LEVEL", "RULE", "OBJECT", "FIELD", "MESSAGE")
DOCS = "docs/check.md#{rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """What one namespace is answered for one reference."""

    namespace: str
    reference: str
    """As it was given."""
    outcome: Allowed | Refused
    rules: tuple[MatchedRule, ...] = ()
    """Of the policy, the one that decides first."""

    @property
    def allowed(self) -> bool:
        return isinstance(self.outcome, Allowed)


def policy(
    arguments: argparse.Namespace, settings: Settings, clock: Clock, terminal: Terminal
) -> int:
    """One of the two. CommandError."""
    said = _said(arguments, settings, clock, terminal)
    return (
        _lint(arguments, said, terminal)
        if arguments.act == "lint"
        else _test(arguments, said, terminal)
    )


def decide(policies: PolicySet, namespace: str, text: str) -> PolicyAnswer:
    """As webhook and controller decide. Pure."""
    try:
        source = in_namespace(parse_source(text), namespace)
    except ReferenceRejected as rejected:
        outcome = Refused(reason=Reason.BAD_REFERENCE, message=str(rejected))
        return PolicyAnswer(namespace=namespace, reference=text, outcome=outcome)
    found = policy_of(policies, namespace)
    if isinstance(found, Refused):
        return PolicyAnswer(namespace=namespace, reference=text, outcome=found)
    matcher = Matcher(policies, found, namespace)
    asked = (source.scheme, source.account, source.reference)
    return PolicyAnswer(
        namespace=namespace,
        reference=text,
        outcome=matcher.decide(*asked),
        rules=tuple(matcher.matching(*asked)),
    )


def _said(
    arguments: argparse.Namespace, settings: Settings, clock: Clock, terminal: Terminal
) -> policies.Said:
    if arguments.files:
        found, problems = read_texts(dict(_texts(arguments.files, terminal)))
        return policies.Said(policies=found, problems=problems)
    with connected(arguments, settings, clock) as connection:
        if arguments.act == "lint":
            return policies.with_every_namespace(connection)
        return policies.on_cluster(connection, [arguments.of])


def _texts(files: Iterable[Path], terminal: Terminal) -> Iterable[tuple[str, str]]:
    """Each file's text by its name; a folder stands for its YAML files. CommandError."""
    for path in files:
        if str(path) == "-":
            yield "stdin", terminal.stdin.read()
            continue
        try:
            for file in yaml_files(path) if path.is_dir() else [path]:
                yield str(file), file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{shown(str(path))} {not_read(error)}") from None


def _test(arguments: argparse.Namespace, said: policies.Said, terminal: Terminal) -> int:
    for problem in said.problems:
        terminal.tell(f"warning: {problem}")
    known = said.policies
    if arguments.label is not None:
        known = replace(known, namespaces={**known.namespaces, arguments.of: arguments.label})
    decisions = [decide(known, arguments.of, text) for text in arguments.references]
    if arguments.files and arguments.of not in known.namespaces:
        decisions = [_without_namespace(known, decision) for decision in decisions]
    if arguments.output in MACHINE:
        documents = [described(decision) for decision in decisions]
        terminal.out.write(written(documents, arguments.output))
    else:
        for decision in decisions:
            terminal.say(sentences(decision))
    wanted = arguments.expect == "allowed"
    wrong = [decision for decision in decisions if decision.allowed is not wanted]
    if wrong and not wanted:
        terminal.tell(f"lastgood: {len(wrong)} allowed, but --expect is refused")
    return Exit.REFUSED if wrong else Exit.DONE


def _without_namespace(policies: PolicySet, decision: PolicyAnswer) -> PolicyAnswer:
    """What files lack, if that decides. A policy that lists the namespace is proposed."""
    outcome, namespace = decision.outcome, decision.namespace
    if not isinstance(outcome, Refused) or outcome.reason is not Reason.NO_POLICY:
        return decision
    listing = (
        name
        for name, policy in sorted(policies.policies.items())
        if any(glob(pattern, namespace) for pattern in policy.spec.namespaces)
    )
    label = f"--label {POLICY_LABEL}={next(listing, 'POLICY')}"
    more = f". The files have no Namespace {namespace}: add it, or give {label}"
    return replace(decision, outcome=replace(outcome, message=outcome.message + more))


def sentences(decision: PolicyAnswer) -> str:
    """What a person is told of a decision."""
    outcome, what = decision.outcome, f"{decision.namespace}: {shown(decision.reference)}"
    if isinstance(outcome, Refused):
        return f"refused  {what}\n  {outcome.reason}: {outcome.message}"
    rules = outcome.rules
    first, *others = decision.rules
    times = (
        f"refresh {duration(rules.refresh_s)}, stale after {duration(rules.budget_s)},"
        f" expired after {duration(rules.max_age_s)} ({rules.on_expired})"
    )
    lines = [
        f"allowed  {what}",
        f"  policy   {outcome.policy}, spec.sources[{first.source}], pattern {first.pattern}",
        f"  account  {outcome.account}",
        f"  class    {rules.name}: {times}",
    ]
    lines += [
        f"  less specific: spec.sources[{rule.source}], pattern {rule.pattern}" for rule in others
    ]
    return "\n".join(lines)


def described(decision: PolicyAnswer) -> dict[str, Any]:
    """The same for programs."""
    outcome = decision.outcome
    found: dict[str, Any] = {
        "namespace": decision.namespace,
        "reference": decision.reference,
        "allowed": decision.allowed,
        "matches": [
            {"field": f"spec.sources[{rule.source}]", "pattern": rule.pattern}
            for rule in decision.rules
        ],
    }
    if isinstance(outcome, Refused):
        return found | {"reason": outcome.reason.value, "message": outcome.message}
    more = {"policy": outcome.policy, "account": outcome.account, "class": outcome.rules.name}
    return found | more


def _lint(arguments: argparse.Namespace, said: policies.Said, terminal: Terminal) -> int:
    known = said.policies
    accounts = not arguments.files or bool(known.accounts or known.unreadable_accounts)
    remarks = lint(known, accounts=accounts)
    wrong = bool(said.problems) or any(remark.error for remark in remarks)
    if arguments.output in MACHINE:
        document = {
            "unreadable": said.problems,
            "remarks": [_remark(remark) for remark in remarks],
        }
        terminal.out.write(written(document, arguments.output))
    else:
        _print(known, said.problems, remarks, terminal)
        if not accounts:
            terminal.tell("note: the files have no SecretAccount, so accounts were not checked")
    return Exit.REFUSED if wrong or (arguments.strict and remarks) else Exit.DONE


def _print(
    known: PolicySet, problems: list[str], remarks: list[LintRemark], terminal: Terminal
) -> None:
    for problem in problems:
        terminal.say(f"error  {problem}")
    if remarks:
        rows = [(_level(it), it.rule.value, it.object, it.field, it.message) for it in remarks]
        terminal.say(table(_HEADINGS, rows))
    if problems or remarks:
        rules = Counter(remark.rule.value for remark in remarks)
        for rule in rules:
            terminal.tell(f"see {DOCS.format(rule=rule)}")
    else:
        terminal.say(f"{len(known.policies)} policies: nothing found")


def _remark(remark: LintRemark) -> dict[str, str]:
    return {
        "level": _level(remark),
        "rule": remark.rule.value,
        "object": remark.object,
        "field": remark.field,
        "message": remark.message,
        "docs": DOCS.format(rule=remark.rule.value),
    }


def _level(remark: LintRemark) -> str:
    return "error" if remark.error else "warning"
