"""A person-level posterior as a row: conjugate normal, where the likelihood is known exactly."""

import numpy as np
import pytest
import xarray as xr

from bayesmodels.errors import BadInput, MissingVariable
from bayesmodels.surrogacy.person_level_row import Quantity, trial_row

NFL = Quantity("difference", {"outcome": "nfl", "week": 28.0})
FUNCTION = Quantity("difference", {"outcome": "function", "week": 28.0})
ESTIMATE = np.array([-0.6, 0.3])
ERROR = np.array([[0.04, 0.012], [0.012, 0.09]])
PRIOR = np.array([[0.5, 0.0], [0.0, 0.25]])


def archive(posterior, prior):
    """Draws (draw, 2) of both groups as an archive."""

    def group(draws):
        values = draws.reshape((2, -1, 2))[..., None]
        coords = {"outcome": ["nfl", "function"], "week": [28.0]}
        return xr.Dataset({"difference": (("chain", "draw", "outcome", "week"), values)}, coords=coords)

    return xr.DataTree.from_dict({"posterior": group(posterior), "prior": group(prior)})


@pytest.fixture(scope="module")
def conjugate():
    """Prior Normal(0, PRIOR), estimate Normal(effects, ERROR)."""
    rng = np.random.default_rng(1)
    covariance = np.linalg.inv(np.linalg.inv(PRIOR) + np.linalg.inv(ERROR))
    mean = covariance @ np.linalg.solve(ERROR, ESTIMATE)
    n = 40_000
    return archive(rng.multivariate_normal(mean, covariance, n), rng.multivariate_normal([0, 0], PRIOR, n))


def test_the_row_is_the_likelihood_and_not_the_posterior(conjugate):
    found = trial_row(conjugate, "A", NFL, FUNCTION)
    assert found.row["surrogate_effect"] == pytest.approx(-0.6, abs=0.01)
    assert found.row["outcome_effect"] == pytest.approx(0.3, abs=0.015)
    assert found.row["surrogate_se"] == pytest.approx(0.2, rel=0.02)
    assert found.row["outcome_se"] == pytest.approx(0.3, rel=0.03)
    assert found.row["within_correlation"] == pytest.approx(0.012 / 0.06, abs=0.02)
    assert found.is_normal
    shares = np.linalg.eigvals(np.linalg.inv(PRIOR) @ np.linalg.inv(np.linalg.inv(PRIOR) + np.linalg.inv(ERROR)))
    assert found.prior_share == pytest.approx(shares.real.max(), rel=0.03)
    assert "a normal summary is fair" in found.sentence()


def test_the_posterior_itself_if_asked(conjugate):
    found = trial_row(conjugate, "A", NFL, FUNCTION, divide_prior=False)
    draws = conjugate["posterior"]["difference"].sel(outcome="nfl")
    assert found.row["surrogate_effect"] == pytest.approx(float(draws.mean()))
    assert found.row["surrogate_se"] == pytest.approx(float(draws.std(ddof=1)))
    assert found.prior_share == 0


def test_a_skewed_posterior_is_told(conjugate):
    rng = np.random.default_rng(2)
    skewed = np.stack([rng.exponential(0.1, 4000), rng.normal(0, 0.1, 4000)], axis=1)
    found = trial_row(archive(skewed, rng.normal(0, 1, (4000, 2))), "A", NFL, FUNCTION)
    assert not found.is_normal
    assert "NOT fair" in found.sentence()


def test_what_cannot_be_a_row_is_refused(conjugate):
    rng = np.random.default_rng(3)
    same = rng.normal(0, 1, (4000, 2))
    with pytest.raises(BadInput, match="the data say no more than the prior"):
        trial_row(archive(same * 1.05, same), "A", NFL, FUNCTION)
    with pytest.raises(BadInput, match="expected a label for each of outcome, week, got outcome"):
        trial_row(conjugate, "A", Quantity("difference", {"outcome": "nfl"}), FUNCTION)
    with pytest.raises(BadInput, match="no entry"):
        trial_row(conjugate, "A", Quantity("difference", {"outcome": "no such", "week": 28.0}), FUNCTION)
    with pytest.raises(MissingVariable):
        trial_row(conjugate, "A", Quantity("period_rate", {}), FUNCTION)


def test_a_difference_of_two_entries(conjugate):
    both = Quantity("difference", {"outcome": "nfl", "week": 28.0}, minus={"outcome": "function"})
    draws = conjugate["posterior"]["difference"]
    expected = float((draws.sel(outcome="nfl") - draws.sel(outcome="function")).mean())
    assert both.draws(conjugate["posterior"].to_dataset()).mean() == pytest.approx(expected)
