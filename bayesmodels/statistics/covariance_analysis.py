"""Analysis of covariance of a change from baseline."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.statistics.comparison import Comparison, row
from bayesmodels.statistics.followup import check_level, event_mask
from bayesmodels.statistics.least_squares import FREEDOM, as_numbers, comparison_design, least_squares, student_limits


def ancova(
    change: npt.ArrayLike,
    in_group: npt.ArrayLike,
    *,
    covariates: Mapping[str, npt.ArrayLike] | None = None,
    strata: npt.ArrayLike | None = None,
    good_direction: str = "up",
    unit: str = "",
    group: str = "group",
    reference: str = "reference",
    level: float = 0.95,
) -> Comparison:
    """Adjusted difference of change, group minus reference, by least squares.

    Parameters
    ----------
    change : array (person,)
        Change from baseline at the week of interest; NaN where it was not observed: such persons are left out, and
        counted.
    in_group : array (person,) of bool
        In the group, else in the reference.
    covariates : mapping of str to array (person,), optional
        Usually the baseline value under the name ``baseline``; complete.
    strata : array (person,), optional
        One indicator per stratum.
    good_direction : {"up", "down"}
        Which change is good.
    unit, group, reference : str
        For the words of the result.
    level : float
        Of Student's confidence interval.

    Raises
    ------
    BadInput
        Covariates with gaps or text, columns that determine each other, a direction that is neither up nor down, or a
        level outside 0 to 1.
    """
    check_level(level)
    y, mine = np.asarray(change, float), event_mask(in_group, "in_group")
    if y.shape != mine.shape:
        raise BadInput(f"change: expected one value for each of {len(mine)} persons, got shape {y.shape}")
    if good_direction not in ("up", "down"):
        raise BadInput(f'good_direction: expected "up" or "down", got {good_direction!r}')
    seen = np.isfinite(y)
    if not (seen & mine).any() or not (seen & ~mine).any():
        raise BadInput(
            f"change: expected values of persons in both groups, got {int((seen & mine).sum())} in {group} "
            f"and {int((seen & ~mine).sum())} in {reference}"
        )
    used = {name: values[seen] for name, values in as_numbers(covariates).items()}
    labels = None if strata is None else np.asarray(strata)[seen]
    design, _ = comparison_design(mine[seen], used, labels)
    coefficients, covariance, df = least_squares(design, y[seen])
    gap, se = float(coefficients[1]), float(np.sqrt(covariance[1, 1]))
    direction = f"{'+' if good_direction == 'up' else '-'} favours {group}"
    adjusted = [*(covariates or {}), *(["strata"] if strata is not None else [])]
    counts = {
        f"persons, {group}": float((seen & mine).sum()),
        f"persons, {reference}": float((seen & ~mine).sum()),
        "persons left out": float((~seen).sum()),
        FREEDOM: df,
    }
    limits, p = student_limits(gap, se, df, level)
    return Comparison(
        "ANCOVA of change" + (f", adjusted for {', '.join(adjusted)}" if adjusted else ""),
        group,
        reference,
        pd.DataFrame([row("adjusted difference of change", gap, se, limits, p, direction, unit)]),
        level,
        counts,
        (f"Left out, for want of a value: {int((~seen).sum())}.",) if not seen.all() else (),
    )
