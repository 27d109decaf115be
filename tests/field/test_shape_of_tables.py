"""Tables as people have them: implausible values, text covariates, one column a visit, dates in place of weeks."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from bayesmodels.cli import app
from bayesmodels.run.check import checked
from bayesmodels.study import read_study

HERE = Path(__file__).parent


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def tables(case):
    return {name: pd.read_csv(HERE / case / f"{name}.csv", dtype={"person": str}) for name in ("persons", "visits")}


def followed(call, case, place):
    """The case with a pandas call carried out, as files."""
    named = {"pd": pd, **tables(case)}
    exec(call, named)
    for name in ("persons", "visits"):
        named[name].to_csv(place / f"{name}.csv", index=False)
    return place


def test_a_missing_value_code_is_a_warning_and_exits_0():
    done = invoke("check", HERE / "sentinel-99" / "t.toml")
    assert done.exit_code == 0
    assert done.stdout.strip().endswith("no problems found, 1 warning")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "warning: visits.csv: albumin is -99 in 2 rows (9, 33), 205 typical spreads from the typical level 3.5 g/dL"
    )
    assert "a missing-value code?" in line
    content = json.loads(invoke("check", HERE / "sentinel-99" / "t.toml", "--json").stdout)
    assert list(content) == ["source", "problems", "warnings"]
    assert content["problems"] == []
    assert f"warning: {content['warnings'][0]}" == line
    assert invoke("check", HERE / "sentinel-99", "--quiet").stderr == ""


def test_a_folder_without_a_configuration_is_warned_too(tmp_path):
    problems, warnings = checked(HERE / "sentinel-99")
    assert problems == []
    assert "albumin is -99 in 2 rows (9, 33)" in warnings[0]
    followed('visits = visits[visits["value"] != -99]', "sentinel-99", tmp_path)
    assert checked(tmp_path) == ([], [])


def test_a_text_covariate_is_one_line_whose_call_is_right(tmp_path):
    (line,), _ = checked(HERE / "text-covariate" / "t.toml")
    assert line.startswith('persons.csv: covariate sex is text: "F" (12), "M" (12); code it as 0 and 1')
    call = line.split("with pandas ")[1].split(", and name")[0]
    followed(call, "text-covariate", tmp_path)
    config = (HERE / "text-covariate" / "t.toml").read_text().replace('level=["sex"]', 'level=["sex_M"]')
    (tmp_path / "t.toml").write_text(config)
    assert checked(tmp_path / "t.toml") == ([], [])


@pytest.mark.parametrize("case", ["wide-format", "iso-dates"])
def test_the_call_that_is_advised_makes_the_study_readable(case, tmp_path):
    problems, warnings = checked(HERE / case)
    (line,) = problems
    assert warnings == []
    assert "delete" not in line
    if case == "wide-format":
        followed(line.split("where visits is this table: ")[1], case, tmp_path)
    else:
        assert "(date - date of randomisation) / 7" in line
        call = line.split("with pandas ")[1].split(", where persons")[0]
        followed(f'persons["randomised"] = "2021-03-01"\n{call}', case, tmp_path)
    assert checked(tmp_path) == ([], [])
    made = read_study(tmp_path, reference_group="placebo")
    assert sorted(made.visits["week"].unique()) == [0, 4, 8, 12, 24]
    assert len(made.visits) == 120
    assert made.outcomes == ("alsfrs_r",)
