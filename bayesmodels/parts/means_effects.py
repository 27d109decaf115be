"""Untreated courses and drug effects of published means.

A course gives the deceleration of the untreated course. An effect gives the mean change since randomisation over
cells; both list their free parameters. Signs: an effect on NfL is added to the log ratio (negative is a drop); an
effect on function favours the drug when positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bayesmodels.parts.means_curves import Cells, approach, decelerated_time, linked_time, unsuppressed_time
from bayesmodels.parts.means_priors import Parameter
from bayesmodels.parts.priors import LogNormal, MeanPrior, Normal

Values = Mapping[str, Any]
"""Free parameters by name: tensors, or arrays with draws in the leading axis (scalars as (draw, 1))."""

_LINEAR = np.array(1e-9)  # per month: linear to 1 part in 10 million over 15 years, in the same formula

# Units are templates, as in the vocabulary: `{unit}` is the outcome's unit on its modelling scale.
_FROZEN = ConfigDict(frozen=True, extra="forbid")


class LinearCourse(BaseModel):
    """Untreated course at a constant rate.

    Parameters
    ----------
    type : str
        Name in a configuration.
    """

    model_config = _FROZEN

    type: Literal["linear"] = "linear"

    def parameters(self, outcome: str) -> tuple[Parameter, ...]:
        """Return none."""
        return ()

    def rate_of_flattening(self, outcome: str, values: Values) -> Any:
        """Zero (1e-9 per month)."""
        return _LINEAR


class DeceleratingCourse(BaseModel):
    """Untreated course that flattens: rate x exp(-rho t).

    Parameters
    ----------
    type : str
        Name in a configuration.
    deceleration : LogNormal
        Per month.
    """

    model_config = _FROZEN

    type: Literal["decelerating"] = "decelerating"
    deceleration: LogNormal

    def parameters(self, outcome: str) -> tuple[Parameter, ...]:
        """List rho."""
        return (Parameter(f"{outcome}_deceleration", self.deceleration, "per month", "deceleration"),)

    def rate_of_flattening(self, outcome: str, values: Values) -> Any:
        """Return rho, per month."""
        return values[f"{outcome}_deceleration"]


Course = Annotated[LinearCourse | DeceleratingCourse, Field(discriminator="type")]


class NoMeansEffect(BaseModel):
    """No effect of the drug: every start group follows the untreated course.

    Parameters
    ----------
    type : str
        Name in a configuration.
    """

    model_config = _FROZEN

    type: Literal["none"] = "none"
    effect_type: ClassVar[str] = "none"
    effect_unit: ClassVar[str] = ""

    def parameters(self, outcome: str) -> tuple[Parameter, ...]:
        """Return none."""
        return ()

    def mean(self, xp: ModuleType, cells: Cells, outcome: str, rate: Any, rho: Any, values: Values) -> Any:
        """Return the untreated course over cells."""
        return rate * decelerated_time(xp, cells.months, rho)


class LaggedPlateau(BaseModel):
    """Effect on the level after a lag, approaching a plateau: NfL, on the log scale.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect : Normal or dict of str to Normal
        Plateau, ln (negative is a drop).
    lag, time_constant : LogNormal
        Months; shared by strata.
    drift_on_drug : {"stops", "continues"}
        `stops`: the untreated drift accrues only while the drug does not suppress it.
    extension_shift_sd : float
        SD of a Normal(0, sd) shift common to all groups at the extension's visits, ln; 0 for no shift.
    """

    model_config = _FROZEN

    type: Literal["lagged_plateau"] = "lagged_plateau"
    effect: MeanPrior
    lag: LogNormal
    time_constant: LogNormal
    drift_on_drug: Literal["stops", "continues"] = "stops"
    extension_shift_sd: float = Field(default=0.0, ge=0)
    effect_type: ClassVar[str] = "plateau"
    effect_unit: ClassVar[str] = "{unit}"

    def parameters(self, outcome: str) -> tuple[Parameter, ...]:
        """List plateau by stratum, lag, time constant, and the extension's shift where there is one."""
        always = (
            Parameter(f"{outcome}_effect", self.effect, self.effect_unit, "drug_effect", per_stratum=True),
            Parameter(f"{outcome}_lag", self.lag, "months", "effect_lag"),
            Parameter(f"{outcome}_time_constant", self.time_constant, "months", "effect_time_constant"),
        )
        if self.extension_shift_sd == 0:
            return always
        shift = Normal(mean=0, sd=self.extension_shift_sd, source="stated with the effect: extension_shift_sd")
        return (*always, Parameter(f"{outcome}_extension_shift", shift, self.effect_unit, "extension_shift"))

    def mean(self, xp: ModuleType, cells: Cells, outcome: str, rate: Any, rho: Any, values: Values) -> Any:
        """Drift plus plateau over cells; the deceleration applies to the drift's time."""
        lag, kappa = values[f"{outcome}_lag"], values[f"{outcome}_time_constant"]
        time = cells.months
        if self.drift_on_drug == "stops":
            time = unsuppressed_time(xp, cells.months, cells.started, lag, kappa)
        plateau = cells.of_stratum(values[f"{outcome}_effect"])
        mean = rate * decelerated_time(xp, time, rho)
        mean = mean + plateau * approach(xp, cells.months - cells.started, lag, kappa)
        if self.extension_shift_sd == 0:
            return mean
        return mean + values[f"{outcome}_extension_shift"] * cells.extension


