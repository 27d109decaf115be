import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayesmodels.fitting import convergence


def _tree(draws, diverging=0, energy=None, **other):
    chains, n = draws.shape
    rng = np.random.default_rng(0)
    energy = rng.normal(size=(chains, n)) if energy is None else energy
    flags = np.zeros((chains, n), dtype=bool)
    flags[0, :diverging] = True
    dims = ("chain", "draw")
    posterior = {"x": (dims, draws)} | {
        name: ((*dims, *(f"{name}_{k}" for k in range(v.ndim - 2))), v) for name, v in other.items()
    }
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(posterior),
            "sample_stats": xr.Dataset({"diverging": (dims, flags), "energy": (dims, energy)}),
        }
    )


@pytest.fixture
def good():
    return np.random.default_rng(1).normal(size=(4, 1000))


def _split_rhat(values):
    """R-hat of Gelman et al., each chain split in halves."""
    halves = values.reshape(values.shape[0] * 2, -1)
    n = halves.shape[1]
    between = n * halves.mean(axis=1).var(ddof=1)
    within = halves.var(axis=1, ddof=1).mean()
    return np.sqrt(((n - 1) / n * within + between / n) / within)


def _rank_normal(values):
    return stats.norm.ppf((stats.rankdata(values).reshape(values.shape) - 0.375) / (values.size + 0.25))


def test_rhat_is_the_worse_of_bulk_and_folded_split_rank_rhat(good):
    shifted = good + np.array([0.0, 0.0, 0.0, 0.4])[:, None]
    folded = np.abs(shifted - np.median(shifted))
    expected = max(_split_rhat(_rank_normal(shifted)), _split_rhat(_rank_normal(folded)))
    assert convergence(_tree(shifted)).max_rhat == pytest.approx(expected, rel=1e-6)


def test_independent_draws_converge(good):
    found = convergence(_tree(good))
    assert found.verdict == "ok"
    assert found.reasons == ()
    assert found.min_ess_bulk == pytest.approx(4000, rel=0.15)
    assert found.sentence().startswith("The chains converged: worst R-hat")


def test_ebfmi_is_the_mean_squared_step_over_the_variance(good):
    energy = np.random.default_rng(2).normal(size=(4, 1000)).cumsum(axis=1)
    found = convergence(_tree(good, energy=energy))
    expected = [np.mean(np.diff(e) ** 2) / np.var(e, ddof=1) for e in energy]
    np.testing.assert_allclose(found.ebfmi, expected, atol=1e-4)
    assert found.verdict == "not_converged"
    assert any("E-BFMI" in reason for reason in found.reasons)


def test_one_divergent_draw_is_enough(good):
    found = convergence(_tree(good, diverging=1))
    assert (found.verdict, found.divergences) == ("not_converged", 1)
    assert found.reasons == ("1 divergent draws",)


def test_a_chain_elsewhere_is_seen_and_named(good):
    found = convergence(_tree(good + np.arange(4)[:, None]))
    assert any("R-hat above 1.01 in 1 of 1 scalars (x)" in reason for reason in found.reasons)


def test_few_draws_are_too_few(good):
    found = convergence(_tree(good[:, :50]))
    assert {reason.split(" in ")[0] for reason in found.reasons} >= {"bulk ESS below 400", "tail ESS below 400"}


def test_constants_and_undefined_entries_do_not_count(good):
    matrix = np.ones((4, 1000, 2, 2))
    matrix[..., 0, 1] = matrix[..., 1, 0] = good
    undefined = np.full((4, 1000, 1), np.nan)
    found = convergence(_tree(good, person_correlation=matrix, effect_lag=undefined))
    assert found.table["variable"].tolist() == ["x", "person_correlation", "person_correlation"]
    assert found.verdict == "ok"


def test_only_free_and_population_level_variables_are_judged(good):
    tree = _tree(good, curve=good[..., None], drug_effect=good[..., None], other=good[..., None])
    tree.attrs["free_variables"] = json.dumps(["x"])
    assert set(convergence(tree).table["variable"]) == {"x", "drug_effect"}


def test_summary_is_json_without_nan(good):
    text = json.dumps(convergence(_tree(good)).summary(), allow_nan=False)
    assert json.loads(text)["thresholds"]["rhat"] == 1.01
