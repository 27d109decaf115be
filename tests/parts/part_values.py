"""A part's basis as numbers, at given values of its own random variables."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from bayesmodels.models.outcome import Outcome, Typical
from bayesmodels.parts.curve import Curve

PYTHON = Mode(linker="py", optimizer="fast_run").excluding("fusion")
SCORE = Outcome(name="score", unit="points", good_direction="up", typical=Typical(level=40.0, spread=8.0, rate=-1.0))
MARKER = Outcome(
    name="marker", unit="pg/mL", scale="log", good_direction="down", typical=Typical(level=75.0, spread=0.5, rate=0.02)
)


class Evaluated:
    """A curve with its value and area of every term, and published scalars, as functions of numbers.

    Each takes times, and the part's random variables by name.
    """

    def __init__(self, make, start=None):
        """`make()` gives a `Curve` inside a PyMC model; of an effect, in those who start the drug at month `start`.

        Months since randomisation are then those on the drug plus `start`, and not below 0.
        """
        self.start = start
        with pm.Model() as model:
            self.curve: Curve = make()
        self.variables = list(model.free_RVs)

    @cached_property
    def value(self):
        return self._numbers(self.curve.value)

    @cached_property
    def area(self):
        return self._numbers(self.curve.area)

    @cached_property
    def published(self):
        return self._numbers(lambda *_: {name: pt.as_tensor_variable(v) for name, v in self.curve.published.items()})

    def _numbers(self, basis):
        t = pt.vector("t")
        found = basis(t) if self.start is None else basis(pt.maximum(t + self.start, 0.0), t)
        function = pytensor.function([t, *self.variables], list(found.values()), mode=PYTHON, on_unused_input="ignore")

        def call(at, **parameters):
            assert set(parameters) == {rv.name for rv in self.variables}
            values = function(np.atleast_1d(np.asarray(at, float)), *(parameters[rv.name] for rv in self.variables))
            return dict(zip(found, values, strict=True))

        return call