def _time_on_effect(xp: ModuleType, cells: Cells, lag: Any, rho: Any) -> Any:
    onset = xp.minimum(cells.months, cells.started + lag)
    return decelerated_time(xp, cells.months, rho) - decelerated_time(xp, onset, rho)


class ProportionalSlowing(BaseModel):
    """The drug removes one share of the untreated rate in every stratum, from a lag after its start.

    Parameters
    ----------
    type : str
        Name in a configuration.
    slowing : Normal
        Share of the untreated rate.
    lag : LogNormal
        Months.
    """

    model_config = _FROZEN

    type: Literal["proportional_slowing"] = "proportional_slowing"
    slowing: Normal
    lag: LogNormal
    effect_type: ClassVar[str] = "proportional_slowing"
    effect_unit: ClassVar[str] = "proportion"

    def parameters(self, outcome: str) -> tuple[Parameter, ...]:
        """List the share and the lag.

        Parameters
        ----------
        outcome : str
            Begins their names.

        Returns
        -------
        tuple of Parameter
            Share of the untreated rate, and lag in months.
        """
        return (
            Parameter(f"{outcome}_slowing", self.slowing, self.effect_unit, "drug_effect"),
            Parameter(f"{outcome}_lag", self.lag, "months", "effect_lag"),
        )

    def mean(self, xp: ModuleType, cells: Cells, outcome: str, rate: Any, rho: Any, values: Values) -> Any:
        """`rate x (G(t) - e (G(t) - G(min(t, s + lag))))`, G the decelerated time.

        Parameters
        ----------
        xp : module
            `pytensor.tensor` or `numpy`.
        cells : Cells
            Where the mean is wanted.
        outcome : str
        rate : array (..., cell)
            Untreated change a month at randomisation.
        rho : array
            Deceleration of the untreated course, per month.
        values : mapping
            Free parameters by name.

        Returns
        -------
        array (..., cell)
            Mean change since randomisation.
        """
        gained = values[f"{outcome}_slowing"] * _time_on_effect(xp, cells, values[f"{outcome}_lag"], rho)
        return rate * (decelerated_time(xp, cells.months, rho) - gained)


class AbsoluteChange(BaseModel):
    """The drug adds to the rate, by stratum, from a lag after its start; it flattens as the untreated course does.

    Parameters
    ----------
    type : str
        Name in a configuration.
    effect : Normal or dict of str to Normal
        Change of the rate, in the outcome's unit per month.
    lag : LogNormal
        Months.
    """

    model_config = _FROZEN

    type: Literal["absolute_change"] = "absolute_change"
    effect: MeanPrior
    lag: LogNormal
    effect_type: ClassVar[str] = "rate_change"
    effect_unit: ClassVar[str] = "{unit} per month"

    def parameters(self, outcome: str) -> tuple[Parameter, ...]:
        """List the change of rate by stratum and the lag."""
        return (
            Parameter(f"{outcome}_effect", self.effect, self.effect_unit, "drug_effect", per_stratum=True),
            Parameter(f"{outcome}_lag", self.lag, "months", "effect_lag"),
        )

    def mean(self, xp: ModuleType, cells: Cells, outcome: str, rate: Any, rho: Any, values: Values) -> Any:
        """`rate x G(t) + delta (G(t) - G(min(t, s + lag)))`, G the decelerated time."""
        gained = _time_on_effect(xp, cells, values[f"{outcome}_lag"], rho)
        untreated = rate * decelerated_time(xp, cells.months, rho)
        return untreated + cells.of_stratum(values[f"{outcome}_effect"]) * gained


