"""Prior of the piecewise constant hazard: its mean and its random walk, against formulas and draws."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from joint_small import model, study

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.prior_table import prior_table
from bayesmodels.parts.hazards import Exposure, PiecewiseConstant
from bayesmodels.parts.priors import HalfNormal, Normal
from bayesmodels.vocabulary import months

EXITS = np.linspace(1.0, 40.0, 200)
EXPOSURE = Exposure(np.zeros(200), EXITS, np.arange(200) % 2 == 0)


def pieces_of(part, exposure=EXPOSURE, shift=0.0):
    """The log hazards of the pieces in a PyMC model of their own."""
    with pm.Model() as built:
        pm.Deterministic("pieces", part.baseline(exposure).coefficients("death", shift))
    return built


@pytest.mark.parametrize("pieces", [1, 5, 15])
def test_prior_of_the_mean_log_hazard_is_the_levels_whatever_the_number_of_pieces(pieces):
    built, n = pieces_of(PiecewiseConstant(pieces=pieces), shift=0.7), 2_000
    draws, level = pm.draw(
        [built["pieces"], built["death_log_hazard"]], draws=n, random_seed=pieces, mode=python_mode()
    )
    assert draws.shape == (n, pieces)
    np.testing.assert_allclose(draws.mean(axis=1), level, atol=1e-12)  # exact, draw by draw
    assert level.mean() == pytest.approx(np.log(0.01) + 0.7, abs=4 * 1.5 / np.sqrt(n))
    assert level.std() == pytest.approx(1.5, rel=4 / np.sqrt(2 * n))


@pytest.mark.parametrize(
    ("part", "edges"),
    [
        (PiecewiseConstant(knot_weeks=(8.0, 30.0, 52.0), until_week=100.0), months(np.array([0, 8, 30, 52, 100.0]))),
        (PiecewiseConstant(knot_weeks=(8.0, 30.0)), np.array([0.0, months(8.0), months(30.0), 40.0])),
        (PiecewiseConstant(knot_weeks=(8.0, 300.0)), months(np.array([0.0, 8.0, 300.0, 300.0]))),  # after the last exit
        (PiecewiseConstant(knot_weeks=(12.0,)), np.array([0.0, months(12.0), 40.0])),
    ],
)
def test_pieces_are_a_random_walk_over_midpoints_less_its_mean(part, edges):
    """Given tau = 1 the steps' matrix has the covariance C K C', K_ij = (t_min(i, j) - t_1) / (t_J - t_1)."""
    built = pieces_of(part)
    middle = (edges[1:] + edges[:-1]) / 2
    share = (middle - middle[0]) / (middle[-1] - middle[0])
    centre = np.eye(len(middle)) - 1 / len(middle)
    expected = centre @ np.minimum(share[:, None], share) @ centre
    walk = built["death_random_walk"].get_value()
    np.testing.assert_allclose(walk @ walk.T, expected, atol=1e-12)
    assert ((walk[-1] - walk[0]) ** 2).sum() == pytest.approx(1.0)


def test_tau_scales_the_walk_and_leaves_the_level():
    """E tau^2 = s^2 under HalfNormal(s): the change from the first piece to the last has the prior SD s."""
    part = PiecewiseConstant(pieces=6, random_walk_sd=HalfNormal(sd=0.4), level=Normal(mean=-3.0, sd=0.5))
    built, n = pieces_of(part), 4_000
    draws, tau, step = pm.draw(
        [built["pieces"], built["death_random_walk_sd"], built["death_step"]],
        draws=n, random_seed=2, mode=python_mode(),
    )  # fmt: skip
    change = draws[:, -1] - draws[:, 0]
    walk = built["death_random_walk"].get_value()
    np.testing.assert_allclose(change, tau * (step @ (walk[-1] - walk[0])), rtol=1e-9)
    kurtosis = 9.0  # of a normal times a half-normal
    assert change.std() == pytest.approx(0.4, rel=4 * np.sqrt((kurtosis - 1) / 4 / n))
    assert np.quantile(tau, 0.5) == pytest.approx(0.4 * 0.6745, rel=0.06)
    assert abs(np.corrcoef(change, draws.mean(axis=1))[0, 1]) < 4 / np.sqrt(n)


def test_one_piece_has_a_level_only():
    for part in (PiecewiseConstant(pieces=1), PiecewiseConstant(knot_weeks=())):
        assert [rv.name for rv in pieces_of(part).free_RVs] == ["death_log_hazard"]
        events = ({"name": "death", "of": ("death", "left"), "baseline": part},)
        joint = JointEventModel(outcomes=model().outcomes, events=events)
        rows = [name for name in prior_table(joint, study())["parameter"] if name.startswith("death")]
        assert rows == ["death: log baseline hazard"]


def test_rows_of_the_table_of_priors():
    of = prior_table(model("piecewise"), study()).set_index("parameter")
    walk = of.loc["death: SD of the log baseline hazard's random walk, first piece to last"]
    assert walk[["prior", "unit"]].tolist() == ["HalfNormal(1)", "log hazard"]
    assert of.loc["death: log baseline hazard", "prior"] == "Normal(-4.61, 1.5)"


def test_a_piecewise_hazard_survives_json():
    part = PiecewiseConstant(
        knot_weeks=(4.0, 12.5), until_week=90.0, level=Normal(mean=-3.0, sd=1 / 3), random_walk_sd=HalfNormal(sd=0.1)
    )
    events = ({"name": "death", "baseline": part}, {"name": "left", "baseline": PiecewiseConstant(pieces=3)})
    joint = JointEventModel(outcomes=model().outcomes, events=events)
    again = JointEventModel.model_validate_json(joint.model_dump_json())
    assert again == joint
    assert again.events[0].baseline == part
