"""Kaplan-Meier, Aalen-Johansen and restricted means against hand work, SciPy and simulation."""

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf, norm

from bayesmodels.errors import BadInput
from bayesmodels.events import aalen_johansen, kaplan_meier, restricted_mean, restricted_mean_difference

TIME = np.array([1.0, 2.0, 2.0, 3.0, 5.0])
EVENT = np.array(["death", "none", "exit", "death", "none"])


def simulated(rng, n=300):
    """Death at rate .10, withdrawal at .05 a month, censored uniformly on 2 to 20."""
    exits = {"death": rng.exponential(10.0, n), "exit": rng.exponential(20.0, n), "none": rng.uniform(2.0, 20.0, n)}
    kind = np.array(list(exits))[np.argmin(list(exits.values()), axis=0)]
    return np.min(list(exits.values()), axis=0), kind


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")
def test_kaplan_meier_is_scipys():
    rng = np.random.default_rng(1)
    time, kind = simulated(rng, 80)
    time = np.ceil(time * 2) / 2  # ties
    dead = kind == "death"
    ours = kaplan_meier(time, dead)
    theirs = ecdf(CensoredData.right_censored(time, ~dead)).sf
    at = np.unique(time)
    found = ours.at(at)
    np.testing.assert_allclose(found["estimate"], theirs.evaluate(at))
    edges = theirs.confidence_interval(0.95, method="log-log")
    inside = found["estimate"].between(0, 1, inclusive="neither")
    np.testing.assert_allclose(found["lower"][inside], edges.low.evaluate(at)[inside])
    np.testing.assert_allclose(found["upper"][inside], edges.high.evaluate(at)[inside])


def test_without_censoring_it_is_the_empirical_distribution():
    time = np.random.default_rng(2).gamma(2.0, 3.0, 57)
    at = np.linspace(0.0, 20.0, 41)
    share = (time[None] > at[:, None]).mean(axis=1)
    found = kaplan_meier(time, np.ones(57, bool)).at(at)
    np.testing.assert_allclose(found["estimate"], share)
    np.testing.assert_allclose(found["se"][share > 0], np.sqrt(share * (1 - share) / 57)[share > 0])  # binomial
    assert restricted_mean(time, np.ones(57, bool), 100.0).estimate == pytest.approx(time.mean())
    assert restricted_mean(time, np.ones(57, bool), 100.0).se == pytest.approx(time.std() / np.sqrt(57))


def test_cumulative_incidence_by_hand():
    death = aalen_johansen(TIME, EVENT, "death")
    # at 1: 1/5; at 2: 5-1=4 at risk, one exit, S = .8 * .75 = .6; at 3: 2 at risk, one death: .2 + .6 / 2
    assert death.at([0.5, 1.0, 2.5, 3.0, 5.0])["estimate"].tolist() == pytest.approx([0.0, 0.2, 0.2, 0.5, 0.5])
    assert death.at(5.1)["estimate"].isna().all()
    assert aalen_johansen(TIME, EVENT, "exit").at(4.0)["estimate"].item() == pytest.approx(0.2)
    # variance at 3, the sum written out: F - F_j = .3, .3, 0; S before = 1, .8, .6; d = k = 1, then an exit, then 1
    spread = 0.3**2 / (5 * 4) + 0.3**2 / (4 * 3)
    own = 1.0**2 * 1 * 4 / 5**3 + 0.6**2 * 1 * 1 / 2**3
    cross = 0.3 * 1.0 / 5**2
    assert death.at(3.0)["se"].item() ** 2 == pytest.approx(spread + own - 2 * cross)


def test_incidences_and_survival_add_up_to_one():
    time, kind = simulated(np.random.default_rng(3))
    entry = np.minimum(np.random.default_rng(4).uniform(0.0, 3.0, 300), 0.5 * time)
    at = np.linspace(0.0, 10.0, 11)
    total = kaplan_meier(time, kind != "none", entry).at(at)["estimate"]
    total += sum(aalen_johansen(time, kind, of, entry).at(at)["estimate"] for of in ("death", "exit"))
    np.testing.assert_allclose(total, 1.0)


