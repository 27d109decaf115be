"""The likelihood of persons with censored visits, against SciPy and measured values."""

from __future__ import annotations

import joint_study
import numpy as np
import pandas as pd
import pytest
from limit_study import (
    BELOW,
    ERROR,
    LIMIT,
    MEAN,
    PARTIAL,
    RANDOM_WALK,
    SD,
    VALUES,
    WEEKS,
    latent_values,
    model,
    moments,
    posterior,
    study,
)
from sampled_point import skewed_rate
from scipy.special import logsumexp
from scipy.stats import lognorm, multivariate_normal, norm

from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.persons.collapsed import collapsed_or_error
from bayesmodels.persons.log_likelihood import log_all_below, person_log_likelihood
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

HAZARDS = {
    "hazard_association": np.array([-0.1, 0.2, 0.3]),
    "death_log_shape": np.array(0.2),
    "death_log_hazard": np.array(-3.0),
}


def joint() -> JointEventModel:
    links = [{"outcome": "score", "form": "value"}, {"outcome": "score", "form": "terms"}]
    death = {"name": "death", "baseline": {"type": "weibull"}, "associations": links}
    return JointEventModel(outcomes=model().outcomes, events=(death,))


@pytest.mark.parametrize("made", [model(), joint()], ids=["longitudinal", "joint"])
def test_a_collapsed_likelihood_is_that_of_the_latent_values_measured(made):
    """Layouts, inputs and bases of both are the same, field by field."""
    measured = study(dict.fromkeys(BELOW, ()), latent_values())
    ours, theirs = (collapsed_or_error(made.build(with_exits(each))) for each in (study(), measured))
    assert ours.layout == theirs.layout
    assert ours.hazards == theirs.hazards
    draws = posterior(1)["posterior"].to_dataset()
    for name, v in HAZARDS.items():
        draws[name] = (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), v[None, None])
    (one,), (other,) = ours.at(draws), theirs.at(draws)
    np.testing.assert_allclose(one.y, other.y)
    mine, others = ((*d.inputs, *d.bases, *d.features) for d in (one, other))
    for a, b in zip(mine, others, strict=True):
        np.testing.assert_allclose(a, b)
    np.testing.assert_array_equal(one.beyond, [[j in BELOW[p] for j in range(4)] for p in VALUES])


def with_exits(made: Study) -> Study:
    events = pd.DataFrame({"person": list(VALUES), "week": [34.0, 36.0, 40.0], "event": ["death", "none", "none"]})
    return Study.from_frames(made.persons, made.visits, events, name="three")


