"""Correlated random walks and shrinking steps against dense normal distributions, quadrature and differences."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import solve_triangular

from bayesmodels.kernels.linear_mixed.correlated_walks import (
    joint_gains,
    joint_gains_gradient,
    joint_unwhiten_gradient,
    joint_whiten,
    pair,
    walk_rates,
    walk_rates_gradient,
)
from bayesmodels.kernels.linear_mixed.random_walk import gains, whiten
from bayesmodels.kernels.linear_mixed.shrinking_steps import shrunk_months, shrunk_months_gradient

LANES = 5


class Walks:
    """Random visits of K outcomes in order of time, and the parameters of their walks."""

    def __init__(self, seed, outcomes, visits, decay=None, correlation=None, still=()):
        rng = np.random.default_rng(seed)
        self.outcome = rng.integers(0, outcomes, (visits, LANES))
        self.count = rng.integers(0, visits + 1, LANES)
        self.count[0] = visits
        self.elapsed = np.where(rng.random((visits, LANES)) < 0.3, 0.0, rng.uniform(0.0, 3.0, (visits, LANES)))
        self.there = np.arange(visits)[:, None] < self.count
        self.elapsed *= self.there
        self.seen = np.stack([(self.outcome == k) & self.there for k in range(outcomes)]).astype(float)
        self.random_walk = rng.uniform(0.2, 1.5, (outcomes, LANES))
        self.random_walk[list(still)] = 0.0
        self.sigma = rng.uniform(0.1, 1.2, (outcomes, LANES))
        root = np.linalg.cholesky(np.cov(rng.normal(size=(outcomes, outcomes + 1))).reshape(outcomes, outcomes))
        covariance = root @ root.T
        scale = np.sqrt(np.diag(covariance))
        self.correlation = covariance / np.outer(scale, scale) if correlation is None else correlation
        self.decay = np.zeros(outcomes) if decay is None else np.asarray(decay, float)
        self.rows = np.where(self.there, rng.normal(size=(visits, LANES)), 0.0)

    @property
    def outcomes(self):
        return len(self.seen)

    @property
    def pairs(self):
        return [(k, other) for k in range(self.outcomes) for other in range(k + 1)]

    def months(self):
        found = np.empty((len(self.pairs), *self.elapsed.shape))
        for k, other in self.pairs:
            shrunk_months(self.elapsed, self.decay[k] + self.decay[other], found[pair(k, other)])
        return found

    def filtered(self):
        """Gains, roots, spreads, sum of log roots and innovations."""
        visits = len(self.elapsed)
        rate = np.empty((len(self.pairs), LANES))
        walk_rates(self.correlation, self.random_walk, rate)
        months = self.months()
        gain, (root, spread, white) = np.empty((self.outcomes, visits, LANES)), np.empty((3, visits, LANES))
        log_root = np.empty(LANES)
        joint_gains(months, self.seen, rate, self.sigma**2, gain, root, spread, log_root)
        joint_whiten(self.rows, self.seen, gain, root, white)
        return months, rate, gain, root, spread, log_root, white

    def covariance(self, lane, quadrature=False):
        """Dense covariance of a person's visits."""
        n = self.count[lane]
        time, which = np.cumsum(self.elapsed[:n, lane]), self.outcome[:n, lane]
        found = np.empty((n, n))
        for i in range(n):
            for j in range(n):
                k, other = which[i], which[j]
                a, end = self.decay[k] + self.decay[other], min(time[i], time[j])
                if quadrature:
                    area = quad(lambda t, a=a: math.exp(-a * t), 0.0, end, epsabs=1e-13)[0]
                else:
                    area = end if a == 0 else (1 - math.exp(-a * end)) / a
                found[i, j] = self.correlation[k, other] * area
                found[i, j] *= self.random_walk[k, lane] * self.random_walk[other, lane]
        return found + np.diag(self.sigma[which, lane] ** 2)


