"""A configuration that borrows: read, checked, and fitted from tables to page."""

from __future__ import annotations

import numpy as np
import pytest
from borrowed_study import tables

from bayesmodels import load, read_config
from bayesmodels.errors import BadConfig
from bayesmodels.run.check import checked
from bayesmodels.run.job import run

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
BORROWING = 'borrowing = {type = "robust_mixture", trial = "ours"}'


def written(folder, borrowing=BORROWING, kind="longitudinal"):
    persons, visits = tables()
    persons.to_csv(folder / "persons.csv", index=False)
    visits.to_csv(folder / "visits.csv", index=False)
    path = folder / "trial.toml"
    path.write_text(CONFIG.format(borrowing=borrowing, type=kind), encoding="utf-8")
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
