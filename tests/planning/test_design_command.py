"""`bayesmodels design`: a folder from a configuration, its rows from every door, and what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from test_run import invoke

from bayesmodels.planning import job
from bayesmodels.planning.config import read_design_config
from bayesmodels.planning.job import DesignCost
from bayesmodels.trials.operating import OF_THE_MACHINE

CONFIG = """
[planning]
trials = 6
seed = 3

[grid]
persons = [40, 80]
nfl_ratio = [0.4]
decline_removed = [0.0, 0.4]

[[endpoints]]
name = "NfL"
outcome = "nfl_plasma"

[[endpoints]]
name = "function"
outcome = "alsfrs_r"
prior_sd = 5
adjust = ["nfl_plasma"]

[assurance]
decline_removed = {type = "normal", mean = 0.2, sd = 0.2}

[interim]
endpoint = "function"
fractions = [0.5]
futility = [0.1]
futility_of = "NfL"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "planned.toml"
    path.write_text(CONFIG)
    return path


def rows(folder):
    return pd.read_parquet(folder / "rows.parquet").drop(columns=list(OF_THE_MACHINE))


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design")
    (folder / "planned.toml").write_text(CONFIG)
    done = invoke("design", folder / "planned.toml", "--out", folder / "out", "--json")
    assert done.exit_code == 0, done.stderr
    return folder / "out", json.loads(done.stdout)


def test_a_folder_has_rows_with_coordinates_tables_figures_and_a_page(local):
    folder, said = local
    assert (said["status"], said["trials"], said["failed"], said["missing"]) == ("finished", 36, 0, 0)
    table = rows(folder)
    assert set(table["kind"]) == {"rule", "look"}
    assert table.groupby("cell")["fit"].nunique().tolist() == [6] * 6
    assert table.loc[table["cell"] == 3, ["persons", "decline_removed"]].drop_duplicates().values.tolist() == [
        [80, 0.4]
    ]
    drawn = table[(table["cell"] == 4) & (table["kind"] == "rule")]
    assert drawn["drawn_decline_removed"].nunique() == 6
    assert drawn["truth"].isna().all()
    cells = pd.read_csv(folder / "tables" / "cells.csv")
    assert set(cells["measure"]) == {"power", "type I error", "assurance"}
    assert {"curves", "sizes", "looks", "trials"} <= {path.stem for path in (folder / "tables").glob("*.csv")}
    assert (folder / "figures").glob("*.png")
    text = (folder / "report.html").read_text()
    assert "Every trial here is simulated" in text
    assert "ANCOVA of the change at the week" in text
    assert "Interim looks at function" in text
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["kind"], manifest["status"], manifest["planned"], manifest["cells"]) == (
        "design",
        "finished",
        36,
        6,
    )


def test_an_array_gives_the_same_rows_and_the_command_puts_it_together(config, tmp_path, local):
    out = tmp_path / "array"
    assert invoke("design", config, "--out", out, "--array", "2/2").exit_code == 0
    assert pd.read_parquet(out / "rows" / "part-2-of-2.parquet")["fit"].unique().tolist() == list(range(1, 36, 2))
    assert invoke("design", config, "--out", out, "--array", "1/2").exit_code == 0
    done = invoke("design", config, "--out", out)
    assert done.exit_code == 0
    pd.testing.assert_frame_equal(rows(out), rows(local[0]))
    assert len((out / "log.jsonl").read_text().splitlines()) == 1  # the head: nothing was run again


def test_time_that_is_up_ends_well_and_more_trials_go_on(config, tmp_path, local):
    out = tmp_path / "out"
    done = invoke("design", config, "--out", out, "--max-time", "0s", "--json")
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (0, "unfinished")
    assert "Unfinished: 36 simulated trials" in (out / "report.html").read_text()
    assert invoke("design", config, "--out", out, "--trials", 7).exit_code == 0
    pd.testing.assert_frame_equal(rows(out).query("fit < 36"), rows(local[0]))
    assert rows(out)["fit"].nunique() == 42


