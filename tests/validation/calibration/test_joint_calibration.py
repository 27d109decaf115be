"""Calibration of the joint model: what is ranked, and one fit of each variant."""

from dataclasses import replace

import numpy as np
import pytest
from validation.calibration import joint_event as joint_calibration
from validation.calibration.joint_event import LAYOUTS, draw_trial, the_model
from validation.calibration.study import STUDY, rank_truths
from validation.simulated.joint_labels import hazard_weeks, labelled_draws, labelled_truth


def test_draws_get_the_labels_of_their_coordinates():
    coords = {
        "outcome": ["a", "b"],
        "stratum": ["all"],
        "term": ["a:level", "a:rate"],
        "term_other": ["a:level", "a:rate"],
        "contrast": ["early - delayed"],
        "week": [0.0, 76.0],
    }
    published = {
        "population_level": np.arange(6.0).reshape(3, 2, 1),
        "person_correlation": np.arange(12.0).reshape(3, 2, 2),
        "difference": np.arange(12.0).reshape(3, 2, 1, 1, 2),
    }
    wanted = [
        "difference[b, early - delayed, week 76]",
        "population_level[b]",
        "person_correlation[a:level, a:rate]",
    ]
    found = labelled_draws(published, coords, wanted)
    assert list(found) == wanted
    np.testing.assert_array_equal(found["population_level[b]"], [1, 3, 5])
    np.testing.assert_array_equal(found["person_correlation[a:level, a:rate]"], [1, 5, 9])
    np.testing.assert_array_equal(found["difference[b, early - delayed, week 76]"], [3, 7, 11])
    with pytest.raises(KeyError, match="population_level"):
        labelled_draws(published, coords, ["population_level[c]"])


@pytest.mark.parametrize("variant", ["piecewise", "weibull"])
def test_every_kind_of_parameter_is_ranked_once(variant):
    model, layout = the_model(variant), LAYOUTS[variant]
    truth, _, _ = draw_trial(variant, np.random.default_rng(1))
    labels = labelled_truth(truth, model, layout)
    kinds = {name.partition("[")[0] for name in labels}
    common = {
        "population_level", "population_rate", "drug_effect", "group_drug_effect", "group_effect_sd", "person_sd",
        "person_correlation", "residual_sd", "difference", "association", "hazard_effect", "baseline_hazard",
    }  # fmt: skip
    own = {
        "piecewise": {"covariate_level", "covariate_rate"},
        "weibull": {"effect_lag", "effect_time_constant", "baseline_shape"},
    }
    assert kinds == common | own[variant]
    assert all(np.isfinite(list(labels.values())))
    for event in truth.events:
        assert len(hazard_weeks(event, layout)) == len(event.log_hazard)


def test_trials_without_one_of_the_events_are_drawn_again_and_counted(monkeypatch):
    short = replace(LAYOUTS["piecewise"], shortest_weeks=8.0, longest_weeks=10.0)
    monkeypatch.setitem(LAYOUTS, "piecewise", short)
    rng = np.random.default_rng(2)
    found = [draw_trial("piecewise", rng) for _ in range(8)]
    assert all({1, 2} <= set(trial.code) for _, trial, _ in found)
    assert sum(refused for *_, refused in found) > 0


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["piecewise", "weibull"])
def test_one_fit_of_each_variant(variant):
    spec = replace(STUDY.variant(f"joint_{variant}").spec, tune=200, draws=200)
    record = rank_truths(spec, 0)
    assert "log_likelihood" in record["ranks"]
    assert all(0 <= rank <= spec.kept for rank in record["ranks"].values())
    assert sum(record["exits"]) == np.sum(LAYOUTS[variant].persons)
    joint_calibration.the_refit.cache_clear()
