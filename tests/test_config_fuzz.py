"""Configurations spoilt at random: each is a valid one, or is refused in plain lines; never another exception."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from config_mutations import JOINT, MEANS, TRIALS, as_toml, spoilt

from bayesmodels.errors import BadInput
from bayesmodels.run.check import checked
from bayesmodels.run.config import Config, read_config

EXAMPLES = Path(__file__).parents[1] / "data" / "examples"
EXAMPLE = tomllib.loads((EXAMPLES / "trial.toml").read_text(encoding="utf-8"))
SOUND = (EXAMPLE, JOINT, MEANS, TRIALS)
LINE = 600  # characters of the longest line


def write(folder, config):
    path = folder / "trial.toml"
    path.write_text(as_toml(config), encoding="utf-8")
    return path


def attempt(path):
    """The configuration, or the lines for which it was refused."""
    try:
        return read_config(path), []
    except BadInput as error:
        return None, error.problems


def readable(lines):
    return all(line.isprintable() and 10 < len(line) < LINE and "Traceback" not in line for line in lines)


@pytest.mark.parametrize("config", SOUND, ids=["example", "joint", "means", "trials"])
def test_the_configurations_are_sound_before_they_are_spoilt(tmp_path, config):
    assert isinstance(read_config(write(tmp_path, config)), Config)


@pytest.mark.parametrize("seed", range(60))
def test_a_spoilt_configuration_is_read_or_refused_in_plain_lines(tmp_path, seed):
    config, lines = attempt(write(tmp_path, spoilt(SOUND[seed % 4], np.random.default_rng(seed))))
    assert isinstance(config, Config) is not bool(lines)
    assert readable(lines), lines


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_check_and_read_config_agree_on_a_spoilt_configuration(tmp_path, seed):
    (tmp_path / "simulated-trial").symlink_to(EXAMPLES / "simulated-trial")
    path = write(tmp_path, spoilt(SOUND[seed % 4], np.random.default_rng(seed)))
    config, lines = attempt(path)
    found = checked(path)[0]
    assert set(lines) <= set(found)
    assert readable(found), found
    if config is None:
        assert found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "trial.toml: not valid TOML: lists or tables are nested too deeply"),
        ("a = " + "9" * 5000, "trial.toml: not valid TOML: Exceeds the limit"),
        ("[[study]]\npersons = 'p.csv'", "trial.toml: study: expected a table of keys; got [{"),
        ("study = 3", "trial.toml: study: expected a table of keys; got 3"),
        ("[model]\ntype = ['longitudinal']", "trial.toml: [model] type: unknown model ['longitudinal']; did you mean"),
        ("[model]\ntype = {}", "trial.toml: [model] type: unknown model {}; known: joint_event"),
        ("[model]\ntype = 'longitudinal'\noutcomes = 3", "trial.toml: [model] outcomes: expected a list; got 3"),
        ("[model]\ntype = 'longitudinal'\noutcomes = [{preset = {}}]",
         "trial.toml: [model] outcomes, no. 1: unknown preset {}; known: nfl_plasma"),
        ("[model]\ntype = 'longitudinal'\noutcomes = [{preset = 'svc', name = 'a/b'}]",
         "trial.toml: [model] outcomes, no. 1, name: expected a name without '/'; rename it here and in the table"),
        ("[sampling]\ndraws = 9223372036854775807", "trial.toml: [sampling] draws: input should be less than or equal "
         "to 1000000; got 9223372036854775807"),
        ("[sampling]\nchains = 100000", "trial.toml: [sampling] chains: input should be less than or equal to 1000"),
        ("[sampling]\nchains = -1", "trial.toml: [sampling] chains: input should be greater than or equal to 1"),
        ("[sampling]\nmax_treedepth = 64", "trial.toml: [sampling] max_treedepth: input should be less than or equal"),
        ("[study]\ncurve_weeks = [0, nan]", "trial.toml: [study] curve_weeks, no. 2: expected a number of an ordinary "
         "size (to 1e+12, and no nearer to 0 than 1e-12), got nan"),
        ("[model]\ntype = 'trial_level'\nsurrogate_scale = 1e308",
         "trial.toml: [model] surrogate_scale: expected a number of an ordinary size"),
    ],
)  # fmt: skip
def test_each_kind_of_nonsense_has_its_line(tmp_path, text, line):
    path = tmp_path / "trial.toml"
    path.write_text(text, encoding="utf-8")
    for lines in (attempt(path)[1], checked(path)[0]):
        assert any(found.replace(f"{tmp_path}/", "").startswith(line) for found in lines), lines


def test_a_drug_that_is_never_started_is_an_ordinary_number(tmp_path):
    (tmp_path / "means.csv").write_text("", encoding="utf-8")
    own = {"table": "means.csv", "reference_group": "placebo", "drug_start_week": {"placebo": float("inf"), "drug": 0}}
    assert read_config(write(tmp_path, MEANS | {"data": own})).sections.data.drug_start_week["placebo"] == float("inf")


def test_a_part_that_is_refused_has_one_line(tmp_path):
    spoilt_part = {"type": "longitudinal", "outcomes": [{"preset": "alsfrs_r", "effect": {"type": "nowhere:Part"}}]}
    _, lines = attempt(write(tmp_path, EXAMPLE | {"model": spoilt_part}))
    assert [line for line in lines if "[model]" in line] == [
        "trial.toml: [model] outcomes, no. 1, effect: drug effect 'nowhere:Part' cannot be imported: No module named "
        "'nowhere'"
    ]
