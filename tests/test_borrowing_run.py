"""A configuration that borrows: read, checked, and fitted from tables to page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from borrowed_study import tables
from test_run import invoke

from bayesmodels import load, read_config
from bayesmodels.errors import BadConfig
from bayesmodels.run.check import checked
from bayesmodels.run.job import run
from bayesmodels.simulation.platform_trial import PlatformDesign, PlatformTruth, simulate_platform_trial

SAMPLING = """
[sampling]
draws = 300
tune = 300
chains = 2
seed = 4

[model_sensitivity]
forms = ["no_borrowing"]
draws = 200
tune = 200
"""

CONFIG = """
[study]
persons = "persons.csv"
visits = "visits.csv"
reference_group = "control"
curve_weeks = [0, 12, 24]

[model]
type = "{type}"
{borrowing}

[[model.outcomes]]
name = "score"
unit = "points"
good_direction = "up"
typical = {{level = 37, spread = 6, rate = 1}}
rate = {{mean = -1, sd = 0.5}}
effect = {{type = "slope_change"}}
"""
BORROWING = 'borrowing = {type = "robust_mixture", trial = "ours"}'


def written(folder, borrowing=BORROWING, kind="longitudinal"):
    persons, visits = tables()
    persons.to_csv(folder / "persons.csv", index=False)
    visits.to_csv(folder / "visits.csv", index=False)
    path = folder / "trial.toml"
    path.write_text((CONFIG + SAMPLING).format(borrowing=borrowing, type=kind), encoding="utf-8")
    return path


def test_the_configuration_says_whose_study_it_is(tmp_path):
    config = read_config(written(tmp_path))
    assert config.model.borrowing.trial == "ours"
    study = config.read()
    assert (study.trial, len(study.persons), len(study.whole.persons)) == ("ours", 10, 19)
    problems, warnings = checked(tmp_path / "trial.toml")
    assert problems == []
    assert not any("trials" in line for line in warnings)


def test_without_borrowing_trials_are_one_and_a_warning_says_so(tmp_path):
    path = written(tmp_path, borrowing="")
    path.write_text(path.read_text().replace('forms = ["no_borrowing"]', ""))
    problems, warnings = checked(path)
    assert problems == []
    assert any("persons of 3 trials" in line for line in warnings)


def test_wrong_words_are_refused_with_the_right_ones(tmp_path):
    written(tmp_path, borrowing='borrowing = {type = "robust_mixture", trial = "Ours"}')
    problems, _ = checked(tmp_path / "trial.toml")
    assert any('write trial = "ours"' in line for line in problems)
    with pytest.raises(BadConfig, match="borrowing"):
        read_config(written(tmp_path, kind="joint_event"))
    with pytest.raises(BadConfig, match="trial"):
        read_config(written(tmp_path, borrowing='borrowing = {type = "commensurate"}'))


@pytest.mark.slow
def test_a_run_is_of_our_persons_and_shows_what_was_borrowed(tmp_path):
    result = run(written(tmp_path), tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    tree = load(folder / "posterior.nc")
    assert tree["log_likelihood"].sizes["person"] == 10
    assert float(tree["observed_summary"]["n"].max()) <= 10
    assert tuple(tree["posterior"]["start_group"].values) == ("early", "control")
    assert list(tree["posterior"]["external_trial"].values) == ["cohort", "old"]
    drift = tree["posterior"]["trial_drift"].to_numpy()
    assert np.isfinite(drift).all()
    assert tree["model_sensitivity"]["form"].values.tolist() == ["no_borrowing"]
    page = (folder / "report.html").read_text()
    assert "Borrowing from external persons" in page
    assert "nothing borrowed from external persons" in page
    assert (folder / "tables" / "borrowing.csv").exists()
    assert result is not None


SHARED_RATE = """
[study]
persons = "persons.csv"
visits = "visits.csv"
events = "events.csv"
reference_group = "placebo"
curve_weeks = [0, 12, 24]

[model]
type = "shared_rate"
{borrowing}
"""


def platform(folder, borrowing=BORROWING):
    """A platform trial with two trials of external persons, one of whose drift is clear."""
    truth = PlatformTruth(mortality=0.2, level=36.0, level_sd=3.0, rate_sd=0.4)
    trial = simulate_platform_trial(PlatformDesign(regimens=1, active=24, control=12), truth, 3)
    tables = {name: getattr(trial, name) for name in ("persons", "visits", "events")}
    tables["persons"] = tables["persons"].assign(trial="ours")
    for label, ratio in (("cohort", 1.0), ("old", 2.0)):
        drifted = replace(truth, rate=ratio * truth.rate)
        more = simulate_platform_trial(PlatformDesign(regimens=1, active=1, control=30), drifted, 4)
        keep = more.persons.loc[more.persons["start_group"] == "placebo", "person"]
        for name in tables:
            own = getattr(more, name)
            own = own[own["person"].isin(keep)]
            own = own.assign(person=f"{label}-" + own["person"])
            own = own.assign(trial=label) if name == "persons" else own
            tables[name] = pd.concat([tables[name], own], ignore_index=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    path = folder / "platform.toml"
    path.write_text((SHARED_RATE + SAMPLING).format(borrowing=borrowing), encoding="utf-8")
    return path


def test_a_platform_trial_that_borrows_is_checked(tmp_path):
    path = platform(tmp_path)
    assert checked(path) == ([], [])
    config = read_config(path)
    assert config.model.borrowing.trial == "ours"
    study = config.read()
    assert (len(study.persons), len(study.whole.persons)) == (36, 96)
    result = invoke("check", path)
    assert result.exit_code == 0, result.output
    text = path.read_text().replace('trial = "ours"', 'trial = "Ours"')
    path.write_text(text)
    assert any('write trial = "ours"' in line for line in checked(path)[0])


def test_a_platform_trial_without_borrowing_says_who_takes_no_part(tmp_path):
    path = platform(tmp_path, borrowing="")
    problems, _ = checked(path)
    assert any("or a shared_rate model that borrows" in line for line in problems)
    path.write_text(path.read_text().partition("[model_sensitivity]")[0])
    problems, warnings = checked(path)
    assert problems == []
    assert any("persons of 3 trials" in line for line in warnings)


@pytest.mark.slow
def test_a_run_of_a_platform_trial_shows_what_was_borrowed(tmp_path):
    run(platform(tmp_path), tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    tree = load(folder / "posterior.nc")
    assert tree["log_likelihood"].sizes["person"] == 36
    assert list(tree["posterior"]["external_trial"].values) == ["cohort", "old"]
    log_rate = tree["posterior"]["external_log_rate"]
    assert np.isfinite(log_rate).all()
    assert log_rate.sel(external_trial="old").mean() > log_rate.sel(external_trial="cohort").mean() + 0.3
    assert tree["model_sensitivity"]["form"].values.tolist() == ["no_borrowing"]
    page = (folder / "report.html").read_text()
    assert "Borrowing from external persons" in page
    assert "nothing borrowed from external persons" in page
    table = pd.read_csv(folder / "tables" / "borrowing.csv")
    assert {"share_used", "counts_as", "ratio_median"} <= set(table)
    assert (table["our_median"] < 0).all()
