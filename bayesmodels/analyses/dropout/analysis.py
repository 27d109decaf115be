"""`Dropout`: the dropout sensitivity analysis as a value, and as the section `[dropout]` of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from bayesmodels.analyses.dropout.request import dropout_request, event_words
from bayesmodels.analyses.dropout.sensitivity import dropout_sensitivity
from bayesmodels.errors import BadInput
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.persons.prepared import visits_problems
from bayesmodels.study import Study
from bayesmodels.study.leaving import LeavingRule

if TYPE_CHECKING:
    import xarray as xr

    from bayesmodels.analyses.analysis import Fit


class Dropout(BaseModel):
    """The comparison at a week under other assumptions about those who left before it (`dropout_sensitivity`).

    Parameters
    ----------
    outcome : str
        One of the model's.
    week : float
        Weeks since randomisation.
    delta_unit : {"per_month", "once"}
        Whether delta adds up from the last visit on, or is one shift.
    deltas : tuple of float, optional
        Rising from 0, modelling scale; default from the outcome's prior.
    reference : str, optional
        A start group that has not started the drug by the week, or "never_treated". Default: the study's reference
        group, or its untreated course where it has started by then.
    deaths : {"as_followed", "as_missing", "left_out"}
        The dead go on as if alive and followed; count among those who left; or are no part of the means.
    terminal : tuple of str, optional
        Events after which a person counts as dead; default those of the model's terminal events, "death" in a model
        without events.
    administrative : tuple of str
        Exits that are the trial's own end, not a person's leaving: missing at random whatever is assumed.
    interval : float
        Level of the equal-tailed interval that defines the tipping point; in a configuration, by default that of
        `[report]`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    groups: ClassVar[tuple[str, ...]] = ("dropout_sensitivity",)
    section: ClassVar[str] = "[dropout]"

    outcome: str
    week: float = Field(gt=0, allow_inf_nan=False)
    delta_unit: Literal["per_month", "once"] = "per_month"
    deltas: tuple[float, ...] | None = None
    reference: str | None = None
    deaths: Literal["as_followed", "as_missing", "left_out"] = "as_followed"
    terminal: tuple[str, ...] | None = None
    administrative: tuple[str, ...] = ("none",)
    interval: float = Field(0.95, gt=0, lt=1)

    @property
    def rule(self) -> LeavingRule:
        """Who counts as having left, and what becomes of the dead."""
        return LeavingRule(deaths=self.deaths, terminal=self.terminal, administrative=self.administrative)

    def event_words(self, model: Any) -> dict[str, str]:
        """Words for events that it takes, each to the label of the events table.

        Parameters
        ----------
        model : Model

        Returns
        -------
        dict of str to str
            Word to label of the events table.
        """
        return event_words(model, self.rule)

    def model_problems(self, model: Any, persons: bool) -> list[str]:
        """Why the model cannot answer it, whatever the data; `persons`: whether these are of persons.

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
        if isinstance(model, VisitModel) and persons:
            names = [k.name for k in model.outcomes]
            known = ", ".join(names)
            return (
                []
                if self.outcome in names
                else [f"outcome: expected one of the model's ({known}), got {self.outcome!r}"]
            )
        return visits_problems(model, persons, self.outcome)

    def problems(self, model: Any, data: Any) -> list[str]:
        """Why model and data cannot answer it.

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
        found = self.model_problems(model, isinstance(data, Study))
        if not found:
            try:
                dropout_request(model, data, self.outcome, self.week, **self._options())
            except BadInput as error:
                found += error.problems
        return found

    def compute(self, fit: Fit) -> dict[str, xr.Dataset]:
        """Compute the group `dropout_sensitivity`.

        Parameters
        ----------
        fit : Fit
            Model, data and posterior, with the groups made so far.
        """
        fit.on_phase("dropout sensitivity")
        seed = fit.seed("dropout_sensitivity")
        found = dropout_sensitivity(
            fit.model, fit.posterior, fit.data, self.outcome, self.week, seed=seed, **self._options()
        )
        return {"dropout_sensitivity": found}

    def _options(self) -> dict[str, Any]:
        """Keyword arguments of `dropout_sensitivity` and `dropout_request`."""
        names = ("reference", "deltas", "delta_unit", "interval")
        return {name: getattr(self, name) for name in names} | {"rule": self.rule}
