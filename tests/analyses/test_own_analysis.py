"""An analysis of one's own, here and nowhere else: given in Python or in a configuration, it makes the same group."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from pydantic import BaseModel, ConfigDict
from test_run import write_trial
from toy_model import Toy, study

from bayesmodels import NutsSettings, fit, load, read_config
from bayesmodels.errors import BadConfig, BadInput, BayesmodelsError
from bayesmodels.run.check import checked
from bayesmodels.run.config import config_hash, own_code_of
from bayesmodels.run.job import run

SETTINGS = NutsSettings(draws=20, tune=50, chains=2, cores=1, seed=3, progress=False)


class NextLevel(BaseModel):
    """Interval of the level of a next trial, whose own level differs by `spread`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    groups: ClassVar[tuple[str, ...]] = ("next_level",)

    spread: float
    interval: float = 0.95

    def problems(self, model, data):
        return [] if self.spread > 0 else [f"spread: expected more than 0, got {self.spread:g}"]

    def compute(self, fit):
        rng = np.random.default_rng(fit.seed("next_level"))
        level = fit.posterior["posterior"]["population_level"].to_numpy()
        drawn = level + self.spread * rng.standard_normal(level.shape)
        limits = np.quantile(drawn, [(1 - self.interval) / 2, (1 + self.interval) / 2])
        return {"next_level": xr.Dataset({"drawn": (("chain", "draw"), drawn[:, :, 0, 0]), "limits": ("end", limits)})}


ASKED = f'\n[[analyses]]\ntype = "{__name__}:NextLevel"\nspread = 2\n'


