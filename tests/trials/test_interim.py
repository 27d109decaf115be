"""Cutting a trial at a day, days of the looks, and decisions at them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from validation.platform_trials.study import study_of

from bayesmodels.errors import BadInput
from bayesmodels.fitting import NutsSettings
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.reporting.chapters.disease_rate import HEALEY_RULE
from bayesmodels.simulation.platform_trial import PlatformDesign, PlatformTruth, simulate_platform_trial
from bayesmodels.trials.interim import InterimAnalyses, Look, as_of, interim_analyses, look_days

TRIAL = simulate_platform_trial(PlatformDesign(regimens=2, active=40, control=20), PlatformTruth(mortality=0.3), 2)


def test_a_cut_study_knows_nothing_of_later_days():
    whole, day = study_of(TRIAL), 60.0
    known = as_of(whole, day, "randomised_day")
    start = TRIAL.persons.set_index("person")["randomised_day"]
    assert set(known.persons["person"]) == set(start.index[start < day])
    visits, events = known.visits, known.events
    assert (start[visits["person"]].to_numpy() + 7 * visits["week"] <= day).all()
    seen = TRIAL.visits[start[TRIAL.visits["person"]].to_numpy() + 7 * TRIAL.visits["week"] <= day]
    assert len(visits) == len(seen)
    full = TRIAL.events.set_index("person").loc[events["person"]].reset_index()
    happened = start[full["person"]].to_numpy() + 7 * full["week"] <= day
    assert events.loc[happened, "event"].tolist() == full.loc[happened, "event"].tolist()
    assert (events.loc[~happened, "event"] == "none").all()
    limit = (day - start[events["person"]].to_numpy()) / 7
    np.testing.assert_allclose(events["week"], np.minimum(full["week"], limit))
    assert known.digest != whole.digest


def test_the_last_day_leaves_the_study_as_it_is():
    whole = study_of(TRIAL)
    known = as_of(whole, 1e6, "randomised_day")
    pd.testing.assert_frame_equal(known.visits, whole.visits)
    pd.testing.assert_frame_equal(known.events, whole.events)


def test_a_day_before_the_first_visit_is_refused():
    with pytest.raises(BadInput, match="take a later day"):
        as_of(study_of(TRIAL), -1.0, "randomised_day")
    with pytest.raises(BadInput, match="'arrival'"):
        as_of(study_of(TRIAL), 10.0, "arrival")


def test_looks_begin_when_every_regimen_has_enough():
    study = study_of(TRIAL)
    days = look_days(study, "randomised_day", "regimen", persons=30)
    own = TRIAL.persons
    counts = own[own["randomised_day"] + 168 <= days[0] + 1e-9].groupby("regimen").size()
    assert counts.min() == 30
    assert np.diff(days) == pytest.approx(84)
    assert days[-1] < own["randomised_day"].max() + 168 <= days[-1] + 84
    assert look_days(study, "randomised_day", "regimen", persons=61) == ()


def test_stopped_arms_are_said_once():
    def look(day, *means):
        drawn = {f"drug_{k}": np.full(10, mean) for k, mean in zip("AB", means, strict=True)}
        decisions = {arm: HEALEY_RULE.decide(d, final=np.isinf(day)) for arm, d in drawn.items()}
        return Look(day, 9, decisions, {"converged": day != 184.0})

    found = InterimAnalyses((look(100.0, 1.2, 0.8), look(184.0, 1.1, 0.7), look(np.inf, 0.95, 0.7)))
    assert found.stopped == {"drug_A": 100.0}
    assert found.table["stopped_before"].tolist() == [False, False, True, False, True, False]
    assert repr(found) == found.sentence()
    assert repr(found.looks[0].decisions["drug_A"]).startswith("futility: Pr(DRR < 0.9) = 0.000, futility below 0.05")
    lines = found.sentence().splitlines()
    assert len(lines) == 4
    assert "did not converge" in lines[2]
    assert lines[-1].startswith("final analysis, 9 persons, drug_B: success")


@pytest.mark.slow
def test_interim_analyses_fit_what_was_known():
    design = PlatformDesign(regimens=2, active=60, control=30, accrual=15.0)
    data = study_of(simulate_platform_trial(design, PlatformTruth(slope_ratio=1.5, hazard_ratio=1.5), 6))
    model = SharedRateModel(regimen_column="regimen", calendar_column="randomised_day")
    days = look_days(data, "randomised_day", "regimen", persons=30)[:1]
    found = interim_analyses(model, data, NutsSettings(chains=2, tune=300, draws=500, seed=3), days)
    first, last = found.looks
    assert first.persons == len(as_of(data, days[0], "randomised_day").persons) < last.persons == 180
    assert set(first.decisions) == set(last.decisions) == {"drug_A", "drug_B"}
    assert {d.verdict for d in first.decisions.values()} <= {"futility", "continue"}
    assert {d.verdict for d in last.decisions.values()} == {"no success"}
    assert all(d.below_success < 0.1 and 1.1 < d.mean < 2 for d in last.decisions.values())
    assert last.convergence["max_rhat"] < 1.1