DESIGNS = {
    "one outcome": Walks(1, 1, 12),
    "one outcome, shrinking": Walks(2, 1, 12, decay=[0.1]),
    "two outcomes": Walks(3, 2, 17),
    "two outcomes, one shrinking": Walks(4, 2, 17, decay=[0.05, 0.0]),
    "three outcomes": Walks(5, 3, 25),
    "three outcomes, two shrinking": Walks(6, 3, 25, decay=[0.05, 0.0, 0.4]),
    "one without a walk": Walks(7, 3, 25, still=(1,)),
    "perfectly correlated": Walks(8, 2, 17, correlation=np.ones((2, 2))),
    "uncorrelated": Walks(9, 2, 17, correlation=np.eye(2)),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_innovations_are_those_of_a_dense_normal_distribution(name):
    d = DESIGNS[name]
    *_, log_root, white = d.filtered()
    for lane in range(LANES):
        n = d.count[lane]
        factor = np.linalg.cholesky(d.covariance(lane)) if n else np.zeros((0, 0))
        expected = solve_triangular(factor, d.rows[:n, lane], lower=True) if n else np.zeros(0)
        np.testing.assert_allclose(white[:n, lane], expected, rtol=1e-12, atol=1e-12)
        assert (white[n:, lane] == 0).all()
        assert log_root[lane] == pytest.approx(np.log(np.diag(factor)).sum(), rel=1e-12, abs=1e-12)


def test_shrinking_steps_are_integrals_of_the_product_of_the_step_sds():
    d = DESIGNS["three outcomes, two shrinking"]
    np.testing.assert_allclose(d.covariance(0), d.covariance(0, quadrature=True), rtol=1e-10)


@pytest.mark.parametrize("decay", [0.0, 1e-12, 1e-7, 1e-3, 0.1, 3.0])
def test_shrunk_months_and_their_slope(decay):
    """Against arithmetic of 80 digits."""
    elapsed = np.array([[0.0], [0.25], [1e-4], [2.0], [30.0]])
    found, slope = np.empty_like(elapsed), np.empty(1)
    shrunk_months(elapsed, decay, found)
    with localcontext(prec=80):
        start, h = Decimal(0), Decimal(10) ** -30

        def area(a, start, months):
            return months if a == 0 else (-a * start).exp() * (1 - (-a * months).exp()) / a

        for j, months in enumerate(Decimal(float(d)) for d in elapsed[:, 0]):
            exact = area(Decimal(decay), start, months)
            moved = (area(Decimal(decay) + h, start, months) - area(Decimal(decay) - h, start, months)) / (2 * h)
            assert found[j, 0] == pytest.approx(float(exact), rel=1e-13, abs=1e-300)
            weight = np.zeros_like(elapsed)
            weight[j] = 1.0
            shrunk_months_gradient(elapsed, decay, found, weight, slope)
            assert slope[0] == pytest.approx(float(moved), rel=1e-12, abs=1e-300)
            start += months


def test_one_outcome_is_the_scalar_filter():
    d = DESIGNS["one outcome"]
    _, rate, gain, root, spread, log_root, white = d.filtered()
    scalar = np.empty((4, *d.elapsed.shape))
    line = np.empty(LANES)
    gains(d.elapsed, d.count, rate[0], d.sigma[0] ** 2, scalar[0], scalar[1], scalar[2], line)
    whiten(d.rows, scalar[0], scalar[1], scalar[3])
    for one, other in zip((gain[0], root, spread, white, log_root), (*scalar, line), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", DESIGNS)
def test_gradients(name):
    """Of a random function of the innovations and of the log-determinant, by every input."""
    d = DESIGNS[name]
    rng = np.random.default_rng(17)
    weight = rng.normal(size=d.elapsed.shape)

    def objective():
        *_, log_root, white = d.filtered()
        return (weight * white).sum() - log_root.sum()

    months, rate, gain, root, spread, _, white = d.filtered()
    d_gain, d_root, by_rows = np.zeros_like(gain), np.zeros_like(root), np.empty_like(root)
    joint_unwhiten_gradient(weight, white, d.seen, gain, root, spread, d_gain, d_root, by_rows)
    d_months, d_rate, d_noise = np.empty_like(months), np.empty_like(rate), np.empty_like(d.sigma)
    joint_gains_gradient(months, d.seen, rate, gain, root, spread, d_gain, d_root, d_months, d_rate, d_noise)
    d_correlation = np.zeros((d.outcomes, d.outcomes, LANES))
    d_random_walk = np.empty_like(d.random_walk)
    walk_rates_gradient(d.correlation, d.random_walk, d_rate, d_correlation, d_random_walk)
    by_decay, line = np.zeros(d.outcomes), np.empty(LANES)
    for k, other in d.pairs:
        at = pair(k, other)
        shrunk_months_gradient(d.elapsed, d.decay[k] + d.decay[other], months[at], d_months[at], line)
        by_decay[k] += line.sum()
        by_decay[other] += line.sum()

    def check(array, found, element, step=1e-3):
        kept, values = array.copy(), []
        for shift in (-2, -1, 1, 2):
            array[:] = kept
            array[element] += shift * step
            values.append(objective())
        array[:] = kept
        expected = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
        assert found == pytest.approx(expected, rel=2e-8, abs=2e-8), element

    for element in [(0, 0), (3, 0), (len(d.rows) - 1, 0)]:
        check(d.rows, by_rows[element], element)
    for k in range(d.outcomes):
        for lane in range(LANES):
            check(d.sigma, 2 * d.sigma[k, lane] * d_noise[k, lane], (k, lane), 2e-4)
            if d.random_walk[k, lane]:
                check(d.random_walk, d_random_walk[k, lane], (k, lane), 2e-4)
        if d.decay[k]:
            check(d.decay, by_decay[k], k, 1e-3)
        for other in range(k):
            if abs(d.correlation[k, other]) < 0.99:
                check(d.correlation, d_correlation[k, other].sum(), (k, other), 1e-4)
