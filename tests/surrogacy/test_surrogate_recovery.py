"""A trial whose persons' two effects are known, from tables to the individual level and the delayed-start bridge."""

import numpy as np
import pandas as pd
import pytest

MONTH = 365.25 / 12 / 7
WEEKS = np.array([0.0, 4.0, 12.0, 20.0, 28.0, 40.0, 52.0, 76.0])
SWITCH = 28.0
SD = np.array([0.5, 0.02, 0.35, 6.0, 0.6, 0.3])
"""Level, rate and response of log NfL; level, rate and effect on the rate of ALSFRS-R."""
ERROR = (0.1, 1.5)


def correlation():
    c = np.eye(6)
    for i, j, value in ((0, 4, -0.4), (2, 4, -0.3), (2, 5, -0.7)):
        c[i, j] = c[j, i] = value
    return c


def changes(week):
    """Weights of the six terms in a person's change of each outcome to a week before the switch, by arm."""
    t = week / MONTH
    control = np.array([[0, t, 0, 0, 0, 0], [0, 0, 0, 0, t, 0]])
    active = np.array([[0, t, 1, 0, 0, 0], [0, 0, 0, 0, t, t]])
    return control, active


def truth():
    """R2 within arms and causal association at week 28, by hand."""
    cov = correlation() * SD[:, None] * SD
    control, active = changes(SWITCH)
    pooled = (control @ cov @ control.T + 2 * active @ cov @ active.T) / 3
    effects = (active - control) @ cov @ (active - control).T
    return {
        "rho": pooled[0, 1] / np.sqrt(pooled[0, 0] * pooled[1, 1]),
        "causal": -effects[0, 1] / np.sqrt(effects[0, 0] * effects[1, 1]),  # NfL down is good
        "alpha": -0.7,
        "beta": 0.3 * SWITCH / MONTH,
    }


def tables(seed, n=300):
    rng = np.random.default_rng(seed)
    terms = (
        np.array([4.3, 0.01, -0.7, 37.0, -1.0, 0.3])
        + rng.standard_normal((n, 6)) @ np.linalg.cholesky(correlation() * SD[:, None] * SD).T
    )
    start = np.where(np.arange(n) < 2 * n // 3, 0.0, SWITCH)
    t, x = WEEKS / MONTH, np.maximum(WEEKS[None] - start[:, None], 0.0) / MONTH
    nfl = terms[:, [0]] + terms[:, [1]] * t + terms[:, [2]] * (x > 0) + ERROR[0] * rng.standard_normal((n, len(t)))
    score = terms[:, [3]] + terms[:, [4]] * t + terms[:, [5]] * x + ERROR[1] * rng.standard_normal((n, len(t)))
    person = np.repeat([f"p{j}" for j in range(n)], len(t))
    week = np.tile(WEEKS, n)
    visits = [
        pd.DataFrame({"person": person, "week": week, "outcome": name, "value": value.ravel(), "censoring": ""})
        for name, value in (("nfl_plasma", np.exp(nfl)), ("function", score))
    ]
    group = np.where(start == 0, "early", "delayed")
    persons = pd.DataFrame(
        {"person": [f"p{j}" for j in range(n)], "start_group": group, "drug_start_week": start, "stratum": "all"}
    )
    return persons, pd.concat(visits, ignore_index=True)


def evaluated(seed):
    from bayesmodels import LongitudinalModel, NutsSettings, Outcome, Study, fit
    from bayesmodels.models.outcome import Typical
    from bayesmodels.parts.effects import SlopeChange, Step
    from bayesmodels.parts.priors import HalfNormal
    from bayesmodels.posterior.context import read_context
    from bayesmodels.posterior.observed import observed_persons
    from bayesmodels.surrogacy.evidence import surrogate_evidence

    nfl = Outcome(
        name="nfl_plasma", unit="pg/mL", scale="log", good_direction="down",
        typical=Typical(level=75, spread=0.5, rate=0.02), effect=Step(person_sd=HalfNormal(sd=0.4)),
    )  # fmt: skip
    function = Outcome(
        name="function", unit="points", good_direction="up", typical=Typical(level=37, spread=6, rate=-1),
        effect=SlopeChange(person_sd=HalfNormal(sd=0.4)),
    )  # fmt: skip
    study = Study.from_frames(*tables(seed), name="made up", reference_group="delayed")
    model = LongitudinalModel(outcomes=(nfl, function), pooling="complete")
    tree = fit(model, study, NutsSettings(draws=500, tune=500, seed=seed, progress=False))
    context = read_context(tree)
    return surrogate_evidence(tree, context, observed_persons(tree, context.data), "nfl_plasma", "function")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_truth_lies_within_the_posterior(seed):
    found = evaluated(seed)
    expected = truth()
    draws = {
        "rho": found.arms.adjusted_association,
        "causal": found.trial.causal_association.draws["delayed-start bridge"],
        "alpha": found.arms.alpha,
        "beta": found.arms.beta,
    }
    for name, values in draws.items():
        z = (expected[name] - values.mean()) / values.std()
        assert abs(z) < 3.3, (name, z)
    bridge = draws["causal"]
    free = found.trial.causal_association.draws["none"]
    assert np.ptp(np.quantile(bridge, [0.025, 0.975])) < 0.7 * np.ptp(np.quantile(free, [0.025, 0.975]))
