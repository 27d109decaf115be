"""Recovery with informative death: what ignoring death does in large samples, and the page's figures by hand."""

from dataclasses import replace

import numpy as np
import pytest

from bayesmodels.studies import joint_recovery
from bayesmodels.studies.joint_recovery import LAYOUTS, TRUTH, ignoring_in_large_samples, living, truths
from bayesmodels.studies.joint_recovery_report import main_quantities, summary, tidy
from bayesmodels.studies.joint_trials import simulate_exits
from bayesmodels.vocabulary import months


def without_links(truth):
    (death,) = truth.events
    return replace(truth, events=(replace(death, links=()),))


def test_ignoring_death_biases_only_where_death_is_informative(monkeypatch):
    informative = ignoring_in_large_samples("parallel", persons=3_000)
    assert informative["rate"] > 0.25  # those who decline slowly are seen longest
    assert informative["effect"] < 0
    monkeypatch.setattr(joint_recovery, "TRUTH", without_links(TRUTH))
    free = ignoring_in_large_samples("parallel", persons=3_000)
    assert abs(free["rate"]) < 0.15  # about 4 standard errors
    assert abs(free["effect"]) < 0.2


def test_truths_as_if_alive_by_hand_and_those_among_the_living_are_higher():
    true = truths("delayed")
    t, start = months(148.0), months(28.0)
    assert true["curve[score, delayed, week 148]"] == pytest.approx(37 - 1.2 * t + 0.5 * (t - start))
    assert true["difference[score, early - delayed, week 148]"] == pytest.approx(0.5 * start)
    assert true["living[score, delayed, week 148]"] > true["curve[score, delayed, week 148]"] + 10
    found = living(without_links(TRUTH), LAYOUTS["delayed"])
    assert found["living[score, delayed, week 148]"] == pytest.approx(true["curve[score, delayed, week 148]"])
    assert found["alive[early, week 148]"] == pytest.approx(np.exp(-0.008 * t))


def test_shares_alive_are_those_of_simulated_trials():
    layout = LAYOUTS["parallel"]
    people = layout.people(np.random.default_rng(0))
    rng, alive = np.random.default_rng(1), []
    for _ in range(20):
        terms = rng.standard_normal((len(people.start), 2)) * TRUTH.person_sd
        _, code = simulate_exits(TRUTH, people, terms, np.full(len(terms), months(148.0)), rng)
        alive.append([(code[people.group == g] == 0).mean() for g in range(2)])
    expected = living(TRUTH, layout)
    for g, group in enumerate(layout.groups):
        assert np.mean(alive, axis=0)[g] == pytest.approx(expected[f"alive[{group}, week 148]"], abs=0.06)


def test_summary_by_hand():
    quantiles = {"size": [-2.0, -1.0, 0.5, 1.0, 2.0]}
    far = {"size": [1.1, 1.2, 1.5, 1.7, 2.0]}
    records = [{"trial": i, "joint": {"parameters": quantiles}, "ignoring": {"parameters": far}} for i in range(3)]
    records.append({"trial": 3, "joint": {"parameters": far}, "ignoring": {"parameters": far}})
    table = summary(tidy(records, {"size": 1.0})).set_index("model")
    joint = table.loc["joint"]
    assert joint["bias"] == pytest.approx((3 * -0.5 + 0.5) / 4)
    assert joint["bias_se"] == pytest.approx(np.std([-0.5, -0.5, -0.5, 0.5], ddof=1) / 2)
    assert joint["covered_95"] == 0.75
    assert joint["covered_95_se"] == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert joint["covered_50"] == 0.75
    assert joint["width_95"] == pytest.approx((3 * 4 + 0.9) / 4)
    assert table.loc["ignoring", "covered_95"] == 0


def test_every_main_quantity_has_a_truth():
    for design in LAYOUTS:
        assert set(main_quantities(design)) <= set(truths(design))
