"""`bayesmodels person-level`: from a table of persons to its folder, the same numbers as by Python, what it refuses."""

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
from test_run import invoke

from bayesmodels import ClusterTable, read_clusters, single_trial, two_stage
from bayesmodels.errors import RunExists
from bayesmodels.run.person_level import run_person_level
from bayesmodels.study import Endpoint
from bayesmodels.surrogacy.settings import SurrogacySettings

ENDS = {"surrogate": Endpoint("nfl", "ln", "down"), "outcome": Endpoint("score", good="up")}
COLUMNS = {"treatment": "arm", "surrogate": "nfl", "outcome": "score", "cluster": "centre"}
NAMED = [f"--{role}={column}" for role, column in COLUMNS.items()]
GOOD = ("--surrogate-good", "down", "--outcome-good", "up", "--surrogate-unit", "ln")


def write_persons(folder, **changes):
    """180 persons of 12 centres; the surrogate falls on the drug and goes with the score."""
    rng = np.random.default_rng(2)
    arm, centre = np.tile([0, 1], 90), np.repeat(np.arange(12), 15)
    nfl = rng.normal(size=180) - arm * (0.5 + 0.1 * centre)
    score = 0.9 * -nfl + 0.5 * rng.normal(size=180) + 0.1 * arm
    frame = pd.DataFrame({"arm": arm, "centre": [f"c{k:02d}" for k in centre], "nfl": nfl, "score": score})
    path = folder / "persons.csv"
    frame.assign(**changes).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    done = invoke("person-level", write_persons(folder), "--out", folder / "out", *NAMED, *GOOD, "--seed", 7)
    return done, folder


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    arguments = ("--out", folder / "out", *NAMED, "--method", "two_stage", "--form", "full", "--json")
    return invoke("person-level", write_persons(folder), *arguments), folder


def table(folder, name):
    return pd.read_csv(folder / "out" / "tables" / f"{name}.csv")


def test_the_criteria_are_those_of_python(single):
    done, folder = single
    assert done.exit_code == 0
    persons = read_clusters(folder / "persons.csv", active=1, columns=COLUMNS, clustered=False, **ENDS)
    found = single_trial(persons, SurrogacySettings(seed=7))
    for name, expected in {
        "criteria": found.table,
        "prentice": found.prentice.table,
        "causal_association": found.causal_association.table,
        "principal_strata": found.principal_strata,
        "sensitivity": found.sensitivity,
    }.items():
        got = table(folder, name)
        numbers = expected.select_dtypes("number").columns
        pd.testing.assert_frame_equal(got[numbers], expected[numbers].reset_index(drop=True), check_exact=True)
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["verdicts"] == [verdict.as_json() for verdict in found.verdicts]
    assert (summary["seed"], summary["data"]["digest"]) == (7, persons.digest)
    alpha = next(row for row in summary["tables"]["criteria"] if row["quantity"] == "alpha")
    assert alpha["median"] == found.table.set_index("quantity").at["alpha", "median"]


def test_the_page_keeps_the_levels_apart(single):
    done, folder = single
    page = (folder / "out" / "report.html").read_text()
    assert "response: supported, individual: supported, trial: not assessable; seed 7" in done.stdout
    assert "No correlation of effects" in page or "no correlation of effects can be computed from it" in page
    assert "An association between persons is not a relation between effects." in page
    assert "R2 between" not in page


def lists_of(folder):
    """The two lists of the first screen: what is identified and what is not."""
    page = (folder / "out" / "report.html").read_text()
    start, middle = page.index("Identified by these data"), page.index(">Not identified<")
    return page[start:middle], page[middle : page.index("How far the evidence goes", middle)]


def test_an_effect_has_its_unit_and_says_which_sign_is_good(single, stages):
    identified, _ = lists_of(single[1])
    page, staged = ((folder / "out" / "report.html").read_text() for _, folder in (single, stages))
    assert "posterior medians with 95 % ETI (equal-tailed interval)" in page
    assert "estimates with 95 % intervals by the delta method" in staged
    assert ") ln; − favours 1." in identified
    assert "Effect on the surrogate" in identified
    assert "; − favours 1." in identified
    assert "; + favours 1." in identified


