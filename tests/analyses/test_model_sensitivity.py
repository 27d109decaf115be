"""Other forms of the model: what they change, how they are fitted and shown. Posteriors here are prior draws."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pydantic import ValidationError
from readings import reading_of

from bayesmodels import (
    LongitudinalModel,
    ModelSensitivity,
    PublishedMeansModel,
    SharedRateModel,
    alsfrs_r,
    nfl_plasma,
    replaced,
)
from bayesmodels.analyses import model_sensitivity
from bayesmodels.analyses.analysis import Fit
from bayesmodels.fitted import describe_data, model_spec
from bayesmodels.fitting.coordinates import with_descriptions
from bayesmodels.fitting.prior import prior_of_free_variables
from bayesmodels.fitting.sampling import deterministics
from bayesmodels.fitting.settings import NutsSettings
from bayesmodels.parts.borrowing import RobustMixture
from bayesmodels.parts.effects import DeceleratingSlope, SlopeChange
from bayesmodels.parts.trajectories import Decelerating, Linear
from bayesmodels.reporting.chapters.model_sensitivity import ModelSensitivity as Chapter
from bayesmodels.reporting.chapters.start_groups.chapter import StartGroups
from bayesmodels.study import Study

MODEL = LongitudinalModel(outcomes=(nfl_plasma(), alsfrs_r()))
DRAWS = 40


def test_every_form_changes_what_it_says_and_nothing_else():
    forms = ModelSensitivity().changed(MODEL)
    nfl, score = MODEL.outcomes
    assert forms == {
        "normal_rates": replaced(MODEL, {"outcomes": (nfl, replaced(score, {"rate_skewness": 0.0}))}),
        "constant_rates": replaced(MODEL, {"outcomes": (nfl, replaced(score, {"trajectory": Linear()}))}),
        "common_effect": replaced(MODEL, {"pooling": "complete"}),
    }


def test_an_effect_that_fades_with_the_course_becomes_a_change_of_slope():
    score = replaced(alsfrs_r(), {"effect": DeceleratingSlope(lag=1.5), "rate_skewness": 0.0})
    model = LongitudinalModel(outcomes=(score,), pooling="complete")
    (straight,) = ModelSensitivity().changed(model).values()
    assert straight.outcomes[0].effect == SlopeChange(lag=1.5)
    known = replaced(score, {"trajectory": Decelerating(rho=0.02)})
    assert ModelSensitivity().changed(replaced(model, {"outcomes": (known,)})) == {}


def test_a_shared_rate_model_has_another_form_where_it_borrows():
    borrowing = SharedRateModel(borrowing=RobustMixture(trial="ours"))
    assert ModelSensitivity().changed(borrowing) == {"no_borrowing": SharedRateModel()}
    assert ModelSensitivity(forms=("no_borrowing",)).problems(borrowing, STUDY) == []
    told = ModelSensitivity(forms=("common_effect",)).problems(borrowing, STUDY)
    assert told == [
        "forms: expected forms that change the model, got 'common_effect', which it does not have, or has already; "
        "leave it out"
    ]
    (line,) = ModelSensitivity().problems(SharedRateModel(), STUDY)
    assert "or a shared_rate model that borrows, found another" in line


def test_problems_are_said_before_anything_is_fitted():
    nothing = LongitudinalModel(outcomes=(replaced(nfl_plasma(), {}),), pooling="complete")
    told = ModelSensitivity(forms=("normal_rates", "linear")).problems(nothing, STUDY)
    assert told == [
        "forms: expected some of normal_rates, constant_rates, common_effect, no_borrowing, got 'linear'",
        "forms: expected forms that change the model, got 'normal_rates', which it does not have, or has already; "
        "leave it out",
    ]
    assert ModelSensitivity().problems(nothing, STUDY) == [
        "expected a model with skewed rates, deceleration, pooling or borrowing to change; delete the section"
    ]
    (line,) = ModelSensitivity().problems(PublishedMeansModel, object())
    assert line.startswith("expected a longitudinal or joint_event model of persons' tables")
    assert ModelSensitivity(forms=("common_effect",)).problems(MODEL, STUDY) == []
    with pytest.raises(ValidationError):
        ModelSensitivity(forms=())


def study() -> Study:
    persons = pd.DataFrame(
        {"person": list("abcdef"), "start_group": ["early", "late"] * 3, "drug_start_week": [0.0, 28.0] * 3}
    )
    visits = [
        (person, week, name, 50.0 if name == "nfl_plasma" else 35.0)
        for person in persons["person"]
        for week in (0.0, 12.0, 28.0, 52.0)
        for name in ("nfl_plasma", "alsfrs_r")
    ]
    frame = pd.DataFrame(visits, columns=["person", "week", "outcome", "value"])
    return Study.from_frames(persons, frame, name="made up", reference_group="late", curve_weeks=(0, 28, 52))


STUDY = study()


def from_the_prior(pm_model, settings) -> xr.DataTree:
    draws = prior_of_free_variables(pm_model, settings.seed, settings.draws)
    draws = with_descriptions(pm_model, draws.merge(deterministics(pm_model, draws)))
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((1, settings.draws), bool))})
    tree = xr.DataTree.from_dict({"posterior": draws, "sample_stats": stats})
    tree.attrs["seed"] = str(settings.seed)
    return tree


@pytest.fixture(scope="module")
def made():
    """A posterior with the group, and the free variables of every further fit."""
    models, told = [], []

    def fake(pm_model, settings):
        models.append(([rv.name for rv in pm_model.free_RVs], settings))
        return from_the_prior(pm_model, settings)

    pm_model = MODEL.build(STUDY)
    tree = from_the_prior(pm_model, NutsSettings(draws=DRAWS, seed=5, chains=1))
    tree.attrs |= {
        "model": json.dumps(model_spec(MODEL)), "model_type": "longitudinal", "data": json.dumps(describe_data(STUDY))
    }  # fmt: skip
    analysis = ModelSensitivity(draws=DRAWS, chains=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_sensitivity, "sample", fake)
        fit = Fit(MODEL, pm_model, STUDY, tree, lambda: None, told.append)
        (group,) = analysis.compute(fit).values()
    tree["model_sensitivity"] = xr.DataTree(group.assign(verdict=("form", ["ok"] * 3)))  # few draws of a prior
    return tree, models, told


def test_every_form_is_fitted_anew_with_a_seed_of_its_own(made):
    tree, models, told = made
    (normal, first), (straight, second), (common, third) = models
    every = {rv.name for rv in MODEL.build(STUDY).free_RVs}
    assert every - set(normal) == {"alsfrs_r_rate_skewness"}
    assert every - set(straight) == {"alsfrs_r_deceleration"}
    assert {"scaled_effect_contrast", "effect_group_sd"} <= every - set(common)
    assert len({settings.seed for settings in (first, second, third)}) == 3
    assert told == [
        "model sensitivity, rates of persons normal, not skewed",
        "model sensitivity, no deceleration of the untreated course",
        "model sensitivity, the same drug effect in every start group",
    ]
    group = tree["model_sensitivity"]
    assert dict(group["difference"].sizes) == {
        "form": 3, "chain": 1, "draw": DRAWS, "outcome": 2, "contrast": 1, "stratum": 1, "week": 3,
    }  # fmt: skip


def test_the_table_has_the_quantiles_of_every_form(made):
    tree, _, _ = made
    table = reading_of(tree, StartGroups(), Chapter()).tables["model_sensitivity"]
    assert table["form"].unique().tolist()[0] == "as fitted"
    for name in ("as fitted", "no deceleration of the untreated course"):
        own = table[(table["form"] == name) & (table["outcome"] == "alsfrs_r") & (table["point"] == "delta_1")].iloc[0]
        group = tree["posterior"] if name == "as fitted" else tree["model_sensitivity"].sel(form="constant_rates")
        draws = group["difference"].sel(outcome="alsfrs_r", week=own["week"]).to_numpy().ravel()
        np.testing.assert_allclose(
            own[["lower", "median", "upper"]].astype(float), np.quantile(draws, [0.025, 0.5, 0.975])
        )
        assert own["probability_favours"] == (draws > 0).mean() or own["withheld"]


def test_a_form_that_did_not_converge_has_no_numbers(made):
    tree, _, _ = made
    bad = tree.copy()
    bad["model_sensitivity"] = xr.DataTree(
        bad["model_sensitivity"].to_dataset().assign(verdict=("form", ["ok", "not_converged", "short"]))
    )
    reading = reading_of(bad, StartGroups(), Chapter())
    table = reading.tables["model_sensitivity"]
    bare = table[table["form"] == "no deceleration of the untreated course"]
    assert bare[["median", "lower", "upper", "probability_favours"]].isna().all(axis=None)
    assert table.loc[table["form"] != "no deceleration of the untreated course", "median"].notna().all()
    shown = Chapter().section(reading).tables.values()
    assert all("not shown: the chains of this form did not converge" in frame.to_string() for frame in shown)
