"""Pairs in clusters: log density against SciPy on the pairs themselves, gradient against finite differences."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.stats import multivariate_normal

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.kernels.correlation import CorrelationMatrix
from bayesmodels.kernels.pairs.clustered_op import ClusteredPairsLogp, clustered_pairs, simulate, summarise

SIZE = np.array([[3, 2], [1, 1], [0, 4], [2, 0], [1, 0], [5, 7]])
PARAMETERS = {
    "mean": np.array([0.4, -0.7, 2.0, 5.0]),
    "sd": np.array([0.6, 1.1, 0.8, 1.5]),
    "partial": np.array([0.7, -0.3, 0.2, 0.4, -0.5, 0.6]),
    "residual_sd": np.array([1.2, 2.0]),
    "residual_correlation": np.array(0.55),
}


def pairs(rng):
    cell = np.repeat(np.arange(2 * len(SIZE)), SIZE.ravel())
    return rng.standard_normal((len(cell), 2)) * 2 + 3, cell % 2, cell // 2


@pytest.fixture(scope="module")
def compiled():
    tensors = [pt.as_tensor_variable(v).type(name) for name, v in PARAMETERS.items()]
    value = pt.matrix("value")
    density = ClusteredPairsLogp()(value, SIZE, *tensors)
    weight = pt.vector("weight")
    gradient = pt.grad((weight * density).sum(), tensors)
    return pytensor.function([value, *tensors], density), pytensor.function([value, weight, *tensors], gradient)


def covariance_of_pairs(group):
    """Of the pairs of one cluster, from the model as written: person by person, term by term."""
    p = PARAMETERS
    node = CorrelationMatrix(4).make_node(p["partial"])
    storage = [[None]]
    node.op.perform(node, [p["partial"]], storage)
    d = np.outer(p["sd"], p["sd"]) * storage[0][0]
    r = p["residual_correlation"] * p["residual_sd"].prod()
    s = np.array([[p["residual_sd"][0] ** 2, r], [r, p["residual_sd"][1] ** 2]])
    x = np.where(group == 1, 0.5, -0.5)
    loading = np.concatenate([np.hstack([xj * np.eye(2), np.eye(2)]) for xj in x])
    return loading @ p["mean"], loading @ d @ loading.T + np.kron(np.eye(len(x)), s)


def test_log_density_is_that_of_the_pairs(compiled):
    values, group, cluster = pairs(np.random.default_rng(1))
    value, size = summarise(values, group, cluster, len(SIZE))
    np.testing.assert_array_equal(size, SIZE)
    expected = []
    for i in range(len(SIZE)):
        mean, covariance = covariance_of_pairs(group[cluster == i])
        expected.append(multivariate_normal(mean, covariance).logpdf(values[cluster == i].ravel()))
    np.testing.assert_allclose(compiled[0](value, *PARAMETERS.values()), expected, rtol=1e-10)
    node = ClusteredPairsLogp().make_node(value, size, *PARAMETERS.values())
    storage = [[None]]
    node.op.perform(node, [value, size, *PARAMETERS.values()], storage)
    np.testing.assert_allclose(storage[0][0], expected, rtol=1e-10)


def test_gradient_against_finite_differences(compiled):
    rng = np.random.default_rng(2)
    values, group, cluster = pairs(rng)
    value, _ = summarise(values, group, cluster, len(SIZE))
    weight = rng.uniform(0.5, 2, len(SIZE))
    found = compiled[1](value, weight, *PARAMETERS.values())
    for k, name in enumerate(PARAMETERS):
        by_hand = np.empty_like(PARAMETERS[name])
        for at in np.ndindex(by_hand.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = {n: v.copy() for n, v in PARAMETERS.items()}
                moved[name][at] += step
                ends.append(weight @ compiled[0](value, *moved.values()))
            by_hand[at] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(found[k], by_hand, rtol=2e-6, atol=1e-6, err_msg=name)


def test_replicates_have_the_models_moments():
    rng = np.random.default_rng(3)
    size = np.tile([[4, 6]], (20_000, 1))
    value = simulate(rng, size, *PARAMETERS.values())
    mean, covariance = covariance_of_pairs(np.repeat([0, 1], [4, 6]))
    averaging = np.zeros((4, 20))
    for k in range(2):
        averaging[k, k:8:2], averaging[2 + k, 8 + k :: 2] = 1 / 4, 1 / 6
    np.testing.assert_allclose(value[:, :4].mean(axis=0), averaging @ mean, atol=0.06)
    np.testing.assert_allclose(np.cov(value[:, :4].T), averaging @ covariance @ averaging.T, rtol=0.06, atol=0.06)
    p = PARAMETERS
    s12 = p["residual_correlation"] * p["residual_sd"].prod()
    expected = 8 * np.array([p["residual_sd"][0] ** 2, s12, p["residual_sd"][1] ** 2])
    np.testing.assert_allclose(value[:, 4:].mean(axis=0), expected, rtol=0.03)


def test_observed_variable_has_a_density_a_cluster_and_draws():
    values, group, cluster = pairs(np.random.default_rng(4))
    value, size = summarise(values, group, cluster, len(SIZE))
    with pm.Model(coords={"cluster": range(len(SIZE)), "slot": range(7)}) as model:
        observed = clustered_pairs("pairs", (size, *PARAMETERS.values()), pm.Data("value", value), ("cluster", "slot"))
    density = pm.logp(observed, model.rvs_to_values[observed], warn_rvs=False)
    assert density.eval().shape == (len(SIZE),)
    drawn = pm.draw(observed, draws=2, random_seed=1, mode=python_mode())
    assert drawn.shape == (2, len(SIZE), 7)
    assert drawn[0, 2, 0] == 0.0  # an empty group has no mean
