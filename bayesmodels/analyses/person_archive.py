"""`PersonArchive`: random effects and visits of persons stored with the posterior, persons numbered from 0.

A posterior with these groups is patient data, and is to be kept as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import xarray as xr
from pydantic import BaseModel, ConfigDict

from bayesmodels.persons.collapsed import collapsed
from bayesmodels.persons.prediction.dynamic_prediction import example_predictions
from bayesmodels.persons.random_effects import draw_person_terms
from bayesmodels.study import Study

if TYPE_CHECKING:
    from bayesmodels.analyses.analysis import Fit


class PersonArchive(BaseModel):
    """Persons' random effects and visits stored with the posterior, which is patient data from then on.

    In a configuration: ``[archive] persons = true``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    groups: ClassVar[tuple[str, ...]] = ("visit_rows", "random_effects", "dynamic_prediction")
    section: ClassVar[str] = "[archive]"

    def model_problems(self, model: Any, persons: bool) -> list[str]:
        """Whether the data are of persons.

        Parameters
        ----------
        model : Model
        persons : bool
            Whether the data are of persons.

        Returns
        -------
        list of str
            One line each; empty where it can be answered.
        """
        return [] if persons else ["persons: expected false with [data], which has no persons"]

    def problems(self, model: Any, data: Any) -> list[str]:
        """Whether the data are of persons.

        Parameters
        ----------
        model : Model
        data : Study or other
            What the model was fitted to, or will be.

        Returns
        -------
        list of str
            One line each; empty where it can be answered.
        """
        return self.model_problems(model, isinstance(data, Study))

    def compute(self, fit: Fit) -> dict[str, xr.Dataset]:
        """Draw the persons' random effects, and list the visits.

        Parameters
        ----------
        fit : Fit
            Model, data and posterior, with the groups made so far.

        Returns
        -------
        dict of str to xr.Dataset
            `visit_rows` (visit: person, week, outcome, value, censoring); `random_effects` (chain, draw, person, term;
            thinned) where the model's likelihood is collapsed; of a model with events `dynamic_prediction` with
            examples of persons added.
        """
        fit.on_phase("random effects and visit rows")
        groups = {"visit_rows": visit_rows(fit.data)}
        if collapsed(fit.pm_model) is not None:
            groups["random_effects"] = draw_person_terms(
                fit.model, fit.posterior, fit.data, seed=fit.seed("random_effects"), pm_model=fit.pm_model
            )
        if "dynamic_prediction" in fit.posterior.children:
            seed = fit.seed("dynamic_prediction, examples")
            examples = example_predictions(fit.model, fit.posterior, fit.data, seed=seed)
            both = (fit.posterior["dynamic_prediction"].to_dataset(), examples)
            groups["dynamic_prediction"] = xr.merge(both, combine_attrs="override", compat="override", join="outer")
        return groups


def visit_rows(data: Study) -> xr.Dataset:
    """List the visits with persons numbered in the order of the persons table; dim `visit`."""
    number = pd.Series(range(len(data.persons)), index=data.persons["person"])
    columns = {
        "person": number.loc[data.visits["person"]].to_numpy(),
        "week": data.visits["week"].to_numpy(dtype=float),
        "outcome": data.visits["outcome"].to_numpy(dtype=str),
        "value": data.visits["value"].to_numpy(dtype=float),
        "censoring": data.visits["censoring"].to_numpy(dtype=str),
    }
    return xr.Dataset({name: ("visit", values) for name, values in columns.items()})