def test_a_quantity_whose_level_is_open_is_not_identified(stages):
    identified, open_ = lists_of(stages[1])
    assert "R2 within arms of a cluster" in identified
    assert "R2 between clusters" not in identified
    assert "R2 between clusters" in open_


def test_two_stages_are_those_of_python(stages):
    done, folder = stages
    said = json.loads(done.stdout)
    assert (done.exit_code, said["verdicts"]["trial"], said["seed"]) == (0, "not assessable", None)
    found = two_stage(read_clusters(folder / "persons.csv", active=1, columns=COLUMNS), "full")
    for name, expected in {"estimates": found.table, "clusters": found.effects}.items():
        pd.testing.assert_frame_equal(table(folder, name), expected, check_exact=True)
    page = (folder / "out" / "report.html").read_text()
    assert "R2 between 12 places" in page
    assert "places of one trial" in page
    summary = json.loads((folder / "out" / "summary.json").read_text())
    rows = {row["quantity"]: row for row in summary["tables"]["estimates"]}
    assert rows["trial_r2"]["estimate"] == found["trial_r2"]
    assert rows["trial_r2"]["lower"] < rows["trial_r2"]["estimate"] < rows["trial_r2"]["upper"]
    assert summary["data"]["counts"]["clusters"] == 12


def test_clusters_that_are_trials(tmp_path):
    arguments = ("--out", tmp_path / "out", *NAMED, "--method", "two_stage", "--clusters", "trials")
    done = invoke("person-level", write_persons(tmp_path), *arguments)
    assert "individual: supported, trial: uncertain" in done.stdout
    assert "R2 between 12 trials" in (tmp_path / "out" / "report.html").read_text()


def test_both_summaries_keep_to_their_schema(single, stages):
    schema = json.loads((files("bayesmodels.run") / "person_level.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for _, folder in (single, stages):
        jsonschema.validate(json.loads((folder / "out" / "summary.json").read_text()), schema)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "--surrogate-good, --outcome-good: expected up or down, the sign of a good value; there is no default"),
        (("--surrogate=x", *GOOD), 'persons.csv: expected a column "x" with the surrogate (columns: "arm", "centre", '
         '"nfl", "score"); name it with --surrogate'),
        (("--active=drug", *GOOD), "keep the rows of two arms and name the active one with --active"),
        (("--method", "two_stage", "--cluster=site"), "name it with --cluster"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, arguments, line):
    done = invoke("person-level", write_persons(tmp_path), "--out", tmp_path / "out", *NAMED, *arguments)
    assert done.exit_code == 2
    assert line in done.stderr
    assert not (tmp_path / "out").exists()


def test_bad_cells_are_named_by_file_and_row(tmp_path):
    path = write_persons(tmp_path, score=["high", "", *np.linspace(0, 1, 178)])
    done = invoke("person-level", path, "--out", tmp_path / "out", *NAMED, *GOOD)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        'persons.csv, row 2: expected a number as score, got "high"; correct it',
        "persons.csv, row 3: score is blank; fill it in",
    ]
    path = write_persons(tmp_path, score=["", *np.linspace(0, 1, 179)])
    done = invoke("person-level", path, "--out", tmp_path / "out", *NAMED, *GOOD, "--complete-cases")
    assert "1 rows with a blank value were left out" in (tmp_path / "out" / "report.html").read_text()
    assert done.exit_code == 0
    assert invoke("person-level", tmp_path / "no.csv", "--out", tmp_path / "x", *GOOD).exit_code == 2


@pytest.fixture
def persons(tmp_path):
    return replace(read_clusters(write_persons(tmp_path), active=1, columns=COLUMNS), **ENDS)


