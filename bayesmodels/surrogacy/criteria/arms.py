"""Surrogate and outcome of the persons in two randomised arms, as posterior draws: what single-trial criteria read.

Sources: `person_level.posterior_arms` (one surrogate and one outcome value a person) and `courses.Courses.arms` (any
archived longitudinal fit). Arms are ordered control, active; endpoints surrogate, outcome; effects are active minus
control.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

CONTROL, ACTIVE = 0, 1
SURROGATE, OUTCOME = 0, 1


@dataclass(frozen=True)
class Arms:
    """Joint draws of the means and within-arm covariances of a surrogate S and an outcome T.

    Parameters
    ----------
    mean : (draw, arm, endpoint)
        Modelling units of each endpoint.
    covariance : (draw, arm, endpoint, endpoint)
        Between persons of an arm.
    share : (arm,)
        Share of the persons in each arm; sums to 1.
    good : (endpoint,)
        +1 where up is good, -1 where down is good.
    cross : (draw, endpoint, endpoint) or None
        Covariance of a person's value under control (first) with the same person's under the active drug (second),
        where an assumption gives it; no trial shows both.
    scale : str
        "latent" (true values, no measurement error) or "observed".
    """

    mean: np.ndarray
    covariance: np.ndarray
    share: np.ndarray
    good: np.ndarray
    cross: np.ndarray | None = None
    scale: str = "observed"

    @property
    def alpha(self) -> np.ndarray:
        """Effect on the surrogate, (draw,)."""
        return self.mean[:, ACTIVE, SURROGATE] - self.mean[:, CONTROL, SURROGATE]

    @property
    def beta(self) -> np.ndarray:
        """Effect on the outcome, (draw,)."""
        return self.mean[:, ACTIVE, OUTCOME] - self.mean[:, CONTROL, OUTCOME]

    @property
    def pooled(self) -> np.ndarray:
        """Within-arm covariance pooled over the arms by their persons, (draw, endpoint, endpoint)."""
        return np.einsum("a,daij->dij", self.share, self.covariance)

    @property
    def gamma(self) -> np.ndarray:
        """Slope of the outcome on the surrogate within arms, s_ST / s_SS, (draw,)."""
        sigma = self.pooled
        return sigma[:, SURROGATE, OUTCOME] / sigma[:, SURROGATE, SURROGATE]

    @property
    def arm_gamma(self) -> np.ndarray:
        """The same slope in each arm, (draw, arm)."""
        return self.covariance[:, :, SURROGATE, OUTCOME] / self.covariance[:, :, SURROGATE, SURROGATE]

    @property
    def adjusted_association(self) -> np.ndarray:
        """rho_Z, correlation of surrogate and outcome within arms (Buyse and Molenberghs 1998), (draw,)."""
        return correlation(self.pooled)

    @property
    def arm_association(self) -> np.ndarray:
        """Correlation in each arm, (draw, arm): r(S0, T0) and r(S1, T1)."""
        return correlation(self.covariance)

    @property
    def residual_effect(self) -> np.ndarray:
        """beta_S = beta - gamma alpha: effect on the outcome at the same surrogate value, common slope, (draw,)."""
        return self.beta - self.gamma * self.alpha

    @property
    def arm_residual_effect(self) -> np.ndarray:
        """The same with a slope for each arm, at each arm's mean surrogate, (draw, arm).

        At control's mean it is beta - gamma_active alpha, at the active arm's beta - gamma_control alpha; in between it
        is linear.
        """
        return self.beta[:, None] - self.arm_gamma[:, ::-1] * self.alpha[:, None]

    @property
    def favourable(self) -> Arms:
        """The same with both endpoints turned so that up is good."""
        sign = self.good
        flip = sign[:, None] * sign[None, :]
        return replace(
            self,
            mean=self.mean * sign,
            covariance=self.covariance * flip,
            good=np.ones(2),
            cross=None if self.cross is None else self.cross * flip,
        )


def correlation(covariance: np.ndarray) -> np.ndarray:
    """Correlation of the two endpoints from (..., 2, 2) covariances; NaN where one does not vary."""
    product = covariance[..., 0, 0] * covariance[..., 1, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(product > 0, covariance[..., 0, 1] / np.sqrt(product), np.nan)