def test_the_likelihood_of_a_person_is_a_density_times_a_probability():
    """SciPy's normal probabilities; the values beyond the limit are integrated out, whatever they are in a draw."""
    pm_model = model().build(study())
    found = person_log_likelihood(pm_model, posterior(1)["posterior"].to_dataset())
    mean, course = moments()
    covariance = course + ERROR**2 * np.eye(4)
    for j, p in enumerate(VALUES):
        below, seen = list(BELOW[p]), [k for k in range(4) if k not in BELOW[p]]
        y = np.array(VALUES[p])
        expected = multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(y[seen])
        if below:
            gain = covariance[np.ix_(below, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
            center = mean[below] + gain @ (y[seen] - mean[seen])
            left = covariance[np.ix_(below, below)] - gain @ covariance[np.ix_(seen, below)]
            expected += np.log(multivariate_normal(center, left).cdf([LIMIT] * len(below)))
        tolerance = 1e-10 if len(below) < 2 else 2e-3  # two at once: 256 quasi-random points
        assert float(found["visits"][0, 0, j]) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("skewness", [0.0, 0.8])
def test_the_likelihood_of_a_person_with_a_skewed_rate_is_an_integral_over_its_z(skewness):
    """SciPy's normal probabilities given z, over a dense grid of z; without skewness the normal model's."""
    (outcome,) = model().outcomes
    made = LongitudinalModel(outcomes=({**outcome.model_dump(exclude_unset=True), "rate_skewness": skewness},))
    draws = posterior(1)["posterior"].to_dataset()
    for name, value in skewed_rate(MEAN[:, None], draws["term_sd"].to_numpy()[0, 0, :, ::-1], 1, skewness).items():
        draws[name] = (("chain", "draw", f"{name}_0", f"{name}_1"), value[None, None])  # a skewed rate comes first
    found = person_log_likelihood(made.build(study()), draws)
    assert "note" not in found.attrs
    t, z = WEEKS / MONTH_IN_WEEKS, np.linspace(-8, 8, 801)
    g = z
    if skewness:
        variable = lognorm(s=skewness)
        g = -(np.exp(-skewness * z) - variable.mean()) / variable.std()
    mean = MEAN[0] + PARTIAL * SD[0] * z[:, None] + (MEAN[1] + SD[1] * g[:, None]) * t
    covariance = (1 - PARTIAL**2) * SD[0] ** 2 + RANDOM_WALK**2 * np.minimum.outer(t, t) + ERROR**2 * np.eye(4)
    for j, p in enumerate(VALUES):
        below, seen = list(BELOW[p]), [k for k in range(4) if k not in BELOW[p]]
        y, own = np.array(VALUES[p]), covariance[np.ix_(seen, seen)]
        log = multivariate_normal(np.zeros(len(seen)), own).logpdf(y[seen] - mean[:, seen]) + norm.logpdf(z)
        if below:
            gain = covariance[np.ix_(below, seen)] @ np.linalg.inv(own)
            center = mean[:, below] + (y[seen] - mean[:, seen]) @ gain.T
            left = covariance[np.ix_(below, below)] - gain @ covariance[np.ix_(seen, below)]
            log += np.log(multivariate_normal(np.zeros(len(below)), left).cdf(LIMIT - center))
        expected = logsumexp(log) + np.log(z[1] - z[0])
        tolerance = 1e-6 if len(below) < 2 else 2e-3  # two at once: 256 quasi-random points
        assert float(found["visits"][0, 0, j]) == pytest.approx(expected, abs=tolerance)


def test_probabilities_of_several_bounds():
    rng = np.random.default_rng(2)
    root = rng.normal(size=(5, 4, 4))
    covariance = root @ root.transpose(0, 2, 1) + 0.3 * np.eye(4)
    bound, wanted = rng.normal(size=(5, 4)), np.ones((5, 4), bool)
    wanted[1, 2] = wanted[2, :3] = False
    found = log_all_below(bound, covariance, wanted)
    for n in range(5):
        own = np.flatnonzero(wanted[n])
        exact = multivariate_normal(np.zeros(len(own)), covariance[n][np.ix_(own, own)]).cdf(bound[n, own])
        assert np.exp(found[n]) == pytest.approx(exact, rel=0.02)  # quasi-random points in three dimensions
    assert found[2] == pytest.approx(norm.logcdf(bound[2, 3] / np.sqrt(covariance[2, 3, 3])), abs=1e-12)


def test_a_right_censored_value_on_the_log_scale():
    """Beyond a highest value the probability is the upper tail, of the logarithm."""
    outcome = {
        "name": "score", "good_direction": "down", "scale": "log", "random_walk_sd": {"sd": 0.1},
        "typical": {"level": 30.0, "spread": 0.5, "rate": 0.05},
    }  # fmt: skip
    made = LongitudinalModel(outcomes=(outcome,))
    persons = pd.DataFrame({"person": ["a"], "start_group": "all", "drug_start_week": np.nan})
    values, censoring = (20.0, 30.0, 45.0, 40.0), ("", "", "right", "left")
    visits = pd.DataFrame({"person": "a", "week": WEEKS, "outcome": "score", "value": values, "censoring": censoring})
    draws = posterior(1)["posterior"].to_dataset()
    draws["term_mean"] = draws["term_mean"] * 0 + np.array([3.4, 0.02])[:, None]
    for name in ("term_sd", "error_sd", "path_sd"):
        draws[name] = draws[name] / 10
    draws = draws.drop_vars("score_excess").assign(score_excess=(("chain", "draw", "score_excess_0"), [[[0.2, 0.1]]]))
    found = person_log_likelihood(made.build(Study.from_frames(persons, visits, name="one")), draws)
    _, course = moments()
    mean, covariance = 3.4 + 0.02 * WEEKS / MONTH_IN_WEEKS, (course + ERROR**2 * np.eye(4)) / 100
    y, seen, gone = np.log(values), [0, 1], [2, 3]
    gain = covariance[np.ix_(gone, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
    center = mean[gone] + gain @ (y[seen] - mean[seen])
    left = covariance[np.ix_(gone, gone)] - gain @ covariance[np.ix_(seen, gone)]
    turn = np.diag([-1.0, 1.0])
    expected = multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(y[seen])
    expected += np.log(multivariate_normal(turn @ center, turn @ left @ turn).cdf(turn @ y[gone]))
    assert float(found["visits"][0, 0, 0]) == pytest.approx(expected, abs=2e-3)  # 256 quasi-random points


def test_persons_with_such_visits_are_left_out_of_a_joint_models_likelihood():
    made = joint_study.model()
    table = joint_study.study()
    visits = table.visits.copy()
    row = int(np.flatnonzero(visits["person"] == "p3")[0])
    visits.loc[row, "censoring"] = "left"
    censored = Study.from_frames(
        table.persons, visits, table.events, name="made up", reference_group="delayed", strata=True
    )
    pm_model = made.build(censored)
    found = person_log_likelihood(pm_model, joint_study.draws_of(pm_model, {"score_excess": np.array([1.0])}))
    whole = person_log_likelihood(made.build(table), joint_study.draws_of(made.build(table)))
    (name,) = found.data_vars
    assert found.attrs["note"].startswith("1 persons")
    assert 3 not in found["person"]
    np.testing.assert_allclose(found[name], whole[name].sel(person=found["person"]))
