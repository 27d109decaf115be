"""Ours beside peers: the same data and the same model, worst bulk ESS per CPU second, everything counted.

    python benchmarks/peers.py [--draws 1000 --tune 1000 --chains 4 --cores 2 --seed 1] [--out rows.json]

Two linear courses with correlated random levels and rates, of 108 simulated persons with ten visits and, where the
table is there, of pbcseq. Ours and the textbook non-centred model on nutpie have the same priors; each is run twice,
with empty caches and with those that the first left. The R packages run where `Rscript` finds them, with their own
priors, and are left out with a reason otherwise. ESS: of population parameters and of the random effects' covariances.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cold_and_warm import HERE, measured
from fit_once import add_sampling
from forms import PBCSEQ, linear_table, pbcseq_table

INSTALL = {
    "rstanarm": 'install.packages(c("rstanarm", "posterior"))',
    "JMbayes2": 'install.packages(c("JMbayes2", "posterior"))',
    "INLAjoint": 'install.packages(c("INLAjoint", "posterior")); install.packages("INLA", '
    'repos = c(getOption("repos"), INLA = "https://inla.r-inla-download.org/R/stable"))',
}
"""What to type in R for each peer."""
NOT_INSTALLED = 3
"""Exit status of `peers.R` without the package."""


def ours_and_textbook(data: str, options: list[str]) -> list[dict[str, Any]]:
    """Both forms, cold and warm."""
    rows = []
    for label, form in (("ours", "collapsed"), ("textbook non-centred, nutpie", "textbook")):
        with tempfile.TemporaryDirectory() as caches:
            for state in ("cold", "warm"):
                found = measured(f"{data} {form}", options, caches)
                rows.append(
                    row(data, label, state, found["total"], found["ess"], found["worst"])
                    | {"sampling_cpu_s": found["seconds"]["sample"], "rhat": found["rhat"], "wall_s": found["wall"]}
                )
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def row(data: str, peer: str, caches: str, cpu: float, ess: float | None, worst: str) -> dict[str, Any]:
    """A row of the table."""
    each = None if ess is None else ess / cpu
    return {"data": data, "peer": peer, "caches": caches, "cpu_s": cpu, "ess": ess, "worst": worst, "ess_a_cpu_s": each}


def skipped(data: str, peer: str, why: str) -> dict[str, Any]:
    """A row that says why there is none."""
    return row(data, peer, "", float("nan"), None, "") | {"cpu_s": None, "skipped": why}


def in_r(data: str, peer: str, table: Callable[[], Any], sampling: dict[str, int]) -> dict[str, Any]:
    """An R package in a process of its own, or why not."""
    program = shutil.which("Rscript")
    if program is None:
        return skipped(
            data, peer, f"no Rscript on the path; install R (https://cran.r-project.org), then {INSTALL[peer]}"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        table().to_csv(file, index=False)
        numbers = [str(sampling[name]) for name in ("draws", "tune", "chains", "cores", "seed")]
        done = subprocess.run(
            [program, str(HERE / "peers.R"), peer, str(file), *numbers], capture_output=True, text=True, check=False
        )
    if done.returncode == NOT_INSTALLED:
        return skipped(data, peer, f"R has no {peer} or posterior: {INSTALL[peer]}")
    if done.returncode:
        return skipped(data, peer, f"it stopped: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    name = f"{peer} {found['version']}"
    return row(data, name, "", found["total"], found["ess"], found["worst"])


def main() -> None:
    """See the module."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sampling(parser)
    parser.add_argument("--out", type=Path)
    given = vars(parser.parse_args())
    out = given.pop("out")
    options = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    rows: list[dict[str, Any]] = []
    for data, table in {"linear": linear_table, "pbcseq": pbcseq_table}.items():
        if data == "pbcseq" and not PBCSEQ.exists():
            rows.append(skipped(data, "all", f"{PBCSEQ.name} of the R package survival is not there"))
            continue
        rows += ours_and_textbook(data, options)
        rows += [in_r(data, peer, table, given) for peer in INSTALL]
    shown = Table("data", "peer", "caches", "CPU s, all", "ESS", "worst", "ESS per CPU s, all", title="Peers")
    for each in rows:
        numbers = ["" if each[name] is None else f"{each[name]:.4g}" for name in ("cpu_s", "ess", "ess_a_cpu_s")]
        why = each.get("skipped")
        worst = f"skipped: {why}" if why else each["worst"]
        shown.add_row(each["data"], each["peer"], each["caches"], *numbers[:2], worst, numbers[2])
    Console(width=200).print(shown)
    if out:
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
