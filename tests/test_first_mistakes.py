"""What a Python user gets wrong first is refused in words, at the door."""

import pandas as pd
import pytest
import toy_model

from bayesmodels import (
    LongitudinalModel,
    NutsSettings,
    PublishedMeansModel,
    SharedRateModel,
    TrialLevelModel,
    alsfrs_r,
    convergence,
    draw_person_terms,
    fit,
    fitted,
    predict,
    predict_events,
    report,
    save,
)
from bayesmodels.errors import BadInput
from bayesmodels.models.published_means.presets import valor_nfl

MODEL = LongitudinalModel(outcomes=(alsfrs_r(),))
STUDY = toy_model.study()
FRAME = pd.DataFrame({"person": ["a"]})
TRIALS = TrialLevelModel(surrogate_scale=1.0, outcome_scale=1.0)
TREE = "posterior: expected DataTree"
GIVE = "give what fit or load returned"


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: fit(MODEL, STUDY, {"draws": 10}),
         "settings: expected NutsSettings, got dict; write NutsSettings(draws=1000, seed=1)"),
        (lambda: fit(STUDY, MODEL), "model: expected one with a method build, got Study; write fit(model, data)"),
        (lambda: MODEL.build(FRAME), "data: expected Study, got DataFrame; make one with read_study or Study.from_fra"),
        (lambda: SharedRateModel().build(FRAME), "data: expected Study, got DataFrame; make one with read_study"),
        (lambda: PublishedMeansModel(outcomes=(valor_nfl(),)).build(STUDY),
         "data: expected MeansTable, got Study; make one with read_means or MeansTable.from_frame"),
        (lambda: TRIALS.build(FRAME), "data: expected TrialTable, got DataFrame; make one with read_trials or TrialTa"),
        (lambda: predict(MODEL, None, STUDY, [4], seed=1), f"{TREE}, got NoneType; {GIVE}"),
        (lambda: predict_events(MODEL, None, STUDY, [4], seed=1), f"{TREE}, got NoneType; {GIVE}"),
        (lambda: draw_person_terms(MODEL, FRAME, STUDY, seed=1), f"{TREE}, got DataFrame; {GIVE}"),
        (lambda: convergence(STUDY), f"{TREE}, got Study; {GIVE}"),
        (lambda: save(STUDY, "x.nc"), f"{TREE}, got Study; {GIVE}"),
        (lambda: report(STUDY), f"posterior: expected DataTree or str or Path, got Study; {GIVE}"),
    ],
)  # fmt: skip
def test_an_argument_of_another_kind_is_refused(call, line):
    with pytest.raises(BadInput) as caught:
        call()
    assert str(caught.value).startswith(line)


def test_fit_without_settings_takes_the_defaults(monkeypatch):
    asked = []

    def instead(pm_model, settings, *_, **__):
        asked.append(settings)
        raise BadInput("enough")

    monkeypatch.setattr(fitted, "sample", instead)
    with pytest.raises(BadInput, match="enough"):
        fit(toy_model.Toy(), STUDY)
    assert asked[0].seed is not None
    assert asked[0].draws == NutsSettings().draws