def configured(place, asked=ASKED):
    path = write_trial(place, draws=20)
    path.write_text(path.read_text().replace("tune = 200", "tune = 50").replace("chains = 3", "chains = 2") + asked)
    return path


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The posterior of Python, with the analysis as a value; and of a configuration, which names its class."""
    ours = fit(Toy(), study(), SETTINGS, analyses=(NextLevel(spread=2),))
    result = run(configured(tmp_path_factory.mktemp("own")), tmp_path_factory.mktemp("runs"), tell=str)
    return ours, load(result.folder / "posterior.nc")


def test_the_group_is_in_the_posterior_by_either_door(both):
    ours, other = both
    xr.testing.assert_identical(ours["next_level"].to_dataset(), other["next_level"].to_dataset())
    for group in ("posterior", "prior", "log_likelihood"):
        xr.testing.assert_identical(ours[group].to_dataset(), other[group].to_dataset())


def test_it_has_a_random_stream_of_its_own_and_changes_no_other(both):
    from zlib import crc32

    ours, _ = both
    without = fit(Toy(), study(), SETTINGS)
    assert "next_level" not in without.children
    xr.testing.assert_identical(ours["prior"].to_dataset(), without["prior"].to_dataset())
    state = np.random.SeedSequence(3, spawn_key=(crc32(b"next_level"),)).generate_state(1)[0]
    noise = np.random.default_rng(int(state)).standard_normal((2, 20))
    level = ours["posterior"]["population_level"].to_numpy()[:, :, 0, 0]
    np.testing.assert_allclose(ours["next_level"]["drawn"], level + 2 * noise)


def test_its_problems_are_told_before_anything_is_sampled(tmp_path):
    line = "NextLevel spread: expected more than 0, got -1"
    with pytest.raises(BadInput) as caught:
        fit(Toy(), study(), SETTINGS, analyses=[NextLevel(spread=-1)], on_phase=_no_sampling)
    assert caught.value.problems == (line,)
    path = configured(tmp_path, ASKED.replace("spread = 2", "spread = -1"))
    assert checked(path)[0] == [f"trial.toml: {line}"]
    with pytest.raises(BadInput):
        run(path, tmp_path / "runs", tell=str)
    assert not (tmp_path / "runs").exists()


def test_two_analyses_of_the_same_group_are_refused_before_a_folder_is_made(tmp_path):
    path = configured(tmp_path, ASKED + ASKED)
    line = "analyses: expected a group to be made once, found 'next_level' made by NextLevel and NextLevel"
    assert checked(path)[0] == [line]
    with pytest.raises(BadInput):
        run(path, tmp_path / "runs", tell=str)
    assert not (tmp_path / "runs").exists()
    assert own_code_of(path) == ["toy_model:Toy", f"{__name__}:NextLevel"]


def _no_sampling(phase):
    assert phase == "build"


def test_the_reports_interval_is_its_own_where_the_file_gives_none(tmp_path):
    (asked,) = read_config(configured(tmp_path, ASKED + "[report]\ninterval = 0.8\n")).analyses
    assert asked == NextLevel(spread=2, interval=0.8)
    (asked,) = read_config(configured(tmp_path, ASKED + "interval = 0.5\n[report]\ninterval = 0.8\n")).analyses
    assert asked.interval == 0.5


def test_what_is_asked_changes_the_runs_hash(tmp_path):
    hashes = [
        config_hash(read_config(configured(tmp_path, asked)), ["abc"])
        for asked in ("", ASKED, ASKED.replace("spread = 2", "spread = 3"))
    ]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("[[analyses]]\nspread = 2\n", "[analyses] no. 1, type: unknown analysis None; known: leave_one_out, "),
        (ASKED + "spreat = 2\n", "[analyses] no. 1, spreat: unknown key; did you mean 'spread'?"),
        (ASKED.replace("spread = 2", "spread = 'wide'"), "[analyses] no. 1, spread: input should be a valid number"),
        (ASKED.replace("NextLevel", "Next"), f"[analyses] no. 1, type: analysis '{__name__}:Next' cannot be imported"),
        (ASKED.replace(f"{__name__}:NextLevel", "toy_model:Toy"), "[analyses] no. 1, type: analysis 'toy_model:Toy' is "
         "not a pydantic model with a method compute"),
        ("[analyses]\ntype = 'rank'\n", "analyses: expected a list"),
    ],
)  # fmt: skip
def test_what_the_file_gets_wrong(tmp_path, asked, line):
    with pytest.raises(BadConfig) as caught:
        read_config(configured(tmp_path, asked))
    assert any(problem.startswith(f"trial.toml: {line}") for problem in caught.value.problems), caught.value.problems


class Careless(NextLevel):
    groups: ClassVar[tuple[str, ...]] = ("another",)


def test_a_group_that_it_does_not_name_is_an_error_and_a_group_of_another_is_refused():
    with pytest.raises(BayesmodelsError, match=r"Careless: expected groups among its own \(another\), got next_level"):
        fit(Toy(), study(), SETTINGS, analyses=(Careless(spread=1),))
    with pytest.raises(BadInput, match="expected a group to be made once, found 'next_level' made by NextLevel and"):
        fit(Toy(), study(), SETTINGS, analyses=(NextLevel(spread=1), NextLevel(spread=2)))


class Failing(NextLevel):
    broken: ClassVar[bool] = True

    def compute(self, fit):
        if self.broken:
            raise ZeroDivisionError("of its own")
        return super().compute(fit)


def test_chains_outlive_an_analysis_that_fails_and_a_run_goes_on_from_them(both, tmp_path, monkeypatch):
    path, out, phases = configured(tmp_path, ASKED.replace("NextLevel", "Failing")), tmp_path / "runs", []
    with pytest.raises(BayesmodelsError, match="ZeroDivisionError: of its own"):
        run(path, out, tell=str)
    monkeypatch.setattr(Failing, "broken", False)
    result = run(path, out, resume=True, tell=phases.append)
    assert "build" in phases
    assert not any(phase.startswith(("sample", "compile")) for phase in phases)
    tree = load(result.folder / "posterior.nc")
    for group in ("posterior", "next_level"):
        xr.testing.assert_identical(tree[group].to_dataset(), both[1][group].to_dataset())


def test_an_analysis_that_fails_in_python_says_how_the_chains_are_kept(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        fit(Toy(), study(), SETTINGS, analyses=(Failing(spread=2),))
    assert caught.value.__notes__ == [
        "Failing failed after sampling; with fit(..., chain_dir=FOLDER) the chains are kept for the next call"
    ]
    with pytest.raises(ZeroDivisionError) as caught:
        fit(Toy(), study(), SETTINGS, analyses=(Failing(spread=2),), chain_dir=tmp_path / "chains")
    assert caught.value.__notes__ == [f"Failing failed after sampling; the chains are kept in {tmp_path / 'chains'}"]


@pytest.mark.parametrize("group", ["posterior", "predictive_summary", "trial_terms"])
def test_a_group_that_the_fit_itself_makes_is_refused(group):
    class Replacing(NextLevel):
        groups: ClassVar[tuple[str, ...]] = (group,)

    with pytest.raises(BadInput, match=f"found '{group}' made by the fit itself and Replacing"):
        fit(Toy(), study(), SETTINGS, analyses=(Replacing(spread=1),), on_phase=_no_sampling)
