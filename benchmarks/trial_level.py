"""Time from a table of trials to the finished trial-level report: `bayesmodels trial-level` with empty and full caches.

python benchmarks/trial_level.py [--trials 20] [--draws 1000 --tune 1000 --chains 4]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bayesmodels.simulation import COLLECTIONS, simulate_effects


def timed(command: list[str], caches: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a command in its own process, imports included."""
    env = os.environ | {"NUMBA_CACHE_DIR": f"{caches}/numba", "PYTENSOR_FLAGS": f"base_compiledir={caches}/pytensor"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):  # 3: files written, not converged
        raise SystemExit(done.stderr)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    for name, default in (("draws", 1000), ("tune", 1000), ("chains", 4), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    title = f"Trial table to report; {given.chains} x ({given.tune} + {given.draws}); seconds"
    table = Table("table", "caches", "wall", "CPU", title=title)
    sampling = [p for name in ("draws", "tune", "chains", "seed") for p in (f"--{name}", str(getattr(given, name)))]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        frame = simulate_effects(COLLECTIONS["ordinary"], given.trials, seed=given.seed)
        frame.filter(regex="^(?!true_)").to_csv(here / "trials.csv", index=False)
        directions = ["--surrogate-good", "down", "--outcome-good", "up"]
        scales = ["--surrogate-scale", "0.3", "--outcome-scale", "0.25"]
        tables = {f"{given.trials} simulated trials": [str(here / "trials.csv"), *scales, *directions], "als": ["als"]}
        for label, what in tables.items():
            caches = here / f"caches {label}"
            for state in ("cold", "warm"):
                command = [sys.executable, "-m", "bayesmodels.cli", "trial-level", *what, *sampling]
                wall, cpu = timed([*command, "--out", str(here / f"{label} {state}")], caches)
                table.add_row(label, state, f"{wall:.1f}", f"{cpu:.1f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
