"""`SharedRateModel`: likelihood by SciPy and by hand, exact priors, gradient, what it publishes, what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from scipy import integrate, special, stats

from bayesmodels.errors import BadInput
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models import model_from_spec
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.models.shared_rate.priors import SharedRatePriors
from bayesmodels.study import Study
from bayesmodels.vocabulary import VARIABLES

MONTH = 52 / 12
FULL = SharedRateModel(regimen_column="regimen", calendar_column="day", block_days=30, covariates=("age",))


def tables(seed=3):
    """Two regimens with an active arm each and a shared control, uneven visits, two deaths and a withdrawal."""
    rng = np.random.default_rng(seed)
    persons, visits, events = [], [], []
    cells = [("one", "drug_1"), ("one", "placebo"), ("two", "drug_2"), ("two", "placebo")]
    for number in range(16):
        regimen, group = cells[number % 4]
        start = np.nan if group == "placebo" else 0.0
        persons.append((f"p{number}", group, start, regimen, 5.0 * number, 50.0 + number**1.5))
        last = (24.0, 24.0, 13.0, 6.5)[(number // 4 + number) % 4]
        event = {5: "death", 10: "ventilation", 7: "withdrawal"}.get(number, "none")
        events.append((f"p{number}", last, event))
        for week in (0.0, 4.0, 8.2, 12.0, 24.0):
            if week <= last and (week == 0 or rng.uniform() < 0.8):
                visits.append((f"p{number}", week, "alsfrs_r", 37 - week / 4 + rng.normal(0, 2)))
        if number == 3:
            visits.append((f"p{number}", 4.0, "svc", 80.0))
    return (
        pd.DataFrame(persons, columns=["person", "start_group", "drug_start_week", "regimen", "day", "age"]),
        pd.DataFrame(visits, columns=["person", "week", "outcome", "value"]),
        pd.DataFrame(events, columns=["person", "week", "event"]),
    )


def study(edit=None, **options):
    frames = tables()
    if edit:
        edit(*frames)
    return Study.from_frames(*frames, **({"reference_group": "placebo", "curve_weeks": (0.0, 12.0, 24.0)} | options))


RATIO, RATE_SD = np.array([0.7, 1.3]), np.array([0.6, 0.9, 0.7])
POINT = {
    "ratio_score": special.logit(RATIO / 2) + 1.5 * 1.2,
    "drift_sd": 0.4,
    "drift_step": np.array([0.5, -1.2]),
    "regimen_precision": 30.0,
    "regimen_deviation": np.array([0.9, -0.3]),
    "covariate_slope": np.array([0.02]),
    "level": np.array([37.0, 36.0, 39.0, 38.0]),
    "mean_rate": 1.2,
    "level_sd": 5.5,
    "rate_sd_score": special.logit(RATE_SD / 2) + np.log([0.7, 1.3, 1.0]),
    "error_sd": np.array([1.2, 1.6, 1.9, 1.4]),
    "log_hazard": np.log(0.02),
}


def by_hand(persons, visits, events):
    """Log-likelihood of each person's visits and exit at `POINT`: dense multivariate normal, exponential by hand."""
    groups = ["drug_1", "drug_2", "placebo"]
    cells = [("one", "drug_1"), ("one", "placebo"), ("two", "drug_2"), ("two", "placebo")]
    theta = {"drug_1": np.log(0.7), "drug_2": np.log(1.3), "placebo": 0.0}
    shrunk = POINT["drift_sd"] / np.sqrt(1 + (POINT["drift_sd"] / 0.1) ** 2)
    drift = np.concatenate([[0.0], np.cumsum(shrunk * POINT["drift_step"])])
    s = POINT["regimen_precision"] ** -0.5
    eta = s / np.sqrt(1 + (s / 0.1) ** 2) * POINT["regimen_deviation"]
    found = []
    for row in persons.itertuples():
        log_rate = theta[row.start_group] + drift[int(row.day // 30)] + eta[["one", "two"].index(row.regimen)]
        log_rate += 0.02 * (row.age - persons["age"].mean())
        cell = cells.index((row.regimen, row.start_group))
        own = visits[(visits["person"] == row.person) & (visits["outcome"] == "alsfrs_r")]
        t = np.exp(log_rate) * own["week"].to_numpy() * 12 / 52
        mean = POINT["level"][cell] - 1.2 * t
        spread = RATE_SD[groups.index(row.start_group)]
        covariance = 5.5**2 + spread**2 * np.outer(t, t) + np.eye(len(t)) * POINT["error_sd"][cell] ** 2
        exit_row = events[events["person"] == row.person].iloc[0]
        hazard = 0.02 * np.exp(theta[row.start_group])
        died = exit_row["event"] in ("death", "ventilation")
        survival = -hazard * exit_row["week"] * 12 / 52 + died * np.log(hazard)
        found.append((stats.multivariate_normal(mean, covariance).logpdf(own["value"]), survival))
    return np.array(found)


def evaluate(model, outputs, point):
    free = model.free_RVs
    assert sorted(rv.name for rv in free) == sorted(point)
    function = pytensor.function(free, outputs, mode=python_mode(), on_unused_input="ignore")
    return function(*(point[rv.name] for rv in free))


def test_likelihood_is_the_dense_normals_and_the_exponentials():
    model = FULL.build(study())
    densities = [pm.logp(rv, model.rvs_to_values[rv], warn_rvs=False) for rv in model.observed_RVs]
    visits, exits = evaluate(model, densities, POINT)
    expected = by_hand(*tables())
    np.testing.assert_allclose(visits, expected[:, 0], rtol=1e-10)
    np.testing.assert_allclose(exits, expected[:, 1], rtol=1e-10)


def expect_gradient(model, seed):
    """The gradient of a model's density is that of finite differences, at a point near its initial one."""
    density, gradient = model.compile_logp(mode=python_mode()), model.compile_dlogp(mode=python_mode())
    start, rng = model.initial_point(), np.random.default_rng(seed)
    point = {name: value + 0.3 * rng.standard_normal(np.shape(value)) for name, value in start.items()}
    found, at = gradient(point), 0
    for name in start:
        for place in np.ndindex(np.shape(point[name])):
            ends = []
            for step in (1e-5, -1e-5):
                moved = np.array(point[name], float)
                moved[place] += step
                ends.append(density({**point, name: moved}))
            expected = (ends[0] - ends[1]) / 2e-5
            assert found[at] == pytest.approx(expected, rel=1e-4, abs=1e-4), (name, place)
            at += 1
    assert at == len(found)


def test_gradient_of_the_models_density_by_finite_differences():
    expect_gradient(FULL.build(study()), seed=2)


def test_priors_are_those_of_the_specification():
    model = FULL.build(study())
    named = {rv.name: rv for rv in model.free_RVs}
    z = POINT["drift_step"] * 0.4 / np.sqrt(1 + 16)  # deviations on their own scale
    s = 30**-0.5
    eta = POINT["regimen_deviation"] * s / np.sqrt(1 + (s / 0.1) ** 2)
    jacobian = {"drift_step": np.log(0.4 / np.sqrt(17)), "regimen_deviation": np.log(s / np.sqrt(1 + (s / 0.1) ** 2))}
    expected = {
        "ratio_score": stats.uniform(0, 2).logpdf(RATIO) + np.log(RATIO * (2 - RATIO) / 2),
        "drift_sd": stats.uniform(0, 2).logpdf(0.4),
        "drift_step": stats.norm(0, 0.4).logpdf(z) + jacobian["drift_step"],
        "regimen_precision": stats.gamma(1, scale=1 / 0.05**2).logpdf(30.0),
        "regimen_deviation": stats.norm(0, s).logpdf(eta) + jacobian["regimen_deviation"],
        "covariate_slope": stats.norm(0, 1).logpdf(POINT["covariate_slope"]),
        "level": stats.norm(38, 10).logpdf(POINT["level"]),
        "mean_rate": stats.norm(1, 1).logpdf(1.2),
        "level_sd": stats.uniform(0, 10).logpdf(5.5),
        "rate_sd_score": stats.uniform(0, 2).logpdf(RATE_SD) + np.log(RATE_SD * (2 - RATE_SD) / 2),
        "error_sd": stats.uniform(0, 4).logpdf(POINT["error_sd"]),
        "log_hazard": stats.gamma(0.01, scale=1.0).logpdf(0.02) + np.log(0.02),
    }
    values = [pytensor.tensor.constant(np.asarray(POINT[name], float)) for name in named]
    densities = [pm.logp(rv, v, warn_rvs=False) for rv, v in zip(named.values(), values, strict=True)]
    found = evaluate(model, densities, POINT)
    for name, got in zip(named, found, strict=True):
        np.testing.assert_allclose(got, expected[name], rtol=1e-7, err_msg=name)


def test_log_hazard_has_the_distribution_of_a_log_gamma():
    """Density integrates to the Gamma's CDF far into its tail; draws have its CDF where they would underflow."""
    model = SharedRateModel().build(study())
    log_hazard = model["log_hazard"]
    x = pytensor.tensor.scalar()
    density = pytensor.function([x], pm.logp(log_hazard, x), mode=python_mode())
    mass, _ = integrate.quad(lambda v: np.exp(density(v)), -5000, np.log(0.01), limit=500)
    assert mass == pytest.approx(stats.gamma(0.01).cdf(0.01), rel=1e-6)
    draws = pm.draw(log_hazard, draws=4000, random_seed=1, mode=python_mode())
    below = np.exp(0.01 * draws - special.gammaln(1.01))  # P(H < exp(x)) ~ exp(a x) / Gamma(1 + a) for small exp(x)
    cdf = np.where(draws < -20, below, stats.gamma(0.01).cdf(np.exp(np.maximum(draws, -20))))
    assert stats.kstest(cdf, "uniform").pvalue > 0.001
    assert draws.min() < -500


def test_replicates_of_exits_are_exponential_and_censored():
    model = FULL.build(study())
    with model:
        fixed = pm.do(model, {"log_hazard": np.log(0.3)})
    drawn = pm.draw(fixed["exits"], draws=4000, random_seed=4, mode=python_mode())
    assert drawn.shape == (4000, 16, 2)
    limit = model["exit_limit"].get_value()
    control = [1, 3, 5, 7]
    died = drawn[..., 1].mean(axis=0)
    np.testing.assert_allclose(died[control], -np.expm1(-0.3 * limit[control]), atol=0.03)
    assert (drawn[..., 0] <= limit).all()


@pytest.mark.parametrize("model", [FULL, SharedRateModel(), SharedRateModel(regimen_column="regimen")])
def test_published_variables_by_hand(model):
    data = study()
    built = model.build(data)
    names = [v.name for v in built.deterministics]
    assert {"disease_rate_ratio", "untreated_hazard", "population_rate", "curve", "difference"} <= set(names)
    for name in names:
        assert built.named_vars_to_dims.get(name, ()) == VARIABLES[name].dims
    if model is not FULL:
        return
    values = dict(zip(names, evaluate(built, list(built.deterministics), POINT), strict=True))
    np.testing.assert_allclose(values["disease_rate_ratio"], [0.7, 1.3, np.nan])
    month = 365.25 / 12 / 7
    assert values["untreated_hazard"] == pytest.approx(0.02 * month / MONTH)
    np.testing.assert_allclose(values["arm_level"], [[37.0, np.nan, 36.0], [np.nan, 39.0, 38.0]])
    np.testing.assert_allclose(values["arm_residual_sd"], [[1.2, np.nan, 1.6], [np.nan, 1.9, 1.4]])
    persons = tables()[0]
    drift, eta = values["calendar_log_rate"], values["regimen_log_rate"]
    assert drift[0] == 0
    regimen = (persons["regimen"] == "two").astype(int)
    own = drift[(persons["day"] // 30).astype(int)] + eta[regimen] + 0.02 * (persons["age"] - persons["age"].mean())
    decline = 1.2 * np.exp(own).mean()
    assert values["population_rate"][0, 0] == pytest.approx(-decline * month / MONTH)
    level = np.mean([37.0, 36.0, 39.0, 38.0])  # four persons in every cell
    assert values["population_level"][0, 0] == pytest.approx(level)
    weeks = np.array([0.0, 12.0, 24.0])
    expected = [level - decline * multiple * weeks / MONTH for multiple in (0.7, 1.3, 1.0)]
    np.testing.assert_allclose(values["curve"][0, :, 0], expected)
    np.testing.assert_allclose(values["difference"][0, 0, 0], decline * 0.3 * weeks / MONTH, atol=1e-12)


def _late_control(persons, visits, events):
    persons.loc[persons["start_group"] == "placebo", "drug_start_week"] = 20.0


def _late_active(persons, visits, events):
    persons.loc[0, "drug_start_week"] = 8.0


def _other_event(persons, visits, events):
    events.loc[0, "event"] = "death_by_accident"


def _no_day(persons, visits, events):
    del persons["day"]


def _blank_regimen(persons, visits, events):
    persons["regimen"] = persons["regimen"].astype(object)
    persons.loc[2, "regimen"] = None


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_late_control, "reference group that never starts"),
        (_late_active, "on the drug from week 0"),
        (_other_event, "death_by_accident"),
        (_blank_regimen, "no blank in 'regimen'"),
        (_no_day, "expected the column 'day'"),
    ],
)
def test_another_design_is_refused(edit, said):
    with pytest.raises(BadInput, match=said):
        FULL.build(study(edit))


def test_a_study_without_events_or_outcome_is_refused():
    persons, visits, _ = tables()
    data = Study.from_frames(persons, visits, reference_group="placebo")
    with pytest.raises(BadInput, match="events: expected the table"):
        FULL.build(data)
    with pytest.raises(BadInput, match="expected the outcome 'hhd'"):
        SharedRateModel(outcome="hhd").build(study())


def test_other_persons_fit_the_compiled_layout_and_other_labels_do_not():
    from bayesmodels.models.shared_rate.design import rate_layout

    data = study()
    layout = rate_layout(FULL, data)
    fewer = Study.from_frames(
        *(frame[~frame["person"].isin(["p14", "p15"])] for frame in tables()), reference_group="placebo"
    )
    arrays = FULL.arrays(fewer, layout)
    assert arrays["block_reached"].shape == (14, 2)
    with pytest.raises(BadInput, match="build the model anew"):
        FULL.arrays(study(lambda p, v, e: p.update(p[["day"]] * 3)), layout)


def test_spec_round_trip_and_prior_table():
    spec = {"type": "shared_rate", "regimen_column": "regimen", "priors": {"hazard": [2, 100]}}
    model = model_from_spec(spec)
    assert model.priors == SharedRatePriors(hazard=(2.0, 100.0))
    assert SharedRateModel.model_validate_json(model.model_dump_json()) == model
    table = prior_table(model, study())
    assert "Gamma(2, 100)" in table["prior"].tolist()
