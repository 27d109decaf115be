"""Analysis results data: schema, numbers from the draws, and what must never be in it."""

import io
import json
import math
from functools import cache

import jsonschema
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr
from ard_rows import checked, groups_of, key_of
from fake import fake_posterior, one_outcome, part_of
from fake_arms import free_baseline
from fake_persons import persons_posterior
from test_disease_rate import tree as disease_rates  # noqa: F401
from test_share_priors import PRIOR, drawn, tree_of

from bayesmodels import analysis_results
from bayesmodels.errors import BadInput
from bayesmodels.reporting import CHAPTERS, Chapter, Layout, ReportSettings, Statistic, report
from bayesmodels.reporting.ard import COLUMNS, INFINITE, VERDICTS, schema
from bayesmodels.reporting.chapters.events.prediction import Prediction
from bayesmodels.reporting.chapters.events.survival import Survival
from bayesmodels.reporting.chapters.predictive_checks import PredictiveChecks
from bayesmodels.reporting.chapters.ranks import Ranks
from bayesmodels.reporting.layout import CONTEXTS, INTERVALS, STATISTICS, statistic_of

DECLARED = ReportSettings(surrogate="nfl_plasma", outcome="alsfrs_r", important_difference={"alsfrs_r": 2.0})


def whole(tree, settings=None, chapters=CHAPTERS):
    made = report(tree, settings=settings, chapters=chapters)
    return made, json.loads(made.results.as_json())


@cache
def small_posterior():
    return one_outcome(fake_posterior())


