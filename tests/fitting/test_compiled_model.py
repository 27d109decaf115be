"""Compiled models: value and gradient, their code on disk, other data, and chains that meet undefined points."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import nutpie
import pymc as pm
import pytest
from pytensor.raise_op import Assert
from toy_model import Toy, study

from bayesmodels.errors import BadInput
from bayesmodels.fitting import NutsSettings, compile_model, sample
from bayesmodels.fitting.compiled_model import POINT
from bayesmodels.fitting.evaluate import python_mode

Y = np.array([0.3, -0.8, 1.4, 0.2, 0.9])


def constrained(factor: bool = False) -> pm.Model:
    """Variables of common constraints, bounds that are variables themselves, numbers by person; a Cholesky factor."""
    with pm.Model(coords={"row": range(len(Y))}) as model:
        y = pm.Data("y", Y, dims="row")
        mean = pm.Normal("mean", 0.0, 2.0)
        sd = pm.HalfNormal("sd", 1.0)
        low = pm.Uniform("low", -3.0, -1.0)
        between = pm.Uniform("between", low, sd + 1.0)
        shares = pm.Dirichlet("shares", np.ones(3))
        cuts = pm.Normal("cuts", [-1.0, 1.0], 1.0, shape=2, transform=pm.distributions.transforms.ordered)
        z = pm.Normal("_z", shape=len(Y))
        centre = mean + between * shares[0] + cuts[1] + 0.1 * z
        if factor:
            lower, _, sds = pm.LKJCholeskyCov("factor", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0))
            centre += lower[1, 0] + sds[0]
        pm.Normal("seen", centre, sd, observed=y, dims="row")
    return model


@pytest.fixture(scope="module")
def model():
    return constrained()


@pytest.fixture(scope="module")
def compiled(model):
    return compile_model(model)


def unjoined(model, point):
    """Value variables of a free vector, by name."""
    pieces, at = {}, 0
    for name, value in model.initial_point(random_seed=0).items():
        pieces[name] = point[at : at + value.size].reshape(value.shape)
        at += value.size
    assert at == len(point)
    return pieces


@pytest.mark.parametrize("factor", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_value_and_gradient_are_those_of_pymc(request, factor):
    model = constrained(factor)
    compiled = compile_model(model) if factor else request.getfixturevalue("compiled")
    density = model.compile_logp(mode=python_mode())
    for seed in range(3):
        point = compiled.start(seed)
        value, gradient = compiled.evaluate(point, *compiled.data.values())
        assert float(value) == pytest.approx(float(density(unjoined(model, point))), rel=1e-10)
        numeric = np.empty_like(point)
        for j, step in enumerate(1e-5 * np.eye(len(point))):
            five = [float(density(unjoined(model, point + k * step))) for k in (-2, -1, 1, 2)]
            numeric[j] = (five[0] - 8 * five[1] + 8 * five[2] - five[3]) / 12e-5
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6)


def test_a_trace_has_the_numbers_that_a_posterior_holds_and_gives_them_their_own_scale(model, compiled):
    assert compiled.names == ("mean", "sd", "low", "between", "shares", "cuts")
    assert compiled.held.tolist() == [True] * (compiled.size - len(Y)) + [False] * len(Y)
    points = np.stack([compiled.start(seed) for seed in range(4)])
    drawn = compiled.variables(points[:, compiled.held].reshape(2, 2, -1))
    by_name = {v.name: v for v in model.unobserved_value_vars}
    exact = model.compile_fn([by_name[name] for name in compiled.names], mode=python_mode(), on_unused_input="ignore")
    for number, point in enumerate(points):
        held = {name: value for name, value in unjoined(model, point).items() if name != "_z"}
        for name, value in zip(compiled.names, exact(held), strict=True):
            np.testing.assert_allclose(drawn[name][divmod(number, 2)], value, rtol=1e-12)
    np.testing.assert_allclose(drawn["shares"].sum(axis=-1), 1.0)
    assert (np.diff(drawn["cuts"], axis=-1) > 0).all()


def test_starts_are_jittered_and_repeat_by_seed(compiled):
    np.testing.assert_array_equal(compiled.start(1), compiled.start(1))
    assert (compiled.start(1) != compiled.start(2)).sum() == len(Y)  # with numbers by person only these are jittered


def test_other_data_need_no_other_code(model, compiled):
    other = compiled.with_data(y=Y[::-1].astype(np.float32))
    point = compiled.start(0)
    value = float(other.evaluate(point, *other.data.values())[0])
    with pm.Model():
        model["y"].set_value(Y[::-1])
        try:
            expected = float(model.compile_logp(mode=python_mode())(unjoined(model, point)))
        finally:
            model["y"].set_value(Y)
    assert value == pytest.approx(expected, rel=1e-6)
    assert other.evaluate is compiled.evaluate
    assert len(compiled.evaluate.signatures) == 1
    with pytest.raises(BadInput, match="no data 'x'; it has y"):
        compiled.with_data(x=Y)
    with pytest.raises(BadInput, match="y has 1 axes, got 2"):
        compiled.with_data(y=Y[None])


def test_code_is_found_on_disk_and_says_the_same(tmp_path):
    """Two processes with the same caches: the first has it compiled, both load it, and it gives the same bits."""
    code = (
        "import os\n"
        "from toy_model import Toy, study\n"
        "from bayesmodels.fitting import compile_model\n"
        "made = compile_model(Toy().build(study()))\n"
        "value, gradient = made.evaluate(made.start(1), *made.data.values())\n"
        "stats = made.evaluate.stats\n"
        "print(len(stats.cache_hits), len(stats.cache_misses), made.kept_on_disk, os.times().children_user > 1)\n"
        "print(float(value).hex(), *(g.hex() for g in gradient.tolist()))\n"
    )
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "numba"), "PYTENSOR_FLAGS": f"base_compiledir={tmp_path / 'pytensor'}"}
    env = os.environ | env | {"PYTHONPATH": str(Path(__file__).parents[1])}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for _ in range(2)
    )
    assert (first[0], second[0]) == ("1 0 True True", "1 0 True False")
    assert first[1] == second[1]


def test_variables_of_no_length_and_data_of_one_name():
    import pytensor

    one, other = (pytensor.shared(np.array(number), name="s") for number in (1.0, 2.0))
    with pm.Model() as model:
        a = pm.Normal("a")
        pm.Normal("none", shape=0)
        pm.Potential("twice", -0.5 * (a - one - 10.0 * other) ** 2)
    compiled = compile_model(model)
    _, gradient = compiled.evaluate(np.array([1.0]), *compiled.data.values())
    assert gradient[0] == pytest.approx(-1.0 + 20.0)
    tree = sample(model, NutsSettings(draws=20, tune=20, chains=1, seed=1, progress=False), compiled=compiled)
    assert tree["posterior"]["none"].shape == (1, 20, 0)
    with pytest.raises(TypeError, match="No matching definition"):  # other types would be other code
        compiled.evaluate(np.ones(1, np.float32), *compiled.data.values())


def test_kinds_of_data_reach_the_compiled_function(tmp_path):
    """Integers, truth values, a scalar, another order of axes and nothing at all, through nutpie's C function."""
    values = {
        "i": np.array([2, 3], np.int32),
        "b": np.array([True, False]),
        "s": np.array(3),
        "none": np.zeros((0, 2)),
        "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    with pm.Model() as model:
        x = pm.Normal("x")
        known = {name: pm.Data(name, value) for name, value in values.items()}
        centre = known["i"].sum() + known["b"].sum() + known["s"] + known["none"].sum() + known["f"][1, 0]
        pm.Normal("y", x, 1e-3, observed=1.0 * centre)
    tree = sample(model, NutsSettings(draws=200, tune=200, chains=1, seed=1, progress=False))
    assert float(tree["posterior"]["x"].mean()) == pytest.approx(5 + 1 + 3 + 0 + 3, abs=1e-3)


def test_a_chain_passes_points_where_the_density_is_undefined():
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        pm.Potential("edge", pm.math.switch(x[0] > 1.0, np.nan, 0.0))
    tree = sample(model, NutsSettings(draws=300, tune=300, chains=1, seed=1, progress=False))
    assert float(tree["posterior"]["x"].sel(x_dim_0=0).max()) <= 1.0
    assert int(tree["sample_stats"]["diverging"].sum()) > 0


def test_a_chain_passes_points_where_an_operation_raises():
    """Exceptions of compiled code are diverging draws, as points without a density are."""
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        pm.Potential("edge", Assert("beyond the edge")(0.0 * x[1], x[0] < 1.0))
    compiled = compile_model(model)
    with pytest.raises(AssertionError, match="beyond the edge"):
        compiled.evaluate(np.array([2.0, 0.0]), *compiled.data.values())
    tree = sample(model, NutsSettings(draws=300, tune=300, chains=2, seed=1, progress=False), compiled=compiled)
    assert float(tree["posterior"]["x"].sel(x_dim_0=0).max()) <= 1.0
    assert int(tree["sample_stats"]["diverging"].sum()) > 0


def test_draws_are_those_of_nutpies_own_compiler(model, compiled):
    """Started at the same points, the two take the same steps: their log-densities differ in the last bits only."""
    theirs = nutpie.compile_pymc_model(model, var_names=list(compiled.names))
    theirs = replace(theirs, initial_point_func=compiled.start)
    options = {"draws": 5, "tune": 10, "chains": 2, "cores": 1, "seed": 4, "progress_bar": False}
    with_theirs = nutpie.sample(theirs, **options)["posterior"]
    drawn = compiled.variables(nutpie.sample(compiled.for_nutpie(), **options)["posterior"][POINT].to_numpy())
    for name in compiled.names:
        np.testing.assert_allclose(drawn[name], with_theirs[name], rtol=1e-6, atol=1e-9)


def test_an_operation_that_numba_cannot_keep_is_said(tmp_path):
    import pytensor.tensor as pt
    from pytensor.compile.ops import wrap_py

    assert compile_model(Toy().build(study())).kept_on_disk
    double = wrap_py(itypes=[pt.dscalar], otypes=[pt.dscalar])(lambda x: np.asarray(2.0 * x))
    with pm.Model() as model:
        pm.Normal("free")
        pm.Potential("known", double(pm.Data("data", 1.5)))
    told = []
    with pytest.warns(UserWarning, match="object mode"):
        sample(model, NutsSettings(draws=20, tune=20, chains=1, seed=1, progress=False), on_phase=told.append)
    assert told[1].startswith("compiled; an operation of this model cannot be kept on disk")
