import json

import numpy as np
import pymc as pm
import pytest
from scipy import stats
from toy_model import PRIOR_SD, RESIDUAL_SD, WEEKS, Toy, exact_posterior, first_values, study

from bayesmodels.fitting import NutsSettings, sample
from bayesmodels.fitting.evaluate import _draw_by_draw, _vectorised
from bayesmodels.fitting.prior import prior_draws, prior_of_free_variables
from bayesmodels.posterior.archive import load, save


def test_draws_have_the_exact_posterior(toy_posterior):
    mean, sd = exact_posterior(study())
    draws = toy_posterior["posterior"]["mean"].to_numpy().reshape(-1, 2)
    error = sd / np.sqrt(500)  # at least 500 effective draws
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - mean), 4 * error)
    np.testing.assert_allclose(draws.std(axis=0), sd, rtol=0.1)


def test_published_variables_are_the_models_formulas(toy_posterior):
    posterior = toy_posterior["posterior"]
    mean = posterior["mean"].to_numpy()
    expected = mean[:, :, None, :, None, None] - 0.1 * np.array(WEEKS)
    np.testing.assert_allclose(posterior["curve"].to_numpy(), expected)
    np.testing.assert_allclose(posterior["drug_effect"].to_numpy()[..., 0, 0], mean[..., 0] - mean[..., 1])
    assert posterior["curve"].dims == ("chain", "draw", "outcome", "start_group", "stratum", "week")


def test_dims_carry_their_descriptions(toy_posterior):
    for group in ("posterior", "prior"):
        assert toy_posterior[group]["drug_effect"].coords["unit"].to_numpy().tolist() == ["points"]
        assert toy_posterior[group]["curve"].coords["drug_start_week"].to_numpy().tolist() == [0.0, 4.0]


def test_log_likelihood_is_by_person(toy_posterior):
    first, group = first_values(study())
    mean = toy_posterior["posterior"]["mean"].to_numpy()
    found = toy_posterior["log_likelihood"]["first"]
    assert found.dims == ("chain", "draw", "person")
    np.testing.assert_allclose(found.to_numpy(), stats.norm.logpdf(first, mean[:, :, group], RESIDUAL_SD))


def test_prior_draws_have_the_prior(toy_posterior):
    effect = toy_posterior["prior"]["drug_effect"].to_numpy().ravel()
    assert effect.size == 1000
    assert stats.kstest(effect, stats.norm(0, PRIOR_SD * np.sqrt(2)).cdf).pvalue > 1e-4
    assert set(toy_posterior["prior"].data_vars) == {"population_level", "drug_effect", "curve", "difference"}


def test_prior_draws_repeat_with_their_seed():
    model = Toy().build(study())
    assert prior_draws(model, 3, 20).equals(prior_draws(model, 3, 20))
    assert not prior_draws(model, 3, 20).equals(prior_draws(model, 4, 20))


def test_vectorised_and_draw_by_draw_agree():
    model = Toy().build(study())
    values = [prior_of_free_variables(model, 1, 7)["mean"].to_numpy()[0]]
    outputs = model.deterministics
    for one, other in zip(
        _vectorised(model.free_RVs, outputs, 3)(values), _draw_by_draw(model.free_RVs, outputs)(values), strict=True
    ):
        np.testing.assert_allclose(one, other)


def test_the_posterior_names_no_person(toy_posterior, tmp_path):
    path = save(toy_posterior, tmp_path / "posterior.nc")
    assert b"Secret" not in path.read_bytes()
    assert load(path)["log_likelihood"]["person"].to_numpy().tolist() == list(range(6))


def test_root_attributes_say_what_was_done(toy_posterior):
    attrs = toy_posterior.attrs
    assert all(isinstance(value, str) for value in attrs.values())
    assert json.loads(attrs["model"]) == {"type": "toy_model:Toy", "scale": 1.0}
    assert json.loads(attrs["settings"])["draws"] == 500
    assert json.loads(attrs["settings"])["ran"]["chains_sampled"] == 4
    assert attrs["seed"] == "5"
    data = json.loads(attrs["data"])
    assert (data["kind"], data["name"], data["digest"]) == ("Study", "toy trial", study().digest)
    assert data["drug_start_week"] == {"early": 0, "delayed": 4}
    assert json.loads(attrs["convergence"])["verdict"] == "ok"
    seconds = json.loads(attrs["seconds"])
    assert seconds["cpu"] > 0
    assert set(seconds) == {"wall", "cpu", "compile", "sample"}


@pytest.fixture(scope="module")
def compiled_toy():
    from bayesmodels.fitting import compile_model

    model = Toy().build(study())
    return model, compile_model(model)


def _few(**changes):
    return NutsSettings(**({"draws": 50, "tune": 50, "chains": 3, "seed": 9, "progress": False} | changes))


