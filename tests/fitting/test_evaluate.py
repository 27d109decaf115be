"""Variables of a model at draws of its free variables."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from bayesmodels.errors import BayesmodelsError
from bayesmodels.fitting.evaluate import evaluate


def test_values_at_draws_and_draws_that_lack_a_free_variable_are_refused():
    with pm.Model() as model:
        a, b = pm.Normal("a"), pm.Normal("b")
        values = {"of_a": 2.0 * a, "of_both": a + b}
    drawn = np.arange(6.0).reshape(2, 3)
    only_a = xr.Dataset({"a": (("chain", "draw"), drawn)})
    np.testing.assert_array_equal(evaluate(model, {"of_a": values["of_a"]}, only_a)["of_a"], 2 * drawn)
    with pytest.raises(BayesmodelsError, match=r"expected draws of b, found none.*fit the model again"):
        evaluate(model, values, only_a)
    both = only_a.assign(b=10.0 + only_a["a"])
    np.testing.assert_array_equal(evaluate(model, values, both)["of_both"], 10 + 2 * drawn)
