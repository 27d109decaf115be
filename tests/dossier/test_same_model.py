"""Whether two descriptions of models say the same."""

import json

from bayesmodels import alsfrs_r, nfl_plasma, replaced
from bayesmodels.dossier.same_model import differences
from bayesmodels.models.longitudinal import LongitudinalModel


def spec(*outcomes):
    return json.loads(LongitudinalModel(outcomes=outcomes).model_dump_json())


def test_equal_models_in_any_order_of_outcomes():
    assert differences(spec(nfl_plasma(), alsfrs_r()), spec(alsfrs_r(), nfl_plasma())) == []


def test_a_prior_and_an_outcome_that_differ_are_named():
    one = spec(nfl_plasma(), alsfrs_r())
    wide = replaced(alsfrs_r(), {"rate": {"mean": -1.0, "sd": 2.0}})  # another source, too
    assert differences(one, spec(nfl_plasma(), wide)) == ["outcomes, alsfrs_r, rate, sd: 0.5, there 2.0"]
    (line,) = differences(one, spec(alsfrs_r()))
    assert line.startswith("outcomes, nfl_plasma: {")
    assert line.endswith("there nothing")
    assert differences({"a": [1, 2]}, {"a": [1, 3]}) == ["a, no. 2: 2, there 3"]
