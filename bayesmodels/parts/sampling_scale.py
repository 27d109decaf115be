"""The scale on which SDs with a half-normal prior are sampled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

AT_ZERO = 1.0 / np.sqrt(2.0 * np.pi)
NEWTON_STEPS = 8


class HalfNormalScale(Transform):
    """SD = scale (z Phi(z) + phi(z)), z the number that is sampled; Phi and phi of the standard normal distribution.

    An SD that the data leave near 0 has a posterior flat there. On the logarithm's scale that is an exponential tail,
    through which a sampler of Gaussian shapes travels slowly; on this one the tail is Gaussian, as Phi(z) is. SDs that
    are well above 0 stay nearly as they are.

    Parameters
    ----------
    scale : array
        SD of the half-normal prior.
    """

    name = "half_normal_scale"
    ndim_supp = 0

    def __init__(self, scale: Any) -> None:
        self.scale = np.asarray(scale, float)

    def backward(self, value: Any, *inputs: Any) -> Any:
        """SD of a sampled number."""
        return self.scale * _unit(value)

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Sampled number of an SD, by Newton's method.

        Above the SD of z = 0 the function is convex and larger than z; below, its logarithm is concave and it is
        smaller than phi(z): from those bounds every step goes towards the root.
        """
        s = value / self.scale
        high, low = pt.maximum(s, AT_ZERO), pt.minimum(s, AT_ZERO)
        above, below = high, -pt.sqrt(2.0 * pt.log(AT_ZERO / low))
        for _ in range(NEWTON_STEPS):
            above = above - (_unit(above) - high) / _phi_below(above)
            at = _unit(below)
            below = below - pt.log(at / low) * at / _phi_below(below)
        return pt.switch(pt.gt(s, AT_ZERO), above, below)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log derivative of the SD by the sampled number."""
        return pt.log(self.scale * _phi_below(value))


def half_normal(name: str, sd: Any, shape: tuple[int, ...] = (), sampled: Any = None) -> Any:
    """Half-normal random variable of the current PyMC model, sampled on `HalfNormalScale`.

    Parameters
    ----------
    name : str
    sd : array
        Of the prior; broadcasts to `shape`.
    shape : tuple of int
    sampled : array, optional
        Scale that is sampled on where `sd` is a tensor; default `sd`.
    """
    scale = np.asarray(sd if sampled is None else sampled, float)
    return pm.HalfNormal(
        name, sd if sampled is not None else scale, shape=shape, default_transform=HalfNormalScale(scale)
    )


def _phi_below(z: Any) -> Any:
    return 0.5 * pt.erfc(-z / np.sqrt(2.0))


def _unit(z: Any) -> Any:
    return z * _phi_below(z) + AT_ZERO * pt.exp(-0.5 * z**2)
