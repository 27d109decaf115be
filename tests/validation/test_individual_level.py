"""The study of the individual level: R2 of the changes of simulated persons is what each kind says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from validation.individual_level.study import KINDS, WEEK, association, regions, shares, truth_with
from validation.simulated.model_trials import two_strata
from validation.simulated.model_visits import simulate_visits

MANY = replace(
    two_strata(persons=((40_000, 20_000), (20_000, 10_000)), weeks=(0.0, WEEK)), dropout=1e-9, missed=0.0,
    shortest_weeks=40.0, longest_weeks=50.0,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_r2_of_simulated_changes(kind):
    truth = replace(truth_with(kind), residual_sd=np.full(2, 1e-9))
    assert association(truth) ** 2 == pytest.approx(kind, abs=1e-9)
    design = simulate_visits(truth, MANY, np.random.default_rng(3))
    change = np.stack([k.values[:, 1] - k.values[:, 0] for k in design.outcomes])
    pooled = np.zeros((2, 2))
    for cell in np.unique(design.cell):
        own = design.cell == cell
        pooled += own.mean() * np.cov(change[:, own])
    r = -pooled[0, 1] / np.sqrt(pooled[0, 0] * pooled[1, 1])
    assert r**2 == pytest.approx(kind, abs=0.01)
    assert r > -0.01


def test_regions_and_shares():
    found = regions(np.array([0.9, 0.5, 0.1, -0.9]))
    assert found == {"high": 0.25, "low": 0.5, "between": 0.25}
    table = shares(pd.DataFrame({"r2": [0.0, 0.0, 0.6], "answer": ["uncertain", "not supported", "supported"]}))
    assert table.set_index(["r2", "answer"])["count"].to_dict() == {
        (0.0, "not assessable"): 0, (0.0, "not supported"): 1, (0.0, "uncertain"): 1, (0.0, "supported"): 0,
        (0.6, "not assessable"): 0, (0.6, "not supported"): 0, (0.6, "uncertain"): 0, (0.6, "supported"): 1,
    }  # fmt: skip
