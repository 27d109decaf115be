"""Later values of persons who left, missing at random or reference-based: conditional normal distributions.

With o a person's visits up to the exit, w the week asked for and L the exit; mu_a, C_a mean and covariance under the
person's own start of the drug, mu_r, C_r under the reference's; and R_a = C_a,wo C_a,oo^-1, R_r likewise:

    missing at random        mu_a(w) + R_a (y_o - mu_a(o))
    jump to reference        mu_r(w) + R_r (y_o - mu_a(o))
    copy increments          mu_a(L) + mu_r(w) - mu_r(L) + R_r (y_o - mu_a(o))
    copy reference           mu_r(w) + R_r (y_o - mu_r(o))

are the means; the variance is what regression leaves, C_a,ww - R_a C_a,ow missing at random, that of the reference for
the others. Of a score with limits each person's mean is that of the normal variable cut at the limits
(`kernels.bounded_mean`), not its mean cut there.

References
----------
Carpenter, Roger and Kenward (2013), Journal of Biopharmaceutical Statistics 23, 1352-1371,
doi:10.1080/10543406.2013.834911, section 3 and appendix: the regression on the past is the reference's, the past itself
has the person's own mean (jump, copy increments) or the reference's (copy reference).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayesmodels.kernels.bounded_mean import clipped_mean
from bayesmodels.persons.gaussian import Rows, Spread, regressed

MISSING_AT_RANDOM = "missing_at_random"
STRATEGIES = (MISSING_AT_RANDOM, "jump_to_reference", "copy_increments", "copy_reference")

IN_WORDS = {
    MISSING_AT_RANDOM: "those who left go on as those who stayed with the same past would, on their own start",
    "jump_to_reference": "from the exit on those who left are on the reference's course: what the drug did is gone",
    "copy_increments": "those who left keep what they had at the exit, and then change as the reference changes",
    "copy_reference": "those who left are as if they had been in the reference group from randomisation on",
}
"""What each strategy assumes about those who left."""

AS_MODELLED = "those who left go on as the model has it, which lets exits depend on the course, on their own start"
"""The first strategy, where exits are modelled and depend on the course."""


_clipped_means = np.vectorize(clipped_mean, otypes=[float])


@dataclass(frozen=True)
class Later:
    """Distribution of the value at a week or visit, normal given a draw, by strategy.

    Parameters
    ----------
    mean, sd : dict of str to (person,)
        For each of `STRATEGIES`, modelling scale.
    """

    mean: dict[str, np.ndarray]
    sd: dict[str, np.ndarray]

    def means(
        self, strategy: str, limits: tuple[float, float] | None = None, moved: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Mean of every person's value under a strategy, (person,) or as it broadcasts with `moved`.

        Parameters
        ----------
        strategy : str
        limits : (float, float), optional
            Of the scale: then the mean of the value held within them.
        moved : array, optional
            Added to the value, before it is held within the limits.
        """
        mean = self.mean[strategy] + moved
        return mean if limits is None else _clipped_means(mean, self.sd[strategy], *limits)


def later_values(
    spread: Spread,
    own: Rows,
    reference: Rows,
    own_later: Rows,
    reference_later: Rows,
    present: np.ndarray,
    y: np.ndarray,
) -> Later:
    """Distribution of every person's true value at a week given the visits, by strategy.

    Parameters
    ----------
    spread : Spread
    own, reference : Rows
        Visits (person, visit) under the person's own start of the drug and under the reference's.
    own_later, reference_later : Rows
        True values of one outcome at the exit and at the week, (person, 2).
    present : (person, visit) bool
        Visits up to the exit.
    y : (person, visit)
    """
    at_random, own_left = regressed(spread, own_later, own, present, y - own.mean)
    own_past, reference_left = regressed(spread, reference_later, reference, present, y - own.mean)
    copied, _ = regressed(spread, reference_later, reference, present, y - reference.mean)
    exit_, week = 0, 1
    increment = reference_later.mean[:, week] - reference_later.mean[:, exit_]
    means = (
        own_later.mean[:, week] + at_random[:, week],
        reference_later.mean[:, week] + own_past[:, week],
        own_later.mean[:, exit_] + increment + own_past[:, week],
        reference_later.mean[:, week] + copied[:, week],
    )
    sds = (np.sqrt(np.maximum(left[:, week, week], 0.0)) for left in (own_left, reference_left))
    return by_strategy(means, *sds)


def by_strategy(means: Sequence[np.ndarray], own_sd: np.ndarray, reference_sd: np.ndarray) -> Later:
    """Distributions with means in the order of `STRATEGIES`, and SDs as regression on the past leaves them."""
    sd = {name: own_sd if name == MISSING_AT_RANDOM else reference_sd for name in STRATEGIES}
    return Later(dict(zip(STRATEGIES, means, strict=True)), sd)
