"""A baseline hazard of one's own, in this file only: in the model, the table of priors, the archive and the report."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from joint_small import OUTCOME, study
from pydantic import BaseModel, ConfigDict

from bayesmodels.fitting.prior import prior_draws, prior_of_free_variables
from bayesmodels.models import model_from_spec
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.prior_table import prior_table
from bayesmodels.parts.hazards import Baseline, Exposure
from bayesmodels.parts.priors import Normal, PriorFields
from bayesmodels.posterior.archive import load, save
from bayesmodels.reporting import report
from bayesmodels.vocabulary import months


class Gompertz(BaseModel):
    """log h(t) = level + slope t: a hazard that rises by the same factor every month."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    level: Normal = Normal(mean=-4.0, sd=1.0, source="2 % a month, a factor of 7 either way is 2 SD")
    slope: Normal = Normal(mean=0.0, sd=0.05, source="a factor of 3 in a year is 2 SD")
    prior_fields: ClassVar[PriorFields] = {
        "level": ("log hazard at randomisation", "log hazard a month"),
        "slope": ("slope of the log hazard", "per month"),
    }

    def baseline(self, exposure: Exposure) -> Baseline:
        """Columns 1 and t."""

        def coefficients(name: str, shift: Any) -> Any:
            level = pm.Normal(f"{name}_gompertz_level", self.level.mean + shift, self.level.sd)
            return pt.stack([level, pm.Normal(f"{name}_gompertz_slope", self.slope.mean, self.slope.sd)])

        return Baseline((), lambda t: np.stack([np.ones_like(t), t]), coefficients)


MODEL = JointEventModel(
    outcomes=(OUTCOME,),
    events=(
        {"name": "death", "terminal": True, "baseline": {"type": "test_own_hazard:Gompertz"}},
        {"name": "left", "baseline": {"type": "piecewise", "knot_weeks": [26.0]}},
    ),
)


def test_own_hazard_survives_json():
    spec = json.loads(MODEL.model_dump_json())
    assert spec["events"][0]["baseline"]["type"] == "test_own_hazard:Gompertz"
    assert model_from_spec(spec) == MODEL


def test_own_hazard_has_rows_of_its_own_in_the_table_of_priors():
    of = prior_table(MODEL, study()).set_index("parameter")
    level = of.loc["death: log hazard at randomisation"]
    assert (level["prior"], level["unit"]) == ("Normal(-4, 1)", "log hazard a month")
    assert of.loc["death: slope of the log hazard", "source"] == "a factor of 3 in a year is 2 SD"


def test_the_page_shows_the_published_hazard_of_an_own_part(tmp_path):
    """Draws of the prior in a posterior's place: what is published is exp(level + slope t), and the report has it."""
    data = study()
    pm_model = MODEL.build(data)
    free = prior_of_free_variables(pm_model, seed=4, draws=40)
    published = prior_draws(pm_model, seed=4, draws=40)
    level, slope = (free[f"death_gompertz_{name}"].to_numpy()[..., None] for name in ("level", "slope"))
    after = np.maximum(months(np.array(data.curve_weeks)), 1e-3)  # week 0: some hazards are infinite there
    expected = np.exp(level + slope * after)
    found = published["baseline_hazard"].sel(event="death")
    np.testing.assert_allclose(found.transpose("chain", "draw", "week"), expected, rtol=1e-9)

    tree = xr.DataTree.from_dict({"posterior": published})
    tree.attrs = {"model": MODEL.model_dump_json(), "model_type": "joint_event"}
    page = report(load(save(tree, tmp_path / "posterior.nc")), tmp_path / "report")
    curves = page.tables["curves"]
    rows = curves[(curves["name"] == "baseline_hazard") & (curves["event"] == "death")].sort_values("week")
    np.testing.assert_allclose(rows["mean"], expected.mean(axis=(0, 1)), rtol=1e-6)
    assert (tmp_path / "report" / "report.html").exists()
    assert set(rows["unit"]) == {"per month"}
