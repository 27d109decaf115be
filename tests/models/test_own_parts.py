"""A trajectory and a drug effect of one's own, in this file only: fitted, archived and reported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
import pytest
import xarray as xr
from hand import of_skewed_rate
from pydantic import BaseModel, ConfigDict
from small_study import MONTH, log_likelihood, published, random_point, study

from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.prior import prior_draws
from bayesmodels.models import model_from_spec
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.prior_table import prior_table
from bayesmodels.parts.curve import Curve, Term
from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal, PriorFields
from bayesmodels.parts.trajectories import level_and_rate
from bayesmodels.posterior.archive import load, save
from bayesmodels.posterior.context import read_context, unit_of
from bayesmodels.reporting import report

FEW = NutsSettings(draws=60, tune=200, chains=2, seed=1, cores=1, progress=False)


class SquareRoot(BaseModel):
    """level + rate sqrt(t + 1) - rate + an offset of one point that everybody has, to try a constant basis."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    offset: float = 2.0

    def curve(self, outcome) -> Curve:
        """Terms level, rate and offset."""
        offset = Term(Normal(mean=0.5, sd=1e-3), None, "{unit}")
        return Curve(
            {**level_and_rate(outcome), "offset": offset},
            lambda t: {"level": pt.ones_like(t), "rate": pt.sqrt(t + 1) - 1, "offset": pt.full_like(t, self.offset)},
        )


class HalfLife(BaseModel):
    """size x / (x + half): half of the effect after `half` months, and no lag."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: str = "half_life"
    effect_unit: str = "{unit}"
    half: LogNormal = LogNormal(median=2.0, sigma=0.3)
    prior_fields: ClassVar[PriorFields] = {"half": ("half-life of the effect", "months")}

    def curve(self, outcome, trajectory: Curve, effects: Mapping[str, Curve]) -> Curve:
        """Term effect."""
        half = self.half.variable(f"{outcome.name}_half")

        def value(t, x):
            since = pt.maximum(x, 0.0)
            return {"effect": since / (since + half)}

        return Curve({"effect": Term(outcome.effect_on_level, None, "{unit}")}, value, None, {"effect_lag": half})


class Bending(BaseModel):
    """level + rate t + bend t^2, with a bend of each person's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def curve(self, outcome) -> Curve:
        """Terms level, rate and bend."""
        bend = Term(Normal(mean=0.0, sd=0.1), HalfNormal(sd=0.1), "{unit} per month squared")
        return Curve(
            level_and_rate(outcome) | {"bend": bend}, lambda t: {"level": pt.ones_like(t), "rate": t, "bend": t**2}
        )


def test_a_term_of_ones_own_that_persons_differ_in_has_its_unit_on_the_page():
    outcome = {"preset": "alsfrs_r", "trajectory": Bending(), "effect": "none"}
    tree = xr.DataTree.from_dict(
        {"posterior": prior_draws(LongitudinalModel(outcomes=(outcome,)).build(study()), seed=1, draws=20)}
    )
    table = report(tree).tables["parameters"]
    found = table[table["name"] == "person_sd"].drop_duplicates("term").set_index("term")["unit"].to_dict()
    assert found == {
        "alsfrs_r:level": "points",
        "alsfrs_r:rate": "points per month",
        "alsfrs_r:bend": "points per month squared",
    }
    acting = {"outcome": "alsfrs_r", "form": "terms:bend"}
    assert unit_of("association", acting, read_context(tree).outcomes).endswith("per points per month squared")


OWN_PARTS = LongitudinalModel(
    outcomes=(
        {
            "preset": "alsfrs_r",
            "trajectory": {"type": "test_own_parts:SquareRoot", "offset": 3.0},
            "effect": {"type": "test_own_parts:HalfLife"},
        },
    ),
    pooling="complete",
)


def test_own_parts_survive_json():
    spec = json.loads(OWN_PARTS.model_dump_json())
    assert spec["outcomes"][0]["trajectory"] == {"type": "test_own_parts:SquareRoot", "offset": 3.0}
    again = model_from_spec(spec)
    assert again == OWN_PARTS
    assert again.outcomes[0].effect == HalfLife()


def test_own_parts_enter_curves_and_likelihood():
    data = study(strata=False)
    pm_model = OWN_PARTS.build(data)
    point = random_point(pm_model, 2)
    labels = list(pm_model.coords["any_term"])
    assert labels == ["alsfrs_r:level", "alsfrs_r:rate", "alsfrs_r:offset", "alsfrs_r:effect"]
    level, _, offset, effect = point["term_median"][:, 0]
    rate = of_skewed_rate(point, 1, float(point["alsfrs_r_rate_skewness"]))[0][0]
    half = point["alsfrs_r_half"]
    found = published(pm_model, point)
    for g, start in enumerate((0.0, 28.0)):
        for w, week in enumerate(data.curve_weeks):
            t, x = week / MONTH, max(week - start, 0.0) / MONTH
            expected = level + rate * (np.sqrt(t + 1) - 1) + 3 * offset + effect * x / (x + half)
            assert found["latent_curve"][0, g, 0, w] == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(found["effect_lag"], [half])
    # Level and offset enter the visits as 1 and 3: moving one against the other changes nothing.
    moved = point | {"term_median": point["term_median"] + np.array([[3.0], [0.0], [-1.0], [0.0]])}
    np.testing.assert_allclose(log_likelihood(pm_model, moved), log_likelihood(pm_model, point), rtol=1e-9)


def test_own_parts_have_rows_of_their_own_in_the_table_of_priors():
    of = prior_table(OWN_PARTS, study(strata=False)).set_index("parameter")
    assert of.loc["half-life of the effect", ["prior", "unit"]].tolist() == ["LogNormal(log 2, 0.3)", "months"]
    assert of.loc["trajectory offset", ["prior", "source"]].tolist() == ["fixed at 3", "taken as known"]
    assert of.loc["mean offset", "prior"] == "Normal(0.5, 0.001)"


def test_a_fit_with_own_parts_is_archived_and_reported(tmp_path):
    posterior = fit(OWN_PARTS, study(strata=False, per_cell=6), FEW)
    stored = load(save(posterior, tmp_path / "posterior.nc"))
    assert model_from_spec(json.loads(stored.attrs["model"])) == OWN_PARTS
    page = report(stored, tmp_path / "report")
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert {"difference"} <= {row["name"] for row in summary["contrasts"]}
    effects = page.tables["effects"]
    assert set(effects["outcome"]) == {"alsfrs_r"}
    row = effects[effects["name"] == "drug_effect"].iloc[0]
    assert row["mean"] == pytest.approx(float(posterior["posterior"]["drug_effect"].mean()), rel=1e-6)
    assert row["unit"] == "points"
    lags = [row["mean"] for row in summary["parameters"] if row["name"] == "effect_lag"]
    assert lags == pytest.approx([float(posterior["posterior"]["effect_lag"].mean())], rel=1e-6)
    assert "lag" in (tmp_path / "report" / "report.html").read_text()
