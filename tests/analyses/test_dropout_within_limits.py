"""Dropout sensitivity of a score with limits against persons drawn one by one and cut at the limits. Made up."""

from __future__ import annotations

import numpy as np
import pytest
from sampled_point import skewed_rate
from test_dropout_sensitivity import MONTHS, WEEK, model, posterior, study

from bayesmodels.analyses.dropout.request import dropout_request
from bayesmodels.analyses.dropout.sensitivity import dropout_sensitivity
from bayesmodels.models.visit_means.model import VisitModel

LEVEL, RATE, EFFECT = 30.0, -2.2, 0.6
SD, PARTIAL, SIGMA, WALK = np.array([5.0, 0.8]), -0.3, 1.5, 1.1
LOW, HIGH = 0.0, 48.0
SEEN = np.array(MONTHS[:3])
VALUES = {0.0: 29.0, 3.0: 22.0, 6.0: 14.0, 12.0: 5.0}
DELTA = 0.7
PERSONS = 400_000
"""Drawn: the means below have standard errors of about .01 points."""


def limited(limits=(LOW, HIGH), **fields):
    return model(limits=limits, random_walk_sd={"sd": 1.0}, **fields)


def draws(number=1, **more):
    point = {
        "term_mean": np.array([LEVEL, RATE, EFFECT])[:, None], "term_sd": SD[None],
        "partial_correlation": np.array([(1 + PARTIAL) / 2]), "error_sd": np.array([[SIGMA]]),
        "path_sd": np.array([[WALK]]),
    }  # fmt: skip
    return posterior(point | more, number)


def trial(early=3):
    """Every early starter leaves after month 6 with the same scores; the delayed stay."""
    return study([3] * early, [4, 4, 4], values=lambda t, group: VALUES[t])


def run(fitted, tree, early=3, **options):
    return dropout_sensitivity(fitted, tree, trial(early), "score", WEEK, seed=1, **options)


def mean_course(t, start):
    return LEVEL + RATE * t + EFFECT * np.maximum(t - start, 0.0)


def drawn_persons(rng):
    """Deviations from the mean course at the seen months, with error, and at month 12, without, (person, 3) and (,)."""
    z = rng.standard_normal((2, PERSONS))
    level, rate = SD[0] * z[0], SD[1] * (PARTIAL * z[0] + np.sqrt(1 - PARTIAL**2) * z[1])
    at = np.array([*SEEN, 12.0])
    path = np.cumsum(WALK * np.sqrt(np.diff(at, prepend=0.0)) * rng.standard_normal((PERSONS, 4)), axis=1)
    course = level[:, None] + rate[:, None] * at + path
    return course[:, :3] + SIGMA * rng.standard_normal((PERSONS, 3)), course[:, 3]


def given(past, later, deviation):
    """Later deviations of persons with the given past ones: draws moved along their own sample regression."""
    centred = past - past.mean(axis=0)
    slope = np.linalg.solve(centred.T @ centred, centred.T @ (later - later.mean()))
    return later + (deviation - past) @ slope


def test_means_of_scores_are_those_of_persons_drawn_and_cut_at_the_limits():
    """Random effects, walk and errors drawn, moved to the observed past, cut at 0 and 48, averaged; every strategy."""
    past, later = drawn_persons(np.random.default_rng(4))
    seen = np.array([VALUES[t] for t in SEEN])
    own, never = (lambda t: mean_course(t, 0.0)), (lambda t: mean_course(t, np.inf))
    left_own, left_never = given(past, later, seen - own(SEEN)), given(past, later, seen - never(SEEN))
    values = {
        "missing_at_random": own(12.0) + left_own,
        "jump_to_reference": never(12.0) + left_own,
        "copy_increments": own(6.0) + never(12.0) - never(6.0) + left_own,
        "copy_reference": never(12.0) + left_never,
    }

    def mean(y):
        return np.clip(y, LOW, HIGH).mean()

    found = run(limited(), draws(), deltas=(0.0, DELTA))
    early = found["mean"].sel(start_group="early", stratum="all", chain=0, draw=0)
    everyone, error = mean(own(12.0) + later), 4.5 * later.std() / np.sqrt(PERSONS)
    assert float(early.sel(strategy="missing_at_random")) == pytest.approx(everyone, abs=error)
    for name, y in values.items():
        expected = everyone + mean(y) - mean(values["missing_at_random"])
        assert float(early.sel(strategy=name)) == pytest.approx(expected, abs=error)
        latent = found["latent_mean"].sel(start_group="early", stratum="all", chain=0, draw=0, strategy=name)
        moved = y.mean() - values["missing_at_random"].mean()
        assert float(latent) == pytest.approx(own(12.0) + moved, abs=error)
    worse = mean(values["missing_at_random"] - 6.0 * DELTA) - mean(values["missing_at_random"])
    assert -6.0 * DELTA < worse < -1.0  # the floor takes part of it
    for prefix, change in (("", worse), ("latent_", -6.0 * DELTA)):
        of = found[f"{prefix}delta_difference"].sel(chain=0, draw=0, delta_reference=0.0).squeeze(drop=True)
        assert float(of.sel(delta_group=DELTA) - of.sel(delta_group=0.0)) == pytest.approx(change, abs=error)
    spread = float(early.max() - early.min())
    assert 0.5 < spread < float(np.ptp(found["latent_mean"].sel(start_group="early").to_numpy())) - 0.5
    assert "held within 0 to 48" in found.attrs["limits_in_words"]


