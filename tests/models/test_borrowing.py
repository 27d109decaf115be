"""Borrowing from external persons: likelihood and priors by hand, gradients, limits, and what is refused."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor
import pytest
import xarray as xr
from borrowed_study import MONTH, model, outcome, study, tables
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal, norm
from small_study import published, random_point

from bayesmodels.errors import BadInput
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.prior_table import prior_table
from bayesmodels.parts.borrowing import Commensurate, RobustMixture
from bayesmodels.parts.priors import HalfNormal
from bayesmodels.persons.collapsed import collapsed
from bayesmodels.persons.log_likelihood import person_log_likelihood
from bayesmodels.statistics.borrowing import share_used
from bayesmodels.study import Study

OURS = {"trial": "ours"}
DOCS = Path(__file__).parents[2] / "docs"


@cache
def built(kind="commensurate", **fields):
    """A built model of one outcome on two strata and two external trials."""
    return model({"type": kind, **OURS, **fields}).build(study())


def by_person(pm_model, name, point):
    """Log-likelihood of every row of an observed variable at a point of the free variables."""
    rv = pm_model[name]
    density = pm.logp(rv, pm_model.rvs_to_values[rv], warn_rvs=False)
    free = list(pm_model.free_RVs)
    function = pytensor.function(free, density, mode=python_mode(), on_unused_input="ignore")
    return function(*(point[rv.name] for rv in free))


def covariance(point, weeks, s):
    """Marginal covariance of a person's visits of a stratum: level, rate and error."""
    (sd, sigma), rho = (point["term_sd"][s], point["error_sd"][s, 0]), 2 * point["partial_correlation"][0] - 1
    z = np.stack([np.ones(len(weeks)), weeks / MONTH], axis=1)
    between = np.outer(sd, sd) * np.array([[1, rho], [rho, 1]])
    return z @ between @ z.T + sigma**2 * np.eye(len(weeks))


def by_hand(data, point, drift, level):
    """Log-likelihood of external persons in the order of the table; `drift`, `level` by (stratum, trial)."""
    whole, found = data.whole, []
    rows = whole.persons[whole.persons["trial"] != "ours"]
    for row in rows.itertuples():
        s, e = data.stratum_labels.index(row.stratum), ("cohort", "old").index(row.trial)
        own = whole.visits[(whole.visits["person"] == row.person) & (whole.visits["outcome"] == "score")]
        weeks = own["week"].to_numpy()
        rate = point["term_mean"][1, s] + drift[s, e]
        mean = level[s, e] + rate * weeks / MONTH
        found.append(multivariate_normal.logpdf(own["value"], mean, covariance(point, weeks, s)))
    return np.array(found)


def test_external_likelihood_is_the_normal_one_about_the_drifted_rate():
    pm_model, data = built(), study()
    assert list(pm_model.coords["any_term"]) == ["score:level", "score:rate", "score:effect"]
    point = random_point(pm_model, 1)
    drift = point["external_drift_sd"][0] * 0.5 * point["external_drift_score"][0]  # rate prior SD .5
    level = point["external_mean_level"][:, 0].T  # (trial, outcome, stratum)
    expected = by_hand(data, point, drift, level)
    np.testing.assert_allclose(by_person(pm_model, "external_visits", point), expected, rtol=1e-9)
    found = published(pm_model, point)
    np.testing.assert_allclose(found["trial_drift"][0, :2], drift, rtol=1e-12)
    np.testing.assert_allclose(found["external_level"][0, :2], level, rtol=1e-12)
    np.testing.assert_allclose(found["trial_drift_sd"][0, :2], 0.5 * point["external_drift_sd"][0] * np.ones(2))
    assert np.isnan(found["trial_drift"][0, 2]).all()  # the mixture of strata has no drift of its own


