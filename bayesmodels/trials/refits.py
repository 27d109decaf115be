"""A model fitted to one study after another: compiled once, and anew only where a study changes more than data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.coordinates import with_descriptions
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.fitting.samplers import default_target_accept
from bayesmodels.fitting.settings import resolved
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.visits.design import as_data, design_of
from bayesmodels.parts.lookup import unknown
from bayesmodels.study import Study
from bayesmodels.vocabulary import VARIABLES


@dataclass
class ModelFits:
    """Fits of a model to simulated studies.

    Attributes
    ----------
    model : Model
        With a method ``build(data)``.
    variables : tuple of str
        Published variables that are kept.
    posterior : mapping of str to array (draw, ...), optional
        Free variables of the posterior that truths are drawn from.
    """

    model: Any
    variables: tuple[str, ...]
    posterior: Mapping[str, np.ndarray] | None = None
    _compiled: tuple[Study, Refit] | None = field(default=None, init=False, repr=False, compare=False)
    _drawers: Any = field(default=None, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Travel without what was compiled."""
        return {**self.__dict__, "_compiled": None, "_drawers": None}

    def labels(self, study: Study) -> xr.Dataset:
        """Return the kept variables over one undefined draw, with their labels, to check what is asked for.

        Parameters
        ----------
        study : Study

        Raises
        ------
        BadInput
            The model does not publish a variable, or is not one for such a study.
        """
        pm_model = self.model.build(study)
        published = [name for name in VARIABLES if name in pm_model.named_vars]
        absent = [name for name in self.variables if name not in pm_model.named_vars]
        if absent:
            kind = f"variable published by {type(self.model).__name__}"
            raise BadInput(f"variable: {unknown(kind, name, published)}" for name in absent)
        shapes = {name: [len(_labels(pm_model, dim)) for dim in VARIABLES[name].dims] for name in self.variables}
        return _labelled(pm_model, {name: np.zeros((1, *shape)) for name, shape in shapes.items()})

    def prepare(self, template: Callable[[], Study]) -> None:
        """Compile the model, once in this process.

        Parameters
        ----------
        template : callable
            Returns the study on which it is built, the same in every process.
        """
        if self._compiled is None:
            study = template()
            self._compiled = study, refit_of(self.model, study, self.variables)

    def fit(self, study: Study, settings: NutsSettings) -> tuple[xr.Dataset, dict[str, Any]]:
        """Fit the model to a study.

        Parameters
        ----------
        study : Study
        settings : NutsSettings
            With a seed.

        Returns
        -------
        tuple of Dataset and dict
            Draws (draw, ...) of the kept variables; convergence, and `compiled`: whether the model was compiled anew.
        """
        refit, arrays, anew = self._arrays(study)
        return self._sampled(refit, arrays, settings, anew)

    def fit_drawn(
        self, study: Study, settings: NutsSettings, seed: int
    ) -> tuple[xr.Dataset, dict[str, Any], xr.Dataset]:
        """Fit the model to values that were drawn from it, at the persons and visits of a study.

        Parameters
        ----------
        study : Study
            Its values are replaced.
        settings : NutsSettings
            With a seed.
        seed : int
            Of the draws.

        Returns
        -------
        tuple of Dataset, dict and Dataset
            As of `fit`; and the true values of the kept variables, one draw.

        Raises
        ------
        BadInput
            The model's observed values are not data that can be replaced.
        """
        refit, arrays, anew = self._arrays(study)
        pm_model = refit.pm_model
        packaged = type(self.model).__module__.startswith("bayesmodels.")
        if packaged and not isinstance(self.model, LongitudinalModel):
            raise BadInput(
                f"{type(self.model).__name__}: expected a LongitudinalModel or a model of your own, to draw trials "
                'from it; use [truth] type = "generator"'
            )
        values = [pm_model.rvs_to_values[rv] for rv in pm_model.observed_RVs]
        constant = [
            rv.name for rv, value in zip(pm_model.observed_RVs, values, strict=True) if value.name not in arrays
        ]
        if constant:
            raise BadInput(
                f"{type(self.model).__name__}: expected observed values as pm.Data, to draw trials from it, "
                f'found {", ".join(constant)} fixed; use [truth] type = "generator"'
            )
        refit.use(arrays)
        observed, truth = self._draw(refit, seed)
        drawn = {value.name: new for value, new in zip(values, observed, strict=True)}
        named = {name: np.asarray(value)[None] for name, value in zip(self.variables, truth, strict=True)}
        return *self._sampled(refit, arrays | drawn, settings, anew), _labelled(pm_model, named)

    def _sampled(
        self, refit: Refit, arrays: Mapping[str, np.ndarray], settings: NutsSettings, anew: bool
    ) -> tuple[xr.Dataset, dict[str, Any]]:
        tree = refit.sample(arrays, resolved(settings, default_target_accept(refit.pm_model)))
        refit.use(arrays)
        found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
        return _labelled(refit.pm_model, found), {**judged(tree, refit, found), "compiled": anew}

    def _arrays(self, study: Study) -> tuple[Refit, dict[str, np.ndarray], bool]:
        """The compiled model and a study's data; compiled anew where the study differs in more than data."""
        assert self._compiled is not None, "prepare comes first"
        template, refit = self._compiled
        if isinstance(self.model, LongitudinalModel) and self.model.borrowing is None:
            arrays = self._course_arrays(template, study)
            if arrays is not None:
                return refit, arrays, False
        pm_model = self.model.build(study)
        arrays = {held.name: held.get_value() for held in pm_model.data_vars}
        if not same_graphs([refit.pm_model.logp()], [pm_model.logp()]):
            return refit_of(self.model, study, self.variables, pm_model=pm_model), arrays, True
        names = [name for name in self.variables if name in pm_model.named_vars]
        if not same_graphs([refit.pm_model[name] for name in names], [pm_model[name] for name in names]):
            refit = refit_of(self.model, study, self.variables, pm_model=pm_model, compiled=refit.compiled)
        return refit, arrays, False

    def _course_arrays(self, template: Study, study: Study) -> dict[str, np.ndarray] | None:
        """Data of a longitudinal model without building it; None where it has to be built."""
        outcomes, covariates = self.model.outcomes, self.model.covariates.names
        fixed = ("start_groups", "stratum_labels", "reference_group", "controlled_week", "curve_weeks")
        if covariates or any(getattr(study, name) != getattr(template, name) for name in fixed):
            return None
        own, first = (design_of(each, outcomes, covariates) for each in (study, template))
        if any(len(k.row) for k in (*own.outcomes, *first.outcomes)):
            return None  # censored visits are not among the data
        if not (np.array_equal(own.start_weeks, first.start_weeks) and np.array_equal(own.shares, first.shares)):
            return None
        return as_data(own, [k.name for k in outcomes])

    def _draw(self, refit: Refit, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Observed values and kept variables at one draw of the free variables."""
        if self._drawers is None or self._drawers[0] is not refit:
            free = refit.pm_model.free_RVs
            outputs = [*refit.pm_model.observed_RVs, *(refit.pm_model[name] for name in self.variables)]
            self._drawers = refit, _seeded([], free), _seeded(free, outputs)
        _, prior, given = self._drawers
        if self.posterior is None:
            free_values = prior(seed)
        else:
            names = [rv.name for rv in refit.pm_model.free_RVs]
            place = int(np.random.default_rng(seed).integers(len(self.posterior[names[0]])))
            free_values = [self.posterior[name][place] for name in names]
        found = given(seed + 1, *free_values)
        n = len(refit.pm_model.observed_RVs)
        return found[:n], found[n:]


def _seeded(inputs: Sequence[Any], outputs: Sequence[Any]) -> Callable[..., list[np.ndarray]]:
    """Return a function ``f(seed, *inputs)`` of random variables, in a Python-linked mode."""
    import pymc as pm
    from pymc.pytensorf import reseed_rngs
    from pytensor.tensor.random.variable import RandomGeneratorSharedVariable

    function = pm.compile(list(inputs), list(outputs), mode=python_mode(), random_seed=0, on_unused_input="ignore")
    rngs = [v for v in function.get_shared() if isinstance(v, RandomGeneratorSharedVariable)]

    def drawn(seed: int, *values: np.ndarray) -> list[np.ndarray]:
        reseed_rngs(rngs, seed)
        return [np.asarray(value) for value in function(*values)]

    return drawn


def same_graphs(these: Sequence[Any], those: Sequence[Any]) -> bool:
    """Whether graphs differ at most in the values of their named inputs: constants, too, have to be equal.

    Parameters
    ----------
    these, those : sequence of TensorVariable
    """
    from pytensor.graph.basic import Constant

    if len(these) != len(those):
        return False
    seen: dict[Any, Any] = {}
    waiting = list(zip(these, those, strict=True))
    while waiting:
        a, b = waiting.pop()
        if a in seen:
            if seen[a] is not b:
                return False
            continue
        seen[a] = b
        if (a.owner is None) != (b.owner is None):
            return False
        if a.owner is not None:
            if a.owner.op != b.owner.op or a.index != b.index or len(a.owner.inputs) != len(b.owner.inputs):
                return False
            waiting += zip(a.owner.inputs, b.owner.inputs, strict=True)
        elif isinstance(a, Constant):
            if not (isinstance(b, Constant) and a.equals(b)):
                return False
        elif a.name != b.name or a.type != b.type:
            return False
    return True


def _labels(pm_model: Any, dim: str) -> tuple[Any, ...]:
    known = pm_model.coords.get(dim)
    return tuple(range(int(pm_model.dim_lengths[dim].eval())) if known is None else known)


def _labelled(pm_model: Any, arrays: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Arrays (draw, ...) of published variables with the labels of their dims."""
    dims = {name: VARIABLES[name].dims for name in arrays}
    coords = {dim: list(_labels(pm_model, dim)) for own in dims.values() for dim in own}
    return with_descriptions(
        pm_model, xr.Dataset({name: (("draw", *dims[name]), value) for name, value in arrays.items()}, coords=coords)
    )
