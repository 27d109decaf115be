"""Mean courses of published means: curves of the outcomes' parts, without persons, and their free parameters.

The parts are those of models of persons (`parts.trajectories`, `parts.effects`) and the links of `parts.links`. They
make their parameters in a model that is thrown away; a `Parameter` under this model's own name stands in for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.graph.replace import graph_replace, vectorize_graph
from pytensor.graph.traversal import ancestors

from bayesmodels.errors import BadConfig
from bayesmodels.models.published_means.layout import Cells
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.parts.curve import Curve, basis_and_removed
from bayesmodels.parts.priors import LogNormal, MeanPrior, Normal, by_stratum

Array = npt.NDArray[np.float64]
Values = Mapping[str, Any]
"""Free parameters by name: tensors, or arrays (draw, 1), or (draw, stratum) where there is one per stratum."""

NAMES = {"effect_lag": "lag", "effect_time_constant": "time_constant"}
"""Parameters that parts name otherwise."""

PUBLISHED = {"rate": "population_rate", "effect": "drug_effect"}
"""Terms by the vocabulary's name for their means."""

EXTENSION = "extension_shift"


@dataclass(frozen=True)
class Parameter:
    """A free parameter of a published-means model.

    Parameters
    ----------
    name : str
        Name of the free variable, `<outcome>_<quantity>`.
    prior : Normal, LogNormal or dict of str to Normal
    unit : str
        Template; `{unit}` is the outcome's unit on its modelling scale.
    published : str
        Name in the vocabulary; "" for none.
    symbol : tensor
        What stands for it in the curves: (stratum,) where each stratum has its own (Normal priors only), or a scalar.
    """

    name: str
    prior: LogNormal | MeanPrior
    unit: str
    published: str
    symbol: Any

    def variable(self, strata: tuple[str, ...], dim: str) -> pm.Distribution:
        """Random variable in the current PyMC model; over `dim` where each stratum has its own."""
        if self.symbol.ndim == 0:
            return self._one().variable(self.name)
        return pm.Normal(self.name, *self._by_stratum(strata), dims=(dim,))

    def draws(self, strata: tuple[str, ...], size: int, rng: np.random.Generator) -> Array:
        """Prior draws, shape (size,) or (size, stratum)."""
        if self.symbol.ndim == 1:
            mean, sd = self._by_stratum(strata)
            return mean + sd * rng.standard_normal((size, len(strata)))
        prior, z = self._one(), rng.standard_normal(size)
        return prior.median * np.exp(prior.sigma * z) if isinstance(prior, LogNormal) else prior.mean + prior.sd * z

    def strata_without_prior(self, strata: tuple[str, ...]) -> tuple[str, ...]:
        """Strata that a prior given by stratum leaves out."""
        return tuple(label for label in strata if isinstance(self.prior, dict) and label not in self.prior)

    def rows(self, unit: str) -> list[tuple[str, str, str, str, str]]:
        """Rows of the prior table: parameter, stratum ("" for all), prior, unit, source."""
        parts = self.prior.items() if isinstance(self.prior, dict) else (("", self.prior),)
        in_unit = self.unit.format(unit=unit)
        return [(self.name, stratum, str(prior), in_unit, prior.source) for stratum, prior in parts]

    def _one(self) -> Normal | LogNormal:
        assert not isinstance(self.prior, dict)  # one for all strata
        return self.prior

    def _by_stratum(self, strata: tuple[str, ...]) -> tuple[Array, Array]:
        assert not isinstance(self.prior, LogNormal)  # priors by stratum are Normal
        parts = by_stratum(self.prior, strata)
        return np.array([part.mean for part in parts]), np.array([part.sd for part in parts])


