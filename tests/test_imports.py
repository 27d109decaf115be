"""What is imported when: nothing heavy for the package itself and for `--help`."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "pymc", "pytensor", "numba", "nutpie", "arviz", "arviz_base", "arviz_stats", "arviz_plots", "matplotlib", "pandas",
    "xarray", "pandera", "scipy", "jax",
)  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Heavy packages in `sys.modules` after running `code` in a fresh interpreter."""
    tail = f"\nimport sys\nprint('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(done.stdout.split("LOADED")[1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import bayesmodels",
        "import bayesmodels; dir(bayesmodels)",
        "import bayesmodels.errors, bayesmodels.vocabulary",
        "import bayesmodels.fitting, bayesmodels.study, bayesmodels.study.evidence, bayesmodels.statistics",
        "from bayesmodels.fitting import NutsSettings; NutsSettings()",
        "import bayesmodels.cli",
    ],
)
def test_nothing_heavy_is_imported(code):
    assert loaded_after(code) == set()


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["fit"],
        ["report"],
        ["simulate"],
        ["check"],
        ["demo"],
        ["trial-level"],
        ["person-level"],
        ["adam"],
        ["dossier"],
        ["design"],
    ],
)
def test_help_imports_nothing_heavy(command):
    code = f"""
import sys
from bayesmodels.cli import main
sys.argv = ['bayesmodels', *{command!r}, '--help']
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
"""
    assert loaded_after(code) == set()


def test_tables_are_checked_without_models_and_figures():
    example = Path(__file__).parents[1] / "data" / "examples" / "simulated-trial"
    code = f"import pathlib\nfrom bayesmodels.run.check import checked\nchecked(pathlib.Path({str(example)!r}))"
    assert not loaded_after(code) & {"pymc", "pytensor", "numba", "nutpie", "matplotlib", "scipy"}


def test_the_archive_works_without_pymc():
    assert not loaded_after("from bayesmodels import load, save, require") & {"pymc", "pytensor", "numba", "nutpie"}


def test_settings_of_a_report_come_without_pymc():
    assert not loaded_after("from bayesmodels import ReportSettings") & {"pymc", "pytensor", "numba", "nutpie"}
