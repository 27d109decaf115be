"""What a model gives for its calibration: simulated data sets with their truths, and the model compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np

from bayesmodels.fitting.refit import Refit

Arrays = Mapping[str, np.ndarray]
Compare = Callable[[Refit, Arrays, Arrays], tuple[Mapping[str, Any], Arrays]]


@dataclass(frozen=True)
class Case:
    """A simulated data set and its truth.

    Attributes
    ----------
    arrays : mapping of str to array
        The data, to be refitted.
    compare : callable
        ``compare(refit, free, published)``: true values by label, and draws (draw,) by label, from the kept draws
        (draw, ...) of the free and the published variables; `refit` holds the data.
    notes : mapping
        What the record says of the data set.
    """

    arrays: Arrays
    compare: Compare
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibrated:
    """A model that is calibrated.

    Attributes
    ----------
    draw : callable
        ``draw(form, rng)``: a truth from the model's prior and a data set from the truth, in NumPy.
    refit : callable
        ``refit(form)``: the model compiled, once per process.
    forms : mapping of str to number
        Forms of the model that one run calibrates, in order, and how many data sets each has.
    """

    draw: Callable[[str, np.random.Generator], Case]
    refit: Callable[[str], Refit]
    forms: Mapping[str, float] = field(default_factory=lambda: {"": inf})

    def place(self, number: int) -> tuple[str, int]:
        """Form of a trial, and its number among those of the form."""
        for form, trials in self.forms.items():
            if number < trials:
                return form, number
            number -= int(trials)
        raise ValueError(f"expected the number of one of {sum(self.forms.values())} trials, got {number} too many")


def compared_with(truth: Mapping[str, Any], *, likelihood: bool = True) -> Compare:
    """Comparison of every published quantity, and of the log-likelihood, with a truth given as free variables.

    Parameters
    ----------
    truth : mapping of str to array
        Every free variable, in the model's own parametrisation.
    likelihood : bool
        Whether to compare the log-likelihood of the data as well.
    """

    def compare(refit: Refit, free: Arrays, published: Arrays) -> tuple[Mapping[str, Any], Arrays]:
        own = {name: np.asarray(truth[name], float)[None] for name in refit.names}
        drawn, true = dict(published), refit.published(own)
        if likelihood:
            drawn["log_likelihood"], true["log_likelihood"] = refit.log_likelihoods(free), refit.log_likelihoods(own)
        truths, draws = {}, {}
        for name, values in drawn.items():
            for at in np.ndindex(values.shape[1:]):
                entry = values[(slice(None), *at)]
                if np.isnan(entry).all() or (entry == true[name][(0, *at)]).all():
                    continue  # undefined, or fixed by the model
                label = f"{name}[{_index(refit, name, at)}]" if at else name
                truths[label], draws[label] = true[name][(0, *at)], entry
        return truths, draws

    return compare


def _index(refit: Refit, name: str, at: tuple[int, ...]) -> str:
    """An entry's labels along the dims of its variable."""
    model = refit.pm_model
    dims = model.named_vars_to_dims[name]
    return ", ".join(str(model.coords[dim][place]) for dim, place in zip(dims, at, strict=True))
