"""Later values of persons who left, by strategy, under a model of means by visit: conditional means and draws.

The formulas are those of `reference_based`, with means and covariances of the nominal visits: o the visits up to the
exit, w the visit asked for, L the last visit with the outcome (w itself where there is none, so that copied increments
then are the reference's mean).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesmodels.kernels.multivariate_normal.op import NormalInputs
from bayesmodels.persons.reference_based import Later, by_strategy


@dataclass(frozen=True)
class Moments:
    """Means (person, slot) and covariances (person, slot, slot) of a draw, on their own start and the reference's.

    Parameters
    ----------
    own_mean, reference_mean : (person, slot)
    own_covariance, reference_covariance : (block, slot, slot)
    own_block : (person,) int
    """

    own_mean: np.ndarray
    reference_mean: np.ndarray
    own_covariance: np.ndarray
    reference_covariance: np.ndarray
    own_block: np.ndarray

    @classmethod
    def of(cls, inputs: NormalInputs, shift: np.ndarray, reference_block: int) -> Moments:
        """Moments of a draw; `shift` (person, slot) is the mean under the reference less that on their own start."""
        covariance = np.asarray(inputs.covariance)
        mean = np.asarray(inputs.mean)
        block = np.asarray(inputs.block, int)[np.asarray(inputs.pattern, int)]
        return cls(mean, mean + shift, covariance, covariance[[reference_block]], block)


@dataclass(frozen=True)
class Patterns:
    """Distinct patterns of visits and covariance matrix, so that each regression is solved once a draw.

    Parameters
    ----------
    seen : (pattern, slot) bool
    block : (pattern,) int
    of_person : (person,) int
    """

    seen: np.ndarray
    block: np.ndarray
    of_person: np.ndarray

    @classmethod
    def of(cls, seen: np.ndarray, block: np.ndarray) -> Patterns:
        """Patterns of persons' visits (person, slot) and blocks (person,)."""
        rows, of_person = np.unique(np.column_stack([block, seen]), axis=0, return_inverse=True)
        return cls(rows[:, 1:].astype(bool), rows[:, 0].astype(int), of_person.reshape(-1))

    def regression(self, covariance: np.ndarray, slot: int) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (person, slot) of a slot on what was seen, zero elsewhere, and residual variances (person,)."""
        matrix = covariance[self.block]
        both = self.seen[:, :, None] & self.seen[:, None, :]
        past = np.where(both, matrix, 0.0) + np.eye(self.seen.shape[1]) * ~self.seen[:, :, None]
        cross = np.where(self.seen, matrix[:, slot], 0.0)
        found = np.linalg.solve(past, cross[:, :, None])[:, :, 0]
        left = np.maximum(matrix[:, slot, slot] - (found * cross).sum(axis=1), 0.0)  # 0 where the slot itself was seen
        return found[self.of_person], left[self.of_person]


def later_values(moments: Moments, y: np.ndarray, past: np.ndarray, last: np.ndarray, slot: int) -> Later:
    """Value of persons at a slot given their past, by strategy.

    Parameters
    ----------
    moments : Moments
    y : (person, slot)
        Read where `past`.
    past : (person, slot) bool
        Visits up to the exit.
    last : (person,) int
        Slot of the last visit with the outcome, `slot` where there is none.
    slot : int
        Of the outcome at the week asked for.
    """
    own, reference = moments.own_mean, moments.reference_mean
    person = np.arange(len(y))
    off_own, off_reference = np.where(past, y - own, 0.0), np.where(past, y - reference, 0.0)
    by_own, own_left = Patterns.of(past, moments.own_block).regression(moments.own_covariance, slot)
    zero = np.zeros_like(moments.own_block)
    by_reference, reference_left = Patterns.of(past, zero).regression(moments.reference_covariance, slot)
    jump = reference[:, slot] + (by_reference * off_own).sum(axis=1)
    means = (
        own[:, slot] + (by_own * off_own).sum(axis=1),
        jump,
        jump + np.where(last == slot, 0.0, own[person, last] - reference[person, last]),
        reference[:, slot] + (by_reference * off_reference).sum(axis=1),
    )
    return by_strategy(means, np.sqrt(own_left), np.sqrt(reference_left))
