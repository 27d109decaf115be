"""Run `fit_once.py` in fresh processes, first with empty caches and then with the caches it left, and print a table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fit_once import add_sampling
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent


def measured(form: str, options: list[str], caches: str) -> dict:
    """One fit in its own process, its compiled code kept under `caches`."""
    env = os.environ | {"NUMBA_CACHE_DIR": f"{caches}/numba", "PYTENSOR_FLAGS": f"base_compiledir={caches}/pytensor"}
    command = [sys.executable, str(HERE / "fit_once.py"), form, *options]
    done = subprocess.run(command, env=env, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(title: str, forms: dict[str, str]) -> None:
    """Print a table with two rows a form; `forms`: label to the name in `forms.FORMS`."""
    parser = argparse.ArgumentParser(description=title)
    add_sampling(parser)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sampling = {name: value for name, value in vars(given).items() if name != "out"}
    options = [part for name, value in sampling.items() for part in (f"--{name}", str(value))]
    rows = []
    table = Table(
        title=f"{title}; {given.chains} x ({given.tune} + {given.draws}) on {given.cores} cores; CPU seconds",
        caption="everything: imports, build, compile, sampling, published variables. ESS: worst rank-normalised bulk "
        "ESS over population parameters and correlations.",
    )
    columns = (
        "caches", "imports", "build", "compile", "sampling", "published", "everything", "ESS",
        "ESS per sampling s", "ESS per s, everything", "wall s to posterior", "divergences", "gradients",
    )  # fmt: skip
    table.add_column("form")
    for column in columns:
        table.add_column(column, justify="right")
    for label, form in forms.items():
        with tempfile.TemporaryDirectory() as caches:
            for state in ("cold", "warm"):
                rows.append({"form": label, "caches": state} | measured(form, options, caches))
                table.add_row(label, state, *cells(rows[-1]))
    Console(width=200).print(table)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def cells(found: dict) -> list[str]:
    """A row of the table."""
    seconds = [found["seconds"][name] for name in ("imports and data", "build", "compile", "sample")]
    return [
        *(f"{value:.1f}" for value in (*seconds, found["seconds"]["published variables"], found["total"])),
        f"{found['ess']:.0f} {found['worst']}",
        f"{found['ess'] / found['seconds']['sample']:.1f}",
        f"{found['ess'] / found['total']:.2f}",
        f"{found['wall']:.1f}",
        str(found["divergences"]),
        str(found["gradients"]),
    ]
