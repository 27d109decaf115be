"""The study of the individual level: R2 of the changes of simulated persons is what each kind says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from validation.individual_level.study import KINDS, LAYOUT, STUDY, WEEK, association, regions, shares, truth_with
from validation.simulated.model_visits import simulate_visits

MANY = replace(
    LAYOUT, persons=((80_000,), (40_000,)), weeks=(0.0, *range(2, 27, 2), WEEK), dropout=1e-9, missed=0.0
)  # fmt: skip
"""Steps of two weeks, over which the walks go together as they do in continuous time."""


@pytest.mark.parametrize("kind", KINDS)
def test_r2_of_the_changes_of_simulated_persons(kind):
    """The closed form against persons drawn without residual error; their sample R2 has an SE of .002."""
    truth = replace(truth_with(kind), residual_sd=np.full((2, 1), 1e-9))
    assert association(truth) ** 2 == pytest.approx(kind, abs=1e-9)
    design = simulate_visits(truth, MANY, np.random.default_rng(3))
    change = np.stack([k.values[:, -1] - k.values[:, 0] for k in design.outcomes])
    pooled = np.zeros((2, 2))
    for cell in np.unique(design.cell):
        own = design.cell == cell
        pooled += own.mean() * np.cov(change[:, own])
    r = -pooled[0, 1] / np.sqrt(pooled[0, 0] * pooled[1, 1])
    assert r**2 == pytest.approx(kind, abs=0.01)
    assert r > -0.01  # a better change of NfL goes with a better one of the score


def test_correlations_of_the_truths_are_correlations():
    for kind in KINDS:
        assert np.linalg.eigvalsh(truth_with(kind).correlation).min() > 0.05


def record(trial, r2, answer):
    judged = {"max_rhat": 1.01, "min_ess_bulk": 300.0, "min_ess_tail": 300.0, "divergences": 0, "min_ebfmi": 0.9}
    numbers = {"r2_median": r2, "r2_lower": max(r2 - 0.1, 0.01), "r2_upper": r2 + 0.1}
    shared = {f"{kind}_{name}": 0.2 for kind in ("probability", "prior") for name in ("high", "low", "between")}
    grade = "not_converged" if trial == 4 else "short"
    return {"trial": trial, "cpu_seconds": 10.0, "process": 1, "r2": r2, "answer": answer,
            **numbers, **shared, "prior_below": 0.78, **judged, "verdict": grade,
            "converged": grade == "short"}  # fmt: skip


def test_regions_and_shares(tmp_path):
    assert regions(np.array([0.9, 0.5, 0.1, -0.9])) == {"high": 0.25, "low": 0.5, "between": 0.25}
    given = ((0.0, "uncertain"), (0.0, "not supported"), (0.3, "uncertain"), (0.6, "supported"), (0.6, "uncertain"))
    rows = [record(k, *pair) for k, pair in enumerate(given)]
    counts = shares(pd.DataFrame(rows)).set_index(["r2", "answer"])["count"]
    assert counts[counts > 0].to_dict() == dict.fromkeys(given, 1)
    assert counts.groupby("r2").sum().to_dict() == {0.0: 2, 0.3: 1, 0.6: 2}
    said = STUDY.write(rows, STUDY.variant().spec, tmp_path, len(rows))
    assert 'At R2 of changes 0 the individual level is called "supported" in 0% and "not supported" in 50%' in said
    page = (tmp_path / "README.md").read_text()
    assert "| 0.6 | 0% | 0% | 50% | 50% | 0.60 | 100% |" in page
    assert "4 short and 1 not converged" in page
    assert "of a fit that did not converge (1 of 5 at these short settings)" in page
