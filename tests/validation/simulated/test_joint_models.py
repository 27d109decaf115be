"""The graph of `JointEventModel` against the generator of joint trials: likelihood, published truth, random exits."""

from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor
import pytest
from joint_free import free_variables
from pymc.initial_point import make_initial_point_fn
from validation.calibration.joint_event import LAYOUTS, draw_trial, the_model
from validation.simulated.joint_density import log_likelihood, normal_nodes
from validation.simulated.joint_labels import joint_published, labelled_draws, labelled_truth
from validation.simulated.joint_trials import WEEKS_A_MONTH, draw_truth, simulate_exits, simulate_trial, study_of

from bayesmodels.fitting.compiled_model import off_centre
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.fitting.refit import arrays_of


@pytest.mark.parametrize(("variant", "order"), [("piecewise", 7), ("weibull", 4)])
def test_the_models_likelihood_is_the_generators_and_new_data_are_as_good_as_a_new_model(variant, order):
    """Person terms integrated out of the model's graph by Gauss-Hermite quadrature over its standard normal numbers."""
    model, layout = the_model(variant), LAYOUTS[variant]
    rng = np.random.default_rng(5)
    truth, trial, _ = draw_trial(variant, rng)
    milder = [
        replace(e, links=tuple(replace(one, size=one.size / 6) for one in e.links), terms=e.terms / 6)
        for e in truth.events
    ]
    truth = replace(truth, events=tuple(milder))  # so that a low order suffices
    _, other, _ = draw_trial(variant, rng)
    study = study_of(trial, model, layout)
    arrays = arrays_of(model, study)
    fresh, swapped = model.build(study), model.build(study_of(other, model, layout))
    for held in swapped.data_vars:
        held.set_value(arrays[held.name].astype(held.dtype))
    nodes, weights = normal_nodes(len(truth.person_sd), order)
    free = free_variables(truth, model, arrays)
    names = joint_published(model)
    found = []
    for pm_model in (fresh, swapped):
        density = pm.logp(pm_model["follow_up"], pm_model.rvs_to_values[pm_model["follow_up"]], warn_rvs=False)
        outputs = [density, *(pm_model[name] for name in names)]
        function = pytensor.function(pm_model.free_RVs, outputs, mode=python_mode(), on_unused_input="ignore")
        by_node = []
        for node in nodes if pm_model is fresh else nodes[:3]:
            z = np.tile(node, (len(trial.exit), 1))
            by_person, *published = function(
                *(z if rv.name == "_person_z" else free[rv.name] for rv in pm_model.free_RVs)
            )
            by_node.append(by_person)
        found.append((np.array(by_node), published))
    (fresh_density, fresh_published), (swapped_density, swapped_published) = found
    np.testing.assert_allclose(swapped_density, fresh_density[:3], rtol=1e-12)
    for mine, theirs in zip(swapped_published, fresh_published, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    by_person = np.log(weights @ np.exp(fresh_density - fresh_density.max(axis=0))) + fresh_density.max(axis=0)
    np.testing.assert_allclose(by_person, log_likelihood(truth, trial, layout, order, 40), atol=2e-4)
    labels = labelled_truth(truth, model, layout)
    draws = labelled_draws({n: v[None] for n, v in zip(names, fresh_published, strict=True)}, fresh.coords, labels)
    for name, value in labels.items():
        np.testing.assert_allclose(draws[name][0], value, rtol=1e-9, err_msg=name)


def test_the_models_own_random_exits_have_the_generators_shares_and_months():
    model, layout = the_model("piecewise"), LAYOUTS["piecewise"]
    rng = np.random.default_rng(14)
    truth, trial, _ = draw_trial("piecewise", rng)
    n, replicates = len(trial.exit), 150
    lock = np.full(n, 16.0)
    kept = trial.took_place & (np.array(layout.weeks) < 60)
    codes = np.repeat([1, 2], n // 2)  # a replicate is watched as long as the person was, whatever the exit
    watched = replace(trial, exit=lock, code=codes, took_place=kept)
    study = study_of(watched, model, layout)
    pm_model, arrays = model.build(study), arrays_of(model, study)
    free = free_variables(truth, model, arrays)
    draw = pm.compile(
        pm_model.free_RVs, pm_model["follow_up"], mode=python_mode(), random_seed=3, on_unused_input="ignore"
    )
    given = [np.zeros((n, 2)) if rv.name == "_person_z" else free[rv.name] for rv in pm_model.free_RVs]
    theirs = np.array([draw(*given)[:, -2:] for _ in range(replicates)])
    mine = []
    for _ in range(replicates):
        terms = rng.standard_normal((n, 2)) @ np.linalg.cholesky(truth.covariance).T
        exit_, code = simulate_exits(truth, trial.people, terms, lock, rng)
        mine.append(np.stack([code, exit_], axis=1))
    mine = np.array(mine)
    error = 4 * np.sqrt(2 / (n * replicates))
    for code in (0, 1, 2):
        share = (mine[..., 0] == code).mean()
        assert (theirs[..., 0] == code).mean() == pytest.approx(share, abs=error * np.sqrt(share * (1 - share)))
    assert theirs[..., 1].mean() == pytest.approx(mine[..., 1].mean(), abs=error * mine[..., 1].std())
    np.testing.assert_allclose(lock * WEEKS_A_MONTH, study.events["week"])


def test_chains_can_start_where_nobody_is_at_risk_in_a_piece_of_the_hazard():
    """A sampler refuses a start at which a derivative is exactly zero."""
    model, layout = the_model("piecewise"), replace(LAYOUTS["piecewise"], shortest_weeks=44.0, longest_weeks=50.0)
    rng = np.random.default_rng(0)
    while True:
        trial = simulate_trial(draw_truth(model, layout, rng), layout, rng)
        if set(trial.code) == {0, 1, 2}:
            break
    pm_model = model.build(study_of(trial, model, layout))
    kept = [rv for rv in pm_model.free_RVs if not rv.name.startswith("_")]
    point = make_initial_point_fn(model=pm_model, overrides=off_centre(pm_model, kept))(0)
    gradient = pm_model.compile_dlogp(kept, mode=python_mode())(point)
    assert np.isfinite(gradient).all()
    assert (gradient != 0).all()
