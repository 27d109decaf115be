"""Collections of programmes: truths in the good direction, and the verdicts of fitted collections."""

import numpy as np
import pandas as pd
import pytest

from bayesmodels.fitting import NutsSettings
from bayesmodels.planning import Programmes
from bayesmodels.planning.programmes import ProgrammePlan, ProgrammeVerdicts, judge_collection
from bayesmodels.simulation import simulate_effects


def test_a_correlation_is_in_the_good_direction():
    truth = Programmes().truth(0.9)
    frame = simulate_effects(truth, 4000, seed=1)
    found = np.corrcoef(-frame["true_surrogate_effect"], frame["true_outcome_effect"])[0, 1]
    assert found == pytest.approx(0.9, abs=0.02)


@pytest.mark.slow
def test_collections_are_judged_as_a_report_would():
    """Precise estimates of strongly tied effects in 60 programmes are supported, unrelated ones are not."""
    asked = Programmes(numbers=(4, 60), correlations=(0.0, 0.97), collections=1, patients_per_arm=500)
    plan = ProgrammePlan(asked, NutsSettings(chains=2, tune=300, draws=1500, target_accept=0.95), 1)
    found = [judge_collection(plan, number) for number in range(4)]
    cells = [(each["correlation"], each["programmes"]) for each in found]
    assert cells == [(0.0, 4), (0.0, 60), (0.97, 4), (0.97, 60)]
    assert [each["verdict"] for each in found][1::2] == ["not supported", "supported"]
    assert {found[0]["verdict"], found[2]["verdict"]} == {"not assessable"}
    verdicts = ProgrammeVerdicts(pd.DataFrame(found), asked)
    assert verdicts.missing == 0
    supported = verdicts.supported.set_index(["correlation", "programmes"])["share"]
    assert supported.to_dict() == {(0.0, 4): 0.0, (0.0, 60): 0.0, (0.97, 4): 0.0, (0.97, 60): 1.0}
    assert "true correlation 0.97: called supported in 1.00" in verdicts.sentence()
