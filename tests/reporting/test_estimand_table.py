"""Estimands side by side, against a posterior whose every number is known."""

import math

import pytest
import xarray as xr
from fake import MONTH
from fake_events import HAZARD
from table_rows import one

from bayesmodels.posterior.context import Contrast, read_context
from bayesmodels.reporting.chapter import read
from bayesmodels.reporting.chapters.events.estimands import estimand_table
from bayesmodels.reporting.settings import ReportSettings


def table_at(tree, *weeks):
    return estimand_table(read(tree, ReportSettings(contrast_weeks=weeks)))


@pytest.fixture(scope="module")
def estimands(events):
    return table_at(events, 0.0, 28.0, 76.0, 148.0)


def test_estimands_part_where_persons_die(estimands):
    at = {"outcome": "alsfrs_r", "stratum": "all", "week": 76.0}
    nobody = one(estimands, estimand="had nobody died", **at)
    living = one(estimands, estimand="among the living", **at)
    composite = one(estimands, estimand="composite", **at)
    assert nobody["median"] == pytest.approx(living["median"], abs=0.05)  # both groups' living are 1 point better
    assert composite["median"] > living["median"] + 1  # more of the delayed score 0
    assert {row["direction"] for row in (nobody, living, composite)} == {"+ favours early"}
    nfl = one(estimands, estimand="had nobody died", **(at | {"outcome": "nfl_plasma"}))
    assert nfl["direction"] == "- favours early"
    assert not len(estimands[(estimands["estimand"] == "composite") & (estimands["outcome"] == "nfl_plasma")])


def test_win_probability_is_against_one_half(estimands):
    row = one(estimands, estimand="win probability", outcome="alsfrs_r", stratum="all", week=28.0)
    middle = 0.5 + 0.2 * 3 / 8
    assert row["median"] == pytest.approx(middle, abs=2e-3)
    assert row["direction"] == "above 0.5 favours early"
    assert row["probability_favours"] == 1.0
    start = one(estimands, estimand="win probability", outcome="alsfrs_r", stratum="all", week=0.0)
    assert start["probability_favours"] == pytest.approx(0.5, abs=0.06)


def test_survival_and_restricted_mean_differences(estimands):
    months = 76 / MONTH
    row = one(estimands, estimand="survival", stratum="all", week=76.0)
    gap = math.exp(-HAZARD["early"] * months) - math.exp(-HAZARD["delayed"] * months)
    assert row["median"] == pytest.approx(gap, rel=5e-3)
    assert row["probability_favours"] == 1.0
    rmst = one(estimands, estimand="restricted mean survival", stratum="all", week=76.0)
    area = [(1 - math.exp(-h * months)) / h for h in HAZARD.values()]
    assert rmst["median"] == pytest.approx(area[0] - area[1], rel=2e-2)
    assert rmst["unit"] == "months"


def test_the_favoured_side_turns_with_the_contrast(events):
    """The same posterior with the contrast named the other way round, the drug's starts unchanged."""
    turned = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=events.attrs),
            **{
                name: node.to_dataset().assign_coords(contrast=["delayed - early"])
                if "contrast" in node.to_dataset().coords
                else node.to_dataset()
                for name, node in events.children.items()
            },
        }
    )
    context = read_context(turned)
    assert context.contrasts == (Contrast("delayed - early", "delayed", "early", "early", "delayed", 28.0),)
    table = table_at(turned, 76.0)
    survival = one(table, estimand="survival", stratum="all")
    assert survival["median"] < 0
    assert (survival["direction"], survival["probability_favours"]) == ("- favours early", 1.0)
    wins = one(table, estimand="win probability", outcome="alsfrs_r", stratum="all")
    assert (wins["direction"], wins["probability_favours"]) == ("below 0.5 favours early", 0.0)


def test_no_probability_where_nobody_is_followed_or_groups_are_equal(estimands):
    late = one(estimands, estimand="survival", stratum="all", week=148.0)
    assert math.isnan(late["probability_favours"])
    assert late["withheld"] == "withheld: nobody of delayed is still followed at week 148"
    function = one(estimands, estimand="composite", outcome="alsfrs_r", stratum="all", week=148.0)
    assert "half of each group" in function["withheld"]
    start = one(estimands, estimand="survival", stratum="all", week=0.0)
    assert start["withheld"] == "the same in both groups by design"


def test_survival_is_compared_where_everybody_of_a_group_died(events):
    changed = events.copy()
    data = changed["event_data"].to_dataset()
    last = (data["week"] == 148.0) & (data["start_group"] == "delayed")
    data["observed_survival"] = data["observed_survival"].where(~last, 0.0)  # nobody is left, and that is known
    changed["event_data"] = xr.DataTree(data)
    table = table_at(changed, 148.0)
    row = one(table, estimand="survival", stratum="all")
    assert (row["withheld"], row["probability_favours"]) == ("", 1.0)


def test_estimands_name_their_strategy(estimands):
    found = dict(estimands[["estimand", "strategy"]].drop_duplicates().to_numpy().tolist())
    assert found == {
        "had nobody died": "hypothetical", "among the living": "while alive", "composite": "composite",
        "win probability": "composite", "survival": "death is the outcome",
        "restricted mean survival": "death is the outcome",
    }  # fmt: skip
