"""Persons' straight lines of decline in a shared-rate model: the observed variable of their visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmodels.kernels.linear_mixed.op import Inputs, Layout
from bayesmodels.kernels.linear_mixed.variable import linear_mixed
from bayesmodels.kernels.spread import spread
from bayesmodels.models.shared_rate.design import SOURCE_MONTHS


@dataclass(frozen=True)
class Lines:
    """Levels and declines of persons by cell, as tensors of the current PyMC model; months are of 52/12 weeks.

    Parameters
    ----------
    level : (cell,)
        Mean level, points.
    decline : scalar or (cell,)
        Mean decline where the log rate is 0, points a month.
    level_sd : scalar
        SD of levels, points.
    decline_sd : (cell,)
        SD of declines where the log rate is 0, points a month.
    residual_sd : (cell,)
        SD of a visit about the person's line, points.
    """

    level: Any
    decline: Any
    level_sd: Any
    decline_sd: Any
    residual_sd: Any


def declining(
    outcome: str, values: Mapping[str, Any], log_rate: Any, lines: Lines, groups: int, prefix: str = ""
) -> None:
    """Add the visits of persons who decline in straight lines: ``y = level - decline exp(log_rate) months + error``.

    Parameters
    ----------
    outcome : str
    values : mapping of str to tensor
        Data of `rate_arrays`.
    log_rate : (person,)
    lines : Lines
        Of the cells that `person_stratum` counts.
    groups : int
        Start groups that `person_cell` counts.
    prefix : str
        Of the names of the data, of the variable (`visits`) and of its dims.
    """
    own = {name: values[f"{prefix}{name}"] for name in (*_OF_PERSONS, f"{outcome}:months", f"{outcome}:point")}
    present = spread(pt.ones_like(own[f"{outcome}:months"]), own[f"{outcome}:point"])
    time = spread(own[f"{outcome}:months"] * SOURCE_MONTHS, own[f"{outcome}:point"])
    is_level, is_rate = np.eye(2)
    linear_mixed(
        f"{prefix}visits",
        Layout((0, 0), (0, 1), (0, 1), (), (False, True), 2),
        Inputs(
            own["visits_elapsed"], own["visit_count"], own["person_stratum"], own["person_cell"],
            own["person_covariates"], is_level[:, None] * lines.level + is_rate[:, None] * lines.decline,
            pt.zeros((0, groups)), pt.zeros((0, 2)),
            is_level * lines.level_sd + is_rate * lines.decline_sd[:, None], pt.zeros(1), lines.residual_sd[:, None],
            pt.zeros((1, 1)), pt.zeros(0), pt.zeros(1), pt.zeros(1),
        ),
        [present, -pt.exp(log_rate) * time],
        own["visits_observed"],
        (f"{prefix}person", f"{prefix}slot"),
    )  # fmt: skip


_OF_PERSONS = (
    "visits_observed", "visits_elapsed", "visit_count", "person_stratum", "person_cell", "person_covariates",
)  # fmt: skip
