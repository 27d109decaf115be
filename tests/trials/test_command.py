"""`bayesmodels trials` and `collect`: a folder from a configuration, its rows from every door, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from averages_model import Averages, first_scores
from test_run import invoke

from bayesmodels.fitting import NutsSettings
from bayesmodels.trials.job import DryRun, seconds_of, simulate_trials
from bayesmodels.trials.kept import Kept, Rule
from bayesmodels.trials.operating import OF_THE_MACHINE
from bayesmodels.trials.truths import Design, GeneratorTruth, PriorTruth

CONFIG = """
[trials]
fits = 4
seed = 5

[truth]
drug_effect = false

[design]
n_early = 12
n_delayed = 12
visit_weeks = [0, 4]

[model]
type = "averages_model:Averages"

[[keep]]
variable = "drug_effect"

[[decide]]
name = "early is better"
variable = "drug_effect"
probability = 0.6

[sampling]
chains = 1
tune = 100
draws = 100
"""

SETTINGS = NutsSettings(chains=1, tune=100, draws=100)
ASKED = {
    "keep": [Kept(variable="drug_effect")],
    "rules": [Rule(name="early is better", variable="drug_effect", probability=0.6)],
    "design": Design(n_early=12, n_delayed=12, visit_weeks=(0, 4)),
    "settings": SETTINGS,
    "seed": 5,
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(CONFIG)
    return path


def rows(folder):
    return pd.read_parquet(folder / "rows.parquet").drop(columns=list(OF_THE_MACHINE))


def test_local_array_and_executor_give_the_same_rows(config, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    local, array = tmp_path / "local", tmp_path / "array"
    done = invoke("trials", config, "--out", local, "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["status"], said["fits"], said["failed"], said["missing"]) == (0, "finished", 4, 0, 0)

    assert invoke("trials", config, "--out", array, "--array", "2/2").exit_code == 0
    assert pd.read_parquet(array / "rows" / "part-2-of-2.parquet")["fit"].unique().tolist() == [1, 3]
    early = invoke("collect", array)
    assert early.exit_code == 2
    assert "expected 4 fits, found 2; missing: 0, 2" in early.stderr
    partial = invoke("collect", array, "--partial", "--json")
    assert (partial.exit_code, json.loads(partial.stdout)["status"]) == (0, "unfinished")
    assert "Unfinished: 2 of 4 fits are missing" in (array / "report.html").read_text()
    assert invoke("trials", config, "--out", array, "--array", "1/2").exit_code == 0
    assert invoke("collect", array).exit_code == 0
    pd.testing.assert_frame_equal(rows(array), rows(local))

    with ThreadPoolExecutor(2) as executor:
        found = simulate_trials(Averages(), truth=GeneratorTruth(drug_effect=False), fits=4, executor=executor, **ASKED)
    pd.testing.assert_frame_equal(found.rows.drop(columns=list(OF_THE_MACHINE)), rows(local))

    manifest = json.loads((array / "manifest.json").read_text())
    assert (manifest["status"], manifest["missing"], manifest["planned"], manifest["seed"]) == ("finished", 0, 4, 5)
    assert manifest["plan"]["model"]["type"] == "averages_model:Averages"
    assert (array / "report.html").read_text().count("early is better") >= 2
    assert pd.read_csv(array / "tables" / "fits.csv")["status"].tolist() == ["ok"] * 4

    extended = invoke("trials", config, "--out", array, "--fits", 5)
    assert extended.exit_code == 0
    pd.testing.assert_frame_equal(rows(array).query("fit < 4"), rows(local))
    assert rows(array)["fit"].nunique() == 5
    assert len((array / "log.jsonl").read_text().splitlines()) == 2  # the head, and the one fit that was new


def test_time_that_is_up_ends_well_and_the_same_command_goes_on(config, tmp_path):
    out = tmp_path / "out"
    done = invoke("trials", config, "--out", out, "--max-time", "0s", "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["status"], said["missing"]) == (0, "unfinished", 4)
    assert json.loads((out / "manifest.json").read_text())["status"] == "unfinished"
    assert invoke("trials", config, "--out", out).exit_code == 0
    assert json.loads((out / "manifest.json").read_text())["status"] == "finished"


def test_a_dry_run_measures_and_writes_nothing(config, tmp_path):
    done = invoke("trials", config, "--out", tmp_path / "out", "--dry-run", "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["fits"], said["failed"]) == (0, 4, [])
    assert said["seconds_a_fit"] > 0
    assert not (tmp_path / "out").exists()
    assert DryRun(1000, 36.0, 7.2).core_hours == pytest.approx(2.01)


def test_every_problem_of_a_file_is_a_line_with_its_key(config, tmp_path):
    wrong = {
        "fits = 4": "fitz = 4",
        "drug_effect = false": "elasticity = 1",
        "n_early = 12": "n_early = 1",
        'variable = "drug_effect"\nprobability': 'variable = "drug_effects"\nprobability',
        "draws = 100": "draws = 100\nseed = 3",
    }
    text = CONFIG
    for old, new in wrong.items():
        text = text.replace(old, new)
    config.write_text(text)
    done = invoke("trials", config, "--out", tmp_path / "out")
    assert done.exit_code == 2
    for part in (
        "small.toml: [trials] fitz: unknown key; did you mean 'fits'?",
        "small.toml: [truth] elasticity: unknown key; known keys: type, drug_effect, exits, changes",
        "small.toml: design: each start group needs 2 persons or more",
        "did you mean 'drug_effect'?",
    ):
        assert part in done.stderr
    assert not (tmp_path / "out").exists()


def test_check_reads_such_a_configuration(config):
    done = invoke("check", config)
    assert (done.exit_code, done.stdout) == (0, f"{config}: no problems found\n")
    config.write_text(CONFIG.replace("fits = 4", "fits = 0"))
    done = invoke("check", config)
    assert done.exit_code == 2
    assert "small.toml: [trials] fits:" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("draws = 100", "draws = 100\nseed = 3", "[sampling] seed: expected none"),
        ('variable = "drug_effect"\n\n', 'variable = "curve"\n\n', "variable: unknown variable published by Averages"),
        ("probability = 0.6", 'at = {outcome = "svc"}', "[decide] no. 1, 'early is better': at: unknown outcome 'svc'"),
        ("drug_effect = false", "changes = {elasticities = 1}", "truth: changes: unknown field 'elasticities'; did"),
        ("drug_effect = false", 'type = "generators"', "[truth] type: expected generator, prior, posterior"),
        ("visit_weeks = [0, 4]", 'data_lock = "easter"', "design: data_lock: expected one of july_2021, january_2022"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused_before_a_fit(config, tmp_path, old, new, problem):
    config.write_text(CONFIG.replace(old, new, 1))
    done = invoke("trials", config, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert f"small.toml: {problem}" in done.stderr


def test_a_folder_of_others_or_of_another_study_is_left_alone(config, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    assert invoke("trials", config, "--out", other).exit_code == 2
    assert [path.name for path in other.iterdir()] == ["letter.txt"]
    out = tmp_path / "out"
    invoke("trials", config, "--out", out, "--max-time", "0s")
    config.write_text(CONFIG.replace("seed = 5", "seed = 6"))
    done = invoke("trials", config, "--out", out)
    assert done.exit_code == 2
    assert "more fits go on there, other settings do not" in done.stderr
    assert invoke("collect", other).exit_code == 2


@pytest.mark.parametrize("array", ["0/2", "3/2", "1", "1/0"])
def test_a_part_that_is_none_is_refused(config, tmp_path, array):
    assert invoke("trials", config, "--out", tmp_path / "out", "--array", array).exit_code == 2


def test_lengths_of_time():
    assert [seconds_of(text) for text in ("90", "90s", "1.5m", "2h", "1d", "01:02:03")] == [
        90.0, 90.0, 90.0, 7200.0, 86400.0, 3723.0,
    ]  # fmt: skip


def test_a_models_own_prior_gives_truths_and_values():
    """Truths follow the prior, and the posterior the values drawn: known in closed form, given the means."""
    found = simulate_trials(Averages(), truth=PriorTruth(), fits=30, **ASKED)
    rows = found.rows.query("kind == 'quantity'")
    assert rows["truth"].nunique() == 30
    assert not rows["compiled"].any()
    assert abs(rows["truth"].std() / np.sqrt(200) - 1) < 0.5  # SD of the difference of two Normal(35, 10)
    posterior_sd = np.sqrt(2 / (12 / 8**2 + 1 / 10**2))
    np.testing.assert_allclose(rows["sd"], posterior_sd, rtol=0.4)
    assert abs((rows["mean"] - rows["truth"]).std() / posterior_sd - 1) < 0.5
    assert set(found.table["measure"]) == {"assurance", "power", "type I error"}


def test_the_posterior_of_a_generated_trial_is_the_closed_form():
    from bayesmodels.trials.config import plan_of
    from bayesmodels.trials.truths import Reading

    settings = NutsSettings(chains=1, tune=300, draws=1000)
    asked = {**ASKED, "settings": settings}
    plan = plan_of(Averages(), truth=GeneratorTruth(), reading=Reading(), interval=0.95, **asked)
    rows, facts = plan.fit(3)
    first, group = first_scores(plan.trial(3))
    weight = 1 / (1 + 64 / (12 * 100))
    means = [35 + weight * (first[group == g].mean() - 35) for g in (0, 1)]
    assert rows[0]["mean"] == pytest.approx(means[0] - means[1], abs=0.5)
    assert not facts["compiled"]
