"""Inputs of a collapsed likelihood at posterior draws, from which the persons it integrated out are recovered.

The likelihood's own inputs (means, SDs, bases) are found in the built model and evaluated at posterior draws, so a
model needs no second method for persons, replicates or predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import xarray as xr
from pytensor.graph.traversal import ancestors

from bayesmodels.errors import BayesmodelsError
from bayesmodels.fitting.evaluate import expect_draws, python_mode
from bayesmodels.kernels.hazards.op import Exits, ExitsLogp, HazardLayout
from bayesmodels.kernels.linear_mixed.drawn_terms_op import LinearMixedTerms
from bayesmodels.kernels.linear_mixed.op import Inputs, Layout, LinearMixedLogp

GIVEN = tuple(name for name in Exits._fields if name != "terms")
"""Inputs of the exits' likelihood besides the terms."""


@dataclass(frozen=True)
class Draw:
    """A collapsed likelihood's inputs at one posterior draw.

    Parameters
    ----------
    chain, draw : int
        Position among the draws asked for.
    y : (person, slot)
        At a censored visit, the latent value of this draw.
    inputs : Inputs of arrays
    bases : list of (slot of the outcome, person)
    beyond : (person, slot) bool
        Visits that are censored.
    exits : Exits of arrays, or None
        Of a model with events, without the terms.
    features : list of (point,)
        Bases of the hazards' predictors.
    """

    chain: int
    draw: int
    y: np.ndarray
    inputs: Inputs
    bases: list[np.ndarray]
    beyond: np.ndarray
    exits: Exits | None = None
    features: Sequence[np.ndarray] = ()

    def person_means(self, layout: Layout) -> np.ndarray:
        """Mean of every term for persons like this one, (person, term)."""
        terms = self.inputs.mean[:, self.inputs.stratum].T + self.inputs.covariates @ self.inputs.slope
        terms[:, list(layout.shifting_terms)] += self.inputs.shift[:, self.inputs.group].T
        return terms

    def slots(self, layout: Layout, k: int) -> slice:
        """Where the visits of outcome k are in `y`."""
        return slots_of(layout, self.bases, k)

    def present(self, layout: Layout) -> np.ndarray:
        """Where there is a visit, (person, slot)."""
        slots = [self.slots(layout, k) for k in range(layout.n_outcomes)]
        count = self.inputs.count
        return np.concatenate([np.arange(s.stop - s.start) < count[:, [k]] for k, s in enumerate(slots)], axis=1)


def slots_of(layout: Layout, bases: Sequence[np.ndarray], k: int) -> slice:
    """Where the visits of outcome k are among those of all outcomes side by side."""
    widths = [bases[layout.outcome_of.index(j)].shape[0] for j in range(k + 1)]
    return slice(sum(widths[:k]), sum(widths))


