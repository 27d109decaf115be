"""Predictions for persons at risk against dense integration, and against themselves as new persons."""

from __future__ import annotations

import json
from itertools import pairwise

import joint_study
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from dense_joint import MODEL, STUDY, cumulative, grid_of, hazards_of, integral
from joint_study import MONTH

from bayesmodels.errors import BadInput
from bayesmodels.persons.prediction.dynamic_prediction import (
    APPARENT,
    RISK_GROUPS,
    dynamic_prediction,
    example_predictions,
)
from bayesmodels.persons.prediction.predict_events import predict_events
from bayesmodels.statistics import calibration, prediction_accuracy
from bayesmodels.study import Study

LANDMARK, WEEKS = 20.0, (20.0, 33.0, 60.0)


@pytest.fixture(scope="module")
def posterior():
    pm_model = MODEL.build(STUDY)
    return xr.DataTree.from_dict({"posterior": joint_study.draws_of(pm_model, number=20, jitter=0.02)})


@pytest.fixture(scope="module")
def exact():
    """One value of the free variables."""
    return xr.DataTree.from_dict({"posterior": joint_study.draws_of(MODEL.build(STUDY))})


@pytest.mark.parametrize("person", [1, 10])
def test_risks_are_the_dense_integrals_given_visits_and_survival_so_far(exact, person):
    found = predict_events(MODEL, exact, STUDY, WEEKS, seed=1, landmark=LANDMARK, over_terms=True).isel(chain=0, draw=0)
    one, other, density = grid_of(person, landmark=LANDMARK, cells=81)
    share = np.exp(density - density.max())
    share /= integral(share, one, other)
    log_hazards = hazards_of(person, one, other)
    start = STUDY.persons["drug_start_week"].iloc[person] / MONTH
    steps = np.linspace(LANDMARK, WEEKS[-1], 81) / MONTH
    gone, alive, incidence = 0.0, [1.0], [np.zeros(2)]
    for begin, end in pairwise(steps):
        middle = [np.exp(h) for h in log_hazards((begin + end) / 2)]
        there = np.exp(-gone - sum(middle) * (end - begin) / 2)
        incidence.append(incidence[-1] + [integral(share * there * h * (end - begin), one, other) for h in middle])
        gone = gone + sum(middle) * (end - begin)
    for week in WEEKS[1:]:
        death = cumulative(log_hazards, LANDMARK / MONTH, week / MONTH, start)[0]
        alive.append(integral(share * np.exp(-death), one, other))
    # what is left is the midpoint sum's, of half a week a step: 3e-5 of the incidence, less of the survival
    np.testing.assert_allclose(found["survival"].isel(person=person), alive, atol=1e-4)
    at = [np.argmin(np.abs(steps - week / MONTH)) for week in WEEKS]
    np.testing.assert_allclose(
        found["cumulative_incidence"].isel(person=person).T, [incidence[j] for j in at], atol=1e-4
    )


def test_terms_drawn_and_terms_averaged_give_the_same_mean_risk(exact):
    many = xr.DataTree.from_dict({"posterior": joint_study.draws_of(MODEL.build(STUDY), number=300)})
    drawn = predict_events(MODEL, many, STUDY, [60.0], seed=1, landmark=LANDMARK, draws=600)
    averaged = predict_events(MODEL, exact, STUDY, [60.0], seed=1, landmark=LANDMARK, over_terms=True)
    one, other = drawn["cumulative_incidence"], averaged["cumulative_incidence"].isel(chain=0, draw=0)
    error = one.std(("chain", "draw")) / np.sqrt(one.sizes["chain"] * one.sizes["draw"])  # the average has none
    far = (abs(one.mean(("chain", "draw")) - other) > 4 * error + 1e-3).where(other.notnull(), False)
    assert not far.any()
    assert float(error.max()) < 0.02


