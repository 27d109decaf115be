"""The platform's decision rule, and the table of rate ratios."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from readings import reading_of
from scipy import stats

from bayesmodels.errors import BadInput, MissingVariable
from bayesmodels.reporting.chapter import read
from bayesmodels.reporting.chapters.disease_rate import (
    HEALEY_RULE,
    DecisionRule,
    DiseaseRates,
    disease_rate_table,
)

LEVELS = np.random.default_rng(1).permutation((np.arange(4000) + 0.5) / 4000)


def draws(mean, sd):
    """Draws with the quantiles of a log-normal ratio."""
    return np.exp(stats.norm(np.log(mean), sd).ppf(LEVELS))


def test_success_is_beyond_the_threshold_only():
    below = stats.norm.ppf(0.979)
    assert HEALEY_RULE.decide(draws(np.exp(-0.1 * (below + 0.02)), 0.1), final=True).verdict == "success"
    missed = HEALEY_RULE.decide(draws(np.exp(-0.1 * (below - 0.02)), 0.1), final=True)
    assert missed.verdict == "no success"
    assert missed.below_success == pytest.approx(0.979, abs=0.003)
    assert "no success: Pr(DRR < 1) = 0.97" in missed.sentence()


def test_futility_is_judged_at_interim_looks():
    limit = 0.9 * np.exp(0.1 * stats.norm.ppf(0.95))  # Pr(DRR < .9) = .05
    assert HEALEY_RULE.decide(draws(limit * 1.005, 0.1), final=False).verdict == "futility"
    kept = HEALEY_RULE.decide(draws(limit * 0.995, 0.1), final=False)
    assert kept.verdict == "continue"
    assert kept.mean == pytest.approx(limit * 0.995 * np.exp(0.005), rel=1e-3)
    assert kept.sentence().startswith("continue: Pr(DRR < 0.9) = 0.05")
    assert HEALEY_RULE.decide(draws(0.5, 0.1), final=False).verdict == "continue"  # no success before the end


def test_rules_and_draws_are_checked():
    with pytest.raises(BadInput, match="success: expected a probability"):
        DecisionRule(success=97.9)
    with pytest.raises(BadInput, match="futility_ratio: expected a ratio above 0"):
        DecisionRule(futility_ratio=0.0)
    with pytest.raises(BadInput, match="expected ratios"):
        HEALEY_RULE.decide([], final=True)
    with pytest.raises(BadInput, match="above 0, got 3 of which 2 are not"):
        HEALEY_RULE.decide([np.nan, 1.0, np.nan], final=True)
    with pytest.raises(BadInput, match="got 2 of which 1 are not"):
        HEALEY_RULE.decide([0.0, 1.0], final=True)


@pytest.fixture
def tree():
    groups = ["drug_A", "drug_B", "placebo"]
    own = np.stack([draws(0.7, 0.1), draws(0.95, 0.1), np.full(4000, np.nan)], axis=1).reshape(4, 1000, 3)
    prior = np.stack([2 * LEVELS, 2 * LEVELS, np.full(4000, np.nan)], axis=1)[None]
    dims = ("chain", "draw", "start_group")
    coords = {"start_group": groups, "drug_start_week": ("start_group", [0.0, 0.0, np.inf])}
    return xr.DataTree.from_dict(
        {
            name: xr.Dataset({"disease_rate_ratio": (dims, values)}, coords=coords)
            for name, values in (("posterior", own), ("prior", prior))
        }
    )


def test_table_and_lines(tree):
    reading = reading_of(tree, DiseaseRates())
    table = reading.tables["disease_rates"]
    assert table["start_group"].tolist() == ["drug_A", "drug_B"]
    assert table["median"].tolist() == pytest.approx([0.7, 0.95], rel=1e-3)
    np.testing.assert_allclose(table["lower"], np.exp(np.log([0.7, 0.95]) - 0.196), rtol=2e-3)
    np.testing.assert_allclose(table["prior_upper"], 1.95, rtol=1e-3)
    expected = stats.norm.cdf(-np.log([0.7, 0.95]) / 0.1)
    np.testing.assert_allclose(table["probability_slower"], expected, atol=1e-3)
    assert table["verdict"].tolist() == ["success", "no success"]
    lines = DiseaseRates().lead(reading)
    assert lines.identified[0].startswith("drug_A: disease rate ratio 0.70")
    assert "contains 1" in lines.not_identified[0]
    section = DiseaseRates().section(reading)
    assert len(next(iter(section.tables.values()))) == 2


def test_a_posterior_without_ratios_says_what_makes_them():
    empty = xr.DataTree.from_dict({"posterior": xr.Dataset()})
    with pytest.raises(MissingVariable, match="shared_rate"):
        disease_rate_table(read(empty))
