"""Covariance of published arm-by-visit means: visits of one arm share their persons and are far from independent.

Person-level covariance of a change from baseline at months t1, t2 since randomisation (random slope, Brownian path,
visit residual with an adjusted baseline residual):

    V(t1, t2) = rate_sd^2 t1 t2 + random_walk_sd^2 min(t1, t2) + residual_sd^2 (baseline_share + 1[t1 = t2])

An arm of n persons has covariance V / n. Published standard errors replace the diagonal, V keeps the correlation, and
shocks of one visit are common to the arms of a stratum. A mean over strata is the weighted sum of its strata's arms.

Source: the aggregate model of VALOR's published means that reproduced them (`models.published_means.presets`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from bayesmodels.errors import BadInput

Array = npt.NDArray[np.float64]


class StratumSpread(BaseModel):
    """Plug-in SDs of one stratum for one outcome, on its modelling scale; constants, not parameters.

    Parameters
    ----------
    stratum : str
        Label of the table.
    rate_sd : float
        SD between persons of the slope, per month.
    random_walk_sd : float
        SD of the Brownian path, per square root of a month.
    residual_sd : float
        SD of a visit about the person's own course.
    visit_shock_sd : float
        SD of a shock common to all arms of the stratum at one visit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stratum: str
    rate_sd: float = Field(ge=0)
    random_walk_sd: float = Field(ge=0)
    residual_sd: float = Field(gt=0)
    visit_shock_sd: float = Field(default=0.0, ge=0)


class MeansSpread(BaseModel):
    """Plug-in spread of one outcome: how visits of an arm vary together.

    Parameters
    ----------
    strata : tuple of StratumSpread
        SDs of every stratum of the table.
    reading_error : float
        SD added in quadrature to every published mean (read off a figure, or rounded).
    baseline_share : float
        Share of the baseline residual's variance left in a change adjusted for baseline (1: a raw change).
    visits : {"correlated", "independent"}
        `independent` keeps the standard errors only: wrong for one arm's visits, offered to show what it costs.
    source : str
        Where the SDs come from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strata: tuple[StratumSpread, ...]
    reading_error: float = Field(default=0.0, ge=0)
    baseline_share: float = Field(default=0.7, ge=0, le=1)
    visits: str = Field(default="correlated", pattern="^(correlated|independent)$")
    source: str = "stated by the user"

    def person_covariance(self, stratum: str, months: Array, months_other: Array) -> Array:
        """Covariance V(t1, t2) between a person's changes from baseline, shape (months, months_other)."""
        part = self.stratum(stratum)
        t1, t2 = np.asarray(months, float)[:, None], np.asarray(months_other, float)[None, :]
        residual = part.residual_sd**2 * (self.baseline_share + (t1 == t2))
        return part.rate_sd**2 * t1 * t2 + part.random_walk_sd**2 * np.minimum(t1, t2) + residual

    def stratum(self, label: str) -> StratumSpread:
        """Return the plug-ins of a stratum; `BadInput` where there are none."""
        for part in self.strata:
            if part.stratum == label:
                return part
        known = ", ".join(part.stratum for part in self.strata)
        raise BadInput(f"no plug-in SDs for stratum {label!r}; the model has {known}. Add a StratumSpread for it.")


@dataclass(frozen=True)
class MeansRows:
    """Published rows of one outcome as weighted sums of cells (stratum by start group by visit).

    Parameters
    ----------
    months : array (cell,)
        Months since randomisation.
    stratum, start_group : tuple of str (cell,)
    persons : array (cell,)
        Persons in the cell's mean; of a stratum of a mean over strata, those of its arm.
    weights : array (row, cell)
        A row's mean is `weights @ cell means`; the rows of a stratum pick one cell.
    standard_error : array (row,)
        Published, NaN where none was.
    reading_error : array (row,)
        SD of reading a mean off a figure, NaN to take the model's.
    """

    months: Array
    stratum: tuple[str, ...]
    start_group: tuple[str, ...]
    persons: Array
    weights: Array
    standard_error: Array
    reading_error: Array


def row_covariance(spread: MeansSpread, rows: MeansRows) -> tuple[Array, Array]:
    """Covariance of published rows of one outcome about their population means, and the standard errors used.

    Parameters
    ----------
    spread : MeansSpread
    rows : MeansRows

    Returns
    -------
    covariance : array (row, row)
        Sampling error with the published standard errors on its diagonal, reading error and visit shocks.
    standard_error : array (row,)
        Published, or implied by the plug-ins (`sqrt(V(t, t) / n)`) where none was published.
    """
    arm = np.array([f"{f}\t{g}" for f, g in zip(rows.stratum, rows.start_group, strict=True)])
    stratum = np.array(rows.stratum)
    sampling, shocks = np.zeros((2, len(arm), len(arm)))
    for label in dict.fromkeys(rows.stratum):
        here = stratum == label
        t = rows.months[here]
        same_arm = arm[here][:, None] == arm[here][None, :]
        persons = np.sqrt(rows.persons[here][:, None] * rows.persons[here][None, :])
        sampling[np.ix_(here, here)] = same_arm * spread.person_covariance(label, t, t) / persons
        shocks[np.ix_(here, here)] = spread.stratum(label).visit_shock_sd ** 2 * (t[:, None] == t[None, :])
    implied = rows.weights @ sampling @ rows.weights.T
    implied_error = np.sqrt(np.diag(implied))
    used = np.where(np.isnan(rows.standard_error), implied_error, rows.standard_error)
    reading = np.diag(np.where(np.isnan(rows.reading_error), spread.reading_error, rows.reading_error) ** 2)
    if spread.visits == "independent":
        return np.diag(used**2) + reading, used
    scale = used / implied_error
    return implied * np.outer(scale, scale) + reading + rows.weights @ shocks @ rows.weights.T, used
