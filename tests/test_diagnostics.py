import json

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from scipy import signal, stats

from bayesmodels import convergence
from bayesmodels.posterior.convergence_limits import ConvergenceLimits


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


def test_an_r_hat_just_above_its_limit_is_not_rounded_to_it(good, monkeypatch):
    found = convergence(_tree(good))
    for value, said in ((1.0104, "1.0104"), (1.01004, "1.01004"), (1.0096, "1.010"), (1.02, "1.020")):
        monkeypatch.setattr(type(found), "max_rhat", value)
        assert f"worst R-hat {said} (limit 1.01)" in found.sentence()


def test_ebfmi_is_the_mean_squared_step_over_the_variance(good):
    energy = np.random.default_rng(2).normal(size=(4, 1000)).cumsum(axis=1)
    found = convergence(_tree(good, energy=energy))
    expected = [np.mean(np.diff(e) ** 2) / np.var(e, ddof=1) for e in energy]
    np.testing.assert_allclose(found.ebfmi, expected, atol=1e-4)
    assert found.verdict == "not_converged"
    assert any("E-BFMI" in reason for reason in found.reasons)


@pytest.mark.parametrize(("divergent", "verdict"), [(1, "ok"), (4, "ok"), (5, "not_converged")])
def test_more_than_four_divergent_draws_are_too_many(good, divergent, verdict):
    found = convergence(_tree(good, diverging=divergent))
    assert (found.verdict, found.divergences) == (verdict, divergent)
    assert found.reasons == (() if verdict == "ok" else ("5 divergent draws of 4000, where at most 4 may be",))


def test_divergences_that_were_not_recorded_are_not_none(good):
    tree = _tree(good)
    tree["sample_stats"] = tree["sample_stats"].to_dataset().drop_vars("diverging")
    found = convergence(tree)
    assert (found.verdict, found.divergences, found.reasons) == (None, None, ("divergences were not recorded",))
    assert found.summary()["divergences"] is None
    assert repr(found).startswith("Whether the chains converged is not known (divergences were not recorded): worst R-")
    assert "unknown divergent draws (limit 4)" in repr(found)
    tree["posterior"] = _tree(good + np.arange(4)[:, None])["posterior"].to_dataset()
    assert convergence(tree).verdict == "not_converged"


@pytest.mark.parametrize(("divergent", "verdict"), [(8, "ok"), (9, "not_converged")])
def test_of_many_draws_one_in_a_thousand_may_be_divergent(divergent, verdict):
    draws = np.random.default_rng(3).normal(size=(4, 2000))
    assert convergence(_tree(draws, diverging=divergent)).verdict == verdict


def test_a_chain_elsewhere_is_seen_and_named(good):
    found = convergence(_tree(good + np.arange(4)[:, None]))
    assert found.verdict == "not_converged"
    assert any("R-hat above 1.05 in 1 of 1 scalars (x)" in reason for reason in found.reasons)


def test_few_draws_are_too_few(good):
    found = convergence(_tree(good[:, :50]))
    assert found.verdict == "short"
    assert {reason.split(" in ")[0] for reason in found.reasons} >= {"bulk ESS below 400", "tail ESS below 400"}
    assert found.sentence().startswith("Short chains: ")


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


def _with_rhat(target, seed=1):
    """Independent draws of which one chain is widened until the rank R-hat, computed here, is the target."""
    draws = np.random.default_rng(seed).normal(size=(4, 1000))

    def widened(factor):
        return draws * np.array([1.0, 1.0, 1.0, factor])[:, None]

    def rhat(factor):
        folded = np.abs(widened(factor) - np.median(widened(factor)))
        return max(_split_rhat(_rank_normal(widened(factor))), _split_rhat(_rank_normal(folded)))

    low, high = 1.0, 4.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if rhat(middle) < target else (low, middle)
    return widened(low)


@pytest.mark.parametrize(
    ("rhat", "verdict"), [(1.009, "ok"), (1.011, "short"), (1.049, "short"), (1.051, "not_converged")]
)
def test_one_rhat_just_inside_and_just_outside(rhat, verdict):
    found = convergence(_tree(_with_rhat(rhat)))
    assert found.max_rhat == pytest.approx(rhat, abs=1e-4)
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("scalars", "above", "verdict"),
    [(26, 1, "short"), (26, 2, "not_converged"), (100, 2, "short"), (100, 3, "not_converged")],
)
def test_how_many_scalars_may_have_an_rhat_above_the_limit(good, scalars, above, verdict):
    many = np.repeat(good[..., None], scalars, axis=-1)
    many[..., :above] = _with_rhat(1.02)[..., None]
    found = convergence(_tree(good, y=many[..., 1:], x=many[..., 0]))  # x is the first of them
    assert (len(found.table), found.verdict) == (scalars, verdict)


def _remembering(seed):
    """Draws with few effective ones: independent draws told over and over, and walks about zero."""
    rng = np.random.default_rng(seed)
    for different in (*range(23, 31), *range(80, 108, 2)):
        yield np.repeat(rng.normal(size=(4, different)), 10, axis=1)
    for memory in np.linspace(0.78, 0.85, 8):
        yield signal.lfilter([1.0], [1.0, -memory], rng.normal(size=(4, 1100)), axis=1)[:, 100:]


