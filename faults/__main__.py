"""`python -m faults`: `run` simulates seeds, `report` writes docs/robustness.md."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

from faults import results
from faults.checker import check
from faults.history import AppRead, StatusSeen
from faults.scenario import KINDS, drawn
from faults.shrink import shrunk
from faults.simulation import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.scenario import Scenario

SHOWN = 60
"""Events of a timeline before a violation."""


def main(argv: Sequence[str] | None = None) -> int:
    """1: a promise was broken."""
    arguments = _parser().parse_args(argv)
    if arguments.verb == "report":
        results.PAGE.write_text(results.page(results.read()), encoding="utf-8")
        return 0
    if arguments.seed is not None:
        return _one(drawn(arguments.seed, arguments.kind or KINDS))
    return _many(range(*arguments.seeds), arguments.kind or KINDS, record=arguments.record)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    running = verbs.add_parser("run", help="simulate")
    running.add_argument(
        "--seed", type=int, help="one run: violations, smallest scenario, timeline"
    )
    running.add_argument(
        "--seeds", type=_seeds, default=(0, 20), metavar="FROM-TO", help="many runs (default: 0-20)"
    )
    running.add_argument(
        "--kind", action="append", choices=KINDS, help="draw faults of this kind only; repeatable"
    )
    running.add_argument(
        "--record",
        action="store_true",
        help="append to faults/results.jsonl; leaves out seeds it has",
    )
    verbs.add_parser("report", help="write docs/robustness.md from the results")
    return parser


def _seeds(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last)


def _one(scenario: Scenario) -> int:
    history = run(scenario)
    violations = check(history)
    print(f"seed {scenario.seed}: {len(history.events)} events, {len(violations)} violations")
    if not violations:
        return 0
    first = violations[0]
    least = shrunk(
        scenario, lambda it: any(found.promise == first.promise for found in check(run(it)))
    )
    history = run(least)
    (first, *_) = [found for found in check(history) if found.promise == first.promise]
    print("the smallest scenario that breaks it:")
    for part in (*least.faults, *least.deeds):
        print(f"  {part}")
    print("timeline:")
    seen = [
        event
        for event in history.events
        if event.at <= first.at and not isinstance(event, AppRead | StatusSeen)
    ]
    for event in seen[-SHOWN:]:
        print(f"  {event.line()}")
    print(f"{first.promise}: at {first.at}: {first.message}")
    return 1


def _many(seeds: range, kinds: Sequence[str], *, record: bool) -> int:
    known = {item["seed"] for item in results.read()} if record else set()
    failed = 0
    for seed in seeds:
        if seed in known:
            continue
        scenario = drawn(seed, tuple(kinds))
        violations = Counter(found.promise for found in check(run(scenario)))
        failed += bool(violations)
        if record:
            with results.RESULTS.open("a", encoding="utf-8") as file:
                file.write(results.line(seed, (it.kind for it in scenario.faults), violations))
        if violations:
            print(f"seed {seed}: {dict(violations)}; `python -m faults run --seed {seed}`")
    print(f"{len(seeds)} seeds, {failed} with a violation")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
