"""`LongitudinalModel`: published variables and likelihood against hand calculation at a fixed point."""

from __future__ import annotations

import numpy as np
import pytest
from hand import (
    OUTCOMES,
    additive_outcomes,
    basis,
    cell_means,
    correlation,
    curve,
    group_deviation,
    person_log_likelihood,
)
from small_study import CURVE_WEEKS, MONTH, log_likelihood, published, random_point, study

from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.visits.course_model import Covariates
from bayesmodels.parts.priors import by_stratum
from bayesmodels.vocabulary import VARIABLES

RANDOM = ("nfl_plasma:level", "nfl_plasma:rate", "nfl_plasma:effect", "alsfrs_r:level", "alsfrs_r:rate")
COVARIATES = {"level": ("age",), "rate": ("sex", "age"), "effect": ("sex",)}

CASES = {
    "partial, strata, covariates, SDs by stratum": (
        LongitudinalModel(
            outcomes=additive_outcomes(),
            walk_correlation="independent",
            covariates=Covariates(**COVARIATES),
            person_sd="by_stratum",
            residual_sd="by_stratum",
        ),
        {},
    ),
    "no pooling, free baseline, strata": (
        LongitudinalModel(
            outcomes=additive_outcomes(), walk_correlation="independent", pooling="none", baseline="free"
        ),
        {},
    ),
    "complete pooling, three groups, no strata": (
        LongitudinalModel(outcomes=additive_outcomes(), walk_correlation="independent", pooling="complete"),
        {"strata": False, "groups": (("early", 0.0), ("middle", 12.0), ("delayed", 28.0))},
    ),
    "partial, a group that never starts": (
        LongitudinalModel(outcomes=additive_outcomes(), walk_correlation="independent"),
        {"strata": False, "groups": (("early", 0.0), ("middle", 12.0), ("never", np.nan))},
    ),
}


class Built:
    """A case, built and evaluated once."""

    def __init__(self, name):
        self.model, options = CASES[name]
        self.study = study(**options)
        self.pm_model = self.model.build(self.study)
        self.point = random_point(self.pm_model, seed=3)
        self.published = published(self.pm_model, self.point)
        effects = self.published["group_drug_effect"]
        if len(self.study.stratum_labels) > 1:
            effects = effects[:, :-1]
        self.means = cell_means(self.pm_model, self.model, self.point, effects)
        start = self.study.persons.groupby("start_group")["drug_start_week"].median()
        self.starts = [start[group] for group in self.study.start_groups]

    def curve(self, week):
        """By hand, with the mixture of strata last where there are strata."""
        found = curve(self.pm_model, self.point, self.means, self.starts, week)
        labels = self.study.stratum_labels
        if len(labels) == 1:
            return found
        shares = self.study.persons["stratum"].value_counts(normalize=True)[list(labels)].to_numpy()
        return np.concatenate([found, (found * shares).sum(axis=2, keepdims=True)], axis=2)


@pytest.fixture(scope="module")
def built():
    cache: dict[str, Built] = {}

    def get(name):
        if name not in cache:
            cache[name] = Built(name)
        return cache[name]

    return get


