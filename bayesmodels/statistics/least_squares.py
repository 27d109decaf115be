"""Least squares with a covariance, and designs of a two-group comparison."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from bayesmodels.errors import BadInput
from bayesmodels.statistics.followup import Array, Mask

FREEDOM = "degrees of freedom"
"""Key of a comparison's counts: complete-data degrees of freedom."""

ROUNDING = 1e-10
"""Of the values' root sum of squares: residuals, and what a coefficient adds, are 0 below it."""


def least_squares(design: Array, y: Array) -> tuple[Array, Array, float]:
    """Coefficients, their covariance, and the residual degrees of freedom.

    A coefficient that is rounding is 0. Where residuals are, nothing tells of the covariance: it is NaN.

    Parameters
    ----------
    design : array (person, coefficient)
    y : array (person,)

    Returns
    -------
    array (coefficient,), array (coefficient, coefficient), float
        Coefficients, covariance, residual degrees of freedom.

    Raises
    ------
    BadInput
        Columns that depend on each other, or no residual degree of freedom.
    """
    n, p = design.shape
    if n <= p:
        raise BadInput(f"expected more persons than coefficients, got {n} and {p}; leave covariates out")
    scale = np.abs(design).max(axis=0)
    if np.linalg.matrix_rank(design / np.where(scale > 0, scale, 1)) < p:
        raise BadInput("covariates: expected columns that do not determine each other or the group; leave one out")
    q, r = np.linalg.qr(design)
    coefficients = np.linalg.solve(r, q.T @ y)
    residual = y - design @ coefficients
    nothing = ROUNDING * np.linalg.norm(y)
    coefficients[np.abs(coefficients) * np.linalg.norm(design, axis=0) <= nothing] = 0.0
    left = residual @ residual if np.linalg.norm(residual) > nothing else np.nan
    inverse = np.linalg.inv(r)
    return coefficients, inverse @ inverse.T * left / (n - p), float(n - p)


def as_numbers(covariates: Mapping[str, npt.ArrayLike] | None) -> dict[str, Array]:
    """Covariates as arrays of numbers, NaN where missing.

    Parameters
    ----------
    covariates : mapping of str to array (person,), or None

    Raises
    ------
    BadInput
        Text, or what else is no number.
    """
    found = {}
    for name, values in (covariates or {}).items():
        try:
            found[name] = np.asarray(values, float)
        except (TypeError, ValueError):
            text = next((v for v in np.asarray(values, dtype=object).ravel() if isinstance(v, str)), "something else")
            raise BadInput(f"covariate {name}: expected numbers, got {text!r}; code groups as 0 and 1") from None
    return found


def with_every(covariates: Mapping[str, Array], persons: int) -> Mask:
    """Persons with a finite number for every covariate.

    Parameters
    ----------
    covariates : mapping of str to array (person,)
    persons : int
        Number of persons.

    Raises
    ------
    BadInput
        A covariate of another length.
    """
    known = np.ones(persons, bool)
    for name, values in covariates.items():
        if values.shape != known.shape:
            raise BadInput(f"covariate {name}: expected a number for each of {persons} persons, got {values.shape}")
        known &= np.isfinite(values)
    return known


def comparison_design(
    in_group: Mask, covariates: Mapping[str, Array], strata: npt.ArrayLike | None
) -> tuple[Array, list[str]]:
    """Columns intercept, group, covariates (centred), an indicator of each stratum but the first.

    Parameters
    ----------
    in_group : array (person,) of bool
        In the group, else in the reference.
    covariates : mapping of str to array (person,)
    strata : array (person,) or None

    Returns
    -------
    array (person, coefficient), list of str
        The design, and the names of its columns.

    Raises
    ------
    BadInput
        Somebody without a covariate, or a group without persons.
    """
    if in_group.all() or not in_group.any():
        raise BadInput("expected persons in both groups, got one group only")
    columns, names = [np.ones(len(in_group)), in_group.astype(float)], ["intercept", "group"]
    for name, column in covariates.items():
        if column.shape != in_group.shape:
            raise BadInput(
                f"covariate {name}: expected a number for each of {len(in_group)} persons, got {column.shape}"
            )
        if not np.isfinite(column).all():
            raise BadInput(
                f"covariate {name}: expected a finite number for each of {len(in_group)} persons, got none for "
                f"{int((~np.isfinite(column)).sum())}; fill them in, or leave the covariate or these persons out"
            )
        columns.append(column - column.mean())
        names.append(name)
    labels = np.zeros(len(in_group)) if strata is None else np.asarray(strata)
    for label in np.unique(labels)[1:]:
        columns.append((labels == label).astype(float))
        names.append(f"stratum {label}")
    return np.column_stack(columns), names


def student_limits(estimate: float, se: float, df: float, level: float) -> tuple[tuple[float, float], float]:
    """Student's (normal where `df` is infinite) confidence interval and two-sided p-value against 0.

    Parameters
    ----------
    estimate, se : float
    df : float
        Degrees of freedom.
    level : float
        Of the interval, such as 0.95.

    Returns
    -------
    (float, float), float
        Limits; p-value, NaN where `se` is 0.
    """
    wide = float(student.ppf((1 + level) / 2, df)) * se
    p = float(2 * student.sf(abs(estimate) / se, df)) if se > 0 else float("nan")
    return (estimate - wide, estimate + wide), p
