"""pbcseq and sleepstudy against maximum likelihood by nlme, glmmTMB and lme4 (figures: reference results).

Weak priors: every prior SD is many times the estimate's own scale, so that the posterior is the likelihood's.
The tables lie beside the repository in ``shared/reference``; without them these tests are skipped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytensor
import pytest
from scipy.optimize import minimize

from bayesmodels.fitting import NutsSettings, sample
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome
from bayesmodels.parts.priors import HalfNormal, Normal
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

pytestmark = pytest.mark.slow

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
SETTINGS = NutsSettings(draws=1000, tune=1000, chains=4, seed=20, progress=False)
MONTHS_A_YEAR = 12.0


def table(name: str) -> pd.DataFrame:
    if not (REFERENCE / name).exists():
        pytest.skip(f"{name} is not beside the repository")
    return pd.read_csv(REFERENCE / name)


def wide(name, level, level_sd, rate_sd, good="up") -> Outcome:
    """An outcome whose priors hardly matter; rates per month."""
    return Outcome(
        name=name,
        good_direction=good,
        level=Normal(mean=level, sd=10 * level_sd),
        rate=Normal(mean=0.0, sd=10 * rate_sd),
        level_sd=HalfNormal(sd=5 * level_sd),
        rate_sd=HalfNormal(sd=5 * rate_sd),
        residual_sd=HalfNormal(sd=5 * level_sd),
    )


def one_group(long: pd.DataFrame, name: str) -> Study:
    """A study without a drug from a long table: person, week, outcome, value."""
    persons = pd.DataFrame({"person": long["person"].unique(), "start_group": "all", "drug_start_week": np.nan})
    return Study.from_frames(persons, long, name=name)


def fitted(outcomes, data: Study):
    pm_model = LongitudinalModel(outcomes=outcomes, correlation_shape=1.0).build(data)
    return sample(pm_model, SETTINGS)["posterior"].to_dataset()


PBC_OUTCOMES = (wide("log_bili", 0.5, 1.0, 0.02, "down"), wide("albumin", 3.5, 0.4, 0.01))
SLEEP_OUTCOMES = (wide("reaction", 250.0, 30.0, 10.0, "down"),)


def pbcseq_study() -> Study:
    rows = table("pbcseq.csv")
    values = {"log_bili": np.log(rows["bili"]), "albumin": rows["albumin"]}
    long = [
        pd.DataFrame({"person": rows["id"].astype(str), "week": rows["day"] / 7, "outcome": name, "value": value})
        for name, value in values.items()
    ]
    return one_group(pd.concat(long), "pbcseq")


def sleepstudy_study() -> Study:
    """A day stands for a month, so that rates per month are rates per day."""
    rows = table("sleepstudy.csv")
    week = rows["Days"] * MONTH_IN_WEEKS
    person = rows["Subject"].astype(str)
    long = pd.DataFrame({"person": person, "week": week, "outcome": "reaction", "value": rows["Reaction"]})
    return one_group(long, "sleepstudy")


@pytest.fixture(scope="module")
def pbcseq():
    return fitted(PBC_OUTCOMES, pbcseq_study())


@pytest.fixture(scope="module")
def sleepstudy():
    return fitted(SLEEP_OUTCOMES, sleepstudy_study())


def draws(posterior, name, scale=1.0, **where) -> np.ndarray:
    return scale * posterior[name].sel(**where).to_numpy().reshape(-1)


def check_mean(found, estimate, label):
    """Posterior mean within 0.25 posterior SD of the estimate."""
    distance = (found.mean() - estimate) / found.std()
    print(
        f"{label:34s} mean {found.mean():9.4f}  SD {found.std():.4f}  ML {estimate:9.4f}  distance {distance:+.2f} SD"
    )
    assert abs(distance) <= 0.25, label


def check_inside(found, estimate, label):
    """The estimate inside the central 80 % interval."""
    low, high = np.quantile(found, [0.1, 0.9])
    share = (found < estimate).mean()
    print(f"{label:34s} 80 % {low:8.4f} {high:8.4f}  ML {estimate:8.4f}  at the posterior's {100 * share:.0f} % point")
    assert low <= estimate <= high, label


PBC_FIXED = [
    ("population_level", "log_bili", 1.0, 0.4929),
    ("population_level", "albumin", 1.0, 3.5482),
    ("population_rate", "log_bili", MONTHS_A_YEAR, 0.1864),
    ("population_rate", "albumin", MONTHS_A_YEAR, -0.1054),
]
PBC_SD = [
    ("log_bili:level", 1.0, 0.9969),
    ("albumin:level", 1.0, 0.3482),
    ("log_bili:rate", MONTHS_A_YEAR, 0.1783),
    ("albumin:rate", MONTHS_A_YEAR, 0.0672),
]
PBC_CORRELATION = [
    ("log_bili:rate", "albumin:rate", -0.810),
    ("log_bili:level", "albumin:level", -0.539),
    ("log_bili:level", "log_bili:rate", 0.440),
    ("albumin:level", "albumin:rate", 0.163),
]


@pytest.mark.parametrize(("name", "outcome", "scale", "estimate"), PBC_FIXED)
def test_pbcseq_fixed_effects(pbcseq, name, outcome, scale, estimate):
    check_mean(draws(pbcseq, name, scale, outcome=outcome, stratum="all"), estimate, f"{name} {outcome}")


@pytest.mark.parametrize(("term", "scale", "estimate"), PBC_SD)
def test_pbcseq_person_sds(pbcseq, term, scale, estimate):
    check_inside(draws(pbcseq, "person_sd", scale, term=term, stratum="all"), estimate, f"person SD {term}")


@pytest.mark.parametrize(("term", "other", "estimate"), PBC_CORRELATION)
def test_pbcseq_correlations(pbcseq, term, other, estimate):
    check_inside(draws(pbcseq, "person_correlation", term=term, term_other=other), estimate, f"{term} {other}")


@pytest.mark.parametrize(("outcome", "estimate"), [("log_bili", 0.3480), ("albumin", 0.3200)])
def test_pbcseq_residual_sds(pbcseq, outcome, estimate):
    check_inside(draws(pbcseq, "residual_sd", outcome=outcome, stratum="all"), estimate, f"residual SD {outcome}")


def maximum(pm_model) -> tuple[float, dict[str, np.ndarray]]:
    """Maximum of the log-likelihood alone, priors left out, and the published variables there."""
    value_variables = pm_model.continuous_value_vars
    likelihood = pm_model.logp(vars=pm_model.observed_RVs, jacobian=False)
    function = pm_model.compile_fn([likelihood, *pytensor.grad(likelihood, value_variables)], mode=python_mode())
    start = pm_model.initial_point(random_seed=1)
    names = [v.name for v in value_variables]
    sizes = np.cumsum([start[name].size for name in names])[:-1]

    def point(x):
        return {n: v.reshape(start[n].shape) for n, v in zip(names, np.split(x, sizes), strict=True)}

    def objective(x):
        value, *gradients = function(point(x))
        return -float(value), -np.concatenate([np.ravel(g) for g in gradients])

    found = minimize(
        objective,
        np.concatenate([np.ravel(start[n]) for n in names]),
        jac=True,
        method="BFGS",
        options={"maxiter": 2000, "gtol": 1e-5},
    )
    outputs = {v.name: v for v in pm_model.deterministics}
    graphs = pm_model.replace_rvs_by_values(list(outputs.values()))
    values = pm_model.compile_fn(graphs, mode=python_mode(), on_unused_input="ignore")(point(found.x))
    return -found.fun, dict(zip(outputs, values, strict=True))


def test_pbcseq_maximum_likelihood():
    """The likelihood, maximised: every figure of nlme and glmmTMB to the digits printed."""
    value, at = maximum(LongitudinalModel(outcomes=PBC_OUTCOMES).build(pbcseq_study()))
    assert value == pytest.approx(-2386.295, abs=1e-3)
    np.testing.assert_allclose(at["population_level"][:, 0], [0.4929, 3.5482], atol=1e-4)
    np.testing.assert_allclose(at["population_rate"][:, 0] * MONTHS_A_YEAR, [0.1864, -0.1054], atol=1e-4)
    sd = at["person_sd"][:, 0] * [1, MONTHS_A_YEAR, 1, MONTHS_A_YEAR]
    np.testing.assert_allclose(sd, [0.9969, 0.1783, 0.3482, 0.0672], atol=2e-4)
    r = at["person_correlation"]
    np.testing.assert_allclose([r[1, 3], r[0, 2], r[0, 1], r[2, 3]], [-0.810, -0.539, 0.440, 0.163], atol=2e-3)
    np.testing.assert_allclose(at["residual_sd"][:, 0], [0.3480, 0.3200], atol=1e-4)


def test_sleepstudy_maximum_likelihood():
    value, at = maximum(LongitudinalModel(outcomes=SLEEP_OUTCOMES).build(sleepstudy_study()))
    assert value == pytest.approx(-876.0, abs=0.05)
    found = [float(at[name].item()) for name in ("population_level", "population_rate", "residual_sd")]
    np.testing.assert_allclose(found, [251.405, 10.467, 25.592], atol=1e-3)
    np.testing.assert_allclose(at["person_sd"][:, 0], [23.780, 5.717], atol=5e-3)
    assert at["person_correlation"][0, 1] == pytest.approx(0.08, abs=0.005)


@pytest.mark.parametrize(("name", "estimate"), [("population_level", 251.405), ("population_rate", 10.467)])
def test_sleepstudy_fixed_effects(sleepstudy, name, estimate):
    check_mean(draws(sleepstudy, name, outcome="reaction", stratum="all"), estimate, name)


@pytest.mark.parametrize(("term", "estimate"), [("reaction:level", 23.780), ("reaction:rate", 5.717)])
def test_sleepstudy_person_sds(sleepstudy, term, estimate):
    check_inside(draws(sleepstudy, "person_sd", term=term, stratum="all"), estimate, f"person SD {term}")


def test_sleepstudy_correlation_and_residual(sleepstudy):
    correlation = draws(sleepstudy, "person_correlation", term="reaction:level", term_other="reaction:rate")
    check_inside(correlation, 0.08, "correlation")
    check_inside(draws(sleepstudy, "residual_sd", outcome="reaction", stratum="all"), 25.592, "residual SD")