def test_of_skewed_rates_too():
    """A shifted log-normal rate: persons drawn, weighted by the likelihood of the past, cut at the limits, averaged."""
    k, number = 0.8, 250
    fitted = limited(rate_skewness=k)
    order = skewed_rate(np.array([LEVEL, RATE, EFFECT])[:, None], SD[None, ::-1], 1, k)  # the skewed effect is first
    found = run(fitted, draws(number, **order), early=30, draws=number)
    rng = np.random.default_rng(8)
    z = rng.standard_normal((2, PERSONS))
    skewed = -(np.exp(-k * z[0]) - np.exp(k**2 / 2)) / np.sqrt(np.exp(k**2) * np.expm1(k**2))
    rate, level = SD[1] * skewed, SD[0] * (PARTIAL * z[0] + np.sqrt(1 - PARTIAL**2) * z[1])
    rate_and_level = level[:, None] + rate[:, None] * np.array([*SEEN, 12.0])
    covariance = WALK**2 * np.minimum.outer(SEEN, SEEN) + SIGMA**2 * np.eye(3)
    onto = np.linalg.solve(covariance, WALK**2 * SEEN)  # of the walk at month 12 on what is left of the visits
    left_sd = np.sqrt(WALK**2 * 12.0 - WALK**2 * SEEN @ onto)
    noise = left_sd * rng.standard_normal(PERSONS)
    seen, expected = np.array([VALUES[t] for t in SEEN]), {}
    for name, start, course in (("missing_at_random", 0.0, 0.0), ("jump_to_reference", 0.0, np.inf),
                                ("copy_reference", np.inf, np.inf)):  # fmt: skip
        residual = seen - mean_course(SEEN, start) - rate_and_level[:, :3]
        log_weight = -0.5 * np.einsum("na,ab,nb->n", residual, np.linalg.inv(covariance), residual)
        weight = np.exp(log_weight - log_weight.max())
        y = mean_course(12.0, course) + rate_and_level[:, 3] + residual @ onto + noise
        parts = [(weight * np.clip(y, LOW, HIGH)).reshape(20, -1).sum(axis=1), weight.reshape(20, -1).sum(axis=1)]
        expected[name] = parts[0] / parts[1]  # of 20 sets of persons
    mean = found["mean"].sel(start_group="early", stratum="all", chain=0)
    base = np.clip(mean_course(12.0, 0.0) + rate_and_level[:, 3] + WALK * np.sqrt(12.0) * rng.standard_normal(PERSONS),
                   LOW, HIGH).mean()  # fmt: skip
    assert float(mean.sel(strategy="missing_at_random")[0]) == pytest.approx(base, abs=0.06)
    for name in ("jump_to_reference", "copy_reference"):
        shift = (mean.sel(strategy=name) - mean.sel(strategy="missing_at_random")).to_numpy()
        other = expected[name] - expected["missing_at_random"]
        error = 4.5 * np.hypot(shift.std() / np.sqrt(number), other.std(ddof=1) / np.sqrt(20))
        assert error < 0.4
        assert shift.mean() == pytest.approx(other.mean(), abs=error)
        assert shift.mean() < -0.5


def test_latent_means_are_those_of_the_same_model_without_limits():
    with_limits, without = run(limited(), draws(4)), run(limited(limits=None), draws(4))
    names = ("mean", "difference", "delta_difference", "tipping_point")
    for name in names:
        np.testing.assert_allclose(with_limits[f"latent_{name}"], without[name], rtol=1e-12)
        assert f"latent_{name}" not in without
    np.testing.assert_array_equal(with_limits["latent_tipping_status"], without["tipping_status"])
    assert "limits_in_words" not in without.attrs
    assert float(np.abs(with_limits["mean"] - with_limits["latent_mean"]).max()) > 0.3


@pytest.mark.parametrize(("fields", "error"), [({}, 1e-9), ({"rate_skewness": 0.8}, 1e-5)])
def test_limits_out_of_reach_change_nothing(fields, error):
    """With a skewed rate the model's own mean is an integral over 49 points of its normal z, near to .00001 points."""
    rate = skewed_rate(np.array([LEVEL, RATE, EFFECT])[:, None], SD[None, ::-1], 1, 0.8) if fields else {}
    found = run(limited(limits=(-1e4, 1e4), **fields), draws(4, **rate))
    for name in ("mean", "difference", "delta_difference"):
        np.testing.assert_allclose(found[name], found[f"latent_{name}"], rtol=0, atol=error)


def test_means_by_visit_are_of_scores_as_recorded():
    """No latent score beside them, and no distribution held within the limits: the page says so."""
    outcome = {"name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0}, "limits": (0, 48)}
    fitted = VisitModel(outcomes=[outcome], visit_weeks=(0, 13, 26))
    words = dropout_request(fitted, trial(), "score", 13.0).attributes(fitted)["limits_in_words"]
    assert words.startswith("means are of scores as recorded")
