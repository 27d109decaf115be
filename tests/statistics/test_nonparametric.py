"""Kaplan-Meier, Aalen-Johansen and restricted means against hand work, SciPy and simulation."""

import numpy as np
import pandas as pd
import pytest
from five_persons import EVENT, TIME
from scipy.stats import CensoredData, ecdf, norm

from bayesmodels.errors import BadInput
from bayesmodels.statistics import (
    aalen_johansen,
    calibration,
    kaplan_meier,
    prediction_accuracy,
    restricted_mean,
    restricted_mean_difference,
)


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
    inside = (share > 0) & (share < 1)
    np.testing.assert_allclose(found["se"][inside], np.sqrt(share * (1 - share) / 57)[inside])  # binomial
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
    at = np.linspace(1.0, 10.0, 10)
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


def test_a_curve_is_unknown_once_events_took_everyone_at_risk_and_others_enter_later():
    # one dies at 1, alone; two enter at 2: the survival of 0 would be refuted by them
    time, dead, entry = [1.0, 4.0, 3.0], [True, False, True], [0.0, 2.0, 2.0]
    for found in (
        kaplan_meier(time, dead, entry),
        aalen_johansen(time, np.where(dead, "death", "none"), "death", entry),
    ):
        assert found.at([0.5, 1.0, 1.5, 3.5]).isna()["estimate"].tolist() == [False, True, True, True]
        assert found.table.loc[1:, ["estimate", "se", "lower", "upper"]].isna().all(axis=None)
        assert "everyone at risk had an event then, and others enter at 2" in found.sentence()
    # the same where the next enters at that very moment, who is at risk afterwards only
    assert np.isnan(kaplan_meier([1.0, 4.0], [True, False], [0.0, 1.0]).at(3.0)["estimate"].item())
    with pytest.raises(BadInput, match=r"at most 1, got 3\. Unknown from 1"):
        restricted_mean(time, dead, 3.0, entry)
    assert restricted_mean(time, dead, 1.0, entry).estimate == 1.0


def test_a_curve_is_unknown_after_a_gap_in_which_nobody_is_at_risk():
    # of two one dies at 1, the other leaves at 2; the next enter at 3
    time, dead, entry = [1.0, 2.0, 5.0, 6.0], [True, False, True, False], [0.0, 0.0, 3.0, 3.0]
    found = kaplan_meier(time, dead, entry)
    assert found.at([1.5, 2.0])["estimate"].tolist() == [0.5, 0.5]
    assert found.at([2.5, 5.5])["estimate"].isna().all()
    assert found.sentence().startswith("Survival at time 2: 0.500")
    assert found.sentence().endswith("Unknown after 2: nobody is at risk until the next entry, at 3.")
    with pytest.raises(BadInput, match="at most 2"):
        restricted_mean(time, dead, 4.0, entry)
    assert restricted_mean(time, dead, 2.0, entry).estimate == 1.5
    filled = kaplan_meier([*time, 4.0], [*dead, False], [*entry, 1.5])  # someone bridges the gap
    assert (filled.note, filled.at(5.5)["estimate"].item()) == ("", 0.25)


def test_before_the_first_entry_a_curve_is_unknown_and_afterwards_conditional():
    rng = np.random.default_rng(11)
    time, kind = simulated(rng)
    late = time > 3
    found = kaplan_meier(time[late], kind[late] == "death", np.full(late.sum(), 3.0))
    shifted = kaplan_meier(time[late] - 3, kind[late] == "death")  # the clock from the entry on
    np.testing.assert_allclose(found.at([3.5, 8.0]).iloc[:, 1:], shifted.at([0.5, 5.0]).iloc[:, 1:])
    assert found.at([0.0, 2.9])["estimate"].isna().all()
    assert found.table.loc[0, ["time", "at_risk", "estimate"]].tolist() == [3.0, late.sum(), 1.0]
    assert "Survival, given no event until 3" in found.sentence()
    with pytest.raises(BadInput, match="first entry at 3"):
        restricted_mean(time[late], kind[late] == "death", 6.0, np.full(late.sum(), 3.0))


def test_without_an_event_there_is_no_variance():
    """Ten persons without an event say that the risk is small, not that it is 0 for sure."""
    time = np.arange(1.0, 11.0)
    none = kaplan_meier(time, np.zeros(10, bool))
    assert none.at([0.5, 9.0])["estimate"].tolist() == [1.0, 1.0]
    assert none.at([0.5, 9.0])[["se", "lower", "upper"]].isna().all(axis=None)
    other_first = aalen_johansen(time, np.where(time < 5, "exit", "death"), "death")
    assert other_first.at([2.0, 4.5])["estimate"].tolist() == [0.0, 0.0]
    assert other_first.at([2.0, 4.5])[["se", "lower", "upper"]].isna().all(axis=None)
    assert other_first.at(6.0)[["se", "lower", "upper"]].notna().all(axis=None)
    assert "95 % confidence interval unknown" in none.sentence()
    assert ">–</td>" in none._repr_html_()
    mean = restricted_mean(time, np.zeros(10, bool), 9.0)
    assert mean.estimate == 9.0
    assert np.isnan([mean.se, mean.lower, mean.upper]).all()
    assert "confidence interval unknown" in mean.sentence()
    gap = restricted_mean_difference(np.tile(time, 2), np.arange(20) > 14, np.arange(20) < 10, 9.0)
    assert np.isfinite(gap.estimate)
    assert np.isnan(gap.p_value)
    assert "(95 % confidence interval unknown), p not given" in gap.sentence()


