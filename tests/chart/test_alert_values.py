"""The PrometheusRule that the chart makes of its rule file, and what it says of wrong values."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, of_kind, render, run_template

API = ("--api-versions", "monitoring.coreos.com/v1")
FILE = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text(encoding="utf-8"))


def _values(**rules: Any) -> dict[str, Any]:  # noqa: ANN401 - values of any shape
    return {"monitoring": {"rules": {"create": "always", **rules}}}


def _groups(**rules: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - values of any shape
    (found,) = of_kind(render(values=_values(**rules)), "PrometheusRule")
    groups: list[dict[str, Any]] = found["spec"]["groups"]
    return groups


def _alerts(groups: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_rules_come_with_their_api() -> None:
    """Auto looks. Never and always do not."""
    assert of_kind(render(), "PrometheusRule") == []
    assert len(of_kind(render(*API), "PrometheusRule")) == 1
    assert of_kind(render(*API, values=_values(create="never")), "PrometheusRule") == []
    assert len(of_kind(render(values=_values()), "PrometheusRule")) == 1


def test_the_defaults_are_the_file() -> None:
    """With the release's namespace in the commands."""
    assert _groups() == FILE["groups"]


def test_the_commands_have_the_releases_namespace() -> None:
    """Whatever it is called."""
    (found,) = of_kind(render(values=_values(), namespace="ops"), "PrometheusRule")
    said = yaml.safe_dump(found)
    assert "-n ops get pods,lease" in said
    assert "lastgood-system" not in said


def test_thresholds_durations_labels_and_links_are_values() -> None:
    """Each is where it belongs, and nowhere else."""
    rules = {
        "thresholds": {"failingRatio": 0.25, "caExpirySeconds": 9999999},
        "for": {"LastgoodSecretsStale": "1h"},
        "labels": {"release": "prometheus"},
        "runbookURL": "https://wiki.example/lastgood",
        "disabled": ["LastgoodVersionSkew"],
    }
    (found,) = of_kind(render(values=_values(**rules)), "PrometheusRule")
    assert found["metadata"]["labels"]["release"] == "prometheus"
    alerts = _alerts(found["spec"]["groups"])
    assert "0.25 # threshold failingRatio" in alerts["LastgoodProviderFailing"]["expr"]
    assert "9999999 # threshold caExpirySeconds" in alerts["LastgoodCertificateExpires"]["expr"]
    assert "86400 # threshold leafExpirySeconds" in alerts["LastgoodCertificateExpires"]["expr"]
    assert alerts["LastgoodSecretsStale"]["for"] == "1h"
    link = alerts["LastgoodSecretsStale"]["annotations"]["runbook_url"]
    assert link == "https://wiki.example/lastgood#lastgoodsecretsstale"
    assert alerts.keys() == _alerts(FILE["groups"]).keys() - {"LastgoodVersionSkew"}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"disabled": ["LastgoodVersionSkw"]}, "Did you mean LastgoodVersionSkew?"),
        ({"for": {"LastgoodSecretStale": "1h"}}, "Did you mean LastgoodSecretsStale?"),
        ({"thresholds": {"failRatio": 0.3}}, "Did you mean failingRatio?"),
        ({"thresholds": {"zz": 1}}, "thresholds has no zz. Allowed: budgetRatio, "),
        ({"thresholds": {"freshnessObjective": 99.9}}, "must be below 1"),
        ({"thresholds": {"failingRatio": "much"}}, "want number"),
        ({"thresholds": {"failingRatio": 0}}, "failingRatio"),
        ({"for": {"LastgoodSecretsStale": "1 hour"}}, "LastgoodSecretsStale"),
        ({"create": "yes"}, "'auto', 'always', 'never'"),
        ({"runbookURL": "docs/runbooks.md"}, "runbookURL"),
        ({"threshold": {}}, "threshold"),
    ],
)
def test_a_wrong_value_is_refused_in_words(rules: dict[str, Any], said: str) -> None:
    """With the nearest name, also where no PrometheusRule would be made."""
    for create in ("always", "never"):
        done = run_template(values=_values(**{"create": create, **rules}))
        assert done.returncode != 0
        assert said in done.stderr
