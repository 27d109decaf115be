"""Study of the baseline hazard's priors: its rows are what they say."""

import numpy as np
import pymc as pm
import pytest
from validation.hazard_priors.study import CELLS, IndependentPieces, hazard

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.parts.hazards import Exposure, PenalisedSpline, PiecewiseConstant, Weibull

EXPOSURE = Exposure(np.zeros(60), np.linspace(1.0, 40.0, 60), np.ones(60, bool))


def test_default_rows_are_the_packages_defaults():
    of = {(b, n): hazard(b, n, prior) for b, n, prior in CELLS if prior in ("default", "association weak")}
    assert of.pop(("spline", 0)) == PenalisedSpline()
    assert of.pop(("weibull", 0)) == Weibull()
    assert of == {(b, n): PiecewiseConstant(pieces=n) for b, n in of}


def test_weak_rows_change_one_prior():
    for baseline, pieces, prior in CELLS:
        if not prior.endswith("weak") or prior == "association weak":
            continue
        plain, weak = hazard(baseline, pieces, "default"), hazard(baseline, pieces, prior)
        changed = {name for name in type(plain).model_fields if getattr(plain, name) != getattr(weak, name)}
        assert changed
        assert (changed == {"level"}) == (prior == "level weak")


@pytest.mark.parametrize("pieces", [5, 15])
def test_the_mean_of_independent_pieces_narrows_with_their_number(pieces):
    with pm.Model():
        found = IndependentPieces(pieces=pieces).baseline(EXPOSURE).coefficients("death", 0.0)
    means = pm.draw(found, draws=2_000, random_seed=1, mode=python_mode()).mean(axis=1)
    assert means.std() == pytest.approx(1.5 / np.sqrt(pieces), rel=4 / np.sqrt(4_000))
