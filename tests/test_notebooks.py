"""Notebooks and examples hold what they promise; the notebooks themselves run under `make notebooks`."""

from pathlib import Path

import nbformat
import pytest

from bayesmodels.run.check import checked
from bayesmodels.run.config import read_config

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXAMPLES = ROOT / "data" / "examples"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert len(cells) > 5
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_the_example_is_small_and_says_that_it_is_simulated():
    assert sum(path.stat().st_size for path in EXAMPLES.rglob("*") if path.is_file()) < 200_000
    assert "Simulated, not data" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert "SIMULATED" in (EXAMPLES / "trial.toml").read_text(encoding="utf-8")


def test_the_example_study_is_what_its_readme_says():
    study = read_config(EXAMPLES / "trial.toml").read()
    assert study.persons.groupby("start_group").size().to_dict() == {"early": 36, "delayed": 18}
    assert study.persons["person"].str.startswith("sim-").all()
    assert study.outcomes == ("nfl_plasma", "alsfrs_r")
    assert study.controlled_week == 30


def test_the_example_lets_surrogate_and_outcome_go_together_and_is_told_where_it_does_not(tmp_path):
    text = (
        (EXAMPLES / "trial.toml")
        .read_text(encoding="utf-8")
        .replace('"simulated-trial/', f'"{EXAMPLES.as_posix()}/simulated-trial/')
    )
    config = tmp_path / "trial.toml"
    told = "random walks of nfl_plasma and alsfrs_r as independent"
    for line in ("walk_correlation = 1.0", ""):
        config.write_text(text.replace("walk_correlation = 1.0", line), encoding="utf-8")
        problems, warnings = checked(config)
        assert problems == []
        assert [told in warning for warning in warnings].count(True) == (line == "")


def test_the_example_has_no_problems():
    assert checked(EXAMPLES / "simulated-trial")[0] == []
