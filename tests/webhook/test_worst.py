"""What one pod can cost the others."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import pytest

from contract import spelling
from tests import make
from tests.webhook.given import admitted
from webhook.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection

GOOD = make.asking(db="aws-sm:/prod/payments/db#password")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many words each wrong one was compared with."""
    found: list[int] = []
    compare = difflib.get_close_matches

    def counted(word: str, possibilities: Collection[str], n: int, cutoff: float) -> list[str]:
        found.append(len(possibilities))
        assert len(word) <= spelling.MOST_LETTERS
        return compare(word, possibilities, n, cutoff)

    monkeypatch.setattr(spelling, "get_close_matches", counted)
    return found


def _prefixed(annotations: dict[str, str]) -> dict[str, str]:
    return {f"lastgood.dev/{key}": value for key, value in annotations.items()}


def _crowd(count: int, **annotations: str) -> dict[str, Any]:
    containers = [make.container(f"container-{number}") for number in range(count)]
    return make.pod(annotations=GOOD | _prefixed(annotations), containers=containers)


LONG = "x" * 100_000
WORST = {
    "variables of secrets that are not there": make.pod(
        annotations={
            **make.asking(**{f"secret-{n}": "aws-sm:/prod/payments/db" for n in range(1000)}),
            **_prefixed({f"env.V{n}": f"sacret-{n}" for n in range(1000)}),
        }
    ),
    "files of secrets that are not there": make.pod(
        annotations={
            **make.asking(**{f"secret-{n}": "aws-sm:/prod/payments/db" for n in range(1000)}),
            **_prefixed({f"file.sacret-{n}": "x" for n in range(1000)}),
        }
    ),
    "annotations that are none": make.pod(
        annotations=_prefixed({f"secrits.s{n}": "x" for n in range(2000)})
    ),
    "accounts that are none": make.pod(
        annotations=make.asking(
            **{f"s{n}": f"aws-sm@aws-prud{n}:/prod/payments/db" for n in range(2000)}
        )
    ),
    "containers that are none": _crowd(
        2000, containers=",".join(f"cantainer-{n}" for n in range(64))
    ),
    "too many containers": _crowd(2, containers=",".join(f"cantainer-{n}" for n in range(9999))),
    "long names": make.pod(
        annotations=GOOD
        | _prefixed({f"secret.{LONG}": "x", f"env.{LONG}": LONG, f"file.{LONG}": LONG, LONG: LONG})
    ),
}


@pytest.mark.parametrize("case", WORST)
def test_p10_the_worst_pod_takes_little_of_the_others_time(case: str, compared: list[int]) -> None:
    """Spellings are sought for a few mistakes, among a few words, and the answer stays small."""
    verdict = admitted(WORST[case])
    assert verdict.outcome is Outcome.DENIED
    assert len(compared) <= 100
    assert max(compared, default=0) <= spelling.MOST_WORDS
    assert len(verdict.message) < 32_000
