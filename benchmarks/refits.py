"""Refits per CPU hour: one compiled default model, fitted to one simulated trial after another.

    python benchmarks/refits.py [--fits 3] [--out rows.json]

Two settings of the package's own studies: 54 persons with one chain of 500 + 600 draws, 108 persons with two chains of
400 + 400. A refit is swapping the data, sampling, published variables and convergence; building and compiling are left
out, for they are done once.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

SIZES = {
    "54 persons, 1 x (500 + 600)": ((36, 18), {"chains": 1, "tune": 500, "draws": 600, "target_accept": 0.8}),
    "108 persons, 2 x (400 + 400)": ((72, 36), {"chains": 2, "tune": 400, "draws": 400, "target_accept": 0.8}),
}
"""Persons of both start groups, and settings."""


def measured(fits: int) -> list[dict[str, Any]]:
    """A row a size."""
    from bayesmodels import LongitudinalModel, NutsSettings
    from bayesmodels.fitting.refit import arrays_of, judged, refit_of, stacked
    from bayesmodels.simulation import published_truth, simulate_trial, valor_design
    from bayesmodels.study import Study

    model, refit, rows = LongitudinalModel(outcomes=("nfl_plasma", "alsfrs_r")), None, []
    for label, (persons, sampling) in SIZES.items():
        used, ess = [], []
        for seed in range(1, fits + 1):
            made = simulate_trial(valor_design(*persons), published_truth(), seed=seed)
            study = Study.from_frames(
                made.persons, made.visits, made.events, name="simulated", reference_group="delayed",
                controlled_week=28.0, curve_weeks=(0.0, 28.0, 52.0, 148.0),
            )  # fmt: skip
            refit = refit_of(model, study) if refit is None else refit
            arrays = arrays_of(model, study)
            began = time.process_time()
            tree = refit.sample(arrays, NutsSettings(seed=seed, cores=1, **sampling))
            found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
            ess.append(judged(tree, refit, found)["min_ess_bulk"])
            used.append(time.process_time() - began)
        mean = sum(used) / len(used)
        rows.append({"what": label, "fits": fits, "cpu_s": mean, "an_hour": 3600 / mean, "least_ess": min(ess)})
    return rows


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = measured(given.fits)
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
