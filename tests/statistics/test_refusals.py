"""Levels, limits of time and codes of events that every function refuses in the same words."""

import numpy as np
import pytest
from five_persons import EVENT, TIME

from bayesmodels.errors import BadInput
from bayesmodels.statistics import (
    aalen_johansen,
    calibration,
    kaplan_meier,
    prediction_accuracy,
    restricted_mean,
    restricted_mean_difference,
)


@pytest.mark.parametrize("of", [1, (1, 2), None])
def test_codes_of_events_are_refused(of):
    with pytest.raises(BadInput, match="of: expected an event as text"):
        aalen_johansen(TIME[:3], [1, 0, 2], of)


@pytest.mark.parametrize("of", [["death"], {"death"}, np.array(["death"])])
def test_events_may_be_named_in_any_collection(of):
    assert aalen_johansen(TIME, EVENT, of).table.equals(aalen_johansen(TIME, EVENT, "death").table)


@pytest.mark.parametrize("level", [95, 0.0, 1.0, np.nan])
def test_a_level_is_a_probability(level):
    death = EVENT == "death"
    for found in (
        lambda: kaplan_meier(TIME, death, level=level),
        lambda: aalen_johansen(TIME, EVENT, "death", level=level),
        lambda: restricted_mean(TIME, death, 3.0, level=level),
        lambda: restricted_mean_difference(TIME, death, TIME > 2, 2.0, level=level),
        lambda: prediction_accuracy(TIME, EVENT, "death", np.full(5, 0.5), 0.0, 3.0, level=level),
        lambda: calibration(TIME, EVENT, "death", np.full(5, 0.5), 0.0, 3.0, level=level),
    ):
        with pytest.raises(BadInput, match="level: expected a probability between 0 and 1"):
            found()


@pytest.mark.parametrize("until", [0.0, -1.0, np.nan, np.inf])
def test_the_limit_of_a_restricted_mean_is_a_time(until):
    with pytest.raises(BadInput, match="until: expected a time above 0"):
        restricted_mean(TIME[:2], [1, 1], until)
