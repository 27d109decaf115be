"""Mean courses of published means: curves of the outcomes' parts, without persons.

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
from pydantic import BaseModel
from pytensor.compile.mode import Mode
from pytensor.graph.replace import graph_replace, vectorize_graph
from pytensor.graph.traversal import ancestors

from bayesmodels.errors import BadConfig
from bayesmodels.models.published_means.layout import Cells
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.models.published_means.parameters import Parameter
from bayesmodels.parts.curve import Curve, basis_and_removed
from bayesmodels.parts.priors import Normal, PriorFields
from bayesmodels.vocabulary import VARIABLES

Values = Mapping[str, Any]
"""Free parameters by name: tensors, or arrays (draw, 1), or (draw, stratum) where there is one per stratum."""

NAMES = {"effect_lag": "lag", "effect_time_constant": "time_constant"}
"""Parameters that parts name otherwise."""

EXTENSION = "extension_shift"

PUBLISHED = {"rate": "population_rate", "effect": "drug_effect"}
"""Terms by the vocabulary's name for their means."""

_PYTHON = Mode(linker="py", optimizer=None)


@dataclass(frozen=True)
class Courses:
    """Curves of a model's outcomes and the free parameters that they depend on.

    Parameters
    ----------
    curves : mapping of str to (Curve, Curve)
        Untreated course and drug effect by outcome.
    parameters : mapping of str to tuple of Parameter
        By outcome.
    symbols : mapping of str to tensor
        What stands for a parameter in the curves.
    """

    curves: Mapping[str, tuple[Curve, Curve]]
    parameters: Mapping[str, tuple[Parameter, ...]]
    symbols: Mapping[str, Any]

    def __iter__(self) -> Iterator[Parameter]:
        """Every parameter."""
        return (parameter for own in self.parameters.values() for parameter in own)

    @property
    def published(self) -> tuple[str, ...]:
        """The vocabulary's names of what the curves publish by outcome."""
        found = [name for both in self.curves.values() for curve in both for name in curve.published]
        return tuple(name for name in dict.fromkeys(found) if VARIABLES[name].dims == ("outcome",))

    def mean(self, outcome: str, cells: Cells, values: Values) -> Any:
        """Mean change since randomisation over cells, a tensor (cell,), from tensors."""
        return self.given(self._change(outcome, cells), values)

    def given(self, expression: Any, values: Values) -> Any:
        """A tensor of the curves with the parameters' values in it."""
        known = {symbol: values[name] for name, symbol in self.symbols.items() if name in values}
        return graph_replace(pt.as_tensor_variable(expression), known, strict=False)

    def function(self, outcome: str, cells: Cells) -> Callable[[Values], npt.NDArray[np.float64]]:
        """Mean change since randomisation over cells, (draw, cell), as a function of arrays by parameter."""
        inputs = {name: pt.tensor(name, shape=(None,) * (s.ndim + 1)) for name, s in self.symbols.items()}
        replaced = {self.symbols[name]: tensor for name, tensor in inputs.items()}
        batched = vectorize_graph(self._change(outcome, cells), replaced)
        used = set(ancestors([batched]))
        found = [name for name, tensor in inputs.items() if tensor in used]
        compiled = pytensor.function([inputs[name] for name in found], batched, mode=_PYTHON)

        def mean(values: Values) -> npt.NDArray[np.float64]:
            draws = max(len(values[name]) for name in found)
            arrays = [np.asarray(values[name], float) for name in found]
            arrays = [a if inputs[name].ndim == 2 else a.reshape(len(a)) for name, a in zip(found, arrays, strict=True)]
            return np.asarray(compiled(*(np.broadcast_to(a, (draws, *a.shape[1:])) for a in arrays)))

        return mean

    def _change(self, outcome: str, cells: Cells) -> Any:
        """Levels do not change, and effects on another outcome (`follows`, links) are 0 at randomisation."""
        trajectory, effect = self.curves[outcome]
        t = pt.as_tensor_variable(cells.months)
        x = t - cells.started
        found, removed = basis_and_removed(trajectory, effect, t, x)
        first, _ = basis_and_removed(trajectory, effect, pt.zeros_like(t), -pt.as_tensor_variable(cells.started))
        found |= {name: found[name] - basis for name, basis in first.items() if ":" not in name}
        if effect.rate_given is not None:
            other, basis = effect.rate_given
            found["rate"] = basis(t, x, cells.of_stratum(self.symbols[f"{other}_effect"]))
        change = pt.zeros_like(t)
        for name, basis in found.items():
            if name == "level":
                continue
            left = basis - self.symbols[f"{outcome}_slowing"] * removed[name] if name in removed else basis
            label = name.replace(":", "_") if ":" in name else f"{outcome}_{name}"
            change = change + cells.of_stratum(self.symbols[label]) * left
        shifts = [self.symbols[p.name] for p in self.parameters[outcome] if p.published == EXTENSION]
        return change + sum(shifts) * cells.extension if shifts else change


