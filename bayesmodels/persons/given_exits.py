"""Random effects given visits and exit: their distribution given the visits, tilted by the likelihood of the exit.

Log hazards are linear in the deviations u of the terms that act on them, so with u = center + root x, x standard normal
given the visits, log p(x | exit) = -x'x / 2 + log p(exit | u) + constant is strictly concave: Newton finds its mode and
curvature. Where one of the effects is skewed, u is a curved function of x (`acting_effects`) and the curvature is kept
positive. Integrals are adaptive Gauss-Hermite about the mode (Naylor and Smith 1982, doi:10.2307/2347995; Pinheiro and
Bates 1995, doi:10.1080/10618600.1995.10474663), or above four deviations quasi-random importance sampling from a t
distribution there; draws are chosen among candidates of that t distribution by their weights (sampling importance
resampling, Rubin 1988).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from scipy.special import gammaln, ndtri
from scipy.stats import chi2, qmc

from bayesmodels.kernels.hazards.follow_up import log_hazards
from bayesmodels.kernels.hazards.op import Exits, HazardLayout
from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.kernels.linear_mixed.variable import PersonTerms, SkewedTerms
from bayesmodels.persons.acting_effects import NormalEffects, SkewedEffects, acting_effects
from bayesmodels.persons.collapsed import Collapsed, Draw

NEWTON_STEPS, HALVINGS = 60, 12
HERMITE_POINTS = {0: 1, 1: 7, 2: 5, 3: 4, 4: 3}
"""Gauss-Hermite points a dimension, by the number of dimensions."""
SKEWED_POINTS = 11
"""Points along the z of a skewed effect: the log-likelihood is then within .001 a person, as it is without one."""
QUASI_RANDOM_POINTS, CANDIDATES, T_DEGREES = 128, 32, 7.0
LARGEST = 300.0
"""Log hazards beyond are cut: a hazard of e^300 a month ends in a likelihood of zero as it is."""


@dataclass(frozen=True)
class LinearHazards:
    """Log hazards level + along . u at every point of every person.

    Parameters
    ----------
    first : (person + 1,) int
    weight : (point,)
    level : (event, point)
    along : (event, acting term, point)
    """

    first: np.ndarray
    weight: np.ndarray
    level: np.ndarray
    along: np.ndarray

    @property
    def person(self) -> np.ndarray:
        """Person of every point."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def rates(self, deviations: np.ndarray) -> np.ndarray:
        """Hazards (..., event, point) at deviations (..., person, acting term)."""
        at = deviations[..., self.person, :]
        eta = self.level + sum(at[..., None, :, a] * self.along[:, a] for a in range(self.along.shape[1]))
        return np.exp(np.minimum(eta, LARGEST))

    def log_likelihood(self, deviations: np.ndarray, code: np.ndarray) -> np.ndarray:
        """Log-likelihood (..., person) of exits (0: none; e + 1: event e) at deviations (..., person, acting term)."""
        rates = self.rates(deviations)
        found = -np.add.reduceat((rates * self.weight).sum(axis=-2), self.first[:-1], axis=-1)
        left = np.flatnonzero(code > 0)
        found[..., left] += np.log(rates[..., code[left] - 1, self.first[left + 1] - 1])
        return found

    def slopes(self, deviations: np.ndarray, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (person, acting term) and minus the Hessian of the log-likelihood at deviations."""
        mass = self.rates(deviations) * self.weight
        pull = mass[:, None] * self.along
        gradient = -np.add.reduceat(pull.sum(axis=0), self.first[:-1], axis=1).T
        left = np.flatnonzero(code > 0)
        gradient[left] += self.along[code[left] - 1, :, self.first[left + 1] - 1]
        curvature = np.add.reduceat(np.einsum("eap,ebp->abp", pull, self.along), self.first[:-1], axis=2)
        return gradient, np.moveaxis(curvature, 2, 0)


def acting_terms(layout: Layout, hazards: HazardLayout) -> list[int]:
    """Random terms that act on a hazard, by their place among the random terms."""
    used = [any(row[k] for row in hazards.uses) for k in range(len(hazards.uses[0]))]
    found = set()
    for k, p in zip(hazards.predictor_of, hazards.term_of, strict=True):
        if used[k] and p >= layout.n_terms:
            found.add(p - layout.n_terms)
        elif used[k] and p in layout.random_terms:
            found.add(layout.random_terms.index(p))
    return sorted(found)


def linear_hazards(likelihood: Collapsed, draw: Draw) -> LinearHazards:
    """Log hazards of a draw's points, about persons at the means of their terms."""
    layout, hazards, exits = likelihood.layout, likelihood.hazards, draw.exits
    assert hazards is not None
    assert exits is not None
    acting = acting_terms(layout, hazards)
    means = draw.person_means(layout)
    still = np.concatenate([means, np.zeros((len(means), len(layout.random_terms)))], axis=1)
    level = log_hazards(hazards, exits._replace(terms=still), draw.features)
    return LinearHazards(exits.first, exits.weight, level, _along(layout, hazards, exits, draw.features, acting))


def _along(
    layout: Layout, hazards: HazardLayout, exits: Exits, features: Sequence[np.ndarray], acting: list[int]
) -> np.ndarray:
    uses = np.array(hazards.uses, bool).reshape(len(hazards.uses), -1)
    alpha = np.where(uses, exits.alpha, 0.0)
    along = np.zeros((len(uses), len(acting), len(exits.weight)))
    for basis, k, p in zip(features, hazards.predictor_of, hazards.term_of, strict=True):
        random = p - layout.n_terms if p >= layout.n_terms else None
        if random is None and p in layout.random_terms:
            random = layout.random_terms.index(p)
        if random in acting:
            along[:, acting.index(random)] += alpha[:, [k]] * basis
    return along


@dataclass(frozen=True)
class Tilted:
    """Distribution of random effects given visits and exit.

    Parameters
    ----------
    effects : NormalEffects or SkewedEffects
        Given the visits, as functions of x.
    hazards : LinearHazards
        Of the time watched.
    code : (person,) int
    mode, scale : (person, acting), (person, acting, acting)
        Of x given visits and exit; scale scale' is the inverse curvature.
    """

    effects: NormalEffects | SkewedEffects
    hazards: LinearHazards
    code: np.ndarray
    mode: np.ndarray
    scale: np.ndarray

    @property
    def acting(self) -> list[int]:
        """Deviations that act on a hazard."""
        return self.effects.acting

    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Acting deviations (node, person, acting); log weights (node, person) that sum to the exit's likelihood."""
        skewed = isinstance(self.effects, SkewedEffects)
        at, log_density = _standard_nodes(self.mode.shape[1], SKEWED_POINTS if skewed else None)
        x, log_weight = self._weighed(at[:, None, :], log_density[:, None])
        return self.effects.at(x), log_weight

    def log_likelihood(self) -> np.ndarray:
        """Log of the exit's likelihood given the visits, (person,)."""
        _, log_weight = self.nodes()
        largest = log_weight.max(axis=0)
        return largest + np.log(np.exp(log_weight - largest).sum(axis=0))

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One draw of all deviations (person, random term), and of how many candidates it is worth a choice."""
        n, r = self.mode.shape
        at = rng.standard_normal((CANDIDATES, n, r)) / np.sqrt(rng.chisquare(T_DEGREES, (CANDIDATES, n, 1)) / T_DEGREES)
        x, log_weight = self._weighed(at, -np.log(CANDIDATES) - _log_t(at))
        chosen = np.argmax(log_weight + rng.gumbel(size=log_weight.shape), axis=0)
        weight = np.exp(log_weight - log_weight.max(axis=0))
        effective = weight.sum(axis=0) ** 2 / (weight**2).sum(axis=0)
        return self.effects.every(x[chosen, np.arange(n)], rng), effective

    def _weighed(self, at: np.ndarray, log_share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x at standardised nodes, and log (share x target), where share is node weight over density."""
        x = self.mode + np.einsum("nab,knb->kna", self.scale, np.broadcast_to(at, (len(at), *self.mode.shape)))
        target = self.hazards.log_likelihood(self.effects.at(x), self.code) + self.effects.log_density(x)
        target += np.log(np.diagonal(self.scale, axis1=1, axis2=2)).sum(axis=1)
        return x, target + log_share


def tilted(likelihood: Collapsed, draw: Draw, terms: PersonTerms | SkewedTerms) -> Tilted:
    """Tilt the distribution given the visits by the exits of a draw."""
    assert likelihood.hazards is not None
    assert draw.exits is not None
    effects = acting_effects(terms, acting_terms(likelihood.layout, likelihood.hazards))
    hazards = linear_hazards(likelihood, draw)
    code = np.asarray(draw.exits.code)
    mode, curvature = _mode(effects, hazards, code)
    lower = np.linalg.cholesky(np.linalg.inv(curvature))
    return Tilted(effects, hazards, code, mode, lower)


def _mode(
    effects: NormalEffects | SkewedEffects, hazards: LinearHazards, code: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mode (person, coordinate) of every person's x, and minus the Hessian there, by damped Newton steps."""
    x = np.zeros((len(code), effects.dims))

    def height(at: np.ndarray) -> np.ndarray:
        return hazards.log_likelihood(effects.at(at), code) + effects.log_density(at)

    now = height(x)
    for _ in range(NEWTON_STEPS):
        uphill, curvature = effects.uphill(x, *hazards.slopes(effects.at(x), code))
        step = np.linalg.solve(curvature, uphill[:, :, None])[:, :, 0]
        if not step.size or np.abs(step).max() < 1e-6:
            break
        for _ in range(HALVINGS):
            then = height(x + step)
            worse = then < now
            if not worse.any():
                break
            step[worse] /= 2
        x, now = np.where(worse[:, None], x, x + step), np.where(worse, now, then)
    return x, curvature


@cache
def _standard_nodes(dims: int, along_first: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (node, dim) and the log of each one's weight over its density; `along_first`: points of the first dim."""
    if dims in HERMITE_POINTS:
        points = [HERMITE_POINTS[dims]] * dims
        if along_first is not None and dims:
            points[0] = along_first
        rules = [np.polynomial.hermite_e.hermegauss(number) for number in points]
        at = np.array(list(product(*(node for node, _ in rules)))).reshape(int(np.prod(points)), dims)
        shares = [np.log(weight / np.sqrt(2 * np.pi)) + node**2 / 2 for node, weight in rules]
        log_share = np.array([sum(chosen) for chosen in product(*shares)], float)
        return at, log_share + dims * np.log(2 * np.pi) / 2
    points = qmc.Sobol(dims + 1, scramble=True, rng=np.random.default_rng(0)).random(QUASI_RANDOM_POINTS)
    stretch = np.sqrt(T_DEGREES / chi2.ppf(points[:, [-1]], T_DEGREES))
    at = ndtri(points[:, :-1]) * stretch
    log_share = -_log_t(at)
    normal = -(at**2).sum(axis=1) / 2 - dims * np.log(2 * np.pi) / 2
    return at, log_share - np.log(np.exp(log_share + normal).sum())  # exact for a normal of the mode's curvature


def _log_t(at: np.ndarray) -> np.ndarray:
    """Log density of the multivariate t with `T_DEGREES` at standardised points (..., dim)."""
    d, nu = at.shape[-1], T_DEGREES
    constant = gammaln((nu + d) / 2) - gammaln(nu / 2) - d / 2 * np.log(nu * np.pi)
    return constant - (nu + d) / 2 * np.log1p((at**2).sum(axis=-1) / nu)
