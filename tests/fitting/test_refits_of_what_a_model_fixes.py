"""Published variables of a refit that the model fixes, such as a known skewness: as many draws as the others."""

from __future__ import annotations

import numpy as np
from models.small_study import study

from bayesmodels.fitting.prior import prior_of_free_variables
from bayesmodels.fitting.refit import refit_of, stacked
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, replaced


def test_a_known_skewness_is_published_for_every_draw():
    model = LongitudinalModel(outcomes=(replaced(alsfrs_r(), {"rate_skewness": 0.4}),))
    refit = refit_of(model, study(), ("rate_skewness", "population_rate"))
    free = stacked(prior_of_free_variables(refit.pm_model, seed=1, draws=7), refit.names)
    found = refit.published(free)
    np.testing.assert_array_equal(found["rate_skewness"], np.full((7, 1), 0.4))
    assert len(found["population_rate"]) == 7
