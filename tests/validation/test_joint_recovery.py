"""Recovery with informative death: what ignoring death does in large samples, and the page's figures by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from validation.joint_recovery import study
from validation.joint_recovery import trials as joint_recovery
from validation.joint_recovery.study import chance, summary, tidy
from validation.joint_recovery.trials import (
    LAYOUTS,
    TRUTH,
    ignoring_in_large_samples,
    living,
    main_quantities,
    truths,
)
from validation.recovery.coverage import QUANTILES
from validation.simulated.joint_trials import draw_people, simulate_exits, simulate_trial

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
    people = draw_people(layout, np.random.default_rng(0))
    rng, alive = np.random.default_rng(1), []
    for _ in range(20):
        terms = rng.standard_normal((len(people.start), 2)) * TRUTH.person_sd
        _, code = simulate_exits(TRUTH, people, terms, np.full(len(terms), months(148.0)), rng)
        alive.append([(code[people.group == g] == 0).mean() for g in range(2)])
    expected = living(TRUTH, layout)
    for g, group in enumerate(layout.groups):
        share = expected[f"alive[{group}, week 148]"]
        error = np.sqrt(share * (1 - share) / (20 * (people.group == g).sum()))
        assert np.mean(alive, axis=0)[g] == pytest.approx(share, abs=4 * error)


def test_summary_by_hand():
    quantiles = {"size": [-2.0, -1.0, 0.5, 1.0, 2.0]}
    far = {"size": [1.1, 1.2, 1.5, 1.7, 2.0]}
    records = [{"trial": i, "joint": {"parameters": quantiles}, "ignoring": {"parameters": far}} for i in range(3)]
    records.append({"trial": 3, "joint": {"parameters": far}, "ignoring": {"parameters": far}})
    table = summary(tidy(records, {"size": 1.0}), np.array([[0.1], [-0.1], [0.0], [1.0]])).set_index("model")
    joint = table.loc["joint"]
    assert joint["bias"] == pytest.approx((3 * -0.5 + 0.5) / 4)
    assert joint["bias_se"] == pytest.approx(np.std([-0.5, -0.5, -0.5, 0.5], ddof=1) / 2)
    line = stats.linregress([0.1, -0.1, 0.0, 1.0], [-0.5, -0.5, -0.5, 0.5])
    assert joint["adjusted"] == pytest.approx(line.intercept)
    assert joint["adjusted_se"] == pytest.approx(line.intercept_stderr)
    assert joint["covered_95"] == 0.75
    assert joint["covered_95_se"] == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert joint["covered_50"] == 0.75
    assert joint["width_95"] == pytest.approx((3 * 4 + 0.9) / 4)
    assert table.loc["ignoring", "covered_95"] == 0


def test_luck_has_expectation_zero_and_its_means_are_of_the_groups():
    small = replace(LAYOUTS["delayed"], persons=((6,), (4,)))
    rng = np.random.default_rng(3)
    luck = np.array([chance(TRUTH, simulate_trial(TRUTH, small, rng)) for _ in range(150)])
    z = luck.mean(axis=0) / luck.std(axis=0) * np.sqrt(len(luck))
    assert (abs(z) < 4).all()
    error = 1 / np.sqrt(2 * len(luck))  # relative, of an SD
    assert luck[:, 5].std() == pytest.approx(TRUTH.person_sd[1] / 2, rel=4 * error)  # rates of four persons
    trial = simulate_trial(TRUTH, small, rng)
    assert chance(TRUTH, trial)[4] == pytest.approx(trial.terms[6:, 0].mean())


def test_every_main_quantity_has_a_truth():
    for design in LAYOUTS:
        assert set(main_quantities(design)) <= set(truths(design))


def test_committed_coverage_follows_from_the_committed_estimates(monkeypatch, tmp_path):
    """Records put together again from the committed tables; the luck of the trials is simulated again."""
    monkeypatch.setattr(study, "ignoring_in_large_samples", lambda design: {"level": 0.0, "rate": 0.4, "effect": -0.1})
    variant = study.STUDY.variant("parallel")
    folder = Path(__file__).parents[2] / variant.folder
    fits, estimates = pd.read_csv(folder / "fits.csv"), pd.read_csv(folder / "estimates.csv")
    records = []
    for trial, own in fits.groupby("trial"):
        record = {"trial": trial, "dead": [0.5, 0.7], **own.iloc[0][["cpu_seconds", "visits"]].to_dict()}
        for fitted, fit in own.set_index("model").iterrows():
            rows = estimates[(estimates["trial"] == trial) & (estimates["model"] == fitted)]
            numbers = rows[list(QUANTILES)].to_numpy().tolist()
            record[fitted] = fit.drop(["trial", "cpu_seconds", "visits", "converged"]).to_dict()
            record[fitted] |= {"parameters": dict(zip(rows["quantity"], numbers, strict=True))}
        records.append(record)
    said = study.STUDY.write(records, variant.spec, tmp_path, 100)
    made, kept = (pd.read_csv(place / "coverage.csv") for place in (tmp_path, folder))
    for name in ("model", "quantity", "covered_95", "covered_50", "fits"):
        assert made[name].tolist() == kept[name].tolist(), name
    for name in ("truth", "bias", "bias_se", "adjusted", "adjusted_se", "error", "width_95", "width_50"):
        np.testing.assert_allclose(made[name], kept[name], rtol=1e-3, atol=2e-4, err_msg=name)
    assert said.splitlines()[0] in (folder / "README.md").read_text()
    assert "20 have coverage within simultaneous limits (87 to 100 and 34 to 66 of 100)" in said
    assert (tmp_path / "README.md").read_text() == study.STUDY.page(tmp_path, "parallel")