@pytest.fixture(scope="module")
def joint(events):
    """Deaths, withdrawals, hazards, dropout, ranks, predictions; ALSFRS-R and NfL of everyone at four weeks."""
    tree = part_of(events, stratum=["all"], week=[0.0, 28.0, 76.0, 148.0])
    return tree, *whole(tree)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ard") / "report"
    tree = part_of(persons_posterior(), stratum=["all"], week=[0.0, 12.0, 28.0, 76.0, 148.0])
    tree.attrs["run"] = "made-up-12345678"
    made = report(tree, settings=DECLARED)
    for name in ("ard.parquet", "ard.json", "summary.json"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(made.files()[name]())
    return folder, tree, made


def test_the_schema_is_one_and_lists_what_the_code_lists():
    content = schema()
    jsonschema.Draft202012Validator.check_schema(content)
    about = content["$defs"]["row"]["properties"]
    assert about["stat_name"]["enum"] == list(STATISTICS)
    assert about["context"]["enum"] == list(CONTEXTS)
    assert about["interval_kind"]["enum"] == list(INTERVALS)
    assert list(about) == list(COLUMNS)


def test_a_joint_model_obeys_the_schema(joint):
    _, made, content = joint
    checked(content)
    assert set(made.ard["context"]) == set(CONTEXTS) - {"imputed", "simulated"}
    results_of_tables = {name for name, table in made.tables.items() if len(table)}
    assert set(made.ard["table"]) == results_of_tables


def test_a_declared_surrogate_obeys_the_schema_and_its_verdicts_are_rows(saved):
    folder, _, made = saved
    content = json.loads((folder / "ard.json").read_text())
    checked(content)
    found = {row["variable"]: row["stat_text"] for row in content["results"] if row["table"] == VERDICTS}
    assert found == {f"surrogate, {verdict.rung} level": verdict.answer for verdict in made.lead.verdicts}
    assert content["run"] == "made-up-12345678"
    assert content["data"] == {"name": "made-up trial", "digest": "0123456789abcdef"}


@pytest.mark.parametrize("make", [lambda: one_outcome(free_baseline()), lambda: tree_of(drawn(PRIOR))])
def test_other_posteriors_obey_the_schema(make):
    checked(whole(make())[1])


def test_disease_rates_are_rows(disease_rates):  # noqa: F811
    _, content = whole(disease_rates)
    checked(content)
    draws = disease_rates["posterior"]["disease_rate_ratio"].sel(start_group="drug_A").to_numpy()
    (slower,) = (
        row for row in content["results"]
        if row["table"] == "disease_rates" and row.get("variable_level") == "slower"
        and groups_of(row) == {"start_group": "drug_A"}
    )  # fmt: skip
    assert slower["stat"] == pytest.approx(np.mean(draws < 1))
    assert (slower["variable"], slower["context"]) == ("disease_rate_ratio", "posterior")


def test_numbers_are_those_of_the_draws(saved):
    _, tree, made = saved
    ard = made.ard
    cell = {"outcome": "alsfrs_r", "stratum": "all", "contrast": "early - delayed"}
    draws = tree["posterior"]["difference"].sel(cell | {"week": 28.0}).to_numpy()
    prior = tree["prior"]["difference"].sel(cell | {"week": 28.0}).to_numpy()
    own = [row for row in json.loads(made.results.as_json())["results"] if row["table"] == "differences"]
    at = {(row["context"], row["stat_name"]): row for row in own if groups_of(row) == cell | {"week": "28"}}
    expected = {
        ("posterior", "mean"): draws.mean(),
        ("posterior", "sd"): draws.std(ddof=1),
        ("posterior", "median"): np.median(draws),
        ("posterior", "lower"): np.quantile(draws, 0.025),
        ("posterior", "upper"): np.quantile(draws, 0.975),
        ("posterior", "prob_favours"): np.mean(draws > 0),
        ("prior", "median"): np.median(prior),
        ("prior", "sd"): prior.std(ddof=1),
    }
    for key, number in expected.items():
        assert at[key]["stat"] == pytest.approx(number, abs=1e-12), key
    assert {at[key]["variable"] for key in expected} == {"difference"}
    assert {at[key]["direction"] for key in expected} == {"+ favours early"}
    assert {at[key]["unit"] for key in expected if key[1] not in ("prob_favours",)} == {"points"}
    for edge in ("lower", "upper"):
        assert (at["posterior", edge]["interval_kind"], at["posterior", edge]["interval_level"]) == ("eti", 0.95)
    important = [
        row for row in own if row.get("variable_level") == "important" and groups_of(row) == cell | {"week": "28"}
    ]
    assert [row["stat"] for row in important] == [pytest.approx(np.mean(draws > 2.0))]
    counts = {
        row["variable"]: row for row in own if row["stat_name"] == "n" and groups_of(row) == cell | {"week": "28"}
    }
    assert {name: (row["stat"], row["context"]) for name, row in counts.items()} == {
        "observed_group": (72.0, "data"),
        "observed_reference": (27.0, "data"),
    }
    assert ard["stat"].notna().sum() > 1000


def test_numbers_are_those_of_the_summary(saved):
    folder, _, _ = saved
    summary = json.loads((folder / "summary.json").read_text())
    rows = json.loads((folder / "ard.json").read_text())["results"]
    by_key = {key_of(row): row for row in rows}
    names = {"mean": "posterior", "sd": "posterior", "median": "posterior", "lower": "posterior", "upper": "posterior"}
    names |= {"rhat": "convergence", "ess_bulk": "convergence", "ess_tail": "convergence"}
    compared = 0
    for parameter in summary["parameters"]:
        for statistic, context in names.items():
            key = (*sorted(parameter["index"].items()), parameter["name"], None, context, "parameters", statistic)
            if parameter[statistic] is None:
                assert key not in by_key
            else:
                assert by_key[key]["stat"] == parameter[statistic]
                compared += 1
    for contrast in summary["contrasts"]:
        if contrast["name"] != "difference":
            continue
        index = contrast["index"] | {"week": f"{contrast['week']:g}"}
        for statistic in ("mean", "lower", "upper"):
            key = (*sorted(index.items()), "difference", None, "posterior", "differences", statistic)
            assert by_key[key]["stat"] == contrast[statistic]
            compared += 1
        favours = by_key.get((*sorted(index.items()), "difference", None, "posterior", "differences", "prob_favours"))
        assert (favours or {}).get("stat") == contrast["probability_favours"]
    assert compared > 100
    chains = {row["stat_name"]: row for row in rows if row["table"] == "convergence"}
    assert chains["verdict"]["stat_text"] == summary["convergence"]["verdict"] == "ok"
    for name in ("max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "min_ebfmi"):
        assert chains[name]["stat"] == summary["convergence"][name]


def test_both_files_say_the_same(saved):
    folder, _, made = saved
    content = json.loads((folder / "ard.json").read_text())
    table = pq.read_table(folder / "ard.parquet")
    about = json.loads(table.schema.metadata[b"bayesmodels"])
    assert about == {name: value for name, value in content.items() if name != "results"}
    rows = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
    assert rows == content["results"]
    frame = pd.read_parquet(io.BytesIO((folder / "ard.parquet").read_bytes()))
    assert list(frame.columns) == list(made.ard.columns)
    np.testing.assert_array_equal(frame["stat"], made.ard["stat"])
    text = (folder / "ard.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text


def test_a_number_that_is_withheld_has_a_row_that_says_why(saved):
    rows = json.loads(saved[2].results.as_json())["results"]
    late = [row for row in rows if row["table"] == "differences" and groups_of(row).get("week") == "148"]
    (withheld,) = (
        row for row in late if row["stat_name"] == "prob_favours" and groups_of(row)["outcome"] == "alsfrs_r"
    )
    assert "stat" not in withheld
    assert withheld["warning"].startswith("withheld")
    medians = [row for row in late if row["stat_name"] == "median" and row["context"] == "posterior"]
    assert medians
    assert not any("warning" in row for row in medians)
    assert all("open label, not randomised drug against placebo" in row["estimand"] for row in medians)


def test_a_limit_that_is_infinite_is_said_in_words(saved):
    table = pd.DataFrame({"stratum": ["a", "b"], "median": [1.0, 2.0], "lower": [-math.inf, 1.0], "upper": [2.0, 3.0]})
    rows = with_table(table)
    lower = {groups_of(row)["stratum"]: row for row in rows if row["stat_name"] == "lower"}
    assert (lower["a"]["stat_text"], lower["b"]["stat"]) == (INFINITE[-math.inf], 1.0)
    assert "stat" not in lower["a"]


def test_every_row_of_chains_that_did_not_converge_says_so():
    made, content = whole(one_outcome(fake_posterior(verdict="not_converged")))
    checked(content)
    assert all(row["warning"].startswith("the chains did not converge") for row in content["results"])
    assert content["stamp"] == made.stamp


def with_table(table, layout=None):
    """Rows of one table of one's own."""

    class Mine(Chapter):
        name = "mine"

        def tables(self, reading):
            return {"mine": table}

        def layouts(self, reading):
            return {} if layout is None else {"mine": layout}

    content = whole(small_posterior(), chapters=(Mine(),))[1]
    checked(content)
    return [row for row in content["results"] if row["table"] == "mine"]


def test_a_table_of_ones_own_needs_no_declaration():
    table = pd.DataFrame(
        {
            "stratum": ["faster", "slower"], "median": [1.5, 2.5], "probability_large": [0.25, 0.75],
            "unit": ["points", "points"], "prior_rate_sd": [0.1, 0.2], "answer": [42, 43], "sure": [True, False],
        }
    )  # fmt: skip
    rows = with_table(table)
    faster = {(row["variable"], row["stat_name"]): row for row in rows if groups_of(row) == {"stratum": "faster"}}
    assert {key: row["stat"] for key, row in faster.items()} == {
        ("mine", "median"): 1.5,
        ("mine", "prob"): 0.25,
        ("rate", "sd"): 0.1,
        ("answer", "value"): 42,
        ("sure", "value"): 1,
    }
    assert faster["mine", "prob"]["variable_level"] == "large"
    assert faster["rate", "sd"]["context"] == "prior"
    assert faster["mine", "median"]["unit"] == "points"
    assert "unit" not in faster["answer", "value"]


def test_rows_without_labels_are_numbered_and_a_declaration_is_followed():
    table = pd.DataFrame({"median": [1.0, 1.0], "cut": [0.5, 0.6], "low": [0.0, 0.1], "high": [2.0, 3.0]})
    numbered = with_table(table)
    assert {groups_of(row)["row"] for row in numbered} == {"1", "2"}
    ends = {"low": Statistic("lower", interval=("ci", 0.9)), "high": Statistic("upper", interval=("ci", 0.9))}
    rows = with_table(table, Layout("thing", keys=("cut",), columns=ends))
    first = {row["stat_name"]: row for row in rows if groups_of(row) == {"cut": "0.5"}}
    assert {name: row["stat"] for name, row in first.items()} == {"median": 1.0, "lower": 0.0, "upper": 2.0}
    assert {row["variable"] for row in rows} == {"thing"}
    assert (first["upper"]["interval_kind"], first["upper"]["interval_level"]) == ("ci", 0.9)
    assert {row["fmt"] for row in first.values()} == {"x.x"}  # an interval 2 wide


def test_probabilities_without_a_direction_are_not_said_to_favour_anyone():
    rows = with_table(pd.DataFrame({"stratum": ["faster"], "probability_favours": [0.9]}))
    assert [(row["stat_name"], row["variable_level"]) for row in rows] == [("prob", "favours")]


def test_tables_of_persons_are_left_out(saved, joint):
    assert with_table(pd.DataFrame({"person": ["P-17", "P-18"], "median": [1.0, 2.0]})) == []
    for made in (saved[2], joint[1]):
        ard = made.ard
        named = ard[[name for name in ard if str(name).startswith("group") and "_" not in str(name)]]
        assert not named.isin(["person", "example"]).any().any()


def test_levels_and_kinds_follow_settings_and_analyses(joint):
    nine, chapters = ReportSettings(interval=0.9), (Survival(), Ranks(), Prediction(), PredictiveChecks())
    ard = analysis_results(joint[0], nine, chapters).table
    limits = ard[ard["stat_name"].isin(["lower", "upper"])]
    ranks = limits[limits["table"] == "rank_analyses"]
    assert set(map(tuple, ranks[["context", "interval_kind", "interval_level"]].to_numpy())) == {
        ("data", "ci", float(joint[0]["rank_analyses"].attrs["level"])),
        ("predictive", "eti_predictive", 0.9),
    }
    others = limits[~limits["table"].isin(["rank_analyses", "dropout_pooled"])]
    assert set(others["interval_level"]) == {0.9}
    assert ard.loc[~ard["stat_name"].isin(["lower", "upper"]), "interval_kind"].isna().all()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("median", Statistic("median")),
        ("monte_carlo_error", Statistic("mcse_median")),
        ("prior_upper", Statistic("upper", context="prior")),
        ("predictive_median", Statistic("median", context="predictive")),
        ("rate_lower", Statistic("lower", of="rate")),
        ("prior_probability_catching_up", Statistic("prob", event="catching up", context="prior")),
        ("effect_favours", Statistic("prob", of="effect", event="favours")),
        ("ess_bulk", Statistic("ess_bulk")),
        ("r2_observed_median", Statistic("median", of="r2_observed")),
        ("bits", Statistic("value", of="bits")),
    ],
)
def test_names_of_columns_are_read(column, expected):
    assert statistic_of(column) == expected


def test_words_that_are_in_no_list_are_refused():
    with pytest.raises(ValueError, match="expected a statistic of mean, sd"):
        Statistic("averge")
    with pytest.raises(ValueError, match="expected a context of posterior"):
        Statistic("mean", context="elsewhere")
    with pytest.raises(ValueError, match="expected a kind of interval of eti"):
        Statistic("lower", interval=("hdi", 0.9))


def test_a_wrong_posterior_is_refused():
    with pytest.raises(BadInput, match="posterior"):
        analysis_results(xr.Dataset())
