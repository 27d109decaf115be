"""A joint model from its configuration to the report, with posterior draws of our own in the sampler's place."""

from __future__ import annotations

import json
from pathlib import Path

import joint_study
import numpy as np
import pytest
import xarray as xr

from bayesmodels import Ranks, fitted
from bayesmodels.errors import BadInput, BayesmodelsError
from bayesmodels.fitting.coordinates import with_descriptions
from bayesmodels.fitting.sampling import deterministics
from bayesmodels.posterior.archive import load
from bayesmodels.run.config import read_config
from bayesmodels.run.job import run
from bayesmodels.vocabulary import EVENT_GROUPS

CONFIG = """
[study]
name = "made up"
persons = "persons.csv"
visits = "visits.csv"
events = "events.csv"
reference_group = "delayed"
strata = true
curve_weeks = [0, 8, 28, 52, 80]

[model]
type = "joint_event"
person_sd = "common"
residual_sd = "common"
[[model.outcomes]]
name = "score"
good_direction = "up"
unit = "points"
limits = [0, 48]
typical = {level = 36, spread = 6, rate = 1}
effect = {type = "slope_change"}
[[model.events]]
name = "death"
terminal = true
baseline = {type = "weibull"}
covariates = ["age"]
associations = [{outcome = "score", form = "value"}, {outcome = "score", form = "rate"}]
[[model.events]]
name = "withdrawal"
baseline = {type = "piecewise", knot_weeks = [30]}
associations = [{outcome = "score", form = "value"}]

[sampling]
draws = 20
tune = 20
chains = 2
seed = 3

[archive]
persons = true
"""

LABEL = "sensitive-"


def written(folder, event_week=None) -> str:
    """The study's tables and the configuration, on disk; persons are sensitive-p0, ...

    With `event_week` one of them dies then.
    """
    persons, visits, events = joint_study.tables(n=24)
    if event_week is not None:
        events.loc[13, ["week", "event"]] = event_week, "death"
        visits = visits[(visits["person"] != "p13") | (visits["week"] <= event_week)]
    for name, table in (("persons", persons), ("visits", visits), ("events", events)):
        table.assign(person=LABEL + table["person"]).to_csv(folder / f"{name}.csv", index=False)
    (folder / "joint.toml").write_text(CONFIG)
    return str(folder / "joint.toml")


def drawn(pm_model, settings, chain_dir, *, compiled, on_phase) -> xr.DataTree:
    """Draws about a point, as `sample` returns them."""
    free = joint_study.draws_of(pm_model, number=settings.draws, jitter=0.05)
    free = free.assign_coords(chain=np.arange(2), draw=np.arange(settings.draws))
    rng = np.random.default_rng(0)
    shape = (2, settings.draws)
    statistics = {"diverging": np.zeros(shape, bool), "energy": rng.normal(size=shape)}
    tree = xr.DataTree.from_dict(
        {
            "posterior": with_descriptions(pm_model, free.merge(deterministics(pm_model, free))),
            "sample_stats": xr.Dataset({name: (("chain", "draw"), v) for name, v in statistics.items()}),
        }
    )
    tree.attrs = {
        "seed": str(settings.seed), "free_variables": json.dumps(list(free.data_vars)),
        "settings": json.dumps(settings.model_dump() | {"ran": {}}), "seconds": json.dumps({"compile": 0, "sample": 0}),
    }  # fmt: skip
    return tree


def check(folder) -> None:
    """Everything that only a model with events archives is in the posterior, and no label of a person."""
    tree = load(folder / "posterior.nc")
    for group in ("event_curves", "event_data", "dynamic_prediction"):
        variables = EVENT_GROUPS[group]
        assert set(variables) == set(tree[group].data_vars), group
        for name, variable in variables.items():
            own = tuple(d for d in tree[group][name].dims if d not in ("chain", "draw"))
            assert own == variable.dims, name
    assert tree["log_likelihood"]["follow_up"].dims == ("chain", "draw", "person")
    assert {"observed_summary", "predictive_summary", "random_effects"} <= set(tree.children)
    assert "_person_z" not in tree["posterior"]
    assert (folder / "report.html").exists()
    assert files_with_labels(folder) == []


def files_with_labels(folder) -> list[str]:
    """Files of a run folder that hold a person's label; strings of the posterior as xarray reads them too."""
    found = [str(path) for path in folder.rglob("*") if path.is_file() and LABEL.encode() in path.read_bytes()]
    if (folder / "posterior.nc").exists():
        for group in load(folder / "posterior.nc").subtree:
            texts = [v for v in group.dataset.variables.values() if v.dtype.kind in "OU"]
            found += [group.path for v in texts if any(LABEL in str(cell) for cell in v.to_numpy().ravel())]
    return found


def test_a_configuration_with_events_leaves_every_group_and_a_report(tmp_path, monkeypatch):
    monkeypatch.setattr(fitted, "sample", drawn)
    result = run(written(tmp_path), tmp_path / "runs", tell=lambda _: None)
    check(result.folder)


def test_an_exit_that_the_model_refuses_is_named_before_there_is_a_run_folder(tmp_path):
    """A death at week 0 passes the tables' checks and stops `build`."""
    with pytest.raises(BadInput, match=r"events.csv, row 15 \(person sensitive-p13, week 0\): expected death after"):
        run(written(tmp_path, event_week=0.0), tmp_path / "runs", tell=lambda _: None)
    assert not (tmp_path / "runs").exists()


def test_a_foreign_error_that_names_a_person_is_told_on_the_terminal_only(tmp_path, monkeypatch):
    def stumbles(*given, **more):
        raise KeyError(f"{LABEL}p3")

    monkeypatch.setattr(fitted, "sample", stumbles)
    with pytest.raises(BayesmodelsError, match="sensitive-p3"):
        run(written(tmp_path), tmp_path / "runs", tell=lambda _: None)
    (folder,) = (tmp_path / "runs").iterdir()
    assert "KeyError: (names a person: not kept)" in (folder / "log.txt").read_text()
    assert files_with_labels(folder) == []


@pytest.mark.parametrize("of", ["", 'of = ["death", "ventilation"]\n'])
def test_rank_analyses_take_the_models_terminal_events_by_default(tmp_path, of):
    """Also where nobody had one of a composite's events: naming it would be refused."""
    path = Path(written(tmp_path))
    asked = CONFIG.replace('name = "death"\n', f'name = "death"\n{of}') + '[rank]\noutcome = "score"\nweek = 52\n'
    path.write_text(asked)
    assert read_config(path).analyses[0].terminal is None
    found = ranks_of(path)
    path.write_text(asked + 'terminal = ["death"]\n')
    assert found.sentence() == ranks_of(path).sentence()
    path.write_text(asked + "terminal = []\n")
    assert found.sentence() != ranks_of(path).sentence()


def ranks_of(path):
    """Rank analyses of the data that a configuration asks for."""
    config = read_config(path)
    (ranks,) = [each for each in config.analyses if isinstance(each, Ranks)]
    return ranks.observed(config.model, config.read())


@pytest.mark.slow
def test_the_same_with_the_sampler(tmp_path):
    result = run(written(tmp_path), tmp_path / "runs", tell=lambda _: None)
    check(result.folder)
