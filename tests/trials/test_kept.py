"""Quantities by their labels, and which sign of one is good."""

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from bayesmodels.errors import BadInput
from bayesmodels.trials.kept import Kept, Rule, cells, dims_of, fit_rows, weeks_of

COORDS = {
    "outcome": ["nfl_plasma", "alsaq5"],
    "good_direction": ("outcome", ["down", "down"]),
    "effect_type": ("outcome", ["plateau", "proportional_slowing"]),
    "contrast": ["early - delayed"],
    "stratum": ["all"],
    "week": [0.0, 28.0],
}
DRAWS = np.arange(4.0)[:, None, None, None, None] + np.array([[[[0.0, 1.0]]], [[[np.nan, -1.5]]]])
VALUES = xr.Dataset(
    {
        "difference": (("draw", "outcome", "contrast", "stratum", "week"), DRAWS),
        "drug_effect": (("draw", "outcome", "stratum"), DRAWS[:, :, 0, :, 1]),
        "deceleration": (("draw", "outcome"), DRAWS[:, :, 0, 0, 1]),
    },
    coords=COORDS,
)
PLACE = {"outcome": "alsaq5", "week": 28}


def names(item):
    return [cell["quantity"] for cell, _ in cells(item, VALUES[item.variable])]


def good(name, at):
    ((cell, _),) = cells(Rule(name="r", variable=name, at=at), VALUES[name])
    return cell["good"]


def test_labels_choose_quantities_and_undefined_ones_are_left_out():
    assert names(Kept(variable="difference")) == [
        "difference[nfl_plasma, early - delayed, all, week 0]",
        "difference[nfl_plasma, early - delayed, all, week 28]",
        "difference[alsaq5, early - delayed, all, week 28]",
    ]
    assert names(Kept(variable="difference", at={"week": [28], "outcome": "nfl_plasma"})) == [
        "difference[nfl_plasma, early - delayed, all, week 28]"
    ]
    item = Kept(variable="difference", at={"week": [28, 0]})
    assert weeks_of([item], [Rule(name="r", variable="difference", at={"week": 52})]) == (0.0, 28.0, 52.0)
    assert dims_of([item], []) == ("outcome", "contrast", "stratum", "week")


def test_the_good_sign_is_the_outcomes_but_for_shares_and_there_is_none_of_nuisance():
    assert good("difference", PLACE) == "down"
    assert good("drug_effect", {"outcome": "nfl_plasma"}) == "down"
    assert good("drug_effect", {"outcome": "alsaq5"}) == "up"  # a share of the decline
    assert good("deceleration", {"outcome": "alsaq5"}) is None
    with pytest.raises(BadInput, match='favours: expected "up" or "down"'):
        fit_rows(VALUES, [], [Rule(name="r", variable="deceleration", at={"outcome": "alsaq5"})], {}, 0.95)


def test_a_rule_counts_draws_beyond_its_value_on_the_good_side():
    def of(**fields):
        rule = Rule(name="r", variable="difference", at=PLACE, **fields)  # draws -1.5, -.5, .5, 1.5
        ((_, row),) = [(0, row) for row in fit_rows(VALUES, [], [rule], {names(rule)[0]: -0.2}, 0.95)]
        return row["probability"], row["success"], row["favourable"]

    assert of() == (0.5, False, True)
    assert of(probability=0.4) == (0.5, True, True)
    assert of(probability=0.5) == (0.5, False, True)
    assert of(beyond=-1) == (0.25, False, False)
    assert of(favours="up", beyond=1) == (0.25, False, False)


def test_what_a_variable_does_not_have_is_refused():
    with pytest.raises(ValidationError, match="unknown published variable 'differences'"):
        Kept(variable="differences")
    with pytest.raises(ValidationError, match="unknown dim of difference 'weeks'"):
        Kept(variable="difference", at={"weeks": 28})
    with pytest.raises(BadInput, match="unknown week '30'"):
        names(Kept(variable="difference", at={"week": 30}))
    with pytest.raises(BadInput, match="expected one outcome, found none"):
        names(Rule(name="r", variable="difference", at={"week": 28}))
