"""Collections of trials: moments of effects, estimates and patients against the truths; seeds."""

import numpy as np
import pytest

from bayesmodels.simulation.trial_collections import COLLECTIONS, simulate_effects, simulate_patients

KINDS = tuple(COLLECTIONS)
N = 20_000


@pytest.mark.parametrize("kind", KINDS)
def test_true_effects_and_errors_have_their_moments(kind):
    truth = COLLECTIONS[kind]
    table = simulate_effects(truth, N, seed=1, patients_per_arm=50)
    true = table[["true_surrogate_effect", "true_outcome_effect"]].to_numpy()
    np.testing.assert_allclose(true.mean(axis=0), truth.mean, atol=0.015)
    np.testing.assert_allclose(true.std(axis=0), truth.sd, rtol=0.03)
    assert np.corrcoef(true.T)[0, 1] == pytest.approx(truth.correlation, abs=0.03)
    error = table[["surrogate_effect", "outcome_effect"]].to_numpy() - true
    np.testing.assert_allclose(error.std(axis=0), [0.1, 0.15], rtol=0.03)
    np.testing.assert_allclose(table[["surrogate_se", "outcome_se"]].to_numpy()[0], [0.1, 0.15])
    assert np.corrcoef(error.T)[0, 1] == pytest.approx(truth.individual_correlation, abs=0.03)
    assert (table["within_correlation"] == truth.individual_correlation).all()


def test_patients_give_the_estimates_that_the_effects_table_has():
    """Arm differences of simulated patients have the same mean, spread and correlation as simulated estimates."""
    truth = COLLECTIONS["ordinary"]
    patients = simulate_patients(truth, 3000, seed=2, patients_per_arm=20)
    means = patients.groupby(["cluster", "treatment"])[["surrogate", "outcome"]].mean().unstack()
    found = np.column_stack([means[k][1] - means[k][0] for k in ("surrogate", "outcome")])
    direct = simulate_effects(truth, 100_000, seed=3, patients_per_arm=20)[["surrogate_effect", "outcome_effect"]]
    np.testing.assert_allclose(found.mean(axis=0), direct.mean(), atol=0.03)
    np.testing.assert_allclose(np.cov(found.T), np.cov(direct.T), atol=0.012)
    within = patients.groupby(["cluster", "treatment"])[["surrogate", "outcome"]].transform("mean")
    residual = (patients[["surrogate", "outcome"]] - within) * np.sqrt(20 / 19)
    np.testing.assert_allclose(residual.std(), truth.patient_sd, rtol=0.01)
    assert residual.corr().iloc[0, 1] == pytest.approx(truth.individual_correlation, abs=0.01)


def test_a_perfect_surrogate_has_one_line_between_patients_and_between_trials():
    truth = COLLECTIONS["perfect"]
    assert truth.slope == pytest.approx(truth.individual_correlation * truth.patient_sd[1] / truth.patient_sd[0])
    assert truth.intercept == pytest.approx(0.0)
    table = simulate_effects(truth, 50, seed=4)
    np.testing.assert_allclose(table["true_outcome_effect"], truth.slope * table["true_surrogate_effect"], atol=1e-12)


@pytest.mark.parametrize("kind", ["paradox", "harmful"])
def test_in_a_paradox_most_drugs_lower_the_surrogate_and_harm(kind):
    table = simulate_effects(COLLECTIONS[kind], N, seed=5)
    lowered = table["true_surrogate_effect"] < 0
    assert lowered.mean() > 0.8
    assert (table.loc[lowered, "true_outcome_effect"] < 0).mean() > 0.75
    assert COLLECTIONS[kind].individual_correlation < 0  # a lower surrogate, a better outcome within arms


def test_the_two_paradoxes_differ_in_the_sign_of_the_slope():
    assert COLLECTIONS["paradox"].slope > 0 > COLLECTIONS["harmful"].slope
    assert COLLECTIONS["harmful"].intercept < -0.5  # harm of a drug that leaves the surrogate alone


def test_the_same_seed_gives_the_same_tables():
    truth = COLLECTIONS["null"]
    assert simulate_effects(truth, 5, seed=9).equals(simulate_effects(truth, 5, seed=9))
    assert simulate_patients(truth, 2, seed=9).equals(simulate_patients(truth, 2, seed=9))
    assert not simulate_effects(truth, 5, seed=9).equals(simulate_effects(truth, 5, seed=10))