def test_one_kind_of_event_is_one_minus_kaplan_meier_variance_included():
    time, kind = simulated(np.random.default_rng(5))
    entry = np.minimum(np.random.default_rng(6).uniform(0.0, 3.0, 300), 0.5 * time)
    survival = kaplan_meier(time, kind == "death", entry).table
    incidence = aalen_johansen(time, kind, "death", entry, censored=("none", "exit")).table
    np.testing.assert_allclose(incidence["estimate"], 1 - survival["estimate"])
    np.testing.assert_allclose(incidence["se"], survival["se"])
    np.testing.assert_allclose(incidence["lower"], 1 - survival["upper"])


def test_delayed_entry_by_hand():
    # entered at 0, 0, 2, 2; events at 1 and 3: one of two at 1, then one of three at 3
    found = kaplan_meier([1.0, 4.0, 3.0, 4.0], [True, False, True, False], [0.0, 0.0, 2.0, 2.0])
    assert found.table["at_risk"].tolist() == [2.0, 2.0, 3.0]
    assert found.at([1.0, 3.0])["estimate"].tolist() == pytest.approx([0.5, 0.5 * 2 / 3])


def test_restricted_mean_by_hand():
    # S = 1 to 1, .8 to 3 (the exit at 2 censors), .4 to 4
    found = restricted_mean(TIME, EVENT == "death", 4.0)
    assert found.estimate == pytest.approx(1.0 + 0.8 * 2 + 0.4)
    # areas after the deaths at 1 and 3: 2.0 and 0.4
    assert found.se**2 == pytest.approx(2.0**2 / (5 * 4) + 0.4**2 / (2 * 1))
    with pytest.raises(BadInput, match="at most the last exit"):
        restricted_mean(TIME, EVENT == "death", 6.0)


@pytest.mark.parametrize("entry", [False, True])
def test_intervals_cover(entry):
    """At month 6: S(6) of death alone, incidence of death with withdrawal competing, restricted mean."""
    rng = np.random.default_rng(7)
    hit = np.zeros(3)
    truth = (np.exp(-0.6), 0.1 / 0.15 * (1 - np.exp(-0.9)), (1 - np.exp(-0.6)) / 0.1)
    runs = 500
    for _ in range(runs):
        time, kind = simulated(rng)
        start = rng.uniform(-6.0, 2.0, len(time)).clip(0.0) if entry else np.zeros(len(time))
        here = time > start
        time, kind, start = time[here], kind[here], start[here]
        found = [
            kaplan_meier(time, kind == "death", start).at(6.0).iloc[0],
            aalen_johansen(time, kind, "death", start).at(6.0).iloc[0],
            restricted_mean(time, kind == "death", 6.0, start).table.iloc[0],
        ]
        hit += [row["lower"] <= true <= row["upper"] for row, true in zip(found, truth, strict=True)]
    assert np.all(np.abs(hit / runs - 0.95) < 3.5 * np.sqrt(0.05 * 0.95 / runs))


def test_difference_of_restricted_means_says_who_is_favoured():
    rng = np.random.default_rng(8)
    time = np.concatenate([rng.exponential(20.0, 200), rng.exponential(6.0, 200)])
    mine = np.arange(400) < 200
    dead = time < 12
    found = restricted_mean_difference(np.minimum(time, 12.0), dead, mine, 12.0, group="early", reference="delayed")
    a, b = (restricted_mean(np.minimum(time, 12.0)[w], dead[w], 12.0) for w in (mine, ~mine))
    assert found.estimate == pytest.approx(a.estimate - b.estimate)
    assert found.p_value == pytest.approx(2 * norm.sf(found.estimate / np.hypot(a.se, b.se)))
    assert found.favoured == "early"
    assert "+ favours early" in found.sentence()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([-1.0, 2.0], [True, False]), "0 or later"),
        (([1.0, 2.0], [True, False], [0.0, 3.0]), "not after the exit"),
        (([1.0, 2.0], [True, False], [1.0, 0.0]), "at the moment of entry"),
        (([1.0, 2.0], [2, 0]), "0 and 1"),
        (([1.0, 2.0], [True]), "2 persons"),
        (([], []), "one value a person"),
    ],
)
def test_bad_follow_up_is_refused(arguments, message):
    with pytest.raises(BadInput, match=message):
        kaplan_meier(*arguments)


def test_an_event_that_counts_as_censoring_is_refused():
    with pytest.raises(BadInput, match="count as censoring"):
        aalen_johansen(TIME, EVENT, "none")
