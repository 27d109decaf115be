"""Prior distributions with their sources, and rows of a model's table of priors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pymc as pm
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

STATED = "stated by the user"


class Normal(BaseModel):
    """Normal(mean, sd), in the unit of what it is the prior of.

    Parameters
    ----------
    type : str
        Name in a configuration.
    mean, sd : float
        In the unit of what it is the prior of; sd above 0.
    source : str
        Where it comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["normal"] = "normal"
    mean: FiniteFloat
    sd: FiniteFloat = Field(gt=0)
    source: str = STATED

    def __str__(self) -> str:
        return f"Normal({self.mean:.3g}, {self.sd:.3g})"

    def variable(self, name: str) -> Any:
        """A scalar random variable of the current PyMC model.

        Parameters
        ----------
        name : str
        """
        return _told(pm.Normal(name, self.mean, self.sd), self)


class HalfNormal(BaseModel):
    """Normal(0, sd) on the positive half line.

    Parameters
    ----------
    type : str
        Name in a configuration.
    sd : float
        Above 0, in the unit of what it is the prior of.
    source : str
        Where it comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["halfnormal"] = "halfnormal"
    sd: FiniteFloat = Field(gt=0)
    source: str = STATED

    def __str__(self) -> str:
        return f"HalfNormal({self.sd:.3g})"


class LogNormal(BaseModel):
    """Log-normal with a median and the SD of the logarithm.

    Parameters
    ----------
    type : str
        Name in a configuration.
    median : float
        Above 0, in the unit of what it is the prior of.
    sigma : float
        SD of the natural logarithm.
    source : str
        Where it comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["lognormal"] = "lognormal"
    median: FiniteFloat = Field(gt=0)
    sigma: FiniteFloat = Field(gt=0)
    source: str = STATED

    def __str__(self) -> str:
        return f"LogNormal(log {self.median:.3g}, {self.sigma:.3g})"

    def variable(self, name: str) -> Any:
        """A scalar random variable of the current PyMC model.

        Parameters
        ----------
        name : str
        """
        return _told(pm.LogNormal(name, np.log(self.median), self.sigma), self)


def _told(variable: Any, prior: Normal | LogNormal) -> Any:
    """The variable, told its prior, which published means read."""
    variable.tag.prior = prior
    return variable


MeanPrior = Normal | dict[str, Normal]
"""One prior for all strata, or one per stratum by label."""


PriorRow = dict[str, str]
"""A row of a model's table of priors: `parameter`, `prior`, `unit`, `source`, and labels of what it is of."""

PriorFields = Mapping[str, tuple[str, str]]
"""Fields of a part that hold its own priors: the parameter's name ("" for the field's) and a template of its unit."""


def labelled_rows(labels: Sequence[str], rows: Iterable[Sequence[str]]) -> list[PriorRow]:
    """Rows of a table of priors from tuples whose entries have these labels.

    Parameters
    ----------
    labels : sequence of str
    rows : iterable of sequences of str
    """
    return [dict(zip(labels, row, strict=True)) for row in rows]


def prior_row(parameter: str, prior: str, unit: str, source: str, outcome: str, stratum: str = "all") -> PriorRow:
    """One row of a table of priors by outcome and stratum.

    Parameters
    ----------
    parameter, prior, unit, source : str
    outcome, stratum : str
        What the parameter is of.
    """
    return {
        "outcome": outcome, "parameter": parameter, "stratum": stratum, "prior": prior, "unit": unit, "source": source,
    }  # fmt: skip


def rows_of(
    prior: MeanPrior | HalfNormal | LogNormal | float, parameter: str, unit: str, outcome: str
) -> list[PriorRow]:
    """One row per stratum where a prior is given by stratum, else one; a number is taken as known.

    Parameters
    ----------
    prior : Normal, dict of Normal by stratum, HalfNormal, LogNormal or float
    parameter, unit, outcome : str
    """
    if isinstance(prior, int | float):
        return [prior_row(parameter, f"fixed at {prior:g}", unit, "taken as known", outcome)]
    by_label = prior if isinstance(prior, dict) else {"all": prior}
    return [prior_row(parameter, str(p), unit, p.source, outcome, label) for label, p in by_label.items()]


def part_rows(
    part: BaseModel, kind: str, unit: str, outcome: str, unnamed: tuple[type, ...] = (LogNormal, float)
) -> list[PriorRow]:
    """Rows of the priors that a part has of its own, means and SDs of terms apart.

    Parameters
    ----------
    part : trajectory, drug effect or baseline hazard
        Its class attribute ``prior_fields`` (`PriorFields`) says which fields are rows.
    kind : str
        Begins the name of a parameter that has no other.
    unit : str
        The outcome's, on the modelling scale.
    outcome : str
    unnamed : tuple of types
        Values that are rows, without a unit, of a part that does not say.
    """
    fields = {name: getattr(part, name) for name in type(part).model_fields}
    default = {name: ("", "") for name, value in fields.items() if isinstance(value, unnamed)}
    named: PriorFields = getattr(part, "prior_fields", default)
    return [
        row
        for name, (words, template) in named.items()
        if isinstance(fields[name], Normal | HalfNormal | LogNormal | float)
        for row in rows_of(fields[name], words or f"{kind} {name}", template.format(unit=unit), outcome)
    ]


def by_stratum(prior: MeanPrior, strata: Sequence[str]) -> list[Normal]:
    """The prior of each stratum.

    Parameters
    ----------
    prior : Normal, or dict of Normal by stratum
    strata : sequence of str

    Raises
    ------
    KeyError
        A stratum has none.
    """
    return [prior[label] if isinstance(prior, dict) else prior for label in strata]