def test_gradient_of_the_whole_density_is_that_of_finite_differences():
    pm_model = built("robust_mixture")
    values = [pm_model.rvs_to_values[rv] for rv in pm_model.free_RVs]
    density = pm_model.logp()
    both = pytensor.function(values, [density, *pytensor.grad(density, values)], mode=python_mode())
    rng = np.random.default_rng(2)
    at = [0.3 * rng.normal(size=v) for v in (pm_model.initial_point()[value.name].shape for value in values)]
    gradient = both(*at)[1:]
    names = [rv.name for rv in pm_model.free_RVs]
    for name in ("term_mean", "external_drift_score", "external_mean_level", "term_sd", "error_sd"):
        j = names.index(name)
        step = np.zeros_like(at[j])
        step.flat[0] = 1e-5
        moved = [both(*(value + sign * step if i == j else value for i, value in enumerate(at)))[0] for sign in (1, -1)]
        assert gradient[j].flat[0] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=2e-5, abs=1e-6), name


def test_our_persons_have_the_density_of_the_model_without_borrowing():
    pm_model, alone = built(), model(None).build(study())
    point = random_point(pm_model, 4)
    names = {rv.name for rv in pm_model.free_RVs}
    added = {"external_drift_sd", "external_drift_score", "external_mean_level"}
    assert names - {rv.name for rv in alone.free_RVs} == added
    np.testing.assert_array_equal(by_person(pm_model, "visits", point), by_person(alone, "visits", point))
    with_it, without = published(pm_model, point), published(alone, point)
    assert set(with_it) - set(without) == {"trial_drift", "trial_drift_sd", "external_level"}
    for name, value in without.items():
        np.testing.assert_array_equal(with_it[name], value, err_msg=name)


def test_without_drift_and_with_a_common_level_external_persons_are_as_if_ours():
    persons = study().whole.persons
    pm_model = model(Commensurate(**OURS, tau=1e-12, level="common")).build(study())

    def untreated(persons, visits):
        persons.loc[persons["trial"] != "ours", "start_group"] = "control"

    pooled = model(None).build(study(untreated, trial=None))
    point = random_point(pooled, 5)
    more = {"external_drift_score": np.ones((1, 2, 2))}
    everyone = by_person(pooled, "visits", point)
    outside = (persons["trial"] != "ours").to_numpy()
    np.testing.assert_allclose(by_person(pm_model, "external_visits", point | more), everyone[outside], rtol=1e-9)
    np.testing.assert_allclose(by_person(pm_model, "visits", point | more), everyone[~outside], rtol=1e-12)


class Gaussian:
    """Covariance of the normal free variables given the SDs: the density is quadratic, so that this is exact."""

    def __init__(self, pm_model):
        self.values = {rv.name: pm_model.rvs_to_values[rv] for rv in pm_model.free_RVs}
        self.start = {name: pm_model.initial_point()[value.name] for name, value in self.values.items()}
        self.names = [name for name in self.values if name not in FIXED]
        gradient = pytensor.grad(pm_model.logp(), [self.values[name] for name in self.names])
        self.gradient = pytensor.function(list(self.values.values()), gradient, mode=python_mode())
        self.edges = np.cumsum([0, *(self.start[name].size for name in self.names)])

    def place(self, name):
        """Positions of a variable in the covariance, in its shape."""
        k = self.names.index(name)
        return np.arange(self.edges[k], self.edges[k + 1]).reshape(self.start[name].shape)

    def covariance(self, **given):
        """At values of the SDs, on the scale on which they are sampled; the others' as the model starts."""

        def at(x):
            free = {name: x[self.place(name)] for name in self.names}
            point = self.start | free | {name: np.asarray(value, float) for name, value in given.items()}
            return np.concatenate([g.ravel() for g in self.gradient(*(point[name] for name in self.values))])

        zero = at(np.zeros(self.edges[-1]))
        return np.linalg.inv(-np.stack([at(row) - zero for row in np.eye(self.edges[-1])]))