@pytest.mark.parametrize("name", CASES)
def test_curves_are_those_worked_by_hand(built, name):
    b = built(name)
    expected = np.stack([b.curve(week) for week in CURVE_WEEKS], axis=-1)
    np.testing.assert_allclose(b.published["curve"], expected, rtol=1e-9)
    np.testing.assert_allclose(b.published["curve_change"], expected - expected[..., :1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(b.published["difference"], expected[:, :-1] - expected[:, -1:], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_period_rates_are_average_slopes(built, name):
    """Before the first later drug start, from there on, and over the last 52 weeks."""
    b = built(name)
    switch = min(s for s in b.starts if 0 < s < np.inf)
    periods = [(0, switch), (switch, 104), (52, 104)]
    expected = [(b.curve(end) - b.curve(begin)) / ((end - begin) / MONTH) for begin, end in periods]
    np.testing.assert_allclose(b.published["period_rate"], np.stack(expected, axis=-1), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_log_likelihood_is_scipys_of_the_tables(built, name):
    b = built(name)
    labels = list(b.pm_model.coords["any_term"])
    names = b.model.covariates.names
    slopes = {}
    if names:
        values = iter(b.point["covariate_slope"])
        for label in labels:
            for name_ in getattr(b.model.covariates, label.split(":")[1], ()):
                slopes[label, name_] = float(next(values))
    expected = person_log_likelihood(b.pm_model, b.model, b.study, b.point, b.means, RANDOM, slopes)
    assert tuple(labels[p] for p in _random_terms(b.pm_model)) == RANDOM
    np.testing.assert_allclose(log_likelihood(b.pm_model, b.point), expected, rtol=1e-8)


def _random_terms(pm_model):
    return [list(pm_model.coords["any_term"]).index(term) for term in pm_model.coords["term"]]


@pytest.mark.parametrize("name", CASES)
def test_every_variable_has_the_vocabularys_dims(built, name):
    b = built(name)
    for variable, value in b.published.items():
        dims = VARIABLES[variable].dims
        assert b.pm_model.named_vars_to_dims[variable] == dims
        assert value.shape == tuple(len(b.pm_model.coords[d]) for d in dims), variable


def test_population_means_persons_and_residuals(built):
    b = built("partial, strata, covariates, SDs by stratum")
    labels = list(b.pm_model.coords["any_term"])
    for kind in ("level", "rate"):
        found = b.published[f"population_{kind}"]
        for k, outcome in enumerate(OUTCOMES):
            np.testing.assert_allclose(found[k, :2], b.point["term_mean"][labels.index(f"{outcome}:{kind}")])
    np.testing.assert_allclose(b.published["person_sd"][:, :2], b.point["term_sd"].T)
    np.testing.assert_allclose(b.published["residual_sd"][:, :2], b.point["error_sd"].T)
    np.testing.assert_allclose(
        b.published["person_correlation"], correlation(b.point["partial_correlation"]), atol=1e-12
    )
    for name in ("population_level", "population_rate", "drug_effect", "person_sd", "residual_sd"):
        assert np.isnan(b.published[name][:, 2]).all()  # a mixture of strata has no parameter of its own
    assert tuple(b.pm_model.coords["stratum"]) == ("faster", "slower", "all")


def test_shape_parameters(built):
    b = built("partial, strata, covariates, SDs by stratum")
    lags = [b.point["nfl_plasma_effect_lag"], b.point["alsfrs_r_effect_lag"]]
    np.testing.assert_allclose(b.published["effect_lag"], lags)
    np.testing.assert_allclose(
        b.published["effect_time_constant"], [b.point["nfl_plasma_effect_time_constant"], np.nan]
    )
    np.testing.assert_allclose(b.published["deceleration"], [1 / 8, b.point["alsfrs_r_deceleration"]])


def test_covariates_in_the_order_of_the_terms(built):
    """age on level; sex and age on rate; sex on effect: what is not asked for is undefined, not zero."""
    b = built("partial, strata, covariates, SDs by stratum")
    assert tuple(b.pm_model.coords["covariate"]) == ("age", "sex")
    slope = b.point["covariate_slope"]  # nfl level age; nfl rate sex, age; nfl effect sex; then alsfrs_r the same
    np.testing.assert_allclose(b.published["covariate_level"], [[slope[0], np.nan], [slope[4], np.nan]])
    np.testing.assert_allclose(b.published["covariate_rate"], [[slope[2], slope[1]], [slope[6], slope[5]]])
    np.testing.assert_allclose(b.published["covariate_effect"], [[np.nan, slope[3]], [np.nan, slope[7]]])


@pytest.mark.parametrize("name", ["partial, strata, covariates, SDs by stratum", "no pooling, free baseline, strata"])
def test_group_effects_average_to_the_drug_effect(built, name):
    b = built(name)
    groups, mean = b.published["group_drug_effect"][:, :-1], b.published["drug_effect"][:, :-1]
    np.testing.assert_allclose(groups.mean(axis=2), mean, rtol=1e-12)
    labels = list(b.pm_model.coords["any_term"])
    effects = [b.point["term_mean"][labels.index(f"{outcome}:effect")] for outcome in OUTCOMES]
    np.testing.assert_allclose(mean, effects, rtol=1e-12)


def test_partial_pooling_scales_deviations_by_the_group_sd(built):
    """The sum of squared deviations of two groups is the squared contrast, which is orthonormal."""
    b = built("partial, strata, covariates, SDs by stratum")
    groups = b.published["group_drug_effect"][:, :-1]
    deviations = groups - groups.mean(axis=2, keepdims=True)
    nfl, function = b.model.outcomes
    priors = [by_stratum(prior, b.study.stratum_labels) for prior in (nfl.effect_on_level, function.effect_on_rate)]
    sds = [np.mean([prior.sd for prior in strata]) for strata in priors]
    contrasts = np.stack([group_deviation(b.point, k, sd)[:, 0] for k, sd in enumerate(sds)])
    np.testing.assert_allclose((deviations**2).sum(axis=2), contrasts**2, rtol=1e-9)
    np.testing.assert_allclose(b.published["group_effect_sd"], b.point["effect_group_sd"])


def test_a_group_that_never_starts_has_no_effect_of_its_own(built):
    b = built("partial, a group that never starts")
    assert b.study.start_groups == ("early", "middle", "never")
    assert np.isnan(b.published["group_drug_effect"][..., 2]).all()
    assert np.isfinite(b.published["group_drug_effect"][..., :2]).all()
    np.testing.assert_allclose(
        b.published["drug_effect"], b.published["group_drug_effect"][..., :2].mean(axis=2), rtol=1e-12
    )


def test_complete_pooling_has_one_effect(built):
    b = built("complete pooling, three groups, no strata")
    effects = b.published["group_drug_effect"]
    np.testing.assert_array_equal(effects, np.repeat(effects[..., :1], 3, axis=2))
    assert "group_effect_sd" not in b.published


def test_coordinates_describe_the_outcomes(built):
    coords = built("partial, strata, covariates, SDs by stratum").pm_model.coords
    assert tuple(coords["outcome:unit"]) == ("ln", "points")
    assert tuple(coords["outcome:scale"]) == ("log", "identity")
    assert tuple(coords["outcome:good_direction"]) == ("down", "up")
    assert tuple(coords["outcome:effect_type"]) == ("plateau", "decelerating_slope")
    assert tuple(coords["outcome:effect_unit"]) == ("ln", "points per month")
    assert tuple(coords["start_group:drug_start_week"]) == (0.0, 28.0)
    assert tuple(coords["person"]) == tuple(range(14))
    assert tuple(coords["contrast"]) == ("early - delayed",)


@pytest.mark.parametrize("name", CASES)
def test_what_a_persons_terms_add_at_the_visits(built, name):
    b = built(name)
    visits = [float(week) for week in b.pm_model.coords["visit_week"]]
    assert visits == [0.0, *(week for week in b.study.nominal_weeks if week > 0)]
    terms, groups = list(b.pm_model.coords["term"]), b.pm_model.coords["start_group"]
    starts = b.pm_model.coords["start_group:drug_start_week"]
    strata = len(b.pm_model.coords["stratum"])
    expected = np.zeros((len(OUTCOMES), len(terms), len(groups), strata, len(visits)))
    for k, outcome in enumerate(OUTCOMES):
        for g, start in enumerate(starts):
            for w, week in enumerate(visits):
                for kind, value in basis(outcome, b.point, week, start).items():
                    if f"{outcome}:{kind}" in terms:
                        expected[k, terms.index(f"{outcome}:{kind}"), g, :, w] = value
    np.testing.assert_allclose(b.published["person_basis"], expected, rtol=1e-6, atol=1e-8)
    both = [(i, j) for i, week in enumerate(CURVE_WEEKS) for j, visit in enumerate(visits) if week == visit]
    for i, j in both:
        np.testing.assert_allclose(b.published["visit_mean"][..., j], b.published["curve"][..., i], rtol=1e-9)
    assert len(both) > 1