@pytest.mark.parametrize("seeds", [(5,), pytest.param(range(6), marks=pytest.mark.slow)], ids=["one", "six"])
def test_effective_draws_just_inside_and_just_outside(seeds):
    """Seed 5 alone has draws on both sides of every limit."""
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 0, "draw_axis": 1}
    found = []
    for draws in (draws for seed in seeds for draws in _remembering(seed)):
        rhat = array_stats.rhat(draws, method="rank", **axes)
        bulk = array_stats.ess(draws, method="bulk", **axes)
        tail = array_stats.ess(draws, method="tail", prob=(0.05, 0.95), **axes)
        if rhat <= 1.05:
            expected = "not_converged" if bulk < 100 else "ok" if min(bulk, tail) >= 400 and rhat <= 1.01 else "short"
            assert convergence(_tree(draws)).verdict == expected
            found.append((bulk, tail, rhat <= 1.01))
    bulk, tail, agree = np.array(found).T
    assert ((bulk > 95) & (bulk < 100)).any()
    assert ((bulk >= 100) & (bulk < 105)).any()
    for size, other in ((bulk, tail), (tail, bulk)):
        alone = size[(other > 400) & (agree == 1)]
        assert ((alone > 370) & (alone < 400)).any()
        assert ((alone >= 400) & (alone < 430)).any()


@pytest.mark.parametrize(("ebfmi", "verdict"), [(0.31, "ok"), (0.29, "not_converged")])
def test_ebfmi_just_inside_and_just_outside(good, ebfmi, verdict):
    energy = np.random.default_rng(2).normal(size=(4, 1000)).cumsum(axis=1)
    noise = np.random.default_rng(4).normal(size=(4, 1000))

    def of(share):
        own = energy + share * noise
        return min(np.mean(np.diff(e) ** 2) / np.var(e, ddof=1) for e in own)

    low, high = 0.0, 50.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if of(middle) < ebfmi else (low, middle)
    found = convergence(_tree(good, energy=energy + low * noise))
    assert found.min_ebfmi == pytest.approx(ebfmi, abs=1e-3)
    assert found.verdict == verdict


def test_an_undefined_rhat_is_no_convergence(good):
    alone = convergence(_tree(good[:1]))
    assert (alone.verdict, alone.reasons[0]) == ("not_converged", "R-hat undefined in 1 of 1 scalars (x)")
    stuck = _tree(good, y=np.full((4, 1000, 2), 3.0))
    assert convergence(stuck).verdict == "ok"  # a constant, such as a correlation's diagonal
    stuck.attrs["free_variables"] = json.dumps(["x", "y"])
    assert convergence(stuck).reasons == ("R-hat undefined in 2 of 3 scalars (y)",)
    assert convergence(_tree(np.full((4, 1000), 3.0))).reasons == ("no scalar of this posterior varies",)


def test_draws_that_would_do(good):
    draws = np.repeat(np.random.default_rng(1).normal(size=(4, 50)), 20, axis=1)
    found = convergence(_tree(draws))
    worst = min(found.min_ess_bulk, found.min_ess_tail)
    exact = 1000 * 400 / worst
    assert exact <= found.draws_needed < exact + 500
    assert found.draws_needed % 500 == 0
    assert f"About {found.draws_needed:,} draws per chain would do (there are 1,000)" in repr(found)
    by_rhat_alone = convergence(_tree(_with_rhat(1.02)))
    assert by_rhat_alone.reasons == ("R-hat above 1.01 in 1 of 1 scalars (x)",)
    assert min(by_rhat_alone.min_ess_bulk, by_rhat_alone.min_ess_tail) > 400
    assert by_rhat_alone.draws_needed == 2000


def test_the_verdict_comes_first_then_the_worst_scalars_by_name(good):
    tree = _tree(good, y=_with_rhat(1.2))
    text, html = repr(convergence(tree)), convergence(tree)._repr_html_()
    assert text.startswith("The chains did not converge (")
    assert "Largest R-hat: y (R-hat 1.2" in text.splitlines()[-1]
    assert html.startswith("<div><p><strong>The chains did not converge</strong> (")
    assert html.index("Largest R-hat") < html.index(">y<") < html.index("Smallest effective sample size")
    fine = convergence(_tree(good))
    assert fine._repr_html_().startswith("<div><p><strong>The chains converged</strong>: worst R-hat")
    short = convergence(_tree(_with_rhat(1.02)))
    assert short._repr_html_().startswith("<div><p><strong>Short chains</strong>: R-hat above 1.01")


def test_names_of_parameters_are_escaped(good):
    html = convergence(_tree(good, **{"<b>y": _with_rhat(1.2)}))._repr_html_()
    assert "<b>y" not in html
    assert "&lt;b&gt;y" in html


def test_limits_can_be_chosen_and_looser_ones_are_told(good):
    strict = ConvergenceLimits(divergences=0, share_divergent=0)
    assert convergence(_tree(good, diverging=1), strict).verdict == "not_converged"
    assert strict.looser == ()
    loose = ConvergenceLimits(worst_rhat=1.2, ess=200, ebfmi=0.4)
    assert loose.looser == ("worst_rhat = 1.2 instead of 1.05", "ess = 200 instead of 400")
    assert convergence(_tree(_with_rhat(1.1)), loose).verdict == "short"
    for wrong in ({"worst_rhat": 1.001}, {"worst_ess": 500}, {"rhat": 0.9}, {"share_above": 1.5}, {"r_hat": 1.1}):
        with pytest.raises(ValidationError):
            ConvergenceLimits(**wrong)