FIXED = ("term_sd", "partial_correlation", "error_sd", "external_drift_sd")


def tau_of(z):
    """SD of the drift, in SDs of the prior of the rate, at a number that is sampled for it (`HalfNormalScale`)."""
    return 0.5 * (z * norm.cdf(z) + norm.pdf(z))


def one_external_trial():
    persons, visits = tables()
    persons = persons[persons["trial"] != "old"]
    visits = visits[visits["person"].isin(persons["person"])]
    return Study.from_frames(persons, visits, reference_group="control", trial="ours", curve_weeks=(0, 12, 30))


def test_share_used_is_exact_in_the_normal_case_from_pooled_to_separate():
    data = one_external_trial()
    without = Gaussian(model(None).build(data))
    ours = without.place("term_mean")[1, 0]
    alone = without.covariance()[ours, ours]
    borrowing = Gaussian(model(Commensurate(**OURS)).build(data))
    ours, score = borrowing.place("term_mean")[1, 0], borrowing.place("external_drift_score")[0, 0, 0]

    def rate_and_share(z):
        """Variance of our rate, and the slope of the external rate, ours + .5 tau score, on ours."""
        found = borrowing.covariance(external_drift_sd=[z])
        return found[ours, ours], 1 + 0.5 * tau_of(z) * found[ours, score] / found[ours, ours]

    pooled, used = rate_and_share(-4.5)
    assert tau_of(-4.5) < 1e-6
    assert used == pytest.approx(1, abs=1e-4)
    external = 1 / (1 / pooled - 1 / alone)  # variance of the external rate from external persons alone
    apart, used = rate_and_share(2e4)
    assert apart == pytest.approx(alone, rel=1e-5)
    assert used == pytest.approx(0, abs=1e-5)
    for z in (0.5, 2.0):
        variance, used = rate_and_share(z)
        information = 1 / (external + (0.5 * tau_of(z)) ** 2)
        assert 1 / variance == pytest.approx(1 / alone + information, rel=1e-4)
        assert used == pytest.approx(external * information, rel=1e-4)  # of 1 / external


def test_share_used_of_draws_is_that_of_the_closed_form():
    own, external, tau, n_ours, n_external = 0.04, 0.01, 0.1, 25, 100
    precision = np.array([[1 / own + 1 / external, 1 / external], [1 / external, 1 / external + 1 / tau**2]])
    root = np.linalg.cholesky(np.linalg.inv(precision))
    draws = root @ np.random.default_rng(1).normal(size=(2, 40_000))
    used = share_used(draws[0], draws[0] + draws[1])
    assert used == pytest.approx(external / (external + tau**2), abs=0.02)
    ratio = own / np.linalg.inv(precision)[0, 0]  # every person with the same information: both counts agree
    assert used * n_external == pytest.approx(n_ours * (ratio - 1), abs=2)
    with pytest.raises(BadInput, match="expected two or more of both rates, got 2 and 3"):
        share_used([1.0, 2.0], [1.0, 2.0, 3.0])
    assert np.isnan(share_used([1.0, 1.0], [1.0, 2.0]))


def test_share_used_holds_whatever_the_prior_of_the_drift():
    """A mixture, on a grid: precision gained over the external information equals the slope."""
    own, external = 0.04, 0.01
    mu, d = np.linspace(-1.2, 1.2, 601), np.linspace(-2.0, 2.0, 1001)
    prior = 0.5 * norm.pdf(d, 0, 0.05) + 0.5 * norm.pdf(d, 0, 0.5)
    w = norm.pdf(mu, 0, np.sqrt(own))[:, None] * norm.pdf(mu[:, None] + d, 0.25, np.sqrt(external)) * prior
    w /= w.sum()
    mean = (w.sum(axis=1) * mu).sum()
    variance = (w.sum(axis=1) * (mu - mean) ** 2).sum()
    slope = (w * (mu - mean)[:, None] * (mu[:, None] + d)).sum() / variance
    assert slope == pytest.approx((1 / variance - 1 / own) * external, rel=1e-6)


