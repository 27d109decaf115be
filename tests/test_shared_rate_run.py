"""`type = "shared_rate"`: from a configuration to the finished folder, and what its report says."""

import json

import numpy as np
import pytest
from test_run import folder_in, invoke

from bayesmodels.posterior.archive import load
from bayesmodels.reporting import report
from bayesmodels.simulation.platform_trial import PlatformDesign, PlatformTruth, simulate_platform_trial

CONFIG = """
[study]
name = "Simulated platform"
persons = "persons.csv"
visits = "visits.csv"
events = "events.csv"
reference_group = "placebo"
curve_weeks = [0, 12, 24]

[model]
type = "shared_rate"
regimen_column = "regimen"

[sampling]
draws = 1000
tune = 800
chains = 2
cores = 1
seed = 5
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("platform")
    truth = PlatformTruth(slope_ratio=0.6, hazard_ratio=0.6, level=36.0, level_sd=3.0, mortality=0.2)
    trial = simulate_platform_trial(PlatformDesign(regimens=2, active=60, control=30), truth, 4)
    for name in ("persons", "visits", "events"):
        getattr(trial, name).to_csv(place / f"{name}.csv", index=False)
    (place / "trial.toml").write_text(CONFIG, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def run(place):
    result = invoke("fit", place / "trial.toml", "--out", place / "runs", "--quiet")
    assert result.exit_code in (0, 3), result.output  # few draws may fail the verdict
    return folder_in(place / "runs")


def test_configuration_and_tables_are_checked(place):
    assert invoke("check", place / "trial.toml").exit_code == 0
    wrong = place / "wrong.toml"
    wrong.write_text(CONFIG.replace('"regimen"', '"stage"'), encoding="utf-8")
    result = invoke("check", wrong)
    assert result.exit_code == 2
    assert "expected the column 'stage'" in result.output + result.stderr


@pytest.mark.slow
def test_posterior_holds_what_a_report_needs(run):
    tree = load(run / "posterior.nc")
    ratio = tree["posterior"]["disease_rate_ratio"]
    assert ratio["start_group"].values.tolist() == ["drug_A", "drug_B", "placebo"]
    assert ratio.sel(start_group="placebo").isnull().all()
    assert (np.abs(np.log(ratio.mean(("chain", "draw")).values[:2] / 0.6)) < 0.5).all()
    likelihood = tree["log_likelihood"]
    assert likelihood["visits"].dims == likelihood["exits"].dims == ("chain", "draw", "person")
    assert np.isfinite(likelihood["visits"].values).all()
    assert tree["prior"]["disease_rate_ratio"].sel(start_group="drug_A").mean() == pytest.approx(1.0, abs=0.08)
    assert "sim-0001" not in (run / "log.txt").read_text()


@pytest.mark.slow
def test_predictive_means_surround_the_observed_ones(run):
    tree = load(run / "posterior.nc")
    seen, predicted = tree["observed_summary"].to_dataset(), tree["predictive_summary"]["mean"]
    assert seen["n"].sum() > 500
    z = (seen["mean"] - predicted.mean(("chain", "draw"))) / predicted.std(("chain", "draw"))
    assert float(abs(z).max()) < 4


@pytest.mark.slow
def test_report_shows_the_ratios(run):
    made = report(load(run / "posterior.nc"))
    table = made.tables["disease_rates"]
    assert table["start_group"].tolist() == ["drug_A", "drug_B"]
    assert set(table["verdict"]) <= {"success", "no success"}
    assert "Disease rate ratios" in made.html
    assert "drug_A: disease rate ratio" in made.sentence()
    assert "Disease rate ratios" in (run / "report.html").read_text()
    summary = json.loads((run / "summary.json").read_text())
    rates = [row for row in summary["parameters"] if row["name"] == "disease_rate_ratio"]
    assert [row["index"]["start_group"] for row in rates] == ["drug_A", "drug_B"]
    assert {row["unit"] for row in rates} == {"ratio"}
