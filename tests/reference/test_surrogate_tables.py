"""Single-trial criteria of armd.csv and schizo.csv, reproduced from the R package Surrogate (../shared/reference).

Treatment is coded -1 / 1 there, so its alpha, beta and beta_S are half of ours.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles.single_trial import least_squares, positive_definite_grid

from bayesmodels.study import ClusterTable
from bayesmodels.surrogacy.criteria.arms import correlation
from bayesmodels.surrogacy.criteria.causal_association import effect_covariance
from bayesmodels.surrogacy.person_level import posterior_arms

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"

pytestmark = pytest.mark.skipif(not (REFERENCE / "armd.csv").exists(), reason="no reference data")


def table(name, surrogate, outcome, **options):
    frame = pd.read_csv(REFERENCE / f"{name}.csv")
    columns = {"treatment": "Treat", "surrogate": surrogate, "outcome": outcome}
    return ClusterTable.from_frame(frame, active=1, columns=columns, clustered=False, **options)


@pytest.fixture(scope="module")
def armd():
    return table("armd", "Diff24", "Diff52")


@pytest.fixture(scope="module")
def schizo():
    return table("schizo", "BPRS", "PANSS", complete_cases=True)


def test_armd_closed_forms(armd):
    found = least_squares(armd)
    assert armd.counts["patients"] == 181
    halves = (found.alpha, found.alpha_se, found.beta, found.beta_se, found.residual_effect)
    assert np.array(halves) / 2 == pytest.approx([-0.8893, 0.9509, -1.4562, 1.1771, -0.6362], abs=5e-5)
    assert found.residual_p == pytest.approx(0.42, abs=0.005)
    assert (found.gamma, found.gamma_given_arm) == pytest.approx((0.9256, 0.9221), abs=5e-5)
    assert found.relative_effect == pytest.approx(1.6375, abs=5e-5)
    assert found.delta_interval == pytest.approx((-0.652, 3.927), abs=5e-4)
    assert not found.fieller_set.bounded
    assert found.adjusted_association == pytest.approx(0.7450, abs=5e-5)
    assert found.proportion_explained == pytest.approx(0.563, abs=5e-4)
    assert found.arm_association == pytest.approx((0.7693, 0.7118), abs=5e-5)


def test_schizo_closed_forms(schizo):
    found = least_squares(schizo)
    assert (schizo.counts["patients"], schizo.incomplete) == (2123, 5)
    assert np.array([found.alpha, found.beta, found.residual_effect]) / 2 == pytest.approx(
        [-1.146, -2.272, -0.348], abs=5e-4
    )
    assert found.residual_p == pytest.approx(0.028, abs=5e-4)
    assert (found.gamma, found.gamma_given_arm) == pytest.approx((1.6799, 1.6782), abs=5e-5)
    assert found.relative_effect == pytest.approx(1.982, abs=5e-4)
    assert found.fieller_set.kind == "interval"
    assert (found.fieller_set.lower, found.fieller_set.upper) == pytest.approx((1.712, 2.552), abs=5e-4)
    assert found.adjusted_association == pytest.approx(0.9632, abs=5e-5)
    assert found.proportion_explained == pytest.approx(0.847, abs=5e-4)


def test_armd_causal_association_on_the_grid(armd):
    found = least_squares(armd)
    sets = positive_definite_grid(*found.arm_association)
    association = correlation(effect_covariance(sets, np.array([np.diag(v) for v in found.arm_variance])))
    assert association.min() == pytest.approx(-0.2475, abs=5e-4)
    assert np.median(association) == pytest.approx(0.765, abs=5e-4)
    assert association.max() == pytest.approx(0.994, abs=5e-4)


def test_draws_lie_about_the_closed_forms(armd, schizo):
    for data in (armd, schizo):
        exact = least_squares(data)
        arms = posterior_arms(data, draws=4000, seed=3, covariance="common")
        for draws, value in ((arms.alpha, exact.alpha), (arms.beta, exact.beta), (arms.gamma, exact.gamma_given_arm)):
            assert draws.mean() == pytest.approx(value, abs=4 * draws.std() / np.sqrt(4000))
        assert np.median(arms.adjusted_association) == pytest.approx(exact.adjusted_association, abs=0.01)
