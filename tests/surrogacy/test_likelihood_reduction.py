"""Likelihood reduction factor of binary outcomes against SciPy's optimiser, counts, quadrature and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

from bayesmodels import likelihood_reduction
from bayesmodels.errors import BadInput
from bayesmodels.study import ClusterTable, Endpoint
from bayesmodels.surrogacy.likelihood_reduction import kent_interval, reduction


def table_of(surrogate, outcome, active, cluster=None, good=("down", "down")):
    frame = pd.DataFrame({"surrogate": surrogate, "outcome": outcome, "treatment": active})
    if cluster is not None:
        frame["cluster"] = cluster
    return ClusterTable.from_frame(
        frame, active=1, clustered=cluster is not None, surrogate=Endpoint("NfL", "ln", good[0]),
        outcome=Endpoint("death", "", good[1]),
    )  # fmt: skip


def simulated(n, slope, seed, clusters=1, level=-0.4):
    rng = np.random.default_rng(seed)
    active, cluster = np.arange(n) % 2, np.arange(n) // 2 % clusters
    s = rng.normal(size=n) + 0.5 * active + 0.8 * cluster
    eta = level + 0.3 * cluster - 0.6 * active + slope * (s - 0.5 * active - 0.8 * cluster)
    return s, (rng.random(n) < special.expit(eta)).astype(float), active, cluster


def r2_h(slope, level=-0.4):
    """1 - exp(-2 I(S; T | arm)) by Gauss-Hermite quadrature, one cluster, arms alike in size."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()

    def entropy(p):
        return -(special.xlogy(p, p) + special.xlogy(1 - p, 1 - p))

    information = 0.0
    for arm in (0, 1):
        p = special.expit(level - 0.6 * arm + slope * nodes)
        information += 0.5 * (entropy(weights @ p) - weights @ entropy(p))
    return 1 - np.exp(-2 * information)


def test_the_statistic_is_that_of_two_logistic_regressions_written_out():
    s, t, active, cluster = simulated(160, 1.1, 1, clusters=3)
    cell = 2 * cluster + active
    g2, slope, null, best = reduction(t, s, cell)
    members = (cell[:, None] == np.arange(6)).astype(float)

    def fitted(design):
        def loss(b):
            return -np.sum(t * (design @ b) - np.logaddexp(0, design @ b))

        return optimize.minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-8})

    without, given = fitted(members), fitted(np.column_stack([members, s]))
    assert null == pytest.approx(-without.fun, abs=1e-6)
    assert best == pytest.approx(-given.fun, abs=1e-6)
    assert g2 == pytest.approx(2 * (without.fun - given.fun), abs=1e-5)
    assert slope == pytest.approx(given.x[-1], abs=1e-4)


def test_a_binary_surrogate_gives_the_information_of_the_counts():
    counts = {(0, 0): 30, (0, 1): 10, (1, 0): 5, (1, 1): 15}  # surrogate, outcome; the same in both arms
    rows = [(s, t, arm) for arm in (0, 1) for (s, t), n in counts.items() for _ in range(n)]
    found = likelihood_reduction(table_of(*np.array(rows, float).T[[0, 1]], [r[2] for r in rows])).pooled
    p = np.array([[30, 10], [5, 15]]) / 60
    information = float(np.sum(p * np.log(p / (p.sum(1, keepdims=True) * p.sum(0)))))
    assert found["lrf"] == pytest.approx(1 - np.exp(-2 * information), abs=1e-9)
    share = 25 / 60
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert found["bound"] == pytest.approx(1 - np.exp(-2 * entropy), abs=1e-12)
    assert found["scaled"] == pytest.approx(found["lrf"] / found["bound"])


