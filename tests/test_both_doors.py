"""One configuration, two doors: the command line and `fit(c.model, c.read(), c.settings, c.analyses)` agree."""

from __future__ import annotations

import json

import pytest
import xarray as xr
from small_trials import eight_frame
from test_run_analyses import ASKED, CONFIG, prior_instead, written

from bayesmodels import LongitudinalModel, fit, fitted, load, read_config, replaced
from bayesmodels.analyses import leave_one_out
from bayesmodels.analyses.ranks import analysis
from bayesmodels.errors import BadConfig
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.run.job import run
from bayesmodels.study import Study

OF_THE_RUN = {"seconds", "run", "versions", "contents_sha256"}

TRIALS = """
[data]
table = "trials.csv"
surrogate_good = "down"
outcome_good = "up"

[model]
type = "trial_level"
surrogate_scale = 0.5
outcome_scale = 0.5

[sampling]
draws = 60
tune = 150
chains = 2
cores = 1
seed = 9
"""


def built(patch, cls):
    """Kinds of data that models of a class are built on, from now on."""
    kinds: list[type] = []
    own = cls.build
    patch.setattr(cls, "build", lambda self, data: (kinds.append(type(data)), own(self, data))[1])
    return kinds


def both_posteriors(config):
    """Posterior of the command line's job, and of Python, each as a tree of datasets."""
    result = run(config, config.parent / "runs", tell=str)
    given = read_config(config)
    return load(result.folder / "posterior.nc"), fit(given.model, given.read(), given.settings, given.analyses)


@pytest.fixture(scope="module")
def persons(tmp_path_factory):
    """Both posteriors of a study with every section of a configuration that is an analysis; and what was built."""
    config = written(tmp_path_factory.mktemp("doors"), f"{CONFIG}{ASKED}\n[archive]\npersons = true\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitted, "sample", prior_instead)
        for limit in ("IMPUTATIONS", "REPLICATES"):
            patch.setattr(analysis, limit, 8)
        kinds = built(patch, LongitudinalModel)
        return *both_posteriors(config), kinds


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """Both posteriors of a table of trials, its refits short."""
    place = tmp_path_factory.mktemp("trials")
    eight_frame().to_csv(place / "trials.csv", index=False)
    (place / "trial.toml").write_text(TRIALS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leave_one_out, "REFIT", replaced(leave_one_out.REFIT, {"draws": 40, "tune": 60}))
        kinds = built(patch, TrialLevelModel)
        return *both_posteriors(place / "trial.toml"), kinds


@pytest.mark.parametrize(
    ("which", "groups"),
    [
        ("persons", {"dropout_sensitivity", "rank_analyses", "visit_rows", "random_effects", "observed_summary"}),
        ("trials", {"leave_one_out", "trial_terms", "predictive_summary", "sample_stats"}),
    ],
)
def test_every_group_and_attribute_is_the_same(request, which, groups):
    ours, other, _ = request.getfixturevalue(which)
    assert set(ours.children) == set(other.children) >= groups
    for name in ours.children:
        xr.testing.assert_identical(ours[name].to_dataset(), other[name].to_dataset())
    for name in (set(ours.attrs) | set(other.attrs)) - OF_THE_RUN - {"contents"}:
        assert ours.attrs[name] == other.attrs[name], name


def test_a_run_builds_its_model_once(persons, trials):
    assert persons[2].count(Study) == 2  # once by the command line, once by Python
    assert len(trials[2]) == 2


def test_labels_that_the_analyses_take_are_warned_of_by_either_door(persons):
    ours, other, _ = persons
    (line,) = [line for line in json.loads(other.attrs["warnings"]) if "the model has no events" in line]
    assert '[dropout] takes by name "death"' in line
    assert '[rank] takes by name "death" and "withdrawal" for censoring' in line
    assert json.loads(ours.attrs["warnings"]) == json.loads(other.attrs["warnings"])


def test_leaving_one_out_can_be_turned_off_and_is_of_a_trial_level_only(tmp_path):
    def asked(text):
        (tmp_path / "trial.toml").write_text(text, encoding="utf-8")
        return read_config(tmp_path / "trial.toml").analyses

    needed = "[report]\ntrials_needed = true\n"
    assert asked(TRIALS) == (leave_one_out.LeaveOneOut(),)
    assert asked(TRIALS + needed) == (leave_one_out.LeaveOneOut(trials_needed=True),)
    assert asked(TRIALS + needed + "[leave_one_out]\ntrials_needed = false\n") == (leave_one_out.LeaveOneOut(),)
    assert asked(TRIALS + "[leave_one_out]\non = false\n") == ()
    assert asked(CONFIG) == ()
    for text, line in (
        (TRIALS + "[leave_one_out]\noff = true\n", "[leave_one_out] off: unknown key; known keys: trials_needed, on"),
        (
            TRIALS + needed + "[leave_one_out]\non = false\n",
            "[report] trials_needed: expected refits without each programme with it, found [leave_one_out] on = false",
        ),
        (TRIALS + "[leave_one_out]\non = 3\n", "[leave_one_out] on: input should be a valid boolean"),
        (CONFIG + "[leave_one_out]\n", '[leave_one_out]: expected a model of type "trial_level" with it; else delete'),
    ):
        with pytest.raises(BadConfig) as caught:
            asked(text)
        assert caught.value.problems[0].startswith(f"trial.toml: {line}")