def test_persons_of_the_study_and_the_same_as_new_persons_get_the_same(posterior):
    own = predict_events(MODEL, posterior, STUDY, WEEKS, seed=1, landmark=LANDMARK)
    still = STUDY.events["week"].to_numpy() > LANDMARK
    persons = STUDY.persons[still]
    visits = STUDY.visits[STUDY.visits["person"].isin(persons["person"]) & (STUDY.visits["week"] <= LANDMARK)]
    events = pd.DataFrame({"person": persons["person"], "week": LANDMARK, "event": "none"})
    new = Study.from_frames(persons, visits, events, reference_group="delayed", strata=True)
    found = predict_events(MODEL, posterior, new, WEEKS, seed=1, fitted=STUDY)
    for name in ("survival", "cumulative_incidence", "trajectory", "observation"):
        np.testing.assert_allclose(found[name], own[name].isel(person=np.flatnonzero(still)), atol=1e-6)
    assert not own["at_risk"].to_numpy()[~still].any()
    assert np.isnan(own["survival"].to_numpy()[:, :, ~still]).all()


@pytest.mark.parametrize("at", [(1,), (0, 1), (2, 5, 9)])
def test_new_persons_are_predicted_from_one_on_whatever_their_start_groups(exact, at):
    """Averaged over their terms, risks are the same for a person alone, with another, and in the fitted study."""
    own = predict_events(MODEL, exact, STUDY, WEEKS, seed=1, landmark=LANDMARK, over_terms=True)
    persons = STUDY.persons.iloc[list(at)]
    visits = STUDY.visits[STUDY.visits["person"].isin(persons["person"]) & (STUDY.visits["week"] <= LANDMARK)]
    events = pd.DataFrame({"person": persons["person"], "week": LANDMARK, "event": "none"})
    new = Study.from_frames(persons, visits, events, strata=True, new_persons=True)
    found = predict_events(MODEL, exact, new, WEEKS, seed=1, fitted=STUDY, over_terms=True)
    for name in ("survival", "cumulative_incidence"):
        np.testing.assert_allclose(found[name], own[name].isel(person=list(at)), atol=1e-6)


def test_new_persons_without_the_fitted_study_are_refused(posterior):
    posterior.attrs["data"] = '{"digest": "another"}'
    with pytest.raises(BadInput, match="fitted="):
        predict_events(MODEL, posterior, STUDY, WEEKS, seed=1)
    del posterior.attrs["data"]
    with pytest.raises(BadInput, match="fitted="):
        predict_events(MODEL, posterior, STUDY.persons, WEEKS, seed=1)


def test_a_person_without_visits_is_one_of_the_population(exact):
    new = STUDY.persons.iloc[[0]]
    found = predict_events(MODEL, exact, new, [40.0], seed=1, fitted=STUDY, over_terms=True)
    one, other, density = grid_of(0, landmark=-1.0, cells=81)  # the prior: no visit, no time
    share = np.exp(density)
    death = cumulative(hazards_of(0, one, other), 0.0, 40.0 / MONTH, new["drug_start_week"].iloc[0] / MONTH)[0]
    np.testing.assert_allclose(
        found["survival"].isel(chain=0, draw=0), [[integral(share * np.exp(-death), one, other)]], atol=1e-3
    )


def test_accuracy_is_that_of_the_predictions_and_labelled_apparent(posterior):
    found = dynamic_prediction(MODEL, posterior, STUDY, seed=2, landmarks=(16.0,), horizons=(40.0,), draws=10)
    risk = predict_events(MODEL, posterior, STUDY, [56.0], seed=2, landmark=16.0, draws=10, over_terms=True)
    values = risk["cumulative_incidence"].sel(event="death").to_numpy().reshape(10, -1)
    events = STUDY.events
    known = prediction_accuracy(events["week"], events["event"], "death", values, 16.0, 56.0)
    own = found.sel(event="death").isel(landmark=0, horizon=0)
    np.testing.assert_allclose(own["auc"].to_numpy().ravel(), known.auc)
    np.testing.assert_allclose(own["brier"].to_numpy().ravel(), known.brier)
    assert float(own["brier_reference"]) == pytest.approx(known.brier_reference)
    groups = calibration(events["week"], events["event"], "death", values, 16.0, 56.0, groups=RISK_GROUPS)
    np.testing.assert_allclose(own["observed_risk"][: len(groups.table)], groups.table["observed"])
    drawn = own["predicted_risk"].transpose("chain", "draw", "risk_group").to_numpy().reshape(-1, RISK_GROUPS)
    np.testing.assert_allclose(drawn[:, : len(groups.table)], groups.predicted)
    np.testing.assert_allclose(np.median(groups.predicted, axis=0), groups.table["predicted"])
    assert found.attrs["validation"] == APPARENT


