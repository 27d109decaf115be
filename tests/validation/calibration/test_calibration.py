"""The prior that truths are drawn from, against the model's; the report of ranks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy import stats
from validation.calibration import one_part
from validation.calibration.longitudinal import SMALL_LAYOUT
from validation.calibration.study import STUDY
from validation.simulated import model_trials, model_visits
from validation.simulated.model_trials import OUTCOMES, draw_truth, free_variables

from bayesmodels.fitting.evaluate import evaluate
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.trials.results import convergence_counts, fits_table, grades_said
from bayesmodels.vocabulary import months

MODEL = LongitudinalModel(outcomes=OUTCOMES)


def test_truths_have_the_density_of_the_models_prior():
    """Every free variable's prior CDF at the truths is uniform: the hierarchical form equals the contrasts' form."""
    rng = np.random.default_rng(1)
    truths = [free_variables(draw_truth(MODEL, rng)) for _ in range(1_500)]
    pm_model = MODEL.build(model_visits.template_study(SMALL_LAYOUT))
    agree(truths, pm_model)


def agree(truths, pm_model):
    """Every free variable of truths and of the model's prior has the same distribution and shape."""
    with pm_model:
        names = [rv.name for rv in pm_model.free_RVs]
        prior = pm.draw([pm_model[name] for name in names], draws=1_500, random_seed=2, mode="FAST_COMPILE")
    p = []
    for name, drawn in zip(names, prior, strict=True):
        own = np.stack([truth[name] for truth in truths])
        assert own.shape == drawn.shape, name
        flat = zip(own.reshape(len(own), -1).T, drawn.reshape(len(drawn), -1).T, strict=True)
        p += [stats.ks_2samp(a, b).pvalue for a, b in flat]
    assert min(p) > 0.01 / len(p)


@pytest.mark.parametrize("form", ["proportional_slowing", "skewed_rates"])
def test_truths_with_one_part_have_the_density_of_the_models_prior(form):
    model, rng = one_part.the_model(form), np.random.default_rng(1)
    truths = [one_part.free_variables(model, one_part.draw_truth(model, rng)) for _ in range(1_500)]
    agree(truths, model.build(model_visits.template_study(one_part.LAYOUT)))


def test_one_part_is_what_tells_its_model_from_the_plain_one():
    """Each part adds its free variables; truths have them all; mean courses of model and simulator are the same."""
    layout = one_part.LAYOUT
    study, names = model_visits.template_study(layout), {}
    groups, t = np.arange(2), np.broadcast_to(months(np.array(layout.weeks)), (2, len(layout.weeks)))
    for form in one_part.CHANGES:
        model = one_part.the_model(form)
        pm_model = model.build(study)
        start = pm_model.initial_point()
        names[form] = {rv.name for rv in pm_model.free_RVs}
        drawn = one_part.draw_truth(model, np.random.default_rng(1))
        truth, draws = one_part.free_variables(model, drawn), xr.Dataset()
        for rv in pm_model.free_RVs:
            value = truth[rv.name]
            assert value.shape == start[pm_model.rvs_to_values[rv].name].shape, (form, rv.name)
            draws[rv.name] = (("chain", "draw", *(f"{rv.name}_{j}" for j in range(value.ndim))), value[None, None])
        found = evaluate(pm_model, {name: pm_model[name] for name in ("curve", "latent_curve")}, draws)
        for k, name in enumerate(("curve", "latent_curve")):  # NfL knows no limits
            nobody = np.zeros((2, len(model_trials.TERMS)))
            mean = model_trials.person_courses(drawn, k, 0 * groups, groups, nobody, t)
            np.testing.assert_allclose(found[name][0, 0, k, :, 0], mean, rtol=1e-9, err_msg=f"{form}, {name}")
    own = {form: sorted(found - names["none"]) for form, found in names.items()}
    assert own == {
        "none": [], "stopping_drift": [], "late_slope": [], "extension_shift": [],
        "shrinking_steps": ["nfl_plasma_path_months"],
        "decelerating_slope": ["alsfrs_r_deceleration"],
        "proportional_slowing": ["alsfrs_r_effect_lag", "alsfrs_r_share"],
        "skewed_rates": ["alsfrs_r_rate_skewness", "term_median", "term_sd_at_median"],
        "correlated_walks": ["walk_partial_correlation"],
    }  # fmt: skip