def test_robust_mixture_is_summed_over_its_components():
    pm_model = built("robust_mixture", weight=0.7, narrow=0.1, wide=1.5)
    z = np.linspace(-2.0, 2.0, 4).reshape(1, 2, 2)
    rv = pm_model["external_drift_score"]
    density = pm.logp(rv, rv.type("value"), warn_rvs=False)
    value = density.owner and next(
        v for v in pytensor.graph.traversal.explicit_graph_inputs([density]) if v.name == "value"
    )
    found = pytensor.function([value], density, mode=python_mode(), on_unused_input="ignore")(z)
    parts = [np.log(0.7) + norm.logpdf(z, 0, 0.1), np.log(0.3) + norm.logpdf(z, 0, 1.5)]
    np.testing.assert_allclose(found, logsumexp(parts, axis=0), rtol=1e-10)
    point = random_point(pm_model, 6) | {"external_drift_score": z}
    narrow = published(pm_model, point)["narrow_drift_probability"][0, :2]
    np.testing.assert_allclose(narrow, expit(parts[0] - parts[1])[0], rtol=1e-10)


def test_covariates_are_on_the_scale_of_our_persons_and_other_outcomes_may_be_missing_outside():
    outcomes = (outcome(), outcome("other"))
    borrowing = Commensurate(**OURS)
    data = study()
    pm_model = model(borrowing, outcomes, covariates={"rate": ("age",)}).build(data)
    own, age = data.persons["age"], data.whole.persons.loc[data.whole.persons["trial"] != "ours", "age"]
    expected = (age - own.mean()) / own.std(ddof=0)
    np.testing.assert_allclose(pm_model["external_person_covariates"].get_value()[:, 0], expected)
    found = published(pm_model, random_point(pm_model, 7))
    drift = found["trial_drift"][:, :2]
    assert np.isnan(drift[1, :, 1]).all()  # nobody of `old` has visits of the other outcome
    assert np.isfinite(drift[0]).all()
    assert np.isfinite(drift[1, :, 0]).all()


def test_persons_published_and_compared_are_ours():
    pm_model = built()
    assert len(pm_model.coords["person"]) == 10
    assert tuple(pm_model.coords["start_group"]) == ("early", "control")
    point = random_point(pm_model, 8)
    draws = xr.Dataset(
        {name: (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), v[None, None]) for name, v in point.items()}
    )
    found = person_log_likelihood(pm_model, draws)
    assert list(found.data_vars) == ["visits"]
    assert found.sizes["person"] == 10
    (draw,) = collapsed(pm_model).at(draws)
    assert len(draw.y) == 10


def test_censored_external_visits_have_latent_values_of_their_own():
    def censor(persons, visits):
        visits["censoring"] = ""
        labels = persons.set_index("person")["trial"].reindex(visits["person"]).to_numpy()
        for trial in ("ours", "old"):
            visits.loc[np.flatnonzero((labels == trial) & (visits["outcome"] == "score"))[1], "censoring"] = "left"

    pm_model = model(Commensurate(**OURS)).build(study(censor))
    names = {rv.name for rv in pm_model.free_RVs}
    assert {"score_excess", "external_score_excess"} <= names
    point = random_point(pm_model, 9)
    assert np.isfinite(by_person(pm_model, "external_visits", point)).all()
    draws = xr.Dataset(
        {name: (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), v[None, None]) for name, v in point.items()}
    )
    assert person_log_likelihood(pm_model, draws)["visits"].sizes["person"] == 10