def test_limits_solve_the_noncentral_chi_square():
    for g2, n in ((9.0, 80), (2.0, 40), (60.0, 100)):
        lower, upper = kent_interval(g2, n, 0.9)
        for limit, probability in ((lower, 0.95), (upper, 0.05)):
            if limit:
                assert stats.ncx2.cdf(g2, 1, -n * np.log1p(-limit)) == pytest.approx(probability, abs=1e-6)
    assert kent_interval(2.0, 40, 0.9)[0] == 0.0  # chi-square(1) lies below 2 with probability .843, less than .95
    assert kent_interval(9.0, 80, 0.9)[0] > 0.0


@pytest.mark.parametrize("slope", [0.0, 0.7, 2.5])
def test_many_persons_come_to_the_mutual_information(slope):
    s, t, active, _ = simulated(60_000, slope, 7)
    found = likelihood_reduction(table_of(s, t, active)).pooled
    assert found["lrf"] == pytest.approx(r2_h(slope), abs=0.008)


@pytest.mark.parametrize(("slope", "n"), [(0.5, 80), (1.5, 80)])
def test_the_interval_covers_the_mutual_information(slope, n):
    true, inside, replicates = r2_h(slope), 0, 400
    for seed in range(replicates):
        s, t, active, _ = simulated(n, slope, 1000 + seed)
        g2, *_ = reduction(t, s, active)
        lower, upper = kent_interval(g2, n, 0.95)
        inside += lower <= true <= upper
    assert 0.92 <= inside / replicates <= 1.0  # Monte-Carlo error .011; wide where the association is strong


def test_trials_have_factors_of_their_own_and_their_mean_is_biased_upwards_where_there_is_nothing():
    s, t, active, cluster = simulated(1200, 0.0, 3, clusters=30)
    found = likelihood_reduction(table_of(s, t, active, cluster))
    own = found.table.iloc[:-1]
    assert len(own) == 30
    assert own["persons"].tolist() == [40] * 30
    assert found.mean == pytest.approx(own["lrf"].mean())
    assert found.mean == pytest.approx(1 / 40, abs=0.015)
    assert found.pooled["lrf"] < found.mean
    assert found.verdicts[0].answer == "not supported"
    assert found.verdicts[1].answer == "not assessable"


def test_a_surrogate_that_separates_the_outcomes_reaches_the_bound():
    s = np.tile(np.arange(10.0), 2)
    found = likelihood_reduction(table_of(s, (s > 5).astype(float), np.repeat([0, 1], 10))).pooled
    assert found["separated"]
    assert found["scaled"] == pytest.approx(1.0, abs=1e-4)
    assert found["log_odds_ratio"] == np.inf
    goods = ("up", "up")
    against = likelihood_reduction(table_of(s, (s < 5).astype(float), np.repeat([0, 1], 10), good=goods))
    assert against.pooled["log_odds_ratio"] == -np.inf
    assert against.verdicts[0].answer == "not supported"


def test_the_direction_is_judged_where_it_is_stated():
    s, t, active, _ = simulated(2000, 3.0, 5)
    right = likelihood_reduction(table_of(s, t, active))
    wrong = likelihood_reduction(table_of(s, t, active, good=("up", "down")))
    assert right.verdicts[0].answer == "supported"
    assert wrong.verdicts[0].answer == "not supported"
    assert right.pooled["log_odds_ratio"] == pytest.approx(3.0, abs=0.5)


@pytest.mark.parametrize(
    ("surrogate", "outcome", "line"),
    [
        ([1, 2, 3, 4], [0, 1, 2, 1], "expected outcomes of 0 and 1 (the event), got 2"),
        ([1, 1, 1, 1], [0, 1, 0, 1], "expected a surrogate that differs between persons"),
        ([1, 2, 3, 4], [0, 1, 0, 1], "expected events and persons without one in some arm"),
    ],
)
def test_what_cannot_be_answered_is_refused(surrogate, outcome, line):
    with pytest.raises(BadInput) as caught:
        likelihood_reduction(table_of(surrogate, outcome, [0, 1, 0, 1]))
    assert line in str(caught.value)
