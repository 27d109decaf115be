"""Cells of a grid: sizes in proportion, periods, effects of the size asked for; what the generator cannot have."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from bayesmodels import NutsSettings
from bayesmodels.errors import BadInput
from bayesmodels.parts.priors import LogNormal, Normal
from bayesmodels.planning import EffectPrior, Grid, PlannedEndpoint
from bayesmodels.planning.design_plan import design_plan, with_truths
from bayesmodels.planning.effects import (
    ELASTICITIES,
    PosteriorDraws,
    changed_truth,
    decline_removed_of,
    nfl_ratio_of,
)
from bayesmodels.planning.grid import cells_of, proportional
from bayesmodels.posterior.archive import save
from bayesmodels.simulation import StartGroup, population_truth
from bayesmodels.simulation.course import drug_nfl_change
from bayesmodels.simulation.persons import draw_persons
from bayesmodels.trials.truths import Design, GeneratorTruth, Reading

SHARE = 60 / 108


def simulated_effects(truth, n=400_000):
    """NfL ratio (of unclipped mean drops) and share of the decline removed at the plateau, from drawn persons."""
    rng = np.random.default_rng(2)
    labels = np.where(rng.random(n) < SHARE, "faster", "slower")
    terms = draw_persons(labels, np.zeros(n), truth, rng)
    plateau = drug_nfl_change(np.full((n, 1), 1e4), terms, truth)[:, 0]
    kept = np.exp(terms.elasticity * plateau)
    return float(np.exp(plateau.mean())), 1 - float((terms.rate * kept).sum() / terms.rate.sum())


@pytest.mark.parametrize(
    ("ratio", "removed"), [(None, None), (0.4, 0.25), (0.7, 0.4), (0.45, -0.2), (0.9, 0.0), (0.4, 0.8)]
)
def test_stated_effects_are_those_of_drawn_persons(ratio, removed):
    truth = changed_truth(GeneratorTruth(), SHARE, nfl_ratio=ratio, decline_removed=removed).generator
    found_ratio, found_removed = simulated_effects(truth)
    assert nfl_ratio_of(truth, SHARE) == pytest.approx(found_ratio, abs=0.004)  # drops held at 0 are not in the mean
    assert decline_removed_of(truth, SHARE) == pytest.approx(found_removed, abs=0.006)
    if ratio is not None:
        assert nfl_ratio_of(truth, SHARE) == pytest.approx(ratio)
        assert decline_removed_of(truth, SHARE) == pytest.approx(removed, abs=1e-8)


def test_a_ratio_of_1_is_a_drug_that_does_nothing():
    truth = changed_truth(GeneratorTruth(), SHARE, nfl_ratio=1.0, decline_removed=0.0).generator
    assert simulated_effects(truth, 1000) == (1.0, 0.0)
    assert not truth.drift_stops_on_drug
    with pytest.raises(BadInput, match="expected 0 of a drug that leaves NfL as it is"):
        changed_truth(GeneratorTruth(), SHARE, nfl_ratio=1.0, decline_removed=0.2)


def test_lag_and_leaving_are_changed_and_nothing_else():
    base = GeneratorTruth().generator
    truth = changed_truth(GeneratorTruth(), SHARE, function_lag=4.0, dropout=2.0).generator
    assert (truth.function_lag, truth.withdrawal_hazard) == (4.0, 2 * base.withdrawal_hazard)
    assert truth.progression_withdrawal_hazard == 2 * base.progression_withdrawal_hazard
    assert (truth.event_hazard, truth.elasticity) == (base.event_hazard, base.elasticity)


def test_cells_are_every_combination_in_the_designs_proportions():
    grid = Grid(persons=(108, 216), period_weeks=(28, 50), decline_removed=(0.0, 0.3), dropout=(1.0, 2.0))
    cells, left_out = cells_of(grid, Design(), GeneratorTruth(), (0, 12))
    assert len(cells) == 16
    assert left_out == ()
    assert [cell.number for cell in cells] == list(range(16))
    first = cells[0].design.trial
    assert [(g.name, g.faster, g.slower, g.drug_start_week) for g in first.start_groups] == [
        ("early", 39, 33, 0.0), ("delayed", 21, 15, 30.0),
    ]  # fmt: skip
    last = cells[-1].design.trial
    assert last.persons == 216
    assert last.start_groups[1].drug_start_week == 52
    assert set(last.visit_weeks) == {0, 2, 4, 8, 12, 16, 20, 24, 28, 40, 50, 52, 62}
    assert first.visit_weeks[-1] == 40
    assert cells[-1].coordinates["dropout"] == 2.0
    parallel, _ = cells_of(Grid(persons=(40,), parallel=True), Design(), GeneratorTruth(), (0,))
    assert parallel[0].design.trial.start_groups[1].drug_start_week == np.inf
    assert parallel[0].contrast == "early - delayed"


def test_what_the_generator_cannot_have_is_left_out_and_said():
    grid = Grid(persons=(60,), nfl_ratio=(1.0, 0.4), decline_removed=(0.0, 0.3))
    cells, left_out = cells_of(grid, Design(), GeneratorTruth(), (0,))
    assert [(c.nfl_ratio, c.decline_removed) for c in cells] == [(1.0, 0.0), (0.4, 0.0), (0.4, 0.3)]
    assert [(at["nfl_ratio"], at["decline_removed"]) for at in left_out] == [(1.0, 0.3)]
    with pytest.raises(BadInput, match="expected a drug that the generator has"):
        cells_of(Grid(persons=(60,), nfl_ratio=(1.0,), decline_removed=(0.3,)), Design(), GeneratorTruth(), (0,))
    with pytest.raises(BadInput, match="delayed_start_week: expected none"):
        cells_of(Grid(persons=(60,)), Design(delayed_start_week=20), GeneratorTruth(), (0,))


def test_a_prior_adds_cells_with_drawn_effects():
    prior = EffectPrior(decline_removed=Normal(mean=0.2, sd=0.3), nfl_ratio=LogNormal(median=0.4, sigma=0.2))
    cells, _ = cells_of(Grid(persons=(60, 90), decline_removed=(0.1,)), Design(), GeneratorTruth(), (0,), prior)
    assert [cell.drawn for cell in cells] == [
        (),
        (),
        ("nfl_ratio", "decline_removed"),
        ("nfl_ratio", "decline_removed"),
    ]
    assert np.isnan(cells[2].decline_removed)
    rng = np.random.default_rng(1)
    draws = [prior.draw(rng) for _ in range(4000)]
    removed, ratio = (np.array([draw[name] for draw in draws]) for name in ("decline_removed", "nfl_ratio"))
    assert abs(removed.mean() - 0.2) < 4 * 0.3 / np.sqrt(4000)
    assert abs(np.log(ratio).mean() - np.log(0.4)) < 4 * 0.2 / np.sqrt(4000)
    assert removed.max() <= 0.95
    assert ratio.max() < 1


@pytest.mark.parametrize("total", [7, 54, 108, 109, 1000])
def test_proportional_numbers_sum_and_stay_close(total):
    found = proportional([39, 33, 21, 15], total)
    assert sum(found) == total
    assert all(abs(n - part * total / 108) < 1 for n, part in zip(found, [39, 33, 21, 15], strict=True))


def test_a_group_of_one_is_refused():
    with pytest.raises(BadInput, match="two persons or more in each group"):
        proportional([39, 33, 3, 2], 10)


def test_the_first_group_starts_at_randomisation_and_the_second_later():
    groups = [
        StartGroup(name="early", drug_start_week=0, faster=20, slower=20),
        StartGroup(name="delayed", drug_start_week=28, faster=20, slower=20),
    ]
    cells_of(Grid(persons=(60,)), Design(start_groups=tuple(groups)), GeneratorTruth(), (0,))
    with pytest.raises(BadInput, match="got delayed at week 28 and early at week 0; put the group that starts"):
        cells_of(Grid(persons=(60,)), Design(start_groups=tuple(groups[::-1])), GeneratorTruth(), (0,))
    both = [groups[0], groups[1].model_copy(update={"drug_start_week": 0})]
    with pytest.raises(BadInput, match="later or never, got early at week 0 and delayed at week 0"):
        cells_of(Grid(persons=(60,)), Design(start_groups=tuple(both)), GeneratorTruth(), (0,))


def plan(persons, **also):
    endpoint = PlannedEndpoint(name="function", outcome="alsfrs_r")
    asked = {"assurance": None, "design": Design(), **also}
    return design_plan(
        grid=Grid(persons=persons, decline_removed=(0.4,)), endpoints=(endpoint,), truth=GeneratorTruth(),
        interim=None, model=None, settings=NutsSettings(), reading=Reading(), seed=1, interval=0.95, **asked,
    )[0]  # fmt: skip


def test_true_differences_are_of_the_designs_own_strata_whatever_the_sizes():
    """Of 8 persons 5 progress faster, .625, where the design has .556: the truth is that of the design."""
    cells = with_truths(plan((8, 108)))
    assert cells.cells[0].design.trial.faster_share == 0.625
    name = "difference[alsfrs_r, early - delayed, all, week 28]"
    exact = population_truth(cells.cells[1].design.trial, cells.cells[1].truth.generator, weeks=(0, 28))
    own = exact.query("quantity == 'difference' and outcome == 'alsfrs_r' and stratum == 'all' and week == 28")
    assert [truth[name] for truth in cells.truths] == pytest.approx([own["value"].item()] * 2)


def test_effects_that_no_drug_has_together_are_drawn_again():
    """Of a ratio of .97 the largest share removed is that of the largest elasticity: a drawn pair is within."""
    prior = EffectPrior(decline_removed=Normal(mean=0.5, sd=0.2), nfl_ratio=LogNormal(median=0.97, sigma=0.01))
    planned = plan((60,), assurance=prior)
    drawn = [planned.truth_of(2 * trial + 1) for trial in range(30)]
    again = [each["again"] for _, each in drawn]
    assert 0 < sum(again) < 3000
    for truth, each in drawn:
        assert decline_removed_of(truth.generator, SHARE) == pytest.approx(each["decline_removed"], abs=1e-6)
        assert ELASTICITIES[0] <= truth.generator.elasticity <= ELASTICITIES[1]
    first = np.random.default_rng(planned.stream(2 * again.index(0) + 1, 3))
    assert prior.draw(first).items() <= drawn[again.index(0)][1].items()
    never = EffectPrior(decline_removed=Normal(mean=0.9, sd=0.001), nfl_ratio=LogNormal(median=0.998, sigma=1e-5))
    with pytest.raises(BadInput, match="none of a drug that the generator has"):
        plan((60,), assurance=never).truth_of(1)


def test_the_share_of_a_prior_that_is_cut_off_is_known():
    prior = EffectPrior(decline_removed=Normal(mean=0.5, sd=0.3), nfl_ratio=LogNormal(median=0.8, sigma=0.2))
    assert prior.outside("decline_removed") == pytest.approx(norm.sf(1.5) + norm.cdf(-5))
    assert prior.outside("nfl_ratio") == pytest.approx(norm.sf(np.log(0.999 / 0.8) / 0.2), rel=1e-6)


def posterior(path, values, effect=("proportional_slowing", "proportion")):
    """A file whose `drug_effect` on one outcome has these draws (chain, draw)."""
    draws = xr.Dataset(
        {"drug_effect": (("chain", "draw", "outcome"), values[..., None])},
        coords={
            "outcome": ["y"], "effect_type": ("outcome", [effect[0]]), "effect_unit": ("outcome", [effect[1]]),
        },
    )  # fmt: skip
    statistics = xr.Dataset({"diverging": (("chain", "draw"), np.zeros(values.shape, bool))})
    return save(xr.DataTree.from_dict({"posterior": draws, "sample_stats": statistics}), path)


def test_a_posterior_is_a_prior_where_it_converged_and_is_of_such_an_effect(tmp_path):
    values = np.random.default_rng(1).normal(0.8, 0.2, (4, 500))
    good = posterior(tmp_path / "good.nc", values)
    read = EffectPrior(decline_removed=PosteriorDraws(posterior=good)).read(None)
    assert len(read.decline_removed.values) == 2000
    assert read.outside("decline_removed") == np.mean(values > 0.95)
    ratio = posterior(tmp_path / "ratio.nc", -values, ("plateau", "ln"))
    read = EffectPrior(nfl_ratio=PosteriorDraws(posterior=ratio, log=True)).read(tmp_path)
    np.testing.assert_allclose(read.nfl_ratio.values, np.exp(-values).ravel())  # a change of log NfL, below 0
    refused = {
        "chains that converged, found .*stuck.nc": (
            "decline_removed", posterior(tmp_path / "stuck.nc", values + np.arange(4)[:, None]), False,
        ),
        "a share of the decline, .* is slope_change \\(points per month\\)": (
            "decline_removed", posterior(tmp_path / "slope.nc", values, ("slope_change", "points per month")), False,
        ),
        "a change of log NfL at the plateau, .* is proportional_slowing": ("nfl_ratio", good, True),
        "expected values from 0.02 to 0.999, found none; draws of a change of log NfL need log = true": (
            "nfl_ratio", ratio, False,
        ),
    }  # fmt: skip
    for match, (name, path, log) in refused.items():
        with pytest.raises(BadInput, match=match):
            EffectPrior(**{name: PosteriorDraws(posterior=path, log=log)}).read(None)
