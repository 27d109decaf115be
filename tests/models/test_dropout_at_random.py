"""Dropout sensitivity under missing at random against the model's own published difference."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hand import additive_outcomes
from small_study import CURVE_WEEKS, published, random_point, study

from bayesmodels.analyses.dropout.sensitivity import dropout_sensitivity
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import replaced


def tree_of(trial, point, covariates) -> xr.DataTree:
    """A posterior of one draw."""
    values = {name: (("chain", "draw", *(f"{name}_{j}" for j in range(v.ndim))), v[None, None])
              for name, v in ((n, np.asarray(v)) for n, v in point.items())}  # fmt: skip
    columns = trial.persons[covariates]
    coords = {
        "fitted_stratum": list(trial.stratum_labels), "start_group": list(trial.start_groups),
        "drug_start_week": ("start_group", [0.0, 28.0]), "covariate": covariates,
        "center": ("covariate", columns.mean()), "spread": ("covariate", columns.std(ddof=0)),
        "chain": [0], "draw": [0],
    }  # fmt: skip
    return xr.DataTree.from_dict({"posterior": xr.Dataset(values, coords=coords)})


@pytest.mark.parametrize("pooling", ["partial", "none"])
def test_missing_at_random_is_the_published_difference(pooling):
    """Additive effects, strata, a covariate, free baselines: the model's own `difference` is another route."""
    fitted = LongitudinalModel(
        outcomes=additive_outcomes(),
        walk_correlation="independent",
        pooling=pooling,
        baseline="free",
        covariates={"rate": ("age",)},
    )
    trial = study()
    built = fitted.build(trial)
    point = random_point(built)
    tree = tree_of(trial, point, ["age"])
    week = CURVE_WEEKS.index(52.0)
    difference = published(built, point)["difference"]
    expected = difference[:, 0, :, week] - difference[:, 0, :, CURVE_WEEKS.index(0.0)]  # changes: baselines are free
    for k, name in enumerate(("nfl_plasma", "alsfrs_r")):
        found = dropout_sensitivity(fitted, tree, trial, name, 52.0, seed=1)
        assert float(found["share_missing"].max()) > 0
        np.testing.assert_allclose(found["difference"][0, 0, 0, 0], expected[k], rtol=1e-9)


def test_of_a_score_with_limits_it_is_the_published_difference_of_bounded_means():
    """The default model, skewed rates and shares of each person's decline: limits 0 to 48 bite at week 52."""
    fitted = LongitudinalModel(outcomes=("nfl_plasma", "alsfrs_r"), covariates={"level": ("age",), "rate": ("age",)})
    trial = study()
    built = fitted.build(trial)
    point = random_point(built)
    labels = [str(term) for term in built.coords["any_term"]]
    mean = {"alsfrs_r:level": 30.0, "alsfrs_r:rate": -2.4, "nfl_plasma:level": 4.3}
    point["term_median"] = np.tile([[mean.get(label, 0.1)] for label in labels], (1, 2))
    tree = tree_of(trial, point, ["age"])
    week, expected = CURVE_WEEKS.index(52.0), published(built, point)
    found = dropout_sensitivity(fitted, tree, trial, "alsfrs_r", 52.0, seed=1)
    assert float(found["share_missing"].max()) > 0
    for prefix in ("", "latent_"):
        np.testing.assert_allclose(
            found[f"{prefix}difference"][0, 0, 0, 0], expected[f"{prefix}difference"][1, 0, :, week], rtol=1e-9
        )
        mean_at = found[f"{prefix}mean"][0, 0, 0].transpose("start_group", "stratum")
        np.testing.assert_allclose(mean_at, expected[f"{prefix}curve"][1, :, :, week], rtol=1e-9)
    assert np.abs(found["difference"] - found["latent_difference"]).max() > 0.2
    others = found["mean"].to_numpy()
    assert ((others >= 0) & (others <= 48)).all()


def test_a_skewed_effect_of_no_skewness_gives_the_normal_models_means():
    """Given a draw of z and averaged over draws, conditional means are those of the normal model."""
    nfl, score = additive_outcomes()
    trial, means = study(), {}
    for skewness in (None, 0.0):
        fitted = LongitudinalModel(
            outcomes=(nfl, replaced(score, {"rate_skewness": skewness})), walk_correlation="independent"
        )
        built = fitted.build(trial)
        point = random_point(built)
        point["partial_correlation"] = np.full_like(point["partial_correlation"], 0.5)  # correlations of zero
        by_term = {"nfl_plasma:level": 0.5, "nfl_plasma:rate": 0.02, "nfl_plasma:effect": 0.2}
        by_term |= {"alsfrs_r:level": 5.0, "alsfrs_r:rate": 0.8}
        point["term_sd" if skewness is None else "term_sd_at_median"] = np.tile(
            [by_term[str(term)] for term in built.coords["term"]], (2, 1)
        )
        draws = 400  # persons are drawn with replacement at every draw
        values = {
            name: (
                ("chain", "draw", *(f"{name}_{j}" for j in range(np.ndim(v)))),
                np.broadcast_to(v, (1, draws, *np.shape(v))).copy(),
            )
            for name, v in point.items()
        }
        coords = {
            "fitted_stratum": list(trial.stratum_labels), "start_group": list(trial.start_groups),
            "drug_start_week": ("start_group", [0.0, 28.0]), "chain": [0], "draw": np.arange(draws),
        }  # fmt: skip
        tree = xr.DataTree.from_dict({"posterior": xr.Dataset(values, coords=coords)})
        found = dropout_sensitivity(fitted, tree, trial, "alsfrs_r", 52.0, seed=1, draws=draws)
        means[skewness] = found["difference"].sel(strategy="copy_reference").to_numpy()[0, :, 0]
    error = np.sqrt(sum(m.var(axis=0, ddof=1) / len(m) for m in means.values()))
    assert (error > 0).all()
    assert (np.abs(means[0.0].mean(axis=0) - means[None].mean(axis=0)) < 4.5 * error).all()