@dataclass(frozen=True)
class Courses:
    """Curves of a model's outcomes and the free parameters that they depend on, by outcome.

    Parameters
    ----------
    curves : mapping of str to (Curve, Curve)
        Untreated course and drug effect.
    parameters : mapping of str to tuple of Parameter
    """

    curves: Mapping[str, tuple[Curve, Curve]]
    parameters: Mapping[str, tuple[Parameter, ...]]

    def __iter__(self) -> Iterator[Parameter]:
        """Every parameter."""
        return (parameter for own in self.parameters.values() for parameter in own)

    def published(self, outcome: str) -> dict[str, Any]:
        """What the outcome's curves publish, by vocabulary name."""
        return {name: value for curve in self.curves[outcome] for name, value in curve.published.items()}

    def given(self, expression: Any, values: Values) -> Any:
        """A tensor of the curves with the parameters' values, tensors too, in it."""
        known = {p.symbol: values[p.name] for p in self}
        return graph_replace(pt.as_tensor_variable(expression), known, strict=False)

    def function(self, outcome: str, cells: Cells) -> Callable[[Values], Array]:
        """Mean change since randomisation over cells, (draw, cell), as a function of arrays by parameter."""
        change = self.change(outcome, cells)
        above = set(ancestors([change]))
        used = [p for p in self if p.symbol in above]
        inputs = [pt.tensor(shape=(None,) * (p.symbol.ndim + 1)) for p in used]
        batched = vectorize_graph(change, {p.symbol: tensor for p, tensor in zip(used, inputs, strict=True)})
        compiled = pytensor.function(inputs, batched, mode=Mode(linker="py", optimizer=None))

        def mean(values: Values) -> Array:
            arrays = [np.asarray(values[p.name], float) for p in used]
            shapes = [(len(a), *a.shape[1:][: p.symbol.ndim]) for p, a in zip(used, arrays, strict=True)]
            return np.asarray(compiled(*(a.reshape(shape) for a, shape in zip(arrays, shapes, strict=True))))

        return mean

    def change(self, outcome: str, cells: Cells) -> Any:
        """Mean change since randomisation over cells, a tensor (cell,) of the parameters' symbols.

        Levels do not change, and effects that follow another outcome's are 0 at randomisation.
        """
        symbols = {p.name: p.symbol for p in self}
        trajectory, effect = self.curves[outcome]
        t, started = pt.as_tensor_variable(cells.months), pt.as_tensor_variable(cells.started)
        found, removed = basis_and_removed(trajectory, effect, t, t - started)
        first, _ = basis_and_removed(trajectory, effect, pt.zeros_like(t), -started)
        found |= {name: found[name] - basis for name, basis in first.items() if ":" not in name}
        if effect.rate_given is not None:
            other, basis = effect.rate_given
            found["rate"] = basis(t, t - started, cells.of_stratum(symbols[f"{other}_effect"]))
        change = pt.zeros_like(t)
        for name, basis in found.items():
            if name != "level":
                left = basis - symbols[f"{outcome}_slowing"] * removed[name] if name in removed else basis
                label = name.replace(":", "_") if ":" in name else f"{outcome}_{name}"
                change = change + cells.of_stratum(symbols[label]) * left
        shifts = [p.symbol * cells.extension for p in self.parameters[outcome] if p.published == EXTENSION]
        return sum(shifts, change)


def courses_of(outcomes: Sequence[MeansOutcome]) -> Courses:
    """Curves of the outcomes and their free parameters: the terms', then those of the part itself.

    Raises
    ------
    BadConfig
        Parts that do not go together, or an effect without a size.
    """
    curves: dict[str, tuple[Curve, Curve]] = {}
    parameters: dict[str, tuple[Parameter, ...]] = {outcome.name: () for outcome in outcomes}
    # An effect that follows another outcome's is made after it, wherever it stands.
    for outcome in sorted(outcomes, key=lambda k: hasattr(k.effect, "outcome")):
        with pm.Model() as of_course:
            trajectory = outcome.course.curve(outcome)
        with pm.Model() as of_effect:
            effect = outcome.effect.curve(outcome, trajectory, {name: both[1] for name, both in curves.items()})
        curves[outcome.name] = trajectory, effect
        parameters[outcome.name] = (
            *_parameters(outcome.name, outcome.course, trajectory, of_course),
            *_parameters(outcome.name, outcome.effect, effect, of_effect),
        )
        if outcome.extension_shift_sd > 0:
            stated = "stated with the outcome: extension_shift_sd"
            prior = Normal(mean=0, sd=outcome.extension_shift_sd, source=stated)
            shift = Parameter(f"{outcome.name}_{EXTENSION}", prior, "{unit}", EXTENSION, pt.scalar())
            parameters[outcome.name] += (shift,)
    return Courses(curves, parameters)


def _parameters(outcome: str, part: Any, curve: Curve, made_in: pm.Model) -> Iterator[Parameter]:
    for name, term in curve.terms.items():
        if name != "level" and ":" not in name:
            yield Parameter(f"{outcome}_{name}", term.mean, term.unit, PUBLISHED.get(name, ""), pt.vector())
    if curve.slowed is not None:
        yield Parameter(f"{outcome}_slowing", part.share, "proportion", "drug_effect", pt.scalar())
    units = {id(getattr(part, name)): unit for name, (_, unit) in getattr(part, "prior_fields", {}).items()}
    for variable in made_in.free_RVs:
        prior = getattr(variable.tag, "prior", None)
        if prior is None:
            raise BadConfig(
                f"outcome {outcome}: {type(part).__name__} makes {variable.name}, whose prior published means cannot "
                'read; make it with a prior\'s own method: LogNormal(median=..., sigma=...).variable("...")'
            )
        quantity = variable.name.removeprefix(f"{outcome}_")
        published = next((name for name, value in curve.published.items() if value is variable), "")
        name = f"{outcome}_{NAMES.get(quantity, quantity)}"
        yield Parameter(name, prior, units.get(id(prior), ""), published, variable)
