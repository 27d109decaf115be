"""Effect and parameter tables against the draws they were made from."""

import numpy as np
import pytest
import xarray as xr
from fake import DROP, GAIN, fake_posterior
from scipy.stats import norm
from table_rows import one

from bayesmodels.errors import MissingVariable
from bayesmodels.posterior.context import Outcome, unit_of
from bayesmodels.posterior.intervals import beside_prior
from bayesmodels.reporting import report
from bayesmodels.reporting.chapter import read
from bayesmodels.reporting.chapters.effects import effect_table
from bayesmodels.reporting.chapters.parameters import parameter_table
from bayesmodels.reporting.chapters.start_groups.after_switch import own_effects
from bayesmodels.reporting.first_screen import how_learned
from bayesmodels.reporting.settings import ReportSettings


def test_effect_is_the_gaussian_it_was_drawn_from(tree):
    row = one(effect_table(read(tree)).table, name="drug_effect", outcome="alsfrs_r", stratum="slower")
    half = norm.ppf(0.975) * 0.05
    assert row["median"] == pytest.approx(GAIN, abs=1e-9)
    assert row["lower"] == pytest.approx(GAIN - half, abs=1e-3)
    assert row["upper"] == pytest.approx(GAIN + half, abs=1e-3)
    assert row["sd"] == pytest.approx(0.05, rel=2e-3)
    assert row["unit"] == "points per month"
    assert row["prior_sd"] == pytest.approx(0.5, rel=2e-3)
    assert row["width_ratio"] == pytest.approx(0.1, rel=1e-6)


def test_signs_follow_the_good_direction(tree):
    table = effect_table(read(tree)).table
    nfl = one(table, name="drug_effect", outcome="nfl_plasma", stratum="faster")
    assert nfl["median"] == pytest.approx(DROP)
    assert nfl["direction"] == "- favours the drug"
    assert nfl["probability_favours"] == 1.0
    assert one(table, name="drug_effect", outcome="alsfrs_r", stratum="faster")["direction"] == "+ favours the drug"
    assert one(table, name="effect_lag", outcome="alsfrs_r")["direction"] == ""


def test_contrast_between_start_groups_is_later_minus_earlier(tree):
    table = effect_table(read(tree, ReportSettings(interval=0.9))).table
    row = one(table, name="group_effect_contrast", outcome="alsfrs_r", stratum="faster")
    effects = tree["posterior"]["group_drug_effect"].sel(outcome="alsfrs_r", stratum="faster")
    draws = (effects.sel(start_group="delayed") - effects.sel(start_group="early")).values.ravel()
    assert row["contrast"] == "delayed - early"
    assert row["lower"] == pytest.approx(np.quantile(draws, 0.05))
    assert row["prior_sd"] > 5 * row["sd"]


def test_a_shared_effect_has_no_contrast():
    shared = fake_posterior(own=False)
    table = effect_table(read(shared)).table
    assert "group_effect_contrast" not in set(table["name"])
    assert not own_effects(read(shared), "alsfrs_r", ("early", "delayed"))
    assert own_effects(read(fake_posterior()), "alsfrs_r", ("early", "delayed"))


def test_a_number_that_the_model_fixes_is_in_the_table_and_not_on_the_page(tree):
    fixed = tree.copy()
    for group in ("posterior", "prior"):
        lag = tree[group].to_dataset()["effect_lag"].copy(deep=True)
        lag.loc[{"outcome": "alsfrs_r"}] = 1.5
        fixed[group] = tree[group].to_dataset().assign(effect_lag=lag)
    made = report(fixed)
    assert one(made.tables["effects"], name="effect_lag", outcome="alsfrs_r")["median"] == 1.5
    for result, shown in ((made, 1), (report(tree), 2)):
        (section,) = (found for found in result.sections if found.title.startswith("Effects of the drug"))
        (table,) = section.tables.values()
        assert (table["Effect"] == "effect lag").sum() == shown


def test_undefined_entries_are_dropped(tree):
    table = parameter_table(read(tree))
    assert set(table.loc[table["name"] == "drug_effect", "stratum"]) == {"faster", "slower"}
    assert not table["median"].isna().any()


def test_correlations_once_for_each_pair(tree):
    table = parameter_table(read(tree))
    pairs = table.loc[table["name"] == "person_correlation", ["term", "term_other", "median"]]
    assert pairs.values.tolist() == [
        ["nfl_plasma:level", "alsfrs_r:level", pytest.approx(-0.1)],
        ["nfl_plasma:level", "alsfrs_r:rate", pytest.approx(-0.4)],
        ["alsfrs_r:level", "alsfrs_r:rate", pytest.approx(0.2)],
    ]


def test_curves_are_not_parameters(tree):
    assert not {"curve", "difference", "period_rate"} & set(parameter_table(read(tree))["name"])


def test_units_are_filled():
    outcomes = {"nfl": Outcome("nfl", unit="ln", effect_unit="ln"), "f": Outcome("f", unit="points", effect_unit="x")}
    assert unit_of("person_sd", {"term": "f:rate", "stratum": "all"}, outcomes) == "points per month"
    assert unit_of("person_sd", {"term": "f:effect"}, outcomes) == "x"
    assert unit_of("population_rate", {"outcome": "nfl"}, outcomes) == "ln per month"
    assert unit_of("effect_lag", {"outcome": "nfl"}, outcomes) == "months"


def test_a_research_model_that_publishes_drug_effect_gets_the_effect_table():
    draws = np.random.default_rng(3).normal(0.3, 0.1, (2, 200, 1, 1))
    small = xr.Dataset(
        {"drug_effect": (("chain", "draw", "outcome", "stratum"), draws)},
        coords={"outcome": ["grip"], "stratum": ["all"], "good_direction": ("outcome", ["up"])},
    )
    mine = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"model_type": "mine:Model"}), "posterior": small})
    found = effect_table(read(mine))
    assert found.table["median"].item() == pytest.approx(np.median(draws))
    assert "grip, all persons" in found.sentence()


def test_without_drug_effect_the_message_says_what_is_there():
    other = xr.DataTree.from_dict({"posterior": xr.Dataset({"effect_lag": (("chain", "draw"), np.zeros((1, 3)))})})
    with pytest.raises(MissingVariable, match="published variables there: effect_lag"):
        effect_table(read(other))


def test_what_a_width_says():
    assert [how_learned(ratio) for ratio in (0.49, 0.5, 0.8, np.nan)] == [
        "learned",
        "partly learned",
        "not learned",
        "no prior width",
    ]


def test_width_of_a_lag_is_of_its_logarithm():
    z = norm.ppf((np.arange(4000) + 0.5) / 4000).reshape(1, -1)
    posterior, prior = (xr.DataArray(np.exp(sd * z), dims=("chain", "draw"), name="effect_lag") for sd in (0.3, 0.8))
    assert beside_prior(posterior, prior, 0.95)["width_ratio"].item() == pytest.approx(0.3 / 0.8, rel=1e-6)
    plain = beside_prior(posterior.rename("residual_sd"), prior.rename("residual_sd"), 0.95)["width_ratio"].item()
    spans = [np.exp(1.96 * sd) - np.exp(-1.96 * sd) for sd in (0.3, 0.8)]
    assert plain == pytest.approx(spans[0] / spans[1], rel=1e-2)
