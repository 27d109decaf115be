"""What is evaluated: the declared surrogate and outcome of a fit, the comparison, and the weeks they are read at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayesmodels.posterior.context import Contrast, FitContext, Outcome
from bayesmodels.posterior.estimand import OPEN_LABEL
from bayesmodels.posterior.observed import ObservedPersons
from bayesmodels.surrogacy.criteria.prentice import Regions
from bayesmodels.surrogacy.settings import SurrogacySettings


@dataclass(frozen=True)
class Declared:
    """Surrogate and outcome of a fit.

    Parameters
    ----------
    surrogate, outcome : Outcome
    contrast : Contrast or None
        Earlier against later start; None with a single start group.
    weeks : (visit,)
        Visits after week 0 at which both can be read; empty where the model has no visits.
    surrogate_week, outcome_week : float
        NaN where there is no visit to read.
    regions : Regions
    switch_week : float
        Of the contrast: infinite where its later group never starts the drug.
    """

    surrogate: Outcome
    outcome: Outcome
    contrast: Contrast | None
    weeks: np.ndarray
    surrogate_week: float
    outcome_week: float
    regions: Regions
    switch_week: float

    @property
    def not_randomised(self) -> str:
        """Why the comparison at these weeks is not the randomised one; blank where it is."""
        return self._open_label(self.surrogate_week, self.outcome_week)

    @property
    def surrogate_not_randomised(self) -> str:
        """The same of the surrogate alone, which is all that the response rung reads."""
        return self._open_label(self.surrogate_week)

    @property
    def surrogate_where(self) -> str:
        """Week and comparison at which the response is read, in words."""
        if self.contrast is None:
            return f"change to week {self.surrogate_week:g}"
        kind = f"start, {OPEN_LABEL}" if self.surrogate_not_randomised else self.contrast.as_randomised
        return f"change to week {self.surrogate_week:g}, {self.contrast.early} against {self.contrast.late} {kind}"

    def _open_label(self, *weeks: float) -> str:
        late = [week for week in weeks if week > self.switch_week]
        if not late or self.contrast is None:
            return ""
        return (
            f"week {max(late):g} lies after the switch at week {self.switch_week:g}, when both groups have the drug: "
            f"{self.contrast.early} against {self.contrast.late} start is not drug against placebo"
        )

    @property
    def where(self) -> str:
        """Weeks and comparison in words."""
        if self.surrogate_week == self.outcome_week:
            weeks = f"changes to week {self.outcome_week:g}"
        else:
            weeks = (
                f"{self.surrogate.label} to week {self.surrogate_week:g}, {self.outcome.label} to week "
                f"{self.outcome_week:g}"
            )
        if self.contrast is None:
            return weeks
        kind = f"start, {OPEN_LABEL}" if self.not_randomised else self.contrast.as_randomised
        return f"{weeks}, {self.contrast.early} against {self.contrast.late} {kind}"


def declared(
    tree: xr.DataTree,
    context: FitContext,
    observed: ObservedPersons,
    surrogate_name: str,
    outcome_name: str,
    settings: SurrogacySettings,
    important_difference: float | None = None,
) -> Declared:
    """What is declared of two outcomes of a fit; weeks that are not stated are the last controlled visit.

    Parameters
    ----------
    tree : xr.DataTree
    context : FitContext
    observed : ObservedPersons
    surrogate_name, outcome_name : str
        Outcomes of the fit.
    settings : SurrogacySettings
    important_difference : float, optional
        Difference in the outcome that would matter, in its modelling unit.
    """
    surrogate, outcome = context.outcomes[surrogate_name], context.outcomes[outcome_name]
    contrast = context.contrasts[0] if context.contrasts else None
    draws = tree["posterior"].to_dataset()
    dim = "visit_week" if "visit_mean" in draws else "week"
    weeks = draws[dim].to_numpy().astype(float) if dim in draws.coords else np.array([])
    weeks = weeks[weeks > 0]
    alone = math.inf if context.switch_week is None else context.switch_week
    switch = alone if contrast is None else contrast.switch_week
    seen = [observed.last_visit(k.name, context.start_groups, "all") for k in (surrogate, outcome)]
    last = min(switch, *(week for week in seen if not math.isnan(week)), math.inf)
    default = float(weeks[weeks <= last].max(initial=-math.inf))
    default = default if math.isfinite(default) else math.nan
    at = [settings.surrogate_week or default, settings.outcome_week or default]
    return Declared(surrogate, outcome, contrast, weeks, at[0], at[1], settings.regions(important_difference), switch)
