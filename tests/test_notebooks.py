"""Notebooks, README and examples hold what they promise; the notebooks themselves run under `make notebooks`."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

from bayesmodels.cli import app
from bayesmodels.run.check import checked
from bayesmodels.run.config import read_config

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXAMPLES = ROOT / "data" / "examples"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Fenced blocks of the README."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


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


def test_the_example_has_no_problems():
    assert checked(EXAMPLES / "simulated-trial")[0] == []


def test_the_readme_names_files_that_are_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_uses_commands_that_exist():
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    used = re.findall(r"^bayesmodels ([\w-]+)", "\n".join(blocks("sh")), flags=re.M)
    assert set(used) == known


def test_the_readme_configuration_has_no_problems_with_tables_like_those_it_describes(tmp_path):
    (block,) = blocks("toml")
    path = tmp_path / "trial.toml"
    path.write_text(block, encoding="utf-8")
    for name in ("persons", "visits", "events"):
        table = (EXAMPLES / "simulated-trial" / f"{name}.csv").read_text(encoding="utf-8")
        (tmp_path / f"{name}.csv").write_text(table, encoding="utf-8")
    score = [line.split(",") for line in (tmp_path / "visits.csv").read_text().splitlines() if ",alsfrs_r," in line]
    with (tmp_path / "visits.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"{person},{week},albumin,{3 + float(value) / 48:.2f}\n" for person, week, _, value in score)
    assert checked(path)[0] == []
    config = read_config(path)
    assert [outcome.name for outcome in config.model.outcomes] == ["nfl_plasma", "alsfrs_r", "albumin"]
    assert config.sections.sampling.seed == tomllib.loads(block)["sampling"]["seed"]


def test_the_readme_imports_names_that_exist():
    imports = re.findall(r"^from (bayesmodels[\w.]*) import (.+)$", "\n".join(blocks("python")), flags=re.M)
    assert len(imports) > 3
    for module, names in imports:
        assert all(hasattr(import_module(module), name.strip()) for name in names.split(","))
