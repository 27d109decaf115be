"""The simulator's formulas against numerical integration and hand calculation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import ndtri

from bayesmodels.errors import BadInput
from bayesmodels.simulation import course, published_truth
from bayesmodels.simulation.course import PersonTerms, current_decline
from bayesmodels.simulation.persons import copula_correlation, declines, draw_persons, lognormal_terms

TRUTH = published_truth()


def one_person(stratum="faster", start_month=6.9) -> PersonTerms:
    return PersonTerms(
        stratum=np.array([stratum]),
        start_month=np.array([start_month]),
        score=np.array([38.0]),
        rate=np.array([1.4]),
        elasticity=np.array([0.7]),
        log_nfl=np.array([4.0]),
        nfl_drift=np.array([0.03]),
        nfl_drop=np.array([0.9]),
    )


def share_by_hand(x: float) -> float:
    return 0.0 if x < 1.36 else 1 - np.exp(-(x - 1.36) / 1.08)


@pytest.mark.parametrize("start", [0.0, 6.9, np.inf])
def test_drift_time_is_the_integral_of_the_fading_undrugged_rate(start):
    months = np.array([0.0, 1.0, 3.0, 8.0, 9.0, 30.0])
    found = course.drift_time(months, np.array([start]), TRUTH)[0]
    kinks = [start + 1.36] if np.isfinite(start) else None
    expected = [quad(lambda u: np.exp(-u / 8) * (1 - share_by_hand(u - start)), 0, t, points=kinks)[0] for t in months]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def test_mean_log_nfl_by_hand():
    terms = one_person()
    months = np.array([0.0, 5.0, 9.2, 15.0, 34.0])
    found = course.mean_log_nfl(months, terms, TRUTH)[0]
    drift = course.drift_time(months, terms.start_month, TRUTH)[0]
    drop = [-0.9 * share_by_hand(t - 6.9) for t in months]
    late = [-0.015 * max(t - 6.9 - 12, 0) for t in months]
    shift = [0.12 if 8.5 <= t <= 20 else 0.0 for t in months]
    np.testing.assert_allclose(found, 4.0 + 0.03 * drift + drop + late + shift, rtol=1e-12)


@pytest.mark.parametrize("start", [0.0, 6.9, np.inf])
def test_score_on_the_weekly_grid_against_quadrature(start):
    terms = one_person(start_month=start)
    months = np.arange(149) / course.WEEKS_PER_MONTH
    lost = course.accrued(course.current_decline(months, terms, TRUTH), months)[0]

    def decline(t: float) -> float:
        return 1.4 * np.exp(-0.025 * t) * np.exp(-0.7 * 0.9 * share_by_hand(t - start - 2.0))

    for week in (28, 52, 148):
        kinks = [start + 3.36] if start + 3.36 < months[week] else None
        assert lost[week] == pytest.approx(quad(decline, 0, months[week], points=kinks)[0], abs=2e-3)


def test_untreated_score_has_the_closed_form():
    terms = one_person(start_month=np.inf)
    months = np.arange(149) / course.WEEKS_PER_MONTH
    lost = course.accrued(course.current_decline(months, terms, TRUTH), months)[0]
    np.testing.assert_allclose(lost, 1.4 * -np.expm1(-0.025 * months) / 0.025, rtol=1e-5)


@pytest.mark.parametrize(("stratum", "level"), [("faster", 0.0098), ("slower", 0.0098 * 0.5)])
def test_event_hazard_by_hand(stratum, level):
    months = np.array([0.0, 20.0])
    hazard = course.event_hazard(
        months, np.array([[30.0, 22.0]]), np.array([[0.5, 1.1]]), one_person(stratum, 0.0), TRUTH
    )[0]
    assert hazard[0] == pytest.approx(level)  # reference: score 30, decline 0.5 a month, no drug effect yet
    change = -0.9 * share_by_hand(20.0)
    assert hazard[1] == pytest.approx(level * np.exp(1.15 * 0.8 + 0.43 * 0.6 + 0.8 * change))


def test_progression_withdrawal_hazard_by_hand():
    hazard = course.progression_withdrawal_hazard(np.array([[30.0, 20.0]]), np.array([[0.5, 1.5]]), TRUTH)[0]
    np.testing.assert_allclose(hazard, [0.0038, 0.0038 * np.exp(0.9 + 0.4)])


def test_exit_months_follow_the_hazard():
    """Inverting the cumulative hazard gives the survival function that SciPy integrates to."""
    terms = one_person(start_month=6.9)
    months = np.arange(149) / course.WEEKS_PER_MONTH
    decline = course.current_decline(months, terms, TRUTH)
    score = 38.0 - course.accrued(decline, months)
    cumulative = course.accrued(course.event_hazard(months, score, decline, terms, TRUTH), months)
    size = 40_000
    draws = np.random.default_rng(3).standard_exponential(size)
    month = course.first_crossing(np.repeat(cumulative, size, axis=0), draws, months)

    def rate(t: float) -> float:
        change = -0.9 * share_by_hand(t - 6.9)
        slowed = 1.4 * np.exp(-0.025 * t) * np.exp(-0.63 * share_by_hand(t - 8.9))
        here = np.interp(t, months, score[0])
        return 0.0098 * np.exp(1.15 * (30 - here) / 10 + 0.43 * (slowed - 0.5) + 0.8 * change)

    for t in (6.0, 15.0, 30.0):
        survival = np.exp(-quad(rate, 0, t, points=[8.26, 10.26], limit=200, epsabs=1e-5)[0])
        error = np.sqrt(survival * (1 - survival) / size)
        assert (month > t).mean() == pytest.approx(survival, abs=4 * error + 1e-3)


def test_first_crossing_interpolates_and_is_infinite_when_never_reached():
    cumulative = np.array([[0.0, 0.2, 0.6], [0.0, 0.1, 0.15]])
    found = course.first_crossing(cumulative, np.array([0.3, 0.5]), np.array([0.0, 1.0, 3.0]))
    np.testing.assert_allclose(found, [1.5, np.inf])


def test_lognormal_terms_give_back_mean_and_sd():
    log_mean, log_sd = lognormal_terms(np.array([1.45]), np.array([1.45]))
    assert np.exp(log_mean + log_sd**2 / 2) == pytest.approx(1.45)
    assert np.exp(log_mean + log_sd**2 / 2) * np.sqrt(np.expm1(log_sd**2)) == pytest.approx(1.45)


@pytest.mark.parametrize("stratum", ["faster", "slower"])
def test_persons_have_the_moments_and_correlations_of_the_truth(stratum):
    size = 200_000
    rng = np.random.default_rng(11)
    terms = draw_persons(np.full(size, stratum), np.zeros(size), TRUTH, rng)
    shift = TRUTH.rate_shift.of(terms.stratum)[0]
    mean, sd = (TRUTH.rate_mean.of(terms.stratum)[0], TRUTH.rate_sd.of(terms.stratum)[0])
    assert terms.rate.min() > -shift
    assert terms.rate.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(size))
    assert terms.rate.std() == pytest.approx(sd, rel=0.05)  # heavy tail: the SD of an SD is large
    log_rate = np.log(terms.rate + shift)
    assert log_rate.std() == pytest.approx(np.sqrt(np.log1p((sd / (mean + shift)) ** 2)), rel=0.01)
    error = 4 / np.sqrt(size)
    assert np.corrcoef(log_rate, terms.log_nfl)[0, 1] == pytest.approx(0.5, abs=error)
    assert np.corrcoef(log_rate, terms.score)[0, 1] == pytest.approx(-0.1, abs=error + 0.003)  # scores are clipped
    assert np.corrcoef(log_rate, terms.nfl_drop)[0, 1] == pytest.approx(0.0, abs=error)
    assert terms.log_nfl.std() == pytest.approx(0.65, rel=0.01)
    assert terms.nfl_drift.mean() == pytest.approx(TRUTH.nfl_drift_mean.of(terms.stratum)[0], abs=4 * 0.07 / size**0.5)
    assert np.median(terms.elasticity) == pytest.approx(0.6, rel=0.01)
    assert np.log(terms.elasticity).std() == pytest.approx(0.25, rel=0.01)
    assert terms.score.min() >= 15
    assert terms.score.max() <= 48


def test_copula_correlation_is_a_correlation():
    correlation = copula_correlation(TRUTH)
    np.testing.assert_allclose(np.diag(correlation), 1.0)
    assert np.linalg.eigvalsh(correlation).min() > 0
    assert correlation[1, 2] == pytest.approx(-0.05)


@pytest.mark.parametrize("distribution", ["gamma", "two_classes"])
def test_other_shapes_of_the_decline_have_its_mean_and_sd(distribution):
    z = ndtri((np.arange(200_000) + 0.5) / 200_000)
    mean, sd = np.full(len(z), 1.45), np.full(len(z), 1.3)
    found = declines(z, mean, sd, distribution)
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose([found.mean(), found.std()], [1.45, 1.3], rtol=2e-3)


def test_a_gamma_decline_has_the_quantiles_of_scipy():
    z = np.array([-2.0, 0.0, 1.5])
    found = declines(z, np.full(3, 0.45), np.full(3, 0.48), "gamma")
    shape = (0.45 / 0.48) ** 2
    np.testing.assert_allclose(found, stats.gamma(shape, scale=0.45 / shape).ppf(stats.norm.cdf(z)), rtol=1e-9)


def test_two_classes_have_the_skewness_of_their_mixture():
    z = ndtri((np.arange(200_000) + 0.5) / 200_000)
    found = declines(z, np.full(len(z), 1.0), np.full(len(z), 1.0), "two_classes")
    away = np.sqrt(2.4)  # means 1 + a of one in five and 1 - a / 4: E[x^2] = 1.25 (1 + a^2 / 4) is to be 2
    means, weights = np.array([1.0 - away / 4.0, 1.0 + away]), np.array([0.8, 0.2])
    assert weights @ means == pytest.approx(1.0)
    third = weights @ (means**3 * 1.25 * 1.5)  # E[x^3] of a gamma with shape 4: m^3 (1 + 1/4) (1 + 2/4)
    np.testing.assert_allclose((found**3).mean(), third, rtol=2e-3)


def test_two_classes_refuse_an_sd_that_they_cannot_have():
    with pytest.raises(BadInput, match=r"two_classes: expected an SD of the decline between 0\.5 and 2\.3 times"):
        declines(np.zeros(2), np.ones(2), np.full(2, 3.0), "two_classes")


def test_a_late_start_can_slow_less_than_an_early_one():
    truth = published_truth({"late_start_share": 0.5, "elasticity_log_sd": 0.0})
    persons = draw_persons(np.full(2, "faster"), np.array([0.0, 7.0]), truth, np.random.default_rng(1))
    persons = replace(persons, nfl_drop=np.full(2, 0.9), rate=np.ones(2))
    decline = current_decline(np.array([60.0]), persons, truth)[:, 0] * np.exp(truth.deceleration * 60.0)
    np.testing.assert_allclose(decline, np.exp(-0.9 * truth.elasticity * np.array([1.0, 0.5])), rtol=1e-6)