def test_draws_do_not_depend_on_cores(compiled_toy):
    model, compiled = compiled_toy
    one, two = (sample(model, _few(cores=cores), compiled=compiled) for cores in (1, 2))
    assert one["posterior"].equals(two["posterior"])


def test_finished_chains_are_kept_and_missing_ones_sampled(compiled_toy, tmp_path):
    model, compiled = compiled_toy
    whole = sample(model, _few(), tmp_path, compiled=compiled)
    kept = (tmp_path / "0.nc").stat().st_mtime_ns
    (tmp_path / "1.nc").unlink()
    (tmp_path / "2.nc").write_bytes((tmp_path / "2.nc").read_bytes()[:1000])  # half a file
    phases = []
    resumed = sample(model, _few(), tmp_path, compiled=compiled, on_phase=phases.append)
    assert (tmp_path / "0.nc").stat().st_mtime_ns == kept
    assert whole["posterior"].equals(resumed["posterior"])
    assert whole["sample_stats"].equals(resumed["sample_stats"])
    assert json.loads(resumed.attrs["settings"])["ran"]["chains_found"] == 1
    assert sorted(p.split(":")[0] for p in phases if p.startswith("chain")) == ["chain 1", "chain 2"]


def test_nothing_is_compiled_when_every_chain_is_there(compiled_toy, tmp_path):
    model, compiled = compiled_toy
    sample(model, _few(), tmp_path, compiled=compiled)
    phases = []
    sample(model, _few(), tmp_path, on_phase=phases.append)
    assert phases == ["published variables"]


@pytest.mark.parametrize("what", ["settings", "model", "data"])
def test_chains_of_another_fit_are_refused(what, compiled_toy, tmp_path):
    from bayesmodels.errors import BayesmodelsError
    from bayesmodels.study import Study

    model, compiled = compiled_toy
    sample(model, _few(), tmp_path, compiled=compiled)
    settings = _few(seed=10) if what == "settings" else _few()
    if what == "model":
        model = Toy(scale=2).build(study())
    if what == "data":
        from toy_model import tables

        changed = tables()
        changed["visits"].loc[0, "value"] += 1
        model = Toy().build(Study.from_frames(**changed, reference_group="delayed"))
    with pytest.raises(BayesmodelsError, match="another model or to other settings"):
        sample(model, settings, tmp_path, compiled=compiled)


def test_pymcs_own_sampler_has_the_same_posterior():
    mean, sd = exact_posterior(study())
    tree = sample(Toy().build(study()), _few(sampler="pymc", chains=2, draws=300, tune=300))
    draws = tree["posterior"]["mean"].to_numpy().reshape(-1, 2)
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - mean), 4 * sd / np.sqrt(100))
    assert {"diverging", "energy", "tree_depth"} <= set(tree["sample_stats"].data_vars)


def test_numpyro_that_is_missing_is_named_with_the_line_to_type(monkeypatch):
    from bayesmodels.errors import BayesmodelsError
    from bayesmodels.fitting import samplers

    monkeypatch.setattr(samplers, "find_spec", lambda name: None)
    with pytest.raises(BayesmodelsError, match=r"pip install 'bayesmodels\[numpyro\]'"):
        sample(Toy().build(study()), _few(sampler="numpyro"))


def test_a_model_that_cannot_start_is_said_plainly():
    import pymc as pm

    from bayesmodels.errors import BayesmodelsError

    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("never", x * np.nan)
    with pytest.raises(BayesmodelsError, match="chain 0: nutpie stopped"):
        sample(model, _few(chains=1))


def test_a_description_needs_one_value_a_label():
    import pymc as pm
    import xarray as xr

    from bayesmodels.errors import BayesmodelsError
    from bayesmodels.fitting.coordinates import with_descriptions

    model = pm.Model(coords={"outcome": ("a", "b"), "outcome:unit": ("points",)})
    with pytest.raises(BayesmodelsError, match="expected 2 values, one for each outcome, got 1"):
        with_descriptions(model, xr.Dataset({"x": ("outcome", [1.0, 2.0])}))


def test_a_variable_that_the_data_do_not_inform_is_sampled_beside_numbers_by_person():
    """At its prior's centre its density is flat, and nutpie refuses to start there."""
    with pm.Model() as model:
        mean = pm.Normal("mean")
        pm.Normal("idle", 2.0, 0.5)
        pm.HalfNormal("idle_sd", 1.5)
        pm.Normal("y", mean + pm.Normal("_z", shape=3), 1.0, observed=[0.1, -0.4, 0.6])
    drawn = sample(model, NutsSettings(draws=200, tune=200, chains=1, seed=1, progress=False))["posterior"]
    assert set(drawn.data_vars) == {"mean", "idle", "idle_sd"}
    assert float(drawn["idle"].std()) == pytest.approx(0.5, rel=0.3)
    assert float(drawn["idle_sd"].mean()) == pytest.approx(1.5 * np.sqrt(2 / np.pi), rel=0.3)
