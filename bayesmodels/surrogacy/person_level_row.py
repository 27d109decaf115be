"""A trial's posterior from persons' data as one row of a table of trials.

The joint draws of its two effects are summarised as a bivariate normal, with their correlation within the trial. A row
of a likelihood must not carry the trial's own prior, or priors would be counted once a trial: the prior is divided out,
as a bivariate normal too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

from bayesmodels.errors import BadInput
from bayesmodels.posterior.archive import require

Array = npt.NDArray[np.float64]

TOLERANCE = 0.2
"""Largest misfit of a 2.5 or 97.5 % quantile to the normal's, in SDs, that still counts as normal. Package default: it
moves a 95 % limit by a tenth of its distance from the mean."""


@dataclass(frozen=True)
class Quantity:
    """An effect in a person-level posterior.

    Parameters
    ----------
    variable : str
        Published variable, e.g. "difference".
    index : mapping
        Dim to label, every dim of the variable, e.g. {"outcome": "nfl_plasma", "contrast": "early - delayed",
        "stratum": "all", "week": 28}.
    minus : mapping, optional
        Dim to label of what is subtracted, e.g. the control group's period_rate; dims not named are those of `index`.
    """

    variable: str
    index: Mapping[str, object]
    minus: Mapping[str, object] = field(default_factory=dict)

    def draws(self, group: xr.Dataset) -> Array:
        """Values (draw,).

        Raises
        ------
        BadInput
            A dim is not named, or a label is not there.
        """
        value = self._select(group, self.index)
        if self.minus:
            value = value - self._select(group, {**self.index, **self.minus})
        return value

    def _select(self, group: xr.Dataset, index: Mapping[str, object]) -> Array:
        array = group[self.variable]
        dims = [str(dim) for dim in array.dims if dim not in ("chain", "draw")]
        if set(index) != set(dims):
            raise BadInput(f"{self.variable}: expected a label for each of {', '.join(dims)}, got {', '.join(index)}")
        try:
            chosen = array.sel(dict(index))
        except KeyError as error:
            raise BadInput(f"{self.variable}: no entry {dict(index)} ({error})") from error
        return chosen.transpose("chain", "draw").to_numpy().ravel()


@dataclass(frozen=True)
class TrialRow:
    """A trial's two effects as a row, and whether a bivariate normal is fair to them.

    Attributes
    ----------
    row : dict
        trial, surrogate_effect, surrogate_se, outcome_effect, outcome_se, within_correlation: for
        `TrialTable.from_frame`.
    misfit : float
        Largest misfit of a 2.5 or 97.5 % quantile to the normal's, in SDs, over both effects and their principal axes.
    prior_share : float
        Largest share of a direction's posterior precision that came from the trial's own prior (0 if not divided out).
    """

    row: dict[str, float | str]
    misfit: float
    prior_share: float

    @property
    def is_normal(self) -> bool:
        """Whether the misfit is at most `TOLERANCE`."""
        return self.misfit <= TOLERANCE

    def sentence(self) -> str:
        """Say the row and the check."""
        fair = "fair" if self.is_normal else "NOT fair"
        return (
            f"{self.row['trial']}: surrogate {self.row['surrogate_effect']:.3g} (SE {self.row['surrogate_se']:.2g}), "
            f"outcome {self.row['outcome_effect']:.3g} (SE {self.row['outcome_se']:.2g}), correlation "
            f"{self.row['within_correlation']:.2f}; a normal summary is {fair} (misfit {self.misfit:.2f} SD), and "
            f"{self.prior_share:.0%} of the precision was the trial's own prior."
        )


def trial_row(
    tree: xr.DataTree, trial: str, surrogate: Quantity, outcome: Quantity, *, divide_prior: bool = True
) -> TrialRow:
    """Summarise a person-level posterior as a row.

    Parameters
    ----------
    tree : xr.DataTree
        Of a `LongitudinalModel`, or anything that publishes both quantities.
    trial : str
        Its label.
    surrogate, outcome : Quantity
    divide_prior : bool
        Take the trial's own prior out of the row.

    Raises
    ------
    MissingVariable
        A variable is not published.
    BadInput
        A label is not there, or the data say less than the prior about a combination of the effects.
    """
    require(tree, (surrogate.variable, outcome.variable), ("prior",) if divide_prior else ())
    pairs = _pairs(tree, "posterior", surrogate, outcome)
    mean, covariance = pairs.mean(axis=0), np.cov(pairs.T)
    share = 0.0
    if divide_prior:
        prior = _pairs(tree, "prior", surrogate, outcome)
        own = np.linalg.inv(np.cov(prior.T))
        precision = np.linalg.inv(covariance)
        factor = np.linalg.inv(np.linalg.cholesky(precision))
        share = float(np.linalg.eigvalsh(factor @ own @ factor.T).max())
        if share >= 1:
            raise BadInput(
                f"{trial}: the data say no more than the prior about a combination of the two effects, so no row can "
                "be made of it; fit the trial with wider priors, or leave it out"
            )
        mean, covariance = (
            np.linalg.solve(precision - own, precision @ mean - own @ prior.mean(axis=0)),
            np.linalg.inv(precision - own),
        )
    se = np.sqrt(np.diag(covariance))
    row: dict[str, float | str] = {
        "trial": trial,
        "surrogate_effect": float(mean[0]),
        "surrogate_se": float(se[0]),
        "outcome_effect": float(mean[1]),
        "outcome_se": float(se[1]),
        "within_correlation": float(covariance[0, 1] / se.prod()),
    }
    return TrialRow(row, _misfit(pairs), share)


def _pairs(tree: xr.DataTree, group: str, surrogate: Quantity, outcome: Quantity) -> Array:
    dataset = tree[group].to_dataset()
    return np.stack([surrogate.draws(dataset), outcome.draws(dataset)], axis=1)


def _misfit(pairs: Array) -> float:
    scaled = (pairs - pairs.mean(axis=0)) / pairs.std(axis=0)
    axes = np.concatenate([scaled, scaled @ np.linalg.eigh(np.corrcoef(scaled.T))[1]], axis=1)
    axes = axes / axes.std(axis=0)
    at = np.array([0.025, 0.975])
    return float(np.abs(np.quantile(axes, at, axis=0) - stats.norm.ppf(at)[:, None]).max())