@dataclass(frozen=True)
class Collapsed:
    """The collapsed likelihood of a built model: its layout and a function of free variables to its inputs.

    A built model carries latent values of visits beyond a limit as loadings of a term of their own
    (`models.visits.assembly`); here they are values of the visits, and layouts have the model's terms only.

    Parameters
    ----------
    layout : Layout
    hazards : HazardLayout or None
        Of a model with events.
    built : Layout
        As the model carries it, latent values and all.
    variables : tuple of TensorVariable
        The free variables that the inputs depend on: numbers that draw random effects are not among them.
    function : callable
    """

    layout: Layout
    hazards: HazardLayout | None
    built: Layout
    variables: tuple[Any, ...]
    function: Any

    def at(self, draws: xr.Dataset) -> Iterator[Draw]:
        """Inputs at every draw of a dataset with the free variables, dims (chain, draw, ...).

        Raises
        ------
        BayesmodelsError
            Draws of a model of another shape, as where other visits are censored, or of other free variables.
        """
        expect_draws(self.variables, draws)
        values = [draws[v.name].transpose("chain", "draw", ...).to_numpy() for v in self.variables]
        for variable, value in zip(self.variables, values, strict=True):
            if any(s is not None and s != n for s, n in zip(variable.type.shape, value.shape[2:], strict=True)):
                raise BayesmodelsError(
                    f"{variable.name}: expected draws of shape {variable.type.shape}, got {value.shape[2:]}: the "
                    "persons differ from the fit in start groups, strata, or censored visits; "
                    "such visits can be used for the fitted study only, all of them"
                )
        mixed, n_bases = len(Inputs._fields), len(self.built.outcome_of)
        for chain in range(draws.sizes["chain"]):
            for draw in range(draws.sizes["draw"]):
                y, *rest = self.function(*(value[chain, draw] for value in values))
                bases, more = rest[mixed : mixed + n_bases], rest[mixed + n_bases :]
                y, beyond, bases = self._with_latent_values(y, bases)
                inputs = self._of_terms(Inputs(*rest[:mixed]))
                exits, features = None, []
                if self.hazards is not None:
                    exits = Exits(**dict(zip(GIVEN, more, strict=False)), terms=None)
                    features = more[len(GIVEN) :]
                yield Draw(chain, draw, y, inputs, bases, beyond, exits, features)

    @property
    def has_latent_values(self) -> bool:
        """Whether some visits are censored."""
        return self.built.n_terms > self.layout.n_terms

    def _of_terms(self, inputs: Inputs) -> Inputs:
        terms = self.layout.n_terms
        return inputs._replace(mean=inputs.mean[:terms], slope=inputs.slope[:, :terms])

    def _with_latent_values(
        self, y: np.ndarray, bases: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Latent values moved from their loadings into `y`, where they are, and the bases that remain."""
        latent, kept = np.zeros_like(y), []
        for k, p, basis in zip(self.built.outcome_of, self.built.term_of, bases, strict=True):
            if p < self.layout.n_terms:
                kept.append(basis)
            else:
                latent[:, slots_of(self.built, bases, k)] -= basis.T
        return y + latent, latent != 0, kept


def collapsed(pm_model: pm.Model) -> Collapsed | None:
    """The collapsed likelihood of a built model; None if it has none."""
    for rv in pm_model.observed_RVs:
        density = pm.logp(rv, pm_model.rvs_to_values[rv], warn_rvs=False)
        nodes = {type(v.owner.op): v.owner for v in ancestors([density]) if v.owner is not None}
        drawn, exits = nodes.get(LinearMixedTerms), nodes.get(ExitsLogp)
        if drawn is not None:
            y, _, *inputs = drawn.inputs
            return _collapsed(pm_model, drawn.op.layout, [y, *inputs], exits)
        if LinearMixedLogp in nodes:
            return _collapsed(pm_model, nodes[LinearMixedLogp].op.layout, nodes[LinearMixedLogp].inputs, None)
    return None


def _collapsed(pm_model: pm.Model, layout: Layout, outputs: list[Any], exits: Any) -> Collapsed:
    if exits is not None:
        own = dict(zip(Exits._fields, exits.inputs, strict=False))
        outputs = [*outputs, *(own[name] for name in GIVEN), *exits.inputs[len(Exits._fields) :]]
    needed = set(ancestors(outputs))
    free = tuple(rv for rv in pm_model.free_RVs if rv in needed)
    function = pytensor.function(list(free), outputs, mode=python_mode())
    own_layout = _layout_of_terms(layout, len(pm_model.coords.get("any_term", range(layout.n_terms))))
    hazards = None
    if exits is not None:
        extra = layout.n_terms - own_layout.n_terms
        terms = tuple(p - extra if p >= layout.n_terms else p for p in exits.op.layout.term_of)
        hazards = replace(exits.op.layout, term_of=terms)
    return Collapsed(own_layout, hazards, layout, free, function)


def _layout_of_terms(layout: Layout, terms: int) -> Layout:
    """A layout without the loadings of further terms, which carry latent values."""
    kept = [m for m, p in enumerate(layout.term_of) if p < terms]
    return replace(
        layout,
        outcome_of=tuple(layout.outcome_of[m] for m in kept),
        term_of=tuple(layout.term_of[m] for m in kept),
        varying=tuple(layout.varying[m] for m in kept),
        n_terms=terms,
    )


def collapsed_or_error(pm_model: pm.Model) -> Collapsed:
    """The collapsed likelihood of a built model.

    Raises
    ------
    BayesmodelsError
        It has none.
    """
    found = collapsed(pm_model)
    if found is None:
        raise BayesmodelsError(
            "this model has no collapsed likelihood, so its persons' terms are not integrated out and cannot be drawn "
            "back; random effects and predictions need a LongitudinalModel, or a model built on linear_mixed"
        )
    return found


def thinned(posterior: xr.Dataset, size: int) -> xr.Dataset:
    """About `size` draws, evenly spaced in every chain."""
    per_chain = max(1, size // posterior.sizes["chain"])
    step = max(1, posterior.sizes["draw"] // per_chain)
    return posterior.isel(draw=slice(None, None, step))


def labels_of(pm_model: pm.Model, terms: Sequence[int]) -> list[str]:
    """Names of terms by position."""
    names = pm_model.coords["any_term"]
    return [str(names[p]) for p in terms]