def test_priors_are_listed_and_stated_on_the_page():
    data = study()
    for kind, rows in (("commensurate", 3), ("robust_mixture", 2)):
        table = prior_table(model({"type": kind, **OURS}), data)
        without = prior_table(model(None), data)
        assert len(table) == len(without) + rows
        assert (table["source"] != "").all()
        assert (table["unit"] != "").all()
    more = prior_table(model(Commensurate(**OURS)), data).set_index("parameter")
    assert more.loc["SD of drift", ["prior", "unit"]].tolist() == ["HalfNormal(0.25)", "points per month"]
    assert prior_table(model(Commensurate(**OURS, tau=2.0)), data).set_index("parameter").loc[
        "SD of drift", "prior"
    ] == ("fixed at 1")
    assert (
        prior_table(model(RobustMixture(**OURS)), data)
        .set_index("parameter")
        .loc["external rate minus our rate (drift)", "prior"]
        == "0.5 Normal(0, 0.05) + 0.5 Normal(0, 0.5)"
    )
    page = (DOCS / "borrowing.md").read_text()
    stated = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d.]+) \|$", page, flags=re.M))
    assert isinstance(Commensurate(**OURS).tau, HalfNormal)
    mixture = RobustMixture(**OURS)
    expected = {
        "tau": Commensurate(**OURS).tau.sd,
        "weight": mixture.weight,
        "narrow": mixture.narrow,
        "wide": mixture.wide,
    }
    assert {name: float(value) for name, value in stated.items()} == expected


def test_a_model_that_borrows_is_the_same_after_json():
    for borrowing in (None, Commensurate(**OURS, tau=0.2), RobustMixture(**OURS, weight=0.8, level="common")):
        own = model(borrowing)
        assert LongitudinalModel.model_validate_json(own.model_dump_json()) == own
    with pytest.raises(ValueError, match="unknown way of borrowing 'commensurat'; did you mean 'commensurate'"):
        model({"type": "commensurat", **OURS})
    with pytest.raises(ValueError, match="expected narrow below wide, got 2 and 1"):
        RobustMixture(**OURS, narrow=2.0)


def started(persons, visits):
    persons.loc[persons["trial"] == "old", "drug_start_week"] = [0.0, np.nan, np.nan, 12.0]


def another_stratum(persons, visits):
    persons.loc[persons.index[persons["trial"] == "old"][:1], "stratum"] = "middle"


def unseen(persons, visits):
    outside = persons.loc[persons["trial"] != "ours", "person"]
    external = visits["person"].isin(outside)
    visits.loc[external, "outcome"] = "another " + visits.loc[external, "outcome"]


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (started, (r"persons, row \d+ .*never start the drug, got a start in week 0", r"got a start in week 12")),
        (another_stratum, (r'expected a stratum of the trial ours \("faster", "slower"\), got "middle"',)),
        (unseen, (r'expected visits of external persons of an outcome of the model \("score"\), found none',)),
    ],
)
def test_external_persons_that_cannot_be_borrowed_from_are_refused(edit, lines):
    with pytest.raises(BadInput) as error:
        model(Commensurate(**OURS)).build(study(edit))
    for line in lines:
        assert re.search(line, str(error.value)), str(error.value)


def test_a_study_of_everyone_or_of_another_trial_is_refused():
    persons_of_all = study(lambda p, v: p.loc[p["trial"] != "ours"].index, trial=None)
    with pytest.raises(BadInput, match=r'expected the study of the trial \'ours\'.*trial = "ours"'):
        model(Commensurate(**OURS)).build(persons_of_all)
    with pytest.raises(
        BadInput, match=r"expected that of the trial 'old', as \[model\] borrowing says, got that of 'ours'"
    ):
        model(Commensurate(trial="old")).build(study())


def test_trials_that_are_taken_for_one_or_left_out_are_said():
    (line,) = model(None).warnings(study(trial=None))
    assert 'persons of 3 trials ("ours" (10 rows), "cohort" (5 rows), "old" (4 rows)' in line
    (line,) = model(None).warnings(study())
    assert "9 persons of other trials than ours take no part: the model borrows nothing" in line
    assert model(Commensurate(**OURS)).warnings(study()) == []