def test_a_folder_of_others_is_left_as_it_is(tmp_path, persons):
    out = tmp_path / "out"
    (out / "tables").mkdir(parents=True)
    (out / "tables" / "criteria.csv").write_text("mine")
    for again in ((), ("--again",)):
        done = invoke("person-level", tmp_path / "persons.csv", "--out", out, *NAMED, *GOOD, *again)
        assert done.exit_code == 2
        assert "it holds other files and is left as it is" in done.stderr
    assert [path.name for path in out.iterdir()] == ["tables"]
    assert (out / "tables" / "criteria.csv").read_text() == "mine"


def test_again_replaces_what_was_written_and_nothing_else(tmp_path, persons):
    out = tmp_path / "out"
    run_person_level(persons, out, seed=1, draws=200)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(RunExists, match="give --again to replace it"):
        run_person_level(persons, out, method="two_stage")
    assert (out / "tables" / "criteria.csv").exists()
    run_person_level(persons, out, method="two_stage", again=True)
    assert {path.name for path in (out / "tables").iterdir()} == {"estimates.csv", "clusters.csv"}
    assert (out / "notes.txt").read_text() == "mine"
    manifest = json.loads((out / "manifest.json").read_text())
    listed = {"tables/estimates.csv", "tables/clusters.csv", "summary.json", "report.html"}
    assert (manifest["status"], set(manifest["files"])) == ("finished", listed)


def test_a_seed_that_is_not_given_is_drawn_and_said(tmp_path, persons):
    made = run_person_level(persons, tmp_path / "a", draws=200)
    same = run_person_level(persons, tmp_path / "b", draws=200, seed=made.seed)
    assert f"seed {made.seed}" in made.sentence()
    pd.testing.assert_frame_equal(made.found.table, same.found.table)


def test_labels_are_escaped(tmp_path):
    frame = pd.read_csv(write_persons(tmp_path)).rename(columns={"arm": "treatment", "nfl": "surrogate"})
    frame = frame.rename(columns={"score": "outcome", "centre": "cluster"}).replace({"cluster": {"c00": "=1+1"}})
    ends = {"surrogate": Endpoint("<b>nfl</b>", good="down"), "outcome": Endpoint("score", good="up")}
    named = ClusterTable.from_frame(frame, active=1, name="<script>", **ends)
    for method in ("single", "two_stage"):
        folder = run_person_level(named, tmp_path / method, method=method, draws=200, seed=1).folder
        page = (folder / "report.html").read_text()
        assert "<script>" not in page
        assert "<b>nfl</b>" not in page
    assert "'=1+1" in (tmp_path / "two_stage" / "tables" / "clusters.csv").read_text()


@pytest.mark.parametrize("named", [NAMED, NAMED[:3]])
def test_an_outcome_of_zero_and_one_has_likelihood_reduction_factors_by_cluster_and_pooled(tmp_path, named):
    from bayesmodels import likelihood_reduction

    frame = pd.read_csv(write_persons(tmp_path))
    path = write_persons(tmp_path, score=(frame["score"] > 0.3).astype(int))
    done = invoke("person-level", path, "--out", tmp_path / "out", *named, *GOOD, "--method", "binary", "--json")
    assert done.exit_code == 0, done.stderr
    clustered = len(named) == 4  # without the option the file has no column "cluster", and is of one trial
    persons = read_clusters(path, active=1, columns=COLUMNS, clustered=clustered, **ENDS)
    expected = likelihood_reduction(persons)
    got = table(tmp_path, "likelihood_reduction")
    assert len(got) == (13 if clustered else 1)
    assert got["lrf"].tolist() == pytest.approx(expected.table["lrf"].tolist(), nan_ok=True)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    jsonschema.validate(summary, json.loads(files("bayesmodels.run").joinpath("person_level.schema.json").read_text()))
    assert summary["interval"]["kind"] == "noncentral chi-square"
    assert json.loads(done.stdout)["verdicts"]["trial"] == "not assessable"
    assert "Likelihood reduction factor" in (tmp_path / "out" / "report.html").read_text()
