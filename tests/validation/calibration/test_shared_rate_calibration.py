"""The prior that truths are drawn from, against the model's; simulated trials against the model's likelihood."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
from pytensor.graph.replace import clone_replace
from scipy import stats
from validation.calibration.shared_rate import draw_truth, free_variables, simulate_study, the_model

from bayesmodels.fitting.evaluate import python_mode


def test_truths_have_the_density_of_the_models_prior():
    rng = np.random.default_rng(1)
    truths = [free_variables(draw_truth(rng)) for _ in range(1500)]
    model = the_model().build(simulate_study(draw_truth(rng), rng))
    names = [rv.name for rv in model.free_RVs]
    prior = pm.draw([model[name] for name in names], draws=1500, random_seed=2, mode=python_mode())
    p = []
    for name, drawn in zip(names, prior, strict=True):
        own = np.stack([truth[name] for truth in truths])
        assert own.shape == drawn.shape, name
        flat = zip(own.reshape(len(own), -1).T, drawn.reshape(len(drawn), -1).T, strict=True)
        p += [stats.ks_2samp(a, b).pvalue for a, b in flat]
    assert min(p) > 0.01 / len(p)


def test_score_of_the_likelihood_has_mean_zero_at_the_truth():
    """Over simulated trials the gradient of the model's log-likelihood, at the truth, averages to zero."""
    rng = np.random.default_rng(5)
    truth = draw_truth(rng) | {
        "ratio": np.array([0.7, 1.2]), "mean_rate": 1.1, "rate_sd": np.array([0.5, 0.8, 0.6]), "level_sd": 5.0,
        "error_sd": np.array([1.0, 1.5, 2.0, 1.2]), "steps": np.array([0.2, -0.3]), "eta": np.array([0.1, -0.1]),
        "drift_sd": 0.3, "regimen_precision": 60.0, "covariate_slope": np.array([0.4]), "log_hazard": np.log(0.05),
    }  # fmt: skip
    model = the_model().build(simulate_study(truth, rng))
    free = model.free_RVs
    density = sum(pm.logp(rv, model.rvs_to_values[rv], warn_rvs=False).sum() for rv in model.observed_RVs)
    leaves = [rv.type(rv.name) for rv in free]
    density = clone_replace(density, dict(zip(free, leaves, strict=True)))
    gradients = pytensor.grad(density, leaves, disconnected_inputs="ignore")
    score = pytensor.function(leaves, gradients, mode=python_mode(), on_unused_input="ignore")
    values = free_variables(truth)
    point = [np.asarray(values[rv.name], float) for rv in free]
    scores = []
    for _ in range(60):
        for name, array in the_model().arrays(simulate_study(truth, rng)).items():
            model[name].set_value(array.astype(model[name].dtype))
        scores.append(np.concatenate([np.ravel(part) for part in score(*point)]))
    scores = np.array(scores)
    z = scores.mean(axis=0) / (scores.std(axis=0, ddof=1) / np.sqrt(len(scores)))
    assert np.isfinite(z).all()
    assert np.abs(z).max() < stats.t(59).ppf(1 - 0.0005 / len(z))
