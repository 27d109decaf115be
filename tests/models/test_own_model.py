"""A model of one's own, in this file only: fitted, archived, and reported like one of the package."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
import pymc as pm
import pytest
from pydantic import BaseModel, ConfigDict
from small_study import study

from bayesmodels.errors import BadInput
from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings
from bayesmodels.models import model_from_spec
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.publish import publish
from bayesmodels.posterior.archive import load, save
from bayesmodels.posterior.wording import estimate
from bayesmodels.reporting import report
from bayesmodels.study import Study
from bayesmodels.vocabulary import months

FEW = NutsSettings(draws=60, tune=200, chains=2, seed=1, cores=1, progress=False)


class ChangeAtOneWeek(BaseModel):
    """Change of one outcome from its first visit to the last: a mean for each start group, Normal errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["test_own_model:ChangeAtOneWeek"] = "test_own_model:ChangeAtOneWeek"
    outcome: str = "alsfrs_r"

    def build(self, data: Study) -> pm.Model:
        """Publishes `drug_effect`, `curve` and `difference`."""
        change, group = changes(data, self.outcome)
        coords = data.coords | {
            "outcome": (self.outcome,),
            "outcome:unit": ("points",),
            "outcome:scale": ("identity",),
            "outcome:good_direction": ("up",),
            "outcome:effect_type": ("change",),
            "outcome:effect_unit": ("points",),
        }
        with pm.Model(coords=coords) as model:
            mean = pm.Normal("mean", 0.0, 10.0, dims="start_group")
            sigma = pm.HalfNormal("sigma", 5.0)
            pm.Normal("change", mean[group], sigma, observed=change, dims="person")
            publish("drug_effect", (mean[0] - mean[1])[None, None])
            course = mean[:, None] * months(np.array(data.curve_weeks)) / months(data.curve_weeks[-1])
            publish("curve", course[None, :, None, :])
            publish("difference", (course[:1] - course[1:])[None, :, None, :])
        return model

    def prior_rows(self, data: Study) -> list[dict[str, str]]:
        """Mean of each start group, and the SD of a person's change about it."""
        said = {"unit": "points", "source": "wide", "outcome": self.outcome}
        means = [{"parameter": f"mean change, {g}", "prior": "Normal(0, 10)", **said} for g in data.start_groups]
        return [*means, {"parameter": "SD of a change", "prior": "HalfNormal(5)", **said}]


def changes(data: Study, outcome: str) -> tuple[np.ndarray, np.ndarray]:
    """Last value minus first, and index of the start group, by person."""
    visits = data.visits[data.visits["outcome"] == outcome].sort_values("week")
    by_person = visits.groupby("person")["value"].agg(lambda v: v.iloc[-1] - v.iloc[0])
    group = data.persons["start_group"].map({g: k for k, g in enumerate(data.start_groups)})
    return by_person.loc[data.persons["person"]].to_numpy(), group.to_numpy()


@pytest.fixture(scope="module")
def posterior():
    return fit(ChangeAtOneWeek(), study(strata=False, per_cell=6), FEW)


def test_the_page_shows_the_numbers_of_an_own_model(posterior, tmp_path):
    stored = load(save(posterior, tmp_path / "posterior.nc"))
    assert model_from_spec(json.loads(stored.attrs["model"])) == ChangeAtOneWeek()
    page = report(stored, tmp_path / "report")
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert {"difference"} <= {row["name"] for row in summary["contrasts"]}
    effects = page.tables["effects"]
    assert set(effects["outcome"]) == {"alsfrs_r"}
    row = effects[effects["name"] == "drug_effect"].iloc[0]
    draws = posterior["posterior"]["drug_effect"].to_numpy().ravel()
    assert row["mean"] == pytest.approx(draws.mean(), rel=1e-6)
    assert row["unit"] == "points"
    (found,) = [row for row in summary["parameters"] if row["name"] == "drug_effect"]
    assert found["median"] == pytest.approx(np.median(draws), rel=1e-6)
    lower, median, upper = np.quantile(draws, [0.025, 0.5, 0.975])
    assert estimate(median, lower, upper) in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_own_model_has_its_conjugate_answer(posterior):
    """Given sigma, a group's mean is normal about its mean change, shrunk to 0 by Normal(0, 10)."""
    draws = posterior["posterior"]
    change, group = changes(study(strata=False, per_cell=6), "alsfrs_r")
    found = draws["mean"].mean(("chain", "draw")).to_numpy()
    sigma2 = float((draws["sigma"] ** 2).mean())
    counts = np.bincount(group)
    expected = np.bincount(group, weights=change) / (counts + sigma2 / 100)
    assert (np.abs(found - expected) < 6 * np.sqrt(sigma2 / counts / 60)).all()


def test_own_model_states_its_priors():
    table = prior_table(ChangeAtOneWeek(), study(strata=False))
    assert list(table) == ["outcome", "parameter", "prior", "unit", "source"]
    assert table["parameter"].tolist() == ["mean change, early", "mean change, delayed", "SD of a change"]
    assert table["prior"].tolist() == ["Normal(0, 10)", "Normal(0, 10)", "HalfNormal(5)"]


def test_rows_of_priors_that_lack_an_entry_are_named():
    class Short(ChangeAtOneWeek):
        def prior_rows(self, data: Study) -> list[dict[str, str]]:
            return [{"parameter": "mean", "prior": "Normal(0, 10)", "unit": "points"}]

    with pytest.raises(BadInput, match="prior_rows: row 0 has no 'source'"):
        prior_table(Short(), study(strata=False))
