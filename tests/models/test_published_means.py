"""Published means: covariance, courses, likelihood, prediction and what VALOR identifies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy import integrate, stats

from bayesmodels.errors import BadInput
from bayesmodels.fitting import compile_model
from bayesmodels.fitting.sampling import deterministics, sample
from bayesmodels.fitting.settings import NutsSettings
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.published_means.courses import courses_of
from bayesmodels.models.published_means.covariance import MeansSpread, StratumSpread, row_covariance
from bayesmodels.models.published_means.layout import Cells, arms_of, cells_of, rows_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.prediction import condition, predictive_draws
from bayesmodels.models.published_means.presets import ALSFRS_R_SPREAD, valor_alsfrs_r, valor_nfl
from bayesmodels.models.published_means.valor import valor_means_model
from bayesmodels.persons.summaries.means import means_summaries
from bayesmodels.study.evidence import means_table
from bayesmodels.vocabulary import MONTH_IN_WEEKS, VARIABLES, months

BOTH = ("nfl_plasma", "alsfrs_r")
STRATA = ("faster", "slower")
VALUES = {
    "nfl_plasma_rate": np.array([[0.02, -0.01]]),
    "nfl_plasma_effect": np.array([[-0.95, -0.6]]),
    "nfl_plasma_lag": np.array([[1.3]]),
    "nfl_plasma_time_constant": np.array([[1.1]]),
    "nfl_plasma_extension_shift": np.array([[0.12]]),
    "alsfrs_r_rate": np.array([[-1.2, -0.3]]),
    "alsfrs_r_deceleration": np.array([[0.04]]),
    "alsfrs_r_slowing": np.array([[0.3]]),
    "alsfrs_r_effect": np.array([[0.4, 0.1]]),
    "alsfrs_r_lag": np.array([[2.0]]),
    "alsfrs_r_exponent": np.array([[0.6]]),
    "alsfrs_r_gain": np.array([[0.5]]),
}


@pytest.fixture(scope="module")
def to_week_28():
    return means_table(until_week=28, outcomes=BOTH)


def plain(name: str, stratum: int = 0) -> float:
    value = VALUES[name][0]
    return float(value[stratum] if len(value) == 2 else value[0])


def cells(t: float, started: float, stratum: int) -> Cells:
    return Cells(np.array([t]), np.array([started]), np.eye(2)[[stratum]], np.array([float(t > 7)]))


def mean_of(outcome, here: Cells, *others) -> np.ndarray:
    """Mean change at `VALUES`, (cell,)."""
    return courses_of((outcome, *others)).function(outcome.name, here)(VALUES)[0]


# Covariance


def test_sampling_covariance_is_that_of_means_of_simulated_persons() -> None:
    part = StratumSpread(stratum="all", rate_sd=0.9, random_walk_sd=1.2, residual_sd=1.1)
    spread = MeansSpread(strata=(part,), baseline_share=1.0)
    t = np.array([1.0, 3.0, 6.0])
    rng = np.random.default_rng(7)
    n, trials = 12, 40_000
    steps = rng.standard_normal((trials, n, 3)) * np.sqrt(np.diff(t, prepend=0))
    change = 0.9 * rng.standard_normal((trials, n, 1)) * t + 1.2 * steps.cumsum(axis=2)
    change += 1.1 * (rng.standard_normal((trials, n, 3)) - rng.standard_normal((trials, n, 1)))
    expected = spread.person_covariance("all", t, t) / n
    np.testing.assert_allclose(np.cov(change.mean(axis=1).T), expected, rtol=0.04)


def test_diagonal_holds_published_errors_reading_error_and_shocks(to_week_28) -> None:
    frame = to_week_28.frame.query("outcome == 'alsfrs_r'")
    covariance, used = row_covariance(ALSFRS_R_SPREAD, rows_of(frame, arms_of(to_week_28), "common"))
    shock = frame["stratum"].map({"faster": 0.4, "slower": 0.25}).to_numpy(float)
    np.testing.assert_allclose(np.diag(covariance), frame["se"].to_numpy(float) ** 2 + 0.05**2 + shock**2)
    np.testing.assert_array_equal(used, frame["se"])
    # two arms of one stratum meet in the shock only; two strata in nothing
    row = {key: i for i, key in enumerate(zip(frame["stratum"], frame["start_group"], frame["week"], strict=True))}
    early, delayed = row["faster", "early", 12.0], row["faster", "delayed", 12.0]
    assert covariance[early, delayed] == pytest.approx(0.16)
    assert covariance[early, row["faster", "delayed", 16.0]] == 0
    assert covariance[early, row["slower", "early", 12.0]] == 0
    # by hand: correlation of weeks 12 and 28 of one arm
    t1, t2 = 12 / MONTH_IN_WEEKS, 28 / MONTH_IN_WEEKS
    v = 1.19**2 * np.array([t1 * t1, t1 * t2, t2 * t2]) + 1.43**2 * np.array([t1, t1, t2])
    v += 1.09**2 * np.array([1.7, 0.7, 1.7])
    by_hand = v[1] / np.sqrt(v[0] * v[2]) * 0.73 * 1.40
    assert covariance[early, row["faster", "early", 28.0]] == pytest.approx(by_hand)


def test_blank_errors_are_implied_by_the_plug_ins(to_week_28) -> None:
    frame = to_week_28.frame.query("outcome == 'nfl_plasma'")
    model = valor_means_model()
    _, used = row_covariance(model.outcomes[0].spread, rows_of(frame, arms_of(to_week_28), "common"))
    blank = frame["se"].isna().to_numpy()
    t = months(frame["week"].to_numpy(float)[blank])
    v = 0.02**2 * t**2 + 0.115**2 * t + 0.125**2 * 1.7  # all four are of the slower stratum
    np.testing.assert_allclose(used[blank], np.sqrt(v / frame["n"].to_numpy(float)[blank]))
    assert blank.sum() == 4


def test_error_of_all_randomised_is_about_the_stated_one_at_week_148(to_week_28) -> None:
    later = means_table("final_2025", outcomes=["alsfrs_r"])
    for mixture, expected in (("own", (5.40, 3.70)), ("common", (5.18, 3.78))):
        _, used = row_covariance(ALSFRS_R_SPREAD, rows_of(later.frame, arms_of(to_week_28), mixture))
        by_group = dict(zip(later.frame["start_group"], used, strict=True))
        assert (by_group["delayed"], by_group["early"]) == pytest.approx(expected, abs=0.01)


def test_inflated_errors_are_not_inflated_twice() -> None:
    arms = arms_of(means_table(until_week=28, outcomes=BOTH))
    outcome = valor_nfl()
    kept, inflated = (
        row_covariance(outcome.spread, rows_of(table.frame.query("outcome == 'nfl_plasma'"), arms, "common"))[0]
        for table in (means_table(until_week=28, outcomes=BOTH, digitised=how) for how in ("keep", "inflate"))
    )
    np.testing.assert_allclose(np.diag(kept), np.diag(inflated))


# Courses


def nfl_reached(since: float) -> float:
    return 1 - np.exp(-max(since - plain("nfl_plasma_lag"), 0) / plain("nfl_plasma_time_constant"))


def by_quadrature(rate, t: float, breaks: tuple[float, ...]) -> float:
    inside = [b for b in breaks if 0 < b < t]
    return integrate.quad(rate, 0, t, points=inside or None, epsabs=1e-10, limit=400)[0]


@pytest.mark.parametrize("stratum", [0, 1])
@pytest.mark.parametrize("started", [0.0, 7.0, 1e4])
@pytest.mark.parametrize("t", [0.5, 2.5, 8.0, 9.7, 34.0])
def test_courses_are_integrals_of_their_rates(t: float, started: float, stratum: int) -> None:
    here = cells(t, started, stratum)
    rate, rho, lag = plain("alsfrs_r_rate", stratum), plain("alsfrs_r_deceleration"), plain("alsfrs_r_lag")
    plateau = plain("nfl_plasma_effect", stratum)

    def on(u: float) -> bool:
        return u > started + lag

    expected = {
        "none": lambda u: rate * np.exp(-rho * u),
        "proportional_slowing": lambda u: rate * np.exp(-rho * u) * (1 - 0.3 * on(u)),
        "absolute_change": lambda u: np.exp(-rho * u) * (rate + plain("alsfrs_r_effect", stratum) * on(u)),
        "ratio_power": lambda u: rate * np.exp(-rho * u + 0.6 * plateau * nfl_reached(u - started - lag)),
        "drop_gain": lambda u: np.exp(-rho * u) * (rate - 0.5 * plateau * nfl_reached(u - started - lag)),
    }
    breaks = (started + lag, started + lag + plain("nfl_plasma_lag"))
    for effect, speed in expected.items():
        got = mean_of(valor_alsfrs_r(effect), here, valor_nfl())
        assert got.item() == pytest.approx(by_quadrature(speed, t, breaks), rel=1e-6), effect

    drift = plain("nfl_plasma_rate", stratum)
    suppressed = by_quadrature(lambda u: drift * (1 - nfl_reached(u - started)), t, (started + 1.3,))
    drop = plateau * nfl_reached(t - started)
    assert mean_of(valor_nfl(), here).item() == pytest.approx(suppressed + drop, rel=1e-6)
    assert mean_of(valor_nfl("continues"), here).item() == pytest.approx(drift * t + drop, rel=1e-6)
    shifted = mean_of(valor_nfl(extension_shift_sd=0.2), here).item()
    assert shifted == pytest.approx(suppressed + drop + 0.12 * (t > 7), rel=1e-6)


def test_linear_course_is_the_limit_of_the_decelerating_one() -> None:
    here = cells(34.0, 7.0, 0)
    expected = -1.2 * (34 - 0.3 * (34 - 9))
    assert mean_of(valor_alsfrs_r(course="linear"), here).item() == pytest.approx(expected, rel=1e-6)


# Likelihood


def test_log_likelihood_is_scipys(to_week_28) -> None:
    model = valor_means_model()
    built = model.build(to_week_28)
    point = {name: value[0] if value.size == 2 else value[0, 0] for name, value in VALUES.items()}
    point = {rv.name: point[rv.name] for rv in built.free_RVs}
    graph = built.replace_rvs_by_values(built.logp(vars=built.observed_RVs, sum=False))
    inputs = {built.rvs_to_values[rv]: built.rvs_to_transforms[rv] for rv in built.free_RVs}
    given = {
        value: np.log(point[rv.name]) if inputs[value] is not None else point[rv.name]
        for rv, value in built.rvs_to_values.items()
        if rv in built.free_RVs
    }
    got = [float(term.eval(given, mode="FAST_COMPILE", on_unused_input="ignore")) for term in graph]
    arms = arms_of(to_week_28)
    for outcome, value in zip(model.outcomes, got, strict=True):
        frame = to_week_28.frame[lambda f, name=outcome.name: f["outcome"] == name]
        rows = rows_of(frame, arms, "common")
        covariance, _ = row_covariance(outcome.spread, rows)
        mean = mean_of(outcome, cells_of(rows, arms, arms.started))
        expected = stats.multivariate_normal(mean, covariance).logpdf(frame["estimate"].to_numpy(float))
        assert value == pytest.approx(expected, rel=1e-9)


def test_new_data_and_drug_starts_need_no_new_model(to_week_28) -> None:
    model = valor_means_model()
    kept, fresh = model.build(to_week_28), model.build(means_table(until_week=28, outcomes=BOTH, delayed_start_week=20))
    with kept:
        pm.set_data({"drug_start_month": np.array([0.0, months(20.0)])})
    point = {"nfl_plasma_lag_log__": np.log(1.1)}
    values = [m.compile_logp(mode="FAST_COMPILE")(m.initial_point() | point) for m in (kept, fresh)]
    assert values[0] == pytest.approx(values[1])
    unchanged = model.build(to_week_28)
    assert unchanged.compile_logp(mode="FAST_COMPILE")(unchanged.initial_point() | point) != pytest.approx(values[0])


def test_replicates_have_the_models_covariance(to_week_28) -> None:
    model = PublishedMeansModel(outcomes=(valor_alsfrs_r("none"),))
    data = means_table(until_week=28, outcomes=["alsfrs_r"])
    with pm.do(model.build(data), {"alsfrs_r_rate": np.array([-1.0, -0.3]), "alsfrs_r_deceleration": 0.03}) as fixed:
        draws = pm.draw(fixed["means_alsfrs_r"], draws=4000, random_seed=3, mode="FAST_COMPILE")
    expected, _ = row_covariance(ALSFRS_R_SPREAD, rows_of(data.frame, arms_of(data), "common"))
    scale = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(np.cov(draws.T) / np.outer(scale, scale), expected / np.outer(scale, scale), atol=0.08)


# Published variables


def test_published_variables_and_mixture(to_week_28) -> None:
    model = valor_means_model(curve_weeks=(0.0, 28.0, 40.0, 148.0))
    built = model.build(to_week_28)
    arrays = {}
    for rv in built.free_RVs:
        dims = ("chain", "draw", *built.named_vars_to_dims.get(rv.name, ()))
        arrays[rv.name] = (dims, VALUES[rv.name].reshape((1, 1, 2)[: len(dims)]))
    draws = xr.Dataset(arrays)
    got = deterministics(built, draws).isel(chain=0, draw=0)
    for name in got.data_vars:
        assert got[name].dims == VARIABLES[name].dims
    early = got["curve_change"].sel(outcome="alsfrs_r", start_group="early")
    assert float(early.sel(stratum="faster", week=0)) == 0
    mixed = 60 / 108 * early.sel(stratum="faster") + 48 / 108 * early.sel(stratum="slower")
    np.testing.assert_allclose(early.sel(stratum="all"), mixed)
    delayed = got["curve_change"].sel(outcome="alsfrs_r", start_group="delayed")
    np.testing.assert_allclose(got["difference"].sel(outcome="alsfrs_r", contrast="early - delayed"), early - delayed)
    assert float(got["drug_effect"].sel(outcome="nfl_plasma", stratum="slower")) == -0.6
    assert got["proportional_slowing"].sel(outcome="alsfrs_r").to_numpy().tolist() == [0.3] * 3
    assert np.isnan(got["deceleration"].sel(outcome="nfl_plasma"))
    last = got["period_rate"].sel(outcome="alsfrs_r", start_group="early", stratum="faster", period="last_year")
    g = lambda t: (1 - np.exp(-0.04 * t)) / 0.04  # noqa: E731
    assert float(last) == pytest.approx(-1.2 * 0.7 * (g(months(148.0)) - g(months(96.0))) / months(52.0))


def test_prior_table_lists_every_free_variable(to_week_28) -> None:
    for effect in ("proportional_slowing", "absolute_change", "none", "ratio_power", "drop_gain"):
        model = valor_means_model(effect)
        table = prior_table(model)
        assert set(table["parameter"]) == {rv.name for rv in model.build(to_week_28).free_RVs}
        assert (table["unit"] != "").all()
        assert (table["source"] != "").all()


def test_model_survives_json() -> None:
    for effect in ("proportional_slowing", "absolute_change", "none", "ratio_power", "drop_gain"):
        model = valor_means_model(effect)
        assert PublishedMeansModel.model_validate_json(model.model_dump_json()) == model


def test_presets_by_name_and_changed() -> None:
    named = PublishedMeansModel(
        outcomes=("valor_nfl_plasma", {"preset": "valor_alsfrs_r", "course": {"type": "linear"}})
    )
    assert named.outcomes == (valor_nfl(), valor_alsfrs_r(course="linear"))
    with pytest.raises(ValueError, match="no preset 'nfl' of published means; known: valor_nfl_plasma, valor_alsfrs_r"):
        PublishedMeansModel(outcomes=("nfl",))


def test_refuses_outcomes_and_strata_it_does_not_know(to_week_28) -> None:
    with pytest.raises(BadInput, match="'alsfrs_r' is in the table but not in the model"):
        PublishedMeansModel(outcomes=(valor_nfl(),)).build(to_week_28)
    whole = means_table("final_2025", outcomes=BOTH)
    with pytest.raises(BadInput, match="nfl_plasma_rate has no prior for stratum 'all'"):
        valor_means_model().build(whole)


# Prediction


def test_conditioning_is_the_normal_formula_by_brute_force() -> None:
    rng = np.random.default_rng(5)
    root = rng.standard_normal((4, 4))
    covariance = root @ root.T + np.eye(4)
    residuals = np.array([[0.7, -0.4]])
    mean, conditional = condition(covariance, residuals)
    draws = rng.multivariate_normal(np.zeros(4), covariance, size=400_000)
    slopes, *_ = np.linalg.lstsq(draws[:, :2], draws[:, 2:])  # regression on draws is the conditional mean
    np.testing.assert_allclose(residuals @ slopes, mean, atol=0.01)
    np.testing.assert_allclose(np.cov((draws[:, 2:] - draws[:, :2] @ slopes).T), conditional, atol=0.02)


def one_draw(model: PublishedMeansModel, copies: int) -> xr.DataTree:
    names = [p.name for p in courses_of(model.outcomes)]
    arrays = {}
    for name in names:
        value = np.repeat(VALUES[name] if VALUES[name].size == 2 else VALUES[name][:, 0], copies, axis=0)[None]
        arrays[name] = (("chain", "draw", "own_stratum")[: value.ndim], value)
    return xr.DataTree.from_dict({"posterior": xr.Dataset(arrays)})


def test_prediction_has_the_conditional_mean_and_spread() -> None:
    data = means_table(until_week=28, outcomes=["alsfrs_r"])
    later = means_table({"ole_2021": (40, 76)}, outcomes=["alsfrs_r"])
    model = PublishedMeansModel(outcomes=(valor_alsfrs_r(),))
    got = predictive_draws(model, one_draw(model, 20_000), data, later, seed=1)
    both = pd.concat([data.frame, later.frame], ignore_index=True)
    arms = arms_of(data)
    rows = rows_of(both, arms, "common")
    covariance, _ = row_covariance(ALSFRS_R_SPREAD, rows)
    mean = mean_of(model.outcomes[0], cells_of(rows, arms, arms.started))
    n = len(data.frame)
    precision = np.linalg.inv(covariance)  # another route: blocks of the precision matrix
    spread = np.linalg.inv(precision[n:, n:])
    expected = mean[n:] - spread @ precision[n:, :n] @ (data.frame["estimate"].to_numpy(float) - mean[:n])
    np.testing.assert_allclose(got.draws.mean(axis=0), expected, atol=0.05)
    np.testing.assert_allclose(got.draws.std(axis=0), np.sqrt(np.diag(spread)), rtol=0.03)
    table = got.table()
    assert (table["inside"] == table["published"].between(table["lower"], table["upper"])).all()


def test_mixtures_of_all_randomised_are_labelled_and_differ() -> None:
    data = means_table(until_week=28, outcomes=["alsfrs_r"])
    later = means_table("final_2025", outcomes=["alsfrs_r"])
    model = PublishedMeansModel(outcomes=(valor_alsfrs_r("none"),))
    common, own = (
        predictive_draws(model, one_draw(model, 4000), data, later, seed=1, mixture=m) for m in ("common", "own")
    )
    assert set(common.rows["mixture"]) == {"common"}
    assert set(own.rows["mixture"]) == {"own"}
    assert not common.rows["se_published"].any()
    early, delayed = {"start_group": "early"}, {"start_group": "delayed"}
    gap = own.difference(early, delayed).mean() - common.difference(early, delayed).mean()
    assert 0.3 < gap < 1.5  # own weights alone favour early start, which has fewer of the faster stratum


# What VALOR identifies


def nfl_posterior(series: dict[str, tuple[float, float]]) -> xr.Dataset:
    data = means_table(series, outcomes=["nfl_plasma"])
    built = PublishedMeansModel(outcomes=(valor_nfl(),)).build(data)
    settings = NutsSettings(seed=4, cores=1, progress=False)
    return sample(built, settings, compiled=compile_model(built))["posterior"].to_dataset()


def assert_near(posterior: xr.Dataset, expected: dict[str, float]) -> None:
    effect = -posterior["nfl_plasma_effect"]
    got = {
        "lag": posterior["nfl_plasma_lag"],
        "time_constant": posterior["nfl_plasma_time_constant"],
        "faster": effect.sel(own_stratum="faster"),
        "slower": effect.sel(own_stratum="slower"),
    }
    for name, value in expected.items():
        off = abs(float(got[name].median()) - value) / float(got[name].std())
        assert off < 0.3, f"{name}: {off:.2f} posterior SD from {value}"


def test_nfl_response_to_week_28() -> None:
    posterior = nfl_posterior({"valor_2021": (2, 28)})
    assert_near(posterior, {"lag": 1.30, "time_constant": 1.27, "faster": 0.98, "slower": 0.71})


@pytest.mark.slow
def test_nfl_response_to_week_76() -> None:
    posterior = nfl_posterior({"valor_2021": (2, 28), "ole_2021": (40, 76)})
    assert_near(posterior, {"lag": 1.36, "time_constant": 1.08, "faster": 0.94, "slower": 0.62})


def test_replicates_lie_over_the_tables_cells(to_week_28) -> None:
    model = valor_means_model()
    found = means_summaries(model.build(to_week_28), to_week_28, one_draw(model, 300)["posterior"].to_dataset(), seed=2)
    observed, drawn = found["observed_summary"], found["predictive_summary"]["mean"]
    where = {"outcome": "alsfrs_r", "start_group": "delayed", "stratum": "slower", "week": 28.0}
    assert float(observed["mean"].sel(where)) == -2.73
    assert float(observed["se"].sel(where)) == 1.1
    assert float(observed["n"].sel(where)) == 15
    assert drawn.dims == ("chain", "draw", "outcome", "start_group", "stratum", "week")
    expected = mean_of(valor_alsfrs_r(), cells(months(28.0), months(30.0), 1)).item()
    assert float(drawn.sel(where).mean()) == pytest.approx(expected, abs=4 * 1.13 / np.sqrt(drawn.sizes["draw"]))
    assert float(drawn.sel(where).std()) == pytest.approx(np.sqrt(1.1**2 + 0.05**2 + 0.25**2), rel=0.15)
