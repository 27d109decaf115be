"""A research user's own parts and own model: fitted, archived and reported without a change to the package."""

from __future__ import annotations

import json

import numpy as np
import pytest
import research
from small_study import MONTH, log_likelihood, published, random_point, study

from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings
from bayesmodels.models import model_from_spec
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.posterior.archive import load, save
from bayesmodels.reporting import report

OWN_PARTS = LongitudinalModel(
    outcomes=(
        {
            "preset": "alsfrs_r",
            "trajectory": {"type": "research:SquareRoot", "offset": 3.0},
            "effect": {"type": "research:HalfLife"},
        },
    ),
    pooling="complete",
)
FEW = NutsSettings(draws=60, tune=200, chains=2, seed=1, cores=1, progress=False)


def test_own_parts_survive_json():
    spec = json.loads(OWN_PARTS.model_dump_json())
    assert spec["outcomes"][0]["trajectory"] == {"type": "research:SquareRoot", "offset": 3.0}
    again = model_from_spec(spec)
    assert again == OWN_PARTS
    assert again.outcomes[0].effect == research.HalfLife()


def test_own_parts_enter_curves_and_likelihood():
    data = study(strata=False)
    pm_model = OWN_PARTS.build(data)
    point = random_point(pm_model, 2)
    labels = list(pm_model.coords["any_term"])
    assert labels == ["alsfrs_r:level", "alsfrs_r:rate", "alsfrs_r:offset", "alsfrs_r:effect"]
    level, rate, offset, effect = point["term_mean"][:, 0]
    half = point["alsfrs_r_half"]
    found = published(pm_model, point)
    for g, start in enumerate((0.0, 28.0)):
        for w, week in enumerate(data.curve_weeks):
            t, x = week / MONTH, max(week - start, 0.0) / MONTH
            expected = level + rate * (np.sqrt(t + 1) - 1) + 3 * offset + effect * x / (x + half)
            assert found["curve"][0, g, 0, w] == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(found["effect_lag"], [half])
    # Level and offset enter the visits as 1 and 3: moving one against the other changes nothing.
    moved = point | {"term_mean": point["term_mean"] + np.array([[3.0], [0.0], [-1.0], [0.0]])}
    np.testing.assert_allclose(log_likelihood(pm_model, moved), log_likelihood(pm_model, point), rtol=1e-9)


@pytest.fixture(scope="module")
def fits():
    """Posterior of each model, sampled once."""
    data = study(strata=False, per_cell=6)
    return {
        name: (model, fit(model, data, FEW))
        for name, model in {"own parts": OWN_PARTS, "own model": research.ChangeAtOneWeek()}.items()
    }


@pytest.mark.parametrize("name", ["own parts", "own model"])
def test_archive_and_report(fits, name, tmp_path):
    model, posterior = fits[name]
    save(posterior, tmp_path / "posterior.nc")
    stored = load(tmp_path / "posterior.nc")
    assert model_from_spec(json.loads(stored.attrs["model"])) == model
    page = report(stored, tmp_path / "report")
    assert (tmp_path / "report" / "report.html").exists()
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert {"difference"} <= {row["name"] for row in summary["contrasts"]}
    effects = page.tables["effects"]
    assert set(effects["outcome"]) == {"alsfrs_r"}
    row = effects[effects["name"] == "drug_effect"].iloc[0]
    assert row["mean"] == pytest.approx(float(posterior["posterior"]["drug_effect"].mean()), rel=1e-6)
    assert row["unit"] == "points"


def test_own_model_has_its_conjugate_answer(fits):
    """Given sigma, a group's mean is normal about its mean change, shrunk to 0 by Normal(0, 10)."""
    posterior = fits["own model"][1]["posterior"]
    change, group = research.changes(study(strata=False, per_cell=6), "alsfrs_r")
    found = posterior["mean"].mean(("chain", "draw")).to_numpy()
    sigma2 = float((posterior["sigma"] ** 2).mean())
    counts = np.bincount(group)
    expected = np.bincount(group, weights=change) / (counts + sigma2 / 100)
    assert (np.abs(found - expected) < 6 * np.sqrt(sigma2 / counts / 60)).all()