def test_examples_are_numbered_anew_and_carry_their_visits(posterior):
    found = example_predictions(MODEL, posterior, STUDY, seed=2, landmarks=(8.0, 28.0))
    assert found["example"].values.tolist() == [0, 1, 2, 3]
    assert found["example_course"].dims == ("chain", "draw", "outcome", "example", "landmark", "week")
    assert np.nanmin(found["example_visit_week"]) == 0
    persons = []
    for i in found["example"].values:
        own = found.sel(example=i, outcome="score")
        weeks, values = (own[f"example_visit_{name}"].dropna("example_visit").to_numpy() for name in ("week", "value"))
        rows = [
            person
            for person, table in STUDY.visits.groupby("person")
            if np.array_equal(table["week"], weeks) and np.array_equal(table["value"], values)
        ]
        assert len(rows) == 1, i
        persons += rows
    assert len(set(persons)) == 4


def test_without_associations_visits_say_nothing_of_the_risk():
    none = {"associations": []}
    model = joint_study.model(death=none, withdrawal=none)
    posterior = xr.DataTree.from_dict({"posterior": joint_study.draws_of(model.build(STUDY))})
    worse = STUDY.visits.assign(value=lambda rows: rows["value"] / 2)
    other = Study.from_frames(STUDY.persons, worse, STUDY.events, reference_group="delayed", strata=True)
    one, two = (
        predict_events(model, posterior, data, WEEKS, seed=1, landmark=LANDMARK, fitted=STUDY)
        for data in (STUDY, other)
    )
    assert float(one["survival"].min()) < 0.95
    np.testing.assert_allclose(one["survival"], two["survival"])


def test_examples_are_at_risk_at_the_first_landmark(posterior):
    assert (STUDY.events["week"] < 28.0).any()
    found = example_predictions(MODEL, posterior, STUDY, seed=2, landmarks=(28.0,))
    assert found["example_survival"].notnull().any("week").all()


def test_landmarks_without_anyone_at_risk_are_left_out(posterior):
    found = dynamic_prediction(MODEL, posterior, STUDY, seed=2, landmarks=(1e4, 16.0), horizons=(40.0,), draws=4)
    assert found["landmark"].values.tolist() == [16.0]
    assert not dynamic_prediction(MODEL, posterior, STUDY, seed=2, landmarks=(1e4,), draws=4).data_vars


def test_windows_may_be_arrays_and_one_without_follow_up_is_unknown(posterior):
    found = dynamic_prediction(
        MODEL, posterior, STUDY, seed=2, landmarks=np.array([16.0, 28.0]), horizons=np.array([20.0, 500.0]), draws=2
    )
    assert found["brier"].sel(horizon=20.0).notnull().all()
    assert found["brier"].sel(horizon=500.0).isnull().all()
    examples = example_predictions(MODEL, posterior, STUDY, seed=2, landmarks=np.array([8.0, 28.0]))
    assert examples["landmark"].values.tolist() == [8.0, 28.0]


def test_what_else_is_wrong_with_a_window_is_not_taken_for_want_of_follow_up(posterior):
    with pytest.raises(BadInput, match="horizon: expected a time after the landmark"):
        dynamic_prediction(MODEL, posterior, STUDY, seed=2, landmarks=(16.0,), horizons=(0.0,), draws=2)


def test_nobody_at_risk_is_said_with_and_without_a_landmark(exact):
    all_died = Study.from_frames(
        STUDY.persons, STUDY.visits, STUDY.events.assign(event="death"), reference_group="delayed", strata=True
    )
    with pytest.raises(BadInput, match="free of the model's events at the end of their follow-up, found none; give a"):
        predict_events(MODEL, exact, all_died, WEEKS, seed=1, fitted=STUDY)
    with pytest.raises(BadInput, match="at risk at week 500, found none; take an earlier week"):
        predict_events(MODEL, exact, STUDY, WEEKS, seed=1, landmark=500.0)


def test_another_study_than_the_fitted_one_is_refused_not_skipped(posterior):
    other = Study.from_frames(
        STUDY.persons, STUDY.visits[STUDY.visits["week"] < 20], STUDY.events, reference_group="delayed"
    )
    named = posterior.copy()
    named.attrs["data"] = json.dumps({"digest": STUDY.digest})
    with pytest.raises(BadInput, match="another study"):
        dynamic_prediction(MODEL, named, other, seed=2, landmarks=(16.0,), horizons=(40.0,), draws=4)
