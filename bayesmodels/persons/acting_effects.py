"""Random effects that act on a hazard, given visits: functions of standardised numbers x with a known density.

Without a skewed effect they are center + root x with x standard normal. With one, x begins with the standardised z of
the skewed effect (`kernels.linear_mixed.drawn_skewed`), whose density given the visits is known up to its integral;
given z all else is normal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmodels.kernels.linear_mixed.variable import PersonTerms, SkewedTerms, skewed_at

LEAST_CURVATURE = 0.25
"""Of the log density in z, as a share of its curvature without second derivatives, where those make it less."""


@dataclass(frozen=True)
class NormalEffects:
    """Acting effects center + root x, x standard normal.

    Parameters
    ----------
    terms : PersonTerms or SkewedTerms
        All effects given the visits; skewed ones only where none acts.
    acting : list of int
        Places of the acting effects among the random effects.
    """

    terms: PersonTerms | SkewedTerms
    acting: list[int]

    @property
    def dims(self) -> int:
        """Coordinates of x."""
        return len(self.acting)

    @property
    def center(self) -> np.ndarray:
        """Mean of the acting effects, (person, acting)."""
        return self.terms.center[:, self.acting]

    @cached_property
    def root(self) -> np.ndarray:
        """Lower triangular root of their covariance, (person, acting, acting)."""
        return _root(self.terms.root, self.acting)

    def at(self, x: np.ndarray) -> np.ndarray:
        """Acting effects at x, (..., person, acting)."""
        return self.center + np.einsum("nab,...nb->...na", self.root, x)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Of x given the visits, (..., person)."""
        return _log_normal(x)

    def uphill(self, x: np.ndarray, gradient: np.ndarray, curvature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and minus the Hessian by x of log density + f(effects), from those of f by the effects."""
        along = np.einsum("nab,na->nb", self.root, gradient) - x
        bent = np.einsum("nab,nac,ncd->nbd", self.root, curvature, self.root)
        return along, np.eye(x.shape[1]) + bent

    def every(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A draw of all effects (person, random term), the acting ones at x."""
        drawn = self.terms.draw(rng)
        return _regressed(drawn, self.terms.root, self.acting, self.at(x)) if self.acting else drawn


@dataclass(frozen=True)
class SkewedEffects:
    """Acting effects where the first of the random effects is skewed; x: standardised z, then standard normal numbers.

    Parameters
    ----------
    terms : SkewedTerms
        All effects given the visits.
    acting : list of int
        Places of the acting effects among the random effects, at least one.
    """

    terms: SkewedTerms
    acting: list[int]

    @property
    def dims(self) -> int:
        """Coordinates of x."""
        return 1 + len(self.others)

    @property
    def others(self) -> list[int]:
        """The acting effects but for the skewed one."""
        return [a for a in self.acting if a != 0]

    @cached_property
    def root(self) -> np.ndarray:
        """Lower triangular root of the others' covariance given z, (person, other, other)."""
        return _root(self.terms.root, self.others)

    @cached_property
    def place(self) -> np.ndarray:
        """Mean and SD of z given the visits, and the log integral of its density, (3, person)."""
        return self.terms.place()

    @property
    def skewness(self) -> float:
        """Of the first effect."""
        return float(self.terms.inputs.skew[0])

    def at(self, x: np.ndarray) -> np.ndarray:
        """Acting effects at x, (..., person, acting)."""
        z, own = self._own(x)
        every = self._given_z(z, own)
        every[..., self.others] += np.einsum("nab,...nb->...na", self.root, x[..., 1:])
        return every[..., self.acting]

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Of x given the visits, (..., person)."""
        z, own = self._own(x)
        aa, cc, ra, rc, ac = self.terms.inner.T
        value = own * ra + z * rc - (own**2 * aa + z**2 * (1.0 + cc)) / 2 - own * z * ac
        _, spread, total = self.place
        return value - np.log(2 * np.pi) / 2 - total + np.log(spread) + _log_normal(x[..., 1:])

    def uphill(self, x: np.ndarray, gradient: np.ndarray, curvature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and minus the Hessian by x of log density + f(effects), from those of f by the effects.

        The Hessian is made positive definite, from `LEAST_CURVATURE` on.
        """
        z, own = self._own(x)
        t, k, sign = self.terms, max(self.skewness, 1e-6), self.terms.layout.skewed
        spread = self.place[1]
        slope = k * (sign * own + t.sd / np.sqrt(np.expm1(k**2)))  # of u_0 = sd g(z), whose dg/dz is so linear in g
        second = sign * k * slope
        aa, cc, ra, rc, ac = t.inner.T
        by_own, by_z = ra - own * aa - z * ac, rc - z * (1.0 + cc) - own * ac
        jacobian = np.zeros((*x.shape[:1], len(self.acting), x.shape[1]))
        bend = np.zeros((len(x), len(self.acting)))  # second derivatives of the acting effects by z
        for j, a in enumerate(self.acting):
            jacobian[:, j, 0] = spread * (slope if a == 0 else t.by_value[:, a] * slope + t.by_z[:, a])
            bend[:, j] = second if a == 0 else t.by_value[:, a] * second
        rows = [j for j, a in enumerate(self.acting) if a != 0]
        jacobian[:, rows, 1:] = self.root
        along = np.einsum("nab,na->nb", jacobian, gradient)
        along[:, 0] += spread * (slope * by_own + by_z)
        along[:, 1:] -= x[:, 1:]
        bent = np.einsum("nab,nac,ncd->nbd", jacobian, curvature, jacobian)
        bent[:, 1:, 1:] += np.eye(x.shape[1] - 1)
        plain = 1.0 + cc + slope * (slope * aa + 2.0 * ac)
        full = plain - second * by_own - (bend * gradient).sum(axis=1)
        bent[:, 0, 0] += spread**2 * np.maximum(full, LEAST_CURVATURE * np.maximum(plain, 1.0))
        return along, bent

    def every(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A draw of all effects (person, random term), the acting ones at x."""
        z, own = self._own(x)
        drawn = PersonTerms(self._given_z(z, own), self.terms.root).draw(rng)
        if self.others:
            wanted = self.at(x)[:, [j for j, a in enumerate(self.acting) if a != 0]]
            drawn = _regressed(drawn, self.terms.root, self.others, wanted)
        return drawn

    def _own(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z and the skewed effect."""
        z = self.place[0] + self.place[1] * x[..., 0]
        return z, self.terms.sd * skewed_at(self.terms.layout, self.terms.inputs, z)

    def _given_z(self, z: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Mean of all effects given z and the visits, (..., person, random term)."""
        t = self.terms
        every = t.center + t.by_value * own[..., None] + t.by_z * z[..., None]
        every[..., 0] = own
        return every


def acting_effects(terms: PersonTerms | SkewedTerms, acting: list[int]) -> NormalEffects | SkewedEffects:
    """Acting effects given the visits."""
    if isinstance(terms, SkewedTerms) and acting:
        return SkewedEffects(terms, acting)
    return NormalEffects(terms, acting)


def _root(root: np.ndarray, acting: list[int]) -> np.ndarray:
    covariance = np.einsum("nab,nac->nbc", root, root)
    return np.linalg.cholesky(covariance[:, acting][:, :, acting])


def _regressed(drawn: np.ndarray, root: np.ndarray, acting: list[int], wanted: np.ndarray) -> np.ndarray:
    """Draws with covariance root' root, moved by their regression on the acting ones to where those are wanted."""
    covariance = np.einsum("nab,nac->nbc", root, root)
    off = (wanted - drawn[:, acting])[:, :, None]
    own = covariance[:, acting][:, :, acting]
    return drawn + (covariance[:, :, acting] @ np.linalg.solve(own, off))[:, :, 0]


def _log_normal(x: np.ndarray) -> np.ndarray:
    return -(x**2).sum(axis=-1) / 2 - x.shape[-1] * np.log(2 * np.pi) / 2