class RatioPower(BaseModel):
    """Link to NfL: the rate is multiplied by (drug-induced NfL ratio, lagged) to the power theta.

    `outcome` names the NfL outcome; its effect must be a `LaggedPlateau`.

    Parameters
    ----------
    type : str
        Name in a configuration.
    outcome : str
        The table's name of the NfL outcome.
    exponent : Normal
        theta.
    lag : LogNormal
        Months behind the NfL response.
    """

    model_config = _FROZEN

    type: Literal["ratio_power"] = "ratio_power"
    outcome: str = "nfl_plasma"
    exponent: Normal
    lag: LogNormal
    effect_type: ClassVar[str] = "ratio_power"
    effect_unit: ClassVar[str] = "ln rate per ln ratio"

    def parameters(self, outcome: str) -> tuple[Parameter, ...]:
        """List theta and the lag behind the NfL response."""
        return (
            Parameter(f"{outcome}_exponent", self.exponent, self.effect_unit, "drug_effect"),
            Parameter(f"{outcome}_lag", self.lag, "months", "effect_lag"),
        )

    def mean(self, xp: ModuleType, cells: Cells, outcome: str, rate: Any, rho: Any, values: Values) -> Any:
        """`rate x integral of exp(-rho u) exp(theta D h(u - s - lags)) du`."""
        plateau = values[f"{outcome}_exponent"] * cells.of_stratum(values[f"{self.outcome}_effect"])
        onset = cells.started + values[f"{self.outcome}_lag"] + values[f"{outcome}_lag"]
        kappa = values[f"{self.outcome}_time_constant"]
        return rate * linked_time(
            xp, cells.months, rho, onset, kappa, lambda reached: xp.exp(plateau[..., None] * reached)
        )


class DropGain(BaseModel):
    """Link to NfL: the rate gains gamma points a month per ln of the (lagged) drug-induced NfL drop.

    Parameters
    ----------
    type : str
        Name in a configuration.
    outcome : str
        The table's name of the NfL outcome.
    gain : Normal
        gamma, in the outcome's unit per month per ln.
    lag : LogNormal
        Months behind the NfL response.
    """

    model_config = _FROZEN

    type: Literal["drop_gain"] = "drop_gain"
    outcome: str = "nfl_plasma"
    gain: Normal
    lag: LogNormal
    effect_type: ClassVar[str] = "drop_gain"
    effect_unit: ClassVar[str] = "{unit} per month per ln drop"

    def parameters(self, outcome: str) -> tuple[Parameter, ...]:
        """List gamma and the lag behind the NfL response."""
        return (
            Parameter(f"{outcome}_gain", self.gain, self.effect_unit, "drug_effect"),
            Parameter(f"{outcome}_lag", self.lag, "months", "effect_lag"),
        )

    def mean(self, xp: ModuleType, cells: Cells, outcome: str, rate: Any, rho: Any, values: Values) -> Any:
        """`integral of exp(-rho u) (rate - gamma D h(u - s - lags)) du`, D negative for a drop."""
        onset = cells.started + values[f"{self.outcome}_lag"] + values[f"{outcome}_lag"]
        kappa = values[f"{self.outcome}_time_constant"]
        gained = linked_time(xp, cells.months, rho, onset, kappa, lambda reached: 1 + reached)
        untreated = decelerated_time(xp, cells.months, rho)
        drop = -cells.of_stratum(values[f"{self.outcome}_effect"])
        return rate * untreated + values[f"{outcome}_gain"] * drop * (gained - untreated)


MeansEffect = Annotated[
    NoMeansEffect | LaggedPlateau | ProportionalSlowing | AbsoluteChange | RatioPower | DropGain,
    Field(discriminator="type"),
]
