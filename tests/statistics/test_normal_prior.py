"""A difference's posterior with a normal prior: against quadrature, closed forms and a simulated final analysis."""

import numpy as np
import pytest
from scipy import integrate, stats

from bayesmodels.statistics.normal_prior import DifferencePosterior, predictive_probability

CASES = [
    (0.8, 0.5, 6.0, 0.2, 0.4),
    (2.5, 0.5, 4.0, 0.0, 0.6),
    (-1.0, 0.3, 100.0, 0.5, 2.0),
    (0.3, 1.0, 900.0, 0.0, 0.3),
]


@pytest.mark.parametrize("case", CASES)
def test_moments_and_probabilities_are_those_of_quadrature(case):
    estimate, se, df, prior_mean, prior_sd = case
    found = DifferencePosterior(*case)

    def density(x):
        return stats.t.pdf((estimate - x) / se, df) * stats.norm.pdf(x, prior_mean, prior_sd)

    def integral(f, low=-np.inf, high=np.inf):
        edges = np.clip([min(estimate, prior_mean) - 12 * se, max(estimate, prior_mean) + 12 * se], low, high)
        return integrate.quad(f, *edges, limit=400, epsabs=0, epsrel=1e-10)[0]

    total = integral(density)
    mean = integral(lambda x: x * density(x)) / total
    assert found.mean == pytest.approx(mean, abs=2e-6)
    assert found.sd**2 == pytest.approx(integral(lambda x: (x - mean) ** 2 * density(x)) / total, rel=1e-5)
    for value in (mean - 1.5 * found.sd, prior_mean, mean + found.sd):
        assert found.below(value) == pytest.approx(integral(density, high=value) / total, abs=2e-7)
        assert found.quantile(found.below(value)) == pytest.approx(value, abs=1e-8)


def test_a_flat_prior_is_students_interval_and_a_known_variance_the_conjugate_normal():
    flat = DifferencePosterior(1.2, 0.4, 20.0)
    assert flat.quantile(0.975) == pytest.approx(stats.t.ppf(0.975, 20, 1.2, 0.4))
    assert flat.below(0.0) == pytest.approx(stats.t.cdf(0.0, 20, 1.2, 0.4))
    assert flat.sd == pytest.approx(stats.t.std(20, scale=0.4))
    assert DifferencePosterior(1.2, 0.4).below(0.5) == pytest.approx(stats.norm.cdf(0.5, 1.2, 0.4))
    known = DifferencePosterior(1.2, 0.4, np.inf, 0.5, 0.3)
    precision = 0.4**-2 + 0.3**-2
    mean = (1.2 * 0.4**-2 + 0.5 * 0.3**-2) / precision
    assert (known.mean, known.sd) == pytest.approx((mean, precision**-0.5))
    assert known.below(0.6) == pytest.approx(stats.norm.cdf(0.6, mean, precision**-0.5))
    nearly_flat, student = DifferencePosterior(1.2, 0.4, 20.0, 0.0, 1e4), flat
    assert nearly_flat.below(0.1) == pytest.approx(student.below(0.1), rel=1e-5)


@pytest.mark.parametrize("prior", [(0.0, np.inf), (0.1, 0.5)])
def test_the_predictive_probability_is_the_share_of_final_analyses_that_succeed(prior):
    """Final estimates simulated from the posterior at the look: t of the information now, 1 - t still to come."""
    estimate, se, fraction = 0.35, 0.25, 0.6
    posterior = DifferencePosterior(estimate, se, np.inf, *prior)
    found = predictive_probability(posterior, fraction, beyond=0.1, sign=1, probability=0.95)
    rng = np.random.default_rng(1)
    n = 400_000
    truth = posterior.mean + posterior.sd * rng.standard_normal(n)
    rest = truth + se * np.sqrt(fraction / (1 - fraction)) * rng.standard_normal(n)
    final, final_se = fraction * estimate + (1 - fraction) * rest, se * np.sqrt(fraction)
    precision = final_se**-2 + (0.0 if np.isinf(prior[1]) else prior[1] ** -2)
    mean = (final * final_se**-2 + (0.0 if np.isinf(prior[1]) else prior[0] * prior[1] ** -2)) / precision
    share = (stats.norm.sf(0.1, mean, precision**-0.5) > 0.95).mean()
    assert found == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))
    down = DifferencePosterior(-estimate, se, np.inf, -prior[0], prior[1])
    assert predictive_probability(down, fraction, beyond=-0.1, sign=-1, probability=0.95) == pytest.approx(found)
