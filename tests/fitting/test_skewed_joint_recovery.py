"""A simulated trial with skewed rates whose persons leave by their score: the joint model finds what made it."""

from __future__ import annotations

import arviz_stats
import numpy as np
import pandas as pd
import pytest
from scipy.stats import lognorm

from bayesmodels.fitting import sample
from bayesmodels.fitting.settings import NutsSettings
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

PERSONS, SKEWNESS, RHO = 400, 0.8, 0.4
TRUTH = {
    "rate_skewness": SKEWNESS,
    "population_rate": -1.0,
    "rate_sd": 0.7,
    "level_sd": 5.0,
    "residual_sd": 1.5,
    "association": -0.12,
}


def simulated(seed: int) -> Study:
    """Visits every 8 weeks to week 96; death at .012 a month at a score of 36, more below."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((PERSONS, 2)) @ np.linalg.cholesky(np.array([[1, RHO], [RHO, 1]])).T
    variable = lognorm(s=SKEWNESS)
    rate = TRUTH["population_rate"] - TRUTH["rate_sd"] * (
        (np.exp(-SKEWNESS * z[:, 0]) - variable.mean()) / variable.std()
    )
    level = 36.0 + TRUTH["level_sd"] * z[:, 1]
    step, end = 0.05, np.full(PERSONS, 96.0 / MONTH_IN_WEEKS)
    died = np.zeros(PERSONS, bool)
    for t in np.arange(step / 2, 96.0 / MONTH_IN_WEEKS, step):
        hazard = 0.012 * np.exp(TRUTH["association"] * (level + rate * t - 36.0))
        now = ~died & (rng.random(PERSONS) < -np.expm1(-hazard * step))
        end[now], died[now] = t, True
    names = [f"p{i}" for i in range(PERSONS)]
    weeks = np.arange(0.0, 97.0, 8.0)
    visits = [
        (name, week, "score", level[i] + rate[i] * week / MONTH_IN_WEEKS + rng.normal(0, TRUTH["residual_sd"]))
        for i, name in enumerate(names)
        for week in weeks
        if week <= end[i] * MONTH_IN_WEEKS
    ]
    persons = pd.DataFrame({"person": names, "start_group": "all", "drug_start_week": np.nan})
    events = pd.DataFrame({"person": names, "week": end * MONTH_IN_WEEKS, "event": np.where(died, "death", "none")})
    visits = pd.DataFrame(visits, columns=["person", "week", "outcome", "value"])
    return Study.from_frames(persons, visits, events, name="simulated")


def model(skewness) -> JointEventModel:
    score = {
        "name": "score", "good_direction": "up", "typical": {"level": 36.0, "spread": 6.0, "rate": 1.0},
        "rate_skewness": skewness,
    }  # fmt: skip
    death = {"name": "death", "terminal": True, "associations": [{"outcome": "score"}]}
    return JointEventModel(outcomes=(score,), events=(death,))


@pytest.mark.slow
def test_skewness_rates_and_association_are_recovered():
    built = model({"sd": 0.8}).build(simulated(3))
    fitted = sample(built, NutsSettings(chains=2, draws=400, tune=400, seed=1, cores=2))
    posterior = fitted["posterior"].to_dataset()
    found = {
        "rate_skewness": posterior["rate_skewness"].sel(outcome="score"),
        "population_rate": posterior["population_rate"].sel(outcome="score").squeeze("stratum", drop=True),
        "rate_sd": posterior["person_sd"].sel(term="score:rate").squeeze("stratum", drop=True),
        "level_sd": posterior["person_sd"].sel(term="score:level").squeeze("stratum", drop=True),
        "residual_sd": posterior["residual_sd"].sel(outcome="score").squeeze("stratum", drop=True),
        "association": posterior["hazard_association"].squeeze(drop=True),
    }
    for name, draws in found.items():
        off = (float(draws.mean()) - TRUTH[name]) / float(draws.std())
        assert abs(off) < 3.5, (name, off)
        assert float(arviz_stats.ess(draws.to_numpy())) > 150, name
    assert int(fitted["sample_stats"]["diverging"].sum()) == 0
    assert float(found["rate_skewness"].std()) < 0.2  # learned: the prior's is .48
