"""Clayton copula of two times: density by differences, margins by SciPy, known tau recovered, table of trials."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from bayesmodels import copula_association
from bayesmodels.errors import BadInput
from bayesmodels.study import Endpoint, TrialTable
from bayesmodels.surrogacy.failure_times import log_likelihood, weibull_hazards


def simulated(n, tau, seed, trials=1, effect=(-0.5, -0.4), censor=1.5):
    """Clayton pairs by the gamma frailty construction, Weibull margins, uniform censoring."""
    rng = np.random.default_rng(seed)
    active, trial = np.arange(n) % 2, np.arange(n) // 2 % trials
    theta = 2 * tau / (1 - tau)
    frailty = rng.gamma(1 / theta, size=n)
    u, v = ((1 + rng.exponential(size=n) / frailty) ** (-1 / theta) for _ in range(2))
    s = (-np.log(u) / np.exp(effect[0] * active + 0.2 * trial)) ** (1 / 1.4)
    t = (-np.log(v) / np.exp(effect[1] * active)) ** (1 / 0.9)
    end = rng.uniform(0.3, 2 * censor, n)
    return pd.DataFrame(
        {
            "treatment": active, "cluster": [f"trial {k}" for k in trial],
            "surrogate_time": np.minimum(s, end), "surrogate_event": (s <= end).astype(int),
            "outcome_time": np.minimum(t, end), "outcome_event": (t <= end).astype(int),
        }
    )  # fmt: skip


@pytest.mark.parametrize("theta", [0.3, 1.0, 6.0])
def test_contributions_are_derivatives_of_the_joint_survival_function(theta):
    def survival(a, b):
        return (np.exp(theta * a) + np.exp(theta * b) - 1) ** (-1 / theta)

    def u_of(value):  # cumulative hazard of a survival probability
        return -np.log(value)

    u, v, h = 0.6, 0.35, 1e-4
    hazard = np.array([[u_of(u)], [u_of(v)]])
    c = lambda a, b: survival(u_of(a), u_of(b))  # noqa: E731
    expected = {
        (0, 0): c(u, v),
        (1, 0): (c(u + h, v) - c(u - h, v)) / (2 * h),
        (0, 1): (c(u, v + h) - c(u, v - h)) / (2 * h),
        (1, 1): (c(u + h, v + h) - c(u + h, v - h) - c(u - h, v + h) + c(u - h, v - h)) / (4 * h**2),
    }
    for seen, value in expected.items():
        found = log_likelihood(theta, hazard, np.array(seen, bool)[:, None])
        assert found[0] == pytest.approx(np.log(value), abs=1e-5), seen


def test_large_hazards_do_not_overflow():
    found = log_likelihood(50.0, np.array([[40.0, 1e-12], [45.0, 700.0]]), np.ones((2, 2), bool))
    assert np.isfinite(found).all()


def test_the_margins_are_the_weibull_maximum_likelihood_of_every_cluster():
    frame = simulated(300, 0.4, 2, trials=2)
    time, event = frame["surrogate_time"].to_numpy(), frame["surrogate_event"].to_numpy(bool)
    cell = (2 * (frame["cluster"] == "trial 1") + frame["treatment"]).to_numpy(np.int64)
    hazard, rate = weibull_hazards(time, event, cell)
    for cluster in (0, 1):
        here = cell // 2 == cluster
        t, d, z = time[here], event[here], cell[here] % 2

        def loss(p, t=t, d=d, z=z):
            log_rate, shape = p[0] + p[1] * z, np.exp(p[2])
            return -np.sum(d * (log_rate + p[2] + (shape - 1) * np.log(t)) - np.exp(log_rate) * t**shape)

        best = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
        log_rate, shape = best.x[0] + best.x[1] * z, np.exp(best.x[2])
        assert hazard[here] == pytest.approx(np.exp(log_rate) * t**shape, rel=1e-4)
        assert np.log(rate[2 * cluster + 1] / rate[2 * cluster]) == pytest.approx(best.x[1], abs=1e-4)


@pytest.mark.parametrize("tau", [0.2, 0.6])
def test_a_known_tau_is_recovered_and_the_interval_covers_it(tau):
    found, inside = [], 0
    replicates = 40
    for seed in range(replicates):
        row = copula_association(simulated(240, tau, 100 + seed), active=1, samples=60, seed=seed).pooled
        found.append(row["tau"])
        inside += row["lower"] <= tau <= row["upper"]
    error = np.std(found, ddof=1) / np.sqrt(replicates)
    assert np.mean(found) == pytest.approx(tau, abs=3 * error + 0.01)
    assert inside >= 33  # of 40; fewer than 33 has probability .002 at a coverage of .93


def test_trials_share_theta_pooled_and_give_a_table_of_log_hazard_ratios():
    found = copula_association(simulated(2000, 0.5, 5, trials=4), active=1, samples=60)
    assert found.table["cluster"].tolist() == ["trial 0", "trial 1", "trial 2", "trial 3", "all, pooled"]
    assert found.pooled["tau"] == pytest.approx(0.5, abs=0.06)
    assert not found.ordered
    effects = found.effects
    assert (effects["surrogate_effect"] + 0.5).abs().max() < 4 * effects["surrogate_se"].max()
    assert (effects["within_correlation"] > 0.2).all()  # the times go together within arms, so do their estimates
    ends = [Endpoint(label, "", "down", "log_hazard_ratio") for label in ("progression", "death")]
    table = TrialTable.from_frame(effects, surrogate=ends[0], outcome=ends[1])
    assert len(table.trials) == 4


def test_times_that_are_ordered_by_definition_are_said_so():
    frame = simulated(200, 0.3, 6)
    first = frame["surrogate_time"] <= frame["outcome_time"]
    frame["surrogate_event"] = frame["surrogate_event"].where(first, frame["outcome_event"])
    frame["surrogate_time"] = frame[["surrogate_time", "outcome_time"]].min(axis=1)
    found = copula_association(frame, active=1, samples=20)
    assert found.ordered
    assert "never the later one" in found.sentence()


def test_problems_are_listed():
    frame = simulated(20, 0.3, 7)
    frame.loc[0, "surrogate_time"] = -1.0
    frame.loc[1, "outcome_event"] = 2
    with pytest.raises(BadInput) as caught:
        copula_association(frame, active=1)
    assert [str(problem) for problem in caught.value.problems] == [
        "persons, row 2: expected surrogate_time to be a time above 0, got -1; correct it",
        "persons, row 3: expected outcome_event to be 0 (censored) or 1 (seen), got 2; correct it",
    ]
    with pytest.raises(BadInput, match="expected two treatments, one of them the active arm"):
        copula_association(simulated(20, 0.3, 7), active="drug")


def test_a_trial_with_few_events_keeps_its_effect():
    """Of two events in an arm a bootstrap sample has none with probability exp(-2), about 27 times in 200."""
    frame = simulated(60, 0.4, 8, trials=2)
    arm = frame.index[(frame["cluster"] == frame["cluster"].iloc[0]) & (frame["treatment"] == 0)]
    frame.loc[arm, "surrogate_event"] = 0
    frame.loc[arm[:2], "surrogate_event"] = 1
    found = copula_association(frame, active=1, samples=200).effects
    assert np.isfinite(found[["surrogate_effect", "surrogate_se", "outcome_effect", "outcome_se"]]).all(axis=None)
    frame.loc[arm, "surrogate_event"] = 0
    none = copula_association(frame, active=1, samples=20).effects.iloc[0]
    assert none[["surrogate_effect", "surrogate_se"]].isna().all()
    assert np.isfinite(none["outcome_effect"])