def test_report_tells_a_biased_quantity_from_a_calibrated_one(tmp_path):
    rng = np.random.default_rng(3)
    spec = replace(STUDY.variant("longitudinal").spec, kept=50)
    records = []
    for trial in range(200):
        ranks = {"fine": int(rng.integers(0, 51)), "biased": int(rng.integers(0, 51) * 0.6)}
        numbers = {"max_rhat": 1.0, "min_ess_bulk": 500.0, "min_ess_tail": 500.0, "divergences": 0, "min_ebfmi": 0.9}
        records.append({"trial": trial, "cpu_seconds": 1.0, "process": 1, **numbers, "ranks": ranks})
    said = STUDY.write(records, spec, tmp_path, 200)
    table = pd.read_csv(tmp_path / "uniformity.csv").set_index("parameter")
    assert table["inside"].to_dict() == {"fine": True, "biased": False}
    assert "biased" in said
    assert "fine" not in said
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["fits_per_cpu_hour"] == 3600
    assert manifest["converged_by_the_package_verdict"] == 200
    assert (tmp_path / "ecdf.png").stat().st_size < 200_000


def test_grades_are_counted_apart_and_short_chains_have_converged():
    numbers = {"max_rhat": 1.03, "min_ess_bulk": 150.0, "min_ess_tail": 90.0, "divergences": 0, "min_ebfmi": 0.9}
    records = [{"trial": k, **numbers} for k in range(4)]
    graded = [r | {"verdict": v} for r, v in zip(records, ("ok", "short", "short", "not_converged"), strict=True)]
    fits = fits_table(graded)
    assert fits["converged"].tolist() == [True, True, True, False]
    counts = convergence_counts(fits)
    assert counts["grades"] == {"ok": 1, "short": 2, "not_converged": 1}
    assert grades_said(counts, 4) == "1 of 4 are ok, 2 short and 1 not converged"
    earlier = fits_table(records)  # made before there were three grades: by the one limit of then
    assert not earlier["converged"].any()
    assert grades_said(convergence_counts(earlier), 4) == "0 of 4 converged"


@pytest.mark.parametrize("name", ["one_stage", "published_means"])
def test_committed_ranks_give_the_committed_folder_again(name, tmp_path):
    """Records put together from the committed ranks; `published_means` has two forms of the model, and their tables."""
    variant, records = STUDY.variant(name), []
    folder = Path(__file__).parents[3] / variant.folder
    sampled = {"max_rhat": 1.0, "min_ess_bulk": 900.0, "min_ess_tail": 900.0, "min_ebfmi": 0.9, "cpu_seconds": 1.0}
    for path in sorted(folder.glob("ranks*.csv")):
        form = path.stem.removeprefix("ranks").removeprefix("_")
        fits = pd.read_csv(path.with_name(path.name.replace("ranks", "fits"))).drop(
            columns="converged", errors="ignore"
        )
        for fit, ranks in zip(fits.to_dict("records"), pd.read_csv(path).to_dict("records"), strict=True):
            records.append(({"form": form} if form else {}) | sampled | fit | {"trial": len(records), "ranks": ranks})
    STUDY.write(records, variant.spec, tmp_path, len(records))
    assert (tmp_path / "README.md").read_text() == (folder / "README.md").read_text()
    made, kept = (pd.read_csv(place / "uniformity.csv").set_index("parameter") for place in (tmp_path, folder))
    np.testing.assert_allclose(made[["largest", "at", "mean_rank"]], kept[["largest", "at", "mean_rank"]], atol=6e-5)
    assert {path.name for path in tmp_path.glob("ecdf*.png")} == {path.name for path in folder.glob("ecdf*.png")}
