"""Baseline hazards: an event's log hazard over months since randomisation, covariates and courses held.

A hazard is linear in coefficients once its shape's knots are known: log h(t) = sum of coefficient x column(t). The
first part of each class's prior, `level`, is of the log hazard a month, for a person at the typical value of what acts
on the hazard and in the reference group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator
from scipy.interpolate import BSpline

from bayesmodels.errors import BadInput
from bayesmodels.parts.priors import HalfNormal, Normal, PriorFields
from bayesmodels.parts.sampling_scale import half_normal
from bayesmodels.vocabulary import months

_FROZEN = ConfigDict(frozen=True, extra="forbid")

LEVEL = Normal(mean=float(np.log(0.01)), sd=1.5, source="log of 1 % a month; a factor of 20 either way is 2 SD")
_LEVEL_FIELD = ("log baseline hazard", "log hazard a month")
TYPICAL_MONTHS = 12.0
"""Where the level of a hazard that changes smoothly is stated."""


@dataclass(frozen=True)
class Exposure:
    """When persons are at risk of an event, and when it happens: months since randomisation.

    Parameters
    ----------
    entry, exit : (person,)
    happened : (person,) bool
        The exit is this event.
    """

    entry: np.ndarray
    exit: np.ndarray
    happened: np.ndarray

    @property
    def typical(self) -> float:
        """Geometric mean of the months of the events, or of the exits where there are none."""
        at = self.exit[self.happened & (self.exit > 0)] if self.happened.any() else self.exit[self.exit > 0]
        return float(np.exp(np.log(at).mean())) if len(at) else TYPICAL_MONTHS

    def at_risk(self, t: np.ndarray) -> np.ndarray:
        """Persons at risk at each time of `t`.

        Parameters
        ----------
        t : array (time,)
            Months since randomisation.
        """
        return ((self.entry[:, None] <= t) & (t < self.exit[:, None])).sum(axis=0)


@dataclass(frozen=True)
class Baseline:
    """A log hazard, linear in its coefficients.

    Parameters
    ----------
    cuts : tuple of float
        Months at which the hazard is not smooth.
    columns : callable
        Months (point,) to the columns (column, point).
    coefficients : callable
        Name and a shift (scalar tensor) to the coefficients (column,): those of the hazard times exp(shift). The shift
        moves the sampler to where the data are and leaves the prior of the unshifted hazard as stated.
    unbounded : bool
        The hazard may be infinite at time zero.
    published : mapping of str to callable
        By vocabulary name, the coefficients' function.
    """

    cuts: tuple[float, ...]
    columns: Callable[[np.ndarray], np.ndarray]
    coefficients: Callable[[str, Any], Any]
    unbounded: bool = False
    published: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)


class Weibull(BaseModel):
    """log h(t) = level + (k - 1) log(t / 12 months).

    Parameters
    ----------
    type : str
        Name in a configuration.
    level : Normal
        Log hazard a month at 12 months.
    log_shape : Normal
        Of log k; k = 1 is a constant hazard.
    """

    model_config = _FROZEN
    type: Literal["weibull"] = "weibull"
    level: Normal = LEVEL
    log_shape: Normal = Normal(mean=0.0, sd=0.5, source="k between .4 and 2.7: 2 SD")
    prior_fields: ClassVar[PriorFields] = {"level": _LEVEL_FIELD, "log_shape": ("log shape of the baseline hazard", "")}

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        return "exp(level) (t / 12)^{k − 1}"

    def baseline(self, exposure: Exposure) -> Baseline:
        """Columns 1 and log t, centred at the typical event (data of the model: its log less that of 12 months)."""
        typical = exposure.typical

        def coefficients(name, shift):
            log_shape = pm.Normal(f"{name}_log_shape", self.log_shape.mean, self.log_shape.sd)
            slope = pt.expm1(log_shape)
            centre = pm.Data(f"{name}_centre", np.array(np.log(typical / TYPICAL_MONTHS)))
            mean = self.level.mean + shift + slope * centre
            return pt.stack([pm.Normal(f"{name}_log_hazard", mean, self.level.sd), slope])

        return Baseline(
            (),
            lambda t: np.stack([np.ones_like(t), np.log(np.maximum(t, 1e-12) / typical)]),
            coefficients,
            True,
            {"baseline_shape": lambda coefficient: coefficient[1] + 1.0},
        )


class PiecewiseConstant(BaseModel):
    """Constant between knots, each piece closed at its end; neighbouring pieces have similar hazards.

    log h_j = level + W_j - mean(W) for pieces j = 1 to J. W is a random walk over the pieces' midpoints t_j, with steps
    of variance tau^2 (t_j - t_(j-1)) / (t_J - t_1): `level` is the mean log hazard over the pieces and tau the SD of
    the change from the first piece to the last, however many pieces there are. (Independent pieces would give their
    mean the prior SD 1.5 / sqrt(J).) One piece has its level only.

    Parameters
    ----------
    type : str
        Name in a configuration.
    knot_weeks : tuple of float, optional
        Rising weeks above 0.
    pieces : int
        Without knots: about as many events in each.
    until_week : float, optional
        End of the last piece, for its midpoint: the last exit unless given, and not before the last knot.
    level : Normal
        Mean log hazard a month over the pieces, each with the same weight.
    random_walk_sd : HalfNormal
        Of tau, the SD of the change of the log hazard from the first piece's midpoint to the last one's.
    """

    model_config = _FROZEN
    type: Literal["piecewise"] = "piecewise"
    knot_weeks: tuple[FiniteFloat, ...] | None = None
    pieces: int = Field(default=5, ge=1)
    until_week: FiniteFloat | None = Field(default=None, gt=0)
    level: Normal = LEVEL
    random_walk_sd: HalfNormal = HalfNormal(
        sd=1.0, source="the change over all pieces has an SD of 1: a hazard that rises or falls sevenfold is 2 SD"
    )

    @field_validator("knot_weeks")
    @classmethod
    def _rising(cls, knots: Any) -> Any:
        if knots is not None and (list(knots) != sorted(set(knots)) or (knots and knots[0] <= 0)):
            raise ValueError("expected rising weeks above 0")
        return knots

    @property
    def prior_fields(self) -> PriorFields:
        """Fields that are priors: a single piece has no random walk."""
        pieces = self.pieces if self.knot_weeks is None else len(self.knot_weeks) + 1
        walk = ("SD of the log baseline hazard's random walk, first piece to last", "log hazard")
        return {"level": _LEVEL_FIELD} | ({"random_walk_sd": walk} if pieces > 1 else {})

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        if self.knot_weeks is None:
            return f"constant in {self.pieces} pieces of about as many events" if self.pieces > 1 else "constant"
        weeks = ", ".join(f"{week:g}" for week in self.knot_weeks)
        return f"constant between weeks 0, {weeks} and the end" if weeks else "constant"

    def baseline(self, exposure: Exposure) -> Baseline:
        """One column per piece."""
        if self.knot_weeks is not None:
            knots = np.array([months(week) for week in self.knot_weeks])
        else:
            events = exposure.exit[exposure.happened]
            quantiles = np.arange(1, self.pieces) / self.pieces
            knots = np.unique(np.quantile(events, quantiles)) if len(events) else np.zeros(0)
            knots = knots[(knots > 0) & (knots < exposure.exit.max())]
        edges = np.concatenate([[-np.inf], knots, [np.inf]])
        end = months(self.until_week) if self.until_week is not None else float(exposure.exit.max())
        walk = _centred_walk(np.concatenate([[0.0], knots, [max(end, *knots)]])) if len(knots) else None

        def coefficients(name, shift):
            level = pm.Normal(f"{name}_log_hazard", self.level.mean + shift, self.level.sd)
            if walk is None:
                return level[None]
            sd = half_normal(f"{name}_random_walk_sd", self.random_walk_sd.sd)
            step = pm.Normal(f"{name}_step", 0.0, 1.0, shape=(len(knots),))
            return level + sd * (pm.Data(f"{name}_random_walk", walk) @ step)

        return Baseline(
            tuple(knots), lambda t: ((edges[:-1, None] < t) & (t <= edges[1:, None])).astype(float), coefficients
        )


def _centred_walk(edges: np.ndarray) -> np.ndarray:
    """Standard normal steps (piece - 1,) to a random walk over the pieces' midpoints less its mean, (piece, piece - 1).

    The walk's SD from the first midpoint to the last is 1.
    """
    gaps = np.diff((edges[:-1] + edges[1:]) / 2)
    walk = np.tril(np.ones((len(gaps) + 1, len(gaps))), -1) * np.sqrt(gaps / gaps.sum())
    return walk - walk.mean(axis=0)


class PenalisedSpline(BaseModel):
    """Cubic B-spline with equal knots and a random-walk penalty on the coefficients' second differences.

    The log hazard is level + trend + bends: bends are the part that the penalty sees, made orthogonal to level and
    trend over the persons at risk, so that the three are nearly independent a posteriori (Eilers and Marx 1996,
    doi:10.1214/ss/1038425655, for the penalty; Lang and Brezger 2004, doi:10.1198/1061860043010, for its prior).

    Parameters
    ----------
    type : str
        Name in a configuration.
    functions : int
        B-splines, equally spaced from week 0 to `until_week`.
    until_week : float, optional
        The last exit unless given; constant slope beyond.
    level : Normal
        Mean log hazard a month over the time at risk.
    trend : Normal
        Change of the log hazard from week 0 to `until_week`.
    roughness : HalfNormal
        SD of the second differences.
    """

    model_config = _FROZEN
    type: Literal["spline"] = "spline"
    functions: int = Field(default=8, ge=5)
    until_week: FiniteFloat | None = Field(default=None, gt=0)
    level: Normal = LEVEL
    trend: Normal = Normal(mean=0.0, sd=1.0, source="a hazard that rises or falls sevenfold is 2 SD")
    roughness: HalfNormal = HalfNormal(sd=0.5, source="a bend of .5 on the log hazard between knots is 1 SD")
    prior_fields: ClassVar[PriorFields] = {
        "level": _LEVEL_FIELD,
        "trend": ("change of the log baseline hazard, week 0 to the last", "log hazard"),
        "roughness": ("SD of the baseline's second differences", "log hazard"),
    }

    @property
    def formula(self) -> str:
        """As of `parts.formulas`."""
        return f"exp of a cubic spline of {self.functions} functions, its bends penalised"

    def baseline(self, exposure: Exposure) -> Baseline:
        """Columns: 1, centred time over the span, and `functions` - 2 bends."""
        span = months(self.until_week) if self.until_week is not None else float(exposure.exit.max())
        grid = np.linspace(0.0, span, 400)
        if span <= 0 or not exposure.at_risk(grid).any():
            raise BadInput(
                "events: expected someone at risk between week 0 and until_week (the last exit) for a spline; "
                "found nobody; correct the weeks of entry and exit, or until_week"
            )
        splines = _splines(span, self.functions)
        differences = np.diff(np.eye(self.functions), 2, axis=0)
        bend = splines(grid) @ np.linalg.pinv(differences)
        weight = np.sqrt(exposure.at_risk(grid).astype(float))
        middle = float((weight**2 @ grid) / (weight**2).sum())
        line = np.stack([np.ones_like(grid), (grid - middle) / span], axis=1)
        along, *_ = np.linalg.lstsq(weight[:, None] * line, weight[:, None] * bend, rcond=None)

        def columns(t):
            inside = np.clip(t, 0.0, span)
            straight = np.stack([np.ones_like(t), (inside - middle) / span], axis=1)
            bends = splines(inside) @ np.linalg.pinv(differences) - straight @ along
            straight[:, 1] = (t - middle) / span
            return np.concatenate([straight, bends], axis=1).T

        def coefficients(name, shift):
            level = pm.Normal(f"{name}_log_hazard", self.level.mean + shift, self.level.sd)
            trend = pm.Normal(f"{name}_trend", self.trend.mean, self.trend.sd)
            roughness = half_normal(f"{name}_roughness", self.roughness.sd)
            bends = pm.Normal(f"{name}_bend", 0.0, 1.0, shape=(self.functions - 2,))
            return pt.concatenate([pt.stack([level, trend]), roughness * bends])

        knots = np.linspace(0.0, span, self.functions - 2)[1:-1]
        return Baseline(tuple(knots), columns, coefficients)


def _splines(span: float, functions: int) -> Callable[[np.ndarray], np.ndarray]:
    """Months to the cubic B-splines with equal knots over [0, span], (point, function)."""
    step = span / (functions - 3)
    knots = step * np.arange(-3, functions + 1)
    spline = BSpline(knots, np.eye(functions), 3)
    return lambda t: spline(np.clip(t, 0.0, span * (1 - 1e-12)))


HAZARDS = {"weibull": Weibull, "piecewise": PiecewiseConstant, "spline": PenalisedSpline}
