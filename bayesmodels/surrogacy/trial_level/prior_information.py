"""How far the data moved the correlation of effects from its prior: in bits, and as a ratio of widths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BINS = 50


@dataclass(frozen=True)
class PriorInformation:
    """Posterior beside prior of the correlation of effects.

    Attributes
    ----------
    bits : float
        Kullback-Leibler divergence of posterior from prior of rho, over `BINS` bins of equal prior probability, less
        `bits_bias`; not below 0.
    bits_bias : float
        What draws from the prior itself would give on average, from Monte-Carlo error alone: (bins - 1) / (2 ESS ln 2),
        with the draws of the prior counted too where it is known by draws.
    width_ratio : float
        Posterior over prior width of the equal-tailed interval of R2, which hardly tells: a prior of 0 to .95 leaves
        little room above.
    rho_width_ratio : float
        The same for rho: what the verdict reads.
    prior_r2 : (float, float, float)
        Median and 95 % limits of R2 a priori.
    """

    bits: float
    bits_bias: float
    width_ratio: float
    rho_width_ratio: float
    prior_r2: tuple[float, float, float]

    def sentence(self) -> str:
        """Say how much was learned."""
        return (
            f"The 95 % interval of the correlation of effects is {self.rho_width_ratio:.2f} times as wide as its "
            f"prior's; the data moved the correlation by {self.bits:.2f} bits."
        )


def prior_information(
    rho: Array, prior_rho: Array | None = None, prob: float = 0.95, ess: float | None = None
) -> PriorInformation:
    """Compare draws of rho with its prior.

    Parameters
    ----------
    rho : array (draw,)
    prior_rho : array (draw,), optional
        Draws from the prior; default Uniform(-1, 1), exactly.
    prob : float
        Of the equal-tailed intervals.
    ess : float, optional
        Effective sample size of the draws of rho; default their number, as of independent draws.

    Notes
    -----
    The plug-in divergence of a histogram of n independent draws is too large by (bins - 1) / (2 n ln 2) bits on average
    (Miller 1955, "Note on the bias of information estimates"); edges at the quantiles of m draws of the prior add the
    same with m for n.
    """
    levels = np.linspace(0, 1, BINS + 1)
    at = np.array([0.5, (1 - prob) / 2, (1 + prob) / 2])
    if prior_rho is None:
        edges, prior_limits, prior_r2 = 2 * levels - 1, 2 * at - 1, at**2
    else:
        edges, prior_limits, prior_r2 = (np.quantile(prior_rho, p) for p in (levels, at, at))
        prior_r2 = np.quantile(prior_rho**2, at)
    edges = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
    share = np.histogram(rho, edges)[0] / len(rho)
    kept = share > 0
    found = float(np.sum(share[kept] * np.log2(share[kept] * BINS)))
    bias = (BINS - 1) / (2 * np.log(2)) * (1 / (ess or len(rho)) + (0 if prior_rho is None else 1 / len(prior_rho)))
    limits, r2 = np.quantile(rho, at[1:]), np.quantile(rho**2, at[1:])
    return PriorInformation(
        bits=max(found - bias, 0.0),
        bits_bias=float(bias),
        width_ratio=float((r2[1] - r2[0]) / (prior_r2[2] - prior_r2[1])),
        rho_width_ratio=float((limits[1] - limits[0]) / (prior_limits[2] - prior_limits[1])),
        prior_r2=(float(prior_r2[0]), float(prior_r2[1]), float(prior_r2[2])),
    )