def test_a_dry_run_measures_and_writes_nothing(config, tmp_path):
    done = invoke("design", config, "--out", tmp_path / "out", "--dry-run", "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["trials"], said["cells"], said["failed"]) == (0, 36, 6, [])
    assert said["seconds_a_trial"] > 0
    assert not (tmp_path / "out").exists()
    assert DesignCost(1000, 4, 7.2, 36.0).core_hours == pytest.approx(2.01)


def test_a_dry_run_is_of_small_and_large_sizes_and_of_collections(config, tmp_path, monkeypatch):
    """A trial costs .01 s a person, a collection .1 s a programme and 5 s the first time: so does their mean."""
    clock = [0.0]
    plan = read_design_config(config).plan

    def fitted(sent, number):
        clock[0] += 0.01 * plan.cell_of(number).persons
        return {"status": "ok"}

    def judged(asked, number):
        clock[0] += 0.1 * asked.programmes.cells[number][1] + (5 if clock[1:] == [] else 0)
        clock.append(number)

    monkeypatch.setattr(job, "time", SimpleNamespace(process_time=lambda: clock[0]))
    monkeypatch.setattr(job, "run_fit", fitted)
    monkeypatch.setattr(job, "judge_collection", judged)
    config.write_text(CONFIG + "[programmes]\nnumbers = [30, 6, 12]\ncorrelations = [0.9]\ncollections = 10\n")
    cost = job.cost_of(config, tmp_path / "out")
    assert cost.seconds == pytest.approx(0.6)
    assert (cost.collections, cost.collection_seconds, cost.compile_seconds) == (30, pytest.approx(1.6), 5)
    assert cost.core_hours == pytest.approx((36 * 0.6 + 30 * 1.6 + 5) / 3600)
    assert "30 collections of programmes, 1.6 a collection" in cost.sentence()


def test_a_models_cost_is_measured_at_the_smallest_and_the_largest_size_of_each_period(config):
    grid = "persons = [40, 200, 80]\nperiod_weeks = [28, 52]"
    config.write_text(CONFIG.replace("persons = [40, 80]", grid))
    plan = read_design_config(config).plan
    chosen = [(plan.cells[n].period_weeks, plan.cells[n].persons) for n in job._measured(replace(plan, model=object()))]
    assert sorted(chosen) == [(28, 40), (28, 200), (52, 40), (52, 200)]
    wanted = [(28, 40), (28, 200), (28, 120), (52, 120)]
    measured = [(28, 40, 1.0), (28, 200, 5.0), (52, 40, 2.0), (52, 200, 10.0)]
    assert job._mean_cost(wanted, measured) == pytest.approx((1 + 5 + 3 + 6) / 4)


def test_other_programmes_are_refused_before_the_first_trial(config, tmp_path):
    own = CONFIG + "[programmes]\nnumbers = [6]\ncollections = 2\n"
    config.write_text(own)
    out = tmp_path / "out"
    assert invoke("design", config, "--out", out, "--max-time", "0s").exit_code == 0
    before = (out / "manifest.json").read_bytes(), (out / "config.toml").read_bytes()
    config.write_text(own.replace("numbers = [6]", "numbers = [8]"))
    done = invoke("design", config, "--out", out, "--trials", 8)
    assert done.exit_code == 2
    assert "[programmes]: expected what the collections in" in done.stderr
    assert "choose another --out" in done.stderr
    assert ((out / "manifest.json").read_bytes(), (out / "config.toml").read_bytes()) == before
    config.write_text(own.replace("collections = 2", "collections = 3"))
    assert invoke("design", config, "--out", out, "--max-time", "0s").exit_code == 0


def test_a_page_says_when_a_contrast_is_as_randomised_and_what_of_a_prior_is_cut(config, tmp_path):
    """The delayed start is 2 weeks after the period: an endpoint 1 week after it is before that."""
    text = CONFIG.partition("[interim]")[0].replace('name = "function"', 'name = "function"\nweeks_after = 12')
    text = text.replace('name = "NfL"', 'name = "NfL"\nweeks_after = 1')
    text = text.replace("mean = 0.2, sd = 0.2", "mean = 0.5, sd = 0.3").replace(
        "nfl_ratio = [0.4]", "nfl_ratio = [0.95]"
    )
    config.write_text(text.replace("decline_removed = [0.0, 0.4]", "decline_removed = [0.0]"))
    assert invoke("design", config, "--out", tmp_path / "out").exit_code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    nfl, function = page.index(">NfL: power and precision</h"), page.index(">function: power and precision</h")
    assert nfl < page.index("Before the first dose of the delayed start: as randomised.") < function
    assert page.index("By then everyone has started the drug") > function
    assert "6.7 % of it lies outside -1 to 0.95 and is cut off" in page
    table = pd.read_parquet(tmp_path / "out" / "rows.parquet")
    again = table.drop_duplicates("fit")["drawn_again"].sum()
    assert again > 0
    assert f"{again:.0f} of {again + 12:.0f} draws of the effects" in page
    assert (table["status"] == "ok").all()


def test_every_problem_of_a_file_is_a_line_with_its_key(config, tmp_path):
    for old, new in {
        "trials = 6": "trialz = 6",
        "persons = [40, 80]": "persons = [2, 80]",
        'outcome = "nfl_plasma"\n': 'outcome = "svc"\n',
        "futility = [0.1]": "futility = [0.1, 0.2]",
    }.items():
        config.write_text(config.read_text().replace(old, new, 1))
    done = invoke("design", config, "--out", tmp_path / "out")
    assert done.exit_code == 2
    for part in (
        "planned.toml: [planning] trialz: unknown key; did you mean 'trials'?",
        "planned.toml: [grid] persons, no. 1:",
        "planned.toml: [endpoints] no. 1, outcome:",
        "planned.toml: interim: futility: expected 1 numbers, one a look, got 2",
    ):
        assert part in done.stderr, done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("futility_of = \"NfL\"", "futility_of = \"SVC\"", "[interim] futility_of: expected one of NfL, function"),
        ("seed = 3", "seed = 3\nengine = \"model\"", "[model]: expected one"),
        ("[grid]", "[design]\ndata_lock = \"end\"\n[grid]", "[design] data_lock: expected none"),
        ("nfl_ratio = [0.4]", "nfl_ratio = [1.0]\nweeks = [3]", "[grid] weeks: unknown key"),
        ("decline_removed = [0.0, 0.4]", "decline_removed = [0.99]", "[grid] decline_removed, no. 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(config, tmp_path, old, new, problem):
    config.write_text(CONFIG.replace(old, new, 1))
    done = invoke("design", config, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert problem in done.stderr


def test_check_reads_it_and_warns_of_what_is_left_out(config):
    assert invoke("check", config).stdout == f"{config}: no problems found\n"
    config.write_text(CONFIG.replace("nfl_ratio = [0.4]", "nfl_ratio = [0.4, 1.0]"))
    done = invoke("check", config)
    assert done.exit_code == 0
    assert "a drug with nfl_ratio = 1 that removes decline" in done.stderr


def test_a_folder_of_others_or_of_another_design_is_left_alone(config, tmp_path, local):
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    assert invoke("design", config, "--out", other).exit_code == 2
    assert [path.name for path in other.iterdir()] == ["letter.txt"]
    config.write_text(CONFIG.replace("seed = 3", "seed = 4"))
    done = invoke("design", config, "--out", local[0])
    assert done.exit_code == 2
    assert "other settings do not" in done.stderr