def courses_of(outcomes: Sequence[MeansOutcome]) -> Courses:
    """Curves of the outcomes and their free parameters: the terms', then those of the part itself.

    Raises
    ------
    BadConfig
        Parts that do not go together, or an effect without a size.
    """
    curves: dict[str, tuple[Curve, Curve]] = {}
    parameters: dict[str, list[Parameter]] = {outcome.name: [] for outcome in outcomes}
    symbols: dict[str, Any] = {}

    def add(outcome: str, quantity: str, symbol: Any, prior: Any, unit: str, published: str) -> None:
        name = f"{outcome}_{quantity}"
        parameters[outcome].append(Parameter(name, prior, unit, published, per_stratum=symbol.ndim == 1))
        symbols[name] = symbol

    def add_all(outcome: MeansOutcome, part: Any, curve: Curve, own: Sequence[Any]) -> None:
        for name, term in curve.terms.items():
            if name != "level" and ":" not in name:
                add(outcome.name, name, pt.vector(), term.mean, term.unit, PUBLISHED.get(name, ""))
        if curve.slowed is not None:
            add(outcome.name, "slowing", pt.scalar(), part.share, "proportion", "drug_effect")
        for variable in own:
            prior, unit = _prior_and_unit(outcome.name, part, variable)
            published = next((name for name, value in curve.published.items() if value is variable), "")
            quantity = variable.name.removeprefix(f"{outcome.name}_")
            add(outcome.name, NAMES.get(quantity, quantity), variable, prior, unit, published)

    # An effect that follows another outcome's is made after it, wherever it stands.
    for outcome in sorted(outcomes, key=lambda k: hasattr(k.effect, "outcome")):
        with pm.Model() as of_course:
            trajectory = outcome.course.curve(outcome)
        with pm.Model() as of_effect:
            effect = outcome.effect.curve(outcome, trajectory, {name: both[1] for name, both in curves.items()})
        curves[outcome.name] = trajectory, effect
        add_all(outcome, outcome.course, trajectory, of_course.free_RVs)
        add_all(outcome, outcome.effect, effect, of_effect.free_RVs)
        if outcome.extension_shift_sd > 0:
            stated = "stated with the outcome: extension_shift_sd"
            prior = Normal(mean=0, sd=outcome.extension_shift_sd, source=stated)
            add(outcome.name, EXTENSION, pt.scalar(), prior, "{unit}", EXTENSION)
    return Courses(curves, {name: tuple(own) for name, own in parameters.items()}, symbols)


def _prior_and_unit(outcome: str, part: BaseModel, variable: Any) -> tuple[Any, str]:
    """Prior of a part's own parameter, and the template of its unit."""
    prior = getattr(variable.tag, "prior", None)
    if prior is None:
        raise BadConfig(
            f"outcome {outcome}: {type(part).__name__} makes {variable.name}, whose prior published means cannot read; "
            'make it with a prior\'s own method: LogNormal(median=..., sigma=...).variable("...")'
        )
    fields: PriorFields = getattr(part, "prior_fields", {})
    return prior, next((unit for name, (_, unit) in fields.items() if getattr(part, name) is prior), "")
