"""Pairwise comparison of persons: by survival first, then by function at the last time both were seen.

Source: Finkelstein and Schoenfeld (1999), Combining mortality and longitudinal measures in clinical trials, Statistics
in Medicine 18:1341-1354. In ALS: Berry et al. (2013), The Combined Assessment of Function and Survival (CAFS),
Amyotrophic Lateral Sclerosis and Frontotemporal Degeneration 14:162-168, doi:10.3109/17482968.2012.762930.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayesmodels.errors import BadInput
from bayesmodels.statistics.followup import Array, Mask, event_mask

Scores = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Pairs:
    """Results of all pairwise comparisons of persons.

    Parameters
    ----------
    scores : array (person, person) of int8
        +1 where the first person does better than the second, -1 where worse, 0 where tied or not comparable.
    by_survival : array (person, person) of bool
        Whether survival decided the pair; else function did, or nothing.
    """

    scores: Scores
    by_survival: npt.NDArray[np.bool_]

    def sentence(self) -> str:
        """How many pairs there are, and what decided them."""
        apart = np.triu(np.ones(self.scores.shape, bool), 1)
        by_survival = int((self.by_survival & apart).sum())
        tied = int(((self.scores == 0) & apart).sum())
        return (
            f"{len(self.scores)} persons, {int(apart.sum())} pairs: {by_survival} decided by survival, "
            f"{int(apart.sum()) - by_survival - tied} by function, {tied} tied or not comparable."
        )

    def __repr__(self) -> str:
        return self.sentence()

    def sums(self, within: npt.ArrayLike | None = None) -> Array:
        """Score of each person: times better minus times worse, over the persons of the same stratum.

        Parameters
        ----------
        within : array (person,), optional
            Strata; default one for all.
        """
        scores = self.scores.astype(float)
        if within is not None:
            strata = np.asarray(within)
            scores = scores * (strata[:, None] == strata[None])
        return scores.sum(axis=1)


def pairwise_scores(
    time: npt.ArrayLike,
    died: npt.ArrayLike,
    change: npt.ArrayLike,
    *,
    until: float = np.inf,
    visit_time: npt.ArrayLike | None = None,
    good_direction: str = "up",
    margin: float = 0.0,
) -> Pairs:
    """Compare all persons with each other.

    A pair is decided by survival if the one is known to have died while the other is known to be alive: at a tied time
    the one who died did so first. Otherwise (both alive at the end of the shorter follow-up, or both dead at the same
    time) by the change of function at the last visit that both have. A pair without such a visit, or with changes that
    differ by no more than `margin`, is tied. Where survival is undecided a later visit than the shorter follow-up
    cannot be common to both, so none is used.

    Parameters
    ----------
    time : array (person,)
        Exit from follow-up, any unit.
    died : array (person,) of bool
        Whether a terminal event happened then.
    change : array (person, visit) or (person,)
        Change of function from baseline at visits in increasing order, NaN where missing; the visit at baseline, where
        everyone's change is 0, is left out.
    until : float
        End of the comparison: later deaths count as alive, later visits are not used (needs `visit_time`).
    visit_time : array (visit,), optional
        Times of the visits.
    good_direction : {"up", "down"}
        Which change is good.
    margin : float
        Largest difference of changes that counts as a tie.

    Raises
    ------
    BadInput
        Arrays that do not fit together, a direction that is neither up nor down, or `until` or `margin` out of range.
    """
    t, dead = np.asarray(time, float), event_mask(died, "died")
    moves = np.asarray(change, float)
    moves = moves[:, None] if moves.ndim == 1 else moves
    _check(t, dead, moves, visit_time, until, good_direction, margin)
    if visit_time is not None:
        moves = np.where(np.asarray(visit_time, float)[None] <= until, moves, np.nan)
    dead = dead & (t <= until)
    t = np.minimum(t, until)
    # the first outlives the second: the second died, and the first was alive then
    outlives = dead[None] & ((t[:, None] > t[None]) | ((t[:, None] == t[None]) & ~dead[:, None]))
    survival = outlives.astype(np.int8) - outlives.T.astype(np.int8)
    moves = moves if good_direction == "up" else -moves
    function = np.zeros_like(survival)
    for column in moves.T:  # increasing: a later common visit replaces an earlier one
        both = np.isfinite(column)[:, None] & np.isfinite(column)[None]
        filled = np.nan_to_num(column)
        gap = filled[:, None] - filled[None]
        function = np.where(both, np.where(np.abs(gap) > margin, np.sign(gap), 0).astype(np.int8), function)
    decided = survival != 0
    return Pairs(np.where(decided, survival, function), decided)


def _check(
    t: Array, dead: Mask, moves: Array, visit_time: npt.ArrayLike | None, until: float, good: str, margin: float
) -> None:
    problems = []
    if t.ndim != 1 or dead.shape != t.shape or moves.ndim != 2 or len(moves) != len(t):
        raise BadInput(
            f"expected time and died of each person and change by person and visit, got shapes {t.shape}, {dead.shape} "
            f"and {moves.shape}"
        )
    if not (np.isfinite(t) & (t >= 0)).all():
        problems.append("time: expected finite times of 0 or later; correct the others")
    if good not in ("up", "down"):
        problems.append(f'good_direction: expected "up" or "down", got {good!r}')
    if not margin >= 0:
        problems.append(f"margin: expected 0 or more, got {margin:g}")
    if not until > 0:
        problems.append(f"until: expected a time above 0, got {until:g}; leave it out to use all of the follow-up")
    if np.isfinite(until) and visit_time is None:
        problems.append("until: expected visit_time with it, to leave out later visits; give the visits' times")
    if visit_time is not None:
        visits = np.asarray(visit_time, float)
        if visits.shape != moves.shape[1:] or (np.diff(visits) <= 0).any():
            problems.append(f"visit_time: expected {moves.shape[1]} increasing times, got {visits.tolist()}")
    if problems:
        raise BadInput(problems)