def test_restricted_mean_by_hand():
    # S = 1 to 1, .8 to 3 (the exit at 2 censors), .4 to 4
    found = restricted_mean(TIME, EVENT == "death", 4.0)
    assert found.estimate == pytest.approx(1.0 + 0.8 * 2 + 0.4)
    # areas after the deaths at 1 and 3: 2.0 and 0.4
    assert found.se**2 == pytest.approx(2.0**2 / (5 * 4) + 0.4**2 / (2 * 1))
    with pytest.raises(BadInput, match="at most the last exit"):
        restricted_mean(TIME, EVENT == "death", 6.0)


def test_the_latest_time_of_a_restricted_mean_can_be_copied_from_the_line():
    days = np.array([200, 250, 300, 366]) / 7
    with pytest.raises(BadInput) as caught:
        restricted_mean(days, np.array([True, False, True, False]), 60.0)
    until = float(str(caught.value).split("the last exit, ")[1].split(",")[0])
    assert restricted_mean(days, np.array([True, False, True, False]), until).estimate < until == days.max()


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
    for result in (found, a, kaplan_meier(time, dead)):  # no arrays at the prompt
        assert repr(result) == result.sentence()
    assert "+ favours early" in found.sentence()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([-1.0, 2.0], [True, False]), "0 or later"),
        (([1.0, 2.0], [True, False], [0.0, 3.0]), "not after the exit"),
        (([1.0, 2.0], [True, False], [1.0, 0.0]), "at the moment of entry"),
        (([1.0, 2.0], [2, 0]), "0 and 1"),
        (([1.0, 2.0], [True]), "2 persons"),
        (([], []), "one value per person"),
    ],
)
def test_bad_follow_up_is_refused(arguments, message):
    with pytest.raises(BadInput, match=message):
        kaplan_meier(*arguments)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["death", None, "exit", "death", "none"], r"got None \(1 of 5"),
        (["death", np.nan, "exit", np.nan, "none"], r"got nan \(2 of 5"),
        (pd.Series(["death", pd.NA, "exit", "death", "none"], dtype="string"), "got <NA>"),
        (["death", " ", "exit", "death", "none"], "got ' '"),
        ([1, 0, 0, 1, 0], r"got 1 \(5 of 5.*write \"none\""),
        ([True, False, False, True, False], "got True"),
        (["Death", "none", "exit", "Death", "none"], "expected 'death', got 'Death'"),
        (["death", "None", "exit", "death", "none"], "expected 'none', got 'None'"),  # as text of a missing label, too
        (["death ", "none", "exit", "death", "none"], "got 'death '"),
    ],
)
def test_labels_that_would_pass_for_a_competing_event_are_refused(labels, message):
    with pytest.raises(BadInput, match=message):
        aalen_johansen(TIME, labels, "death")
    with pytest.raises(BadInput, match=message):
        prediction_accuracy(TIME, labels, "death", np.full(5, 0.5), 0.0, 3.0)
    with pytest.raises(BadInput, match=message):
        calibration(TIME, labels, "death", np.full(5, 0.5), 0.0, 3.0)


def test_an_event_that_nobody_had_has_incidence_0_and_says_so():
    """As in a stratum or a replicated trial without it; nothing shows there that the name is wrong."""
    found = aalen_johansen(TIME, pd.Categorical(EVENT), "ventilation")
    assert found.at(4.0)["estimate"].item() == 0.0
    assert "; 0 events" in found.sentence()
    both = aalen_johansen(TIME, ["Death", "none", "exit", "death", "none"], ("death", "Death"))
    np.testing.assert_array_equal(both.table["estimate"], aalen_johansen(TIME, EVENT, "death").table["estimate"])
    with pytest.raises(BadInput, match="an event or several"):
        aalen_johansen(TIME, EVENT, ())


def test_an_event_that_counts_as_censoring_is_refused():
    with pytest.raises(BadInput, match="count as censoring"):
        aalen_johansen(TIME, EVENT, "none")


def test_a_curve_that_ends_at_its_first_time_is_told():
    """The only person followed from time 0 has an event there; the other enters at 5."""
    curve = kaplan_meier([0, 10], [1, 0], [0, 5])
    assert curve.at([0, 7])["estimate"].isna().all()
    assert "1.000 (95 % confidence interval unknown)" in repr(curve)
    assert "others enter at 5" in repr(curve)


def test_whoever_left_before_a_late_start_is_not_at_risk_there():
    assert kaplan_meier([3, 10, 12], [0, 1, 0], [3, 5, 5]).table["at_risk"].tolist() == [2, 2]
    assert kaplan_meier([0, 10, 12], [0, 1, 0], [0, 5, 5]).table["at_risk"].iloc[0] == 2
    assert kaplan_meier([0, 10, 12], [1, 1, 0]).table["at_risk"].tolist() == [3, 3, 2]
